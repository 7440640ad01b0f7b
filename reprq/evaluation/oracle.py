"""Hyper-parameters chosen on test labels, as some papers do: an upper bound, and marked as one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reprq.conversion import to_numpy
from reprq.errors import InputError
from reprq.evaluation.roc import auroc
from reprq.validation import as_labels, as_matrix

SHARE = 0.1


@dataclass(frozen=True, eq=False)
class OracleChoice:
    """A detector whose hyper-parameters were chosen with labels that a one-class method does not have.

    Attributes:
        detector: The candidate that separated the held-out test rows best, fitted on the benign rows.
        held_out: (h,) the test rows that chose it.
        remaining: (m - h,) the other test rows: judge it on these.
        candidates: The identifier and held-out AUROC of every candidate, in the order they were given.
    """

    detector: Any
    held_out: NDArray[np.int64]
    remaining: NDArray[np.int64]
    candidates: tuple[tuple[str, float], ...]

    def describe(self) -> str:
        """Return the identifier with its mark, for example "ocsvm[nu=0.1,gamma=0.25,oracle]"."""
        return marked_oracle(str(self.detector.describe()))


def marked_oracle(identifier: str) -> str:
    """Return the identifier of a detector with the mark of what labels chose.

    Example:
        >>> marked_oracle("ocsvm[nu=0.1]"), marked_oracle("centroid")
        ('ocsvm[nu=0.1,oracle]', 'centroid[oracle]')
    """
    return f"{identifier[:-1]},oracle]" if identifier.endswith("]") else f"{identifier}[oracle]"


def oracle_search(
    candidates: Sequence[Any],
    benign: ArrayLike,
    test: ArrayLike,
    labels: ArrayLike,
    *,
    share: float = SHARE,
    seed: int = 0,
) -> OracleChoice:
    """Choose among detectors by AUROC on a labelled part of the test rows: the "small advantage" of Ruff (2021).

    A one-class method has no anomalies to choose with, so what comes out is an upper bound, not a result: whatever is
    reported of it must carry the mark of `OracleChoice.describe`. Ties go to the earlier candidate.

    Args:
        candidates: Unfitted detectors; each is fitted here. `reprq.detectors.oracle_grid` makes those of the thesis.
        benign: (n, d) rows to fit on.
        test: (m, d) rows of which a part chooses.
        labels: (m,) 1 is anomalous.
        share: The part of each class of test rows that chooses, in (0, 1); at least one row of each, never all.
        seed: Of the draw of that part.

    Raises:
        InputError: no candidate, a share outside (0, 1), arrays that do not fit, or fewer than two rows of a class.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> benign, rows = rng.normal(size=(50, 2)), rng.normal(size=(80, 2)) + np.repeat([[0], [3]], 40, axis=0)
        >>> from reprq.detectors import KNN
        >>> choice = oracle_search([KNN(1), KNN(5)], benign, rows, np.repeat([0, 1], 40))
        >>> choice.describe(), len(choice.held_out), len(choice.remaining)
        ('knn[k=1,kth,euclidean,oracle]', 8, 72)
    """
    rows = as_matrix(test, "test")
    truth = as_labels(labels, len(rows))
    if not candidates:
        raise InputError("candidates must name at least one detector, got none")
    held_out = hold_out(truth, share, seed)
    best, found = None, []
    for detector in candidates:
        value = auroc(truth[held_out], detector.fit(benign).anomaly_score(rows[held_out])).value
        if best is None or value > max(value for _, value in found):
            best = detector
        found.append((str(detector.describe()), value))
    remaining = np.setdiff1d(np.arange(len(rows)), held_out)
    return OracleChoice(best, held_out, remaining, tuple(found))


def hold_out(labels: ArrayLike, share: float = SHARE, seed: int = 0) -> NDArray[np.int64]:
    """Draw the test rows that an oracle chooses with: the same share of each class, at least one row, never all.

    Args:
        labels: (m,) 1 is anomalous.
        share: In (0, 1).
        seed: Of the draw.

    Raises:
        InputError: a share outside (0, 1), or fewer than two rows of a class.

    Example:
        >>> np.bincount(hold_out([0] * 30 + [1] * 10) >= 30).tolist()
        [3, 1]
    """
    given = to_numpy(labels, "labels")
    truth = as_labels(given, given.size)
    if not 0.0 < share < 1.0:
        raise InputError(f"share must be between 0 and 1, got {share!r}; Ruff holds out 0.1 of the test rows")
    rng = np.random.default_rng(seed)
    parts = []
    for label, word in ((0, "benign"), (1, "anomalous")):
        rows = rng.permutation(np.flatnonzero(truth == label))
        if len(rows) < 2:
            raise InputError(f"labels must hold two {word} rows, one to choose with and one to judge, got {len(rows)}")
        parts.append(rows[: min(max(1, round(share * len(rows))), len(rows) - 1)])
    return np.sort(np.concatenate(parts))
