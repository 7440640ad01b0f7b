"""Calling rows anomalous at a false alarm rate: benign rows held out, beside detectors that have not seen them."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta
from sklearn.model_selection import KFold

from reprq.errors import InputError
from reprq.numerics.tensors import distinct, is_tensor

Scores = NDArray[np.float64]

FALSE_ALARM_RATE = 0.05
_FOLDS = 5
_BLOCK = 4096


class Judged(NamedTuple):
    """Scores of some rows, and how extreme they are among benign ones.

    Attributes:
        scores: (m,) higher is more anomalous.
        p_values: (m,) in (0, 1]; small is anomalous.
        of_first: (m,) what the detector of the first fold gave, to compare with its own held-out rows.
    """

    scores: Scores
    p_values: Scores
    of_first: Scores


@dataclass(frozen=True, eq=False)
class Calibration:
    """Scores of held-out benign rows, each given by a detector that has not seen the row or a copy of it.

    A new row is compared, fold by fold, with what the detector of that fold gave its own held-out rows: one fold is
    split conformal prediction, several are cross-conformal prediction (Vovk 2015; CV+ of Barber et al. 2021). Only the
    order of scores of one and the same detector counts, so neither units nor a rank that differs between folds matter.

    Args:
        folds: The detectors, each with the scores of its held-out rows.
        distinct: How many different rows were held out; copies of one count as one row together.
        wanted: The false alarm rate to keep to.
    """

    folds: tuple[tuple[Any, Scores], ...]
    distinct: int
    wanted: float = FALSE_ALARM_RATE

    @property
    def n(self) -> int:
        """Number of held-out rows."""
        return sum(len(held) for _, held in self.folds)

    @property
    def rate(self) -> float:
        """The false alarm rate of `threshold`: that wanted, or 1 / (distinct + 1) where that is more."""
        return max(self.wanted, 1.0 / (self.distinct + 1))

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the false alarm rate that these held-out rows achieve (Vovk 2012, proposition 2a).

        Given them, the rate of split conformal prediction is Beta(c + 1, n - c) distributed, c of n being over the
        threshold; several folds come near to it.
        """
        over, n = self.allowed, self.distinct
        over = math.floor(over * n / self.n)
        low, high = (float(beta.ppf(share, over + 1, n - over)) for share in (0.025, 0.975))
        return low, high

    @property
    def threshold(self) -> float:
        """The score over which `scores` calls a row anomalous."""
        return float(np.sort(np.concatenate([held for _, held in self.folds]))[-1 - self.allowed])

    def judge(self, X: Any) -> Judged:
        """Return both `scores` and `p_values`, for the time of one of them."""
        found = [np.asarray(detector.anomaly_score(X)) for detector, _ in self.folds]
        return Judged(self._scores(found), self._p_values(found), found[0])

    def scores(self, X: Any) -> Scores:
        """Score rows so that they are anomalous where the score is over `threshold`.

        Args:
            X: (m, d) rows, or what else the detectors take.

        Returns:
            (m,) higher is more anomalous. Of one fold, its detector's scores; of several, the threshold plus the least
            excess over the held-out rows, that of the most extreme of them left aside that the rate allows.
        """
        return self.judge(X).scores

    def p_values(self, X: Any) -> Scores:
        """Conformal p-values: (1 + distinct s) / (distinct + 1), s the share of held-out rows that score as high.

        Args:
            X: (m, d) rows, or what else the detectors take.

        Returns:
            (m,) in [1 / (distinct + 1), 1]; small is anomalous. Call rows anomalous where it is at most the rate of
            false alarms wanted.
        """
        return self.judge(X).p_values

    def _scores(self, by_fold: Sequence[Scores]) -> Scores:
        found = [(scores, held) for scores, (_, held) in zip(by_fold, self.folds, strict=True)]
        if len(found) == 1:
            return np.asarray(found[0][0])
        excess = np.empty(len(found[0][0]))
        for start in range(0, len(excess), _BLOCK):
            part = slice(start, start + _BLOCK)
            over = np.hstack([scores[part, None] - held for scores, held in found])
            excess[part] = np.partition(over, self.allowed, axis=1)[:, self.allowed]
        return self.threshold + excess

    def _p_values(self, by_fold: Sequence[Scores]) -> Scores:
        as_high: Any = 0
        for scores, (_, held) in zip(by_fold, self.folds, strict=True):
            as_high = as_high + len(held) - np.searchsorted(np.sort(held), scores, side="left")
        return np.asarray((1.0 + self.distinct * as_high / self.n) / (self.distinct + 1.0), dtype=np.float64)

    @property
    def allowed(self) -> int:
        """How many held-out rows may score as high as a row that is called anomalous."""
        share = (self.rate * (self.distinct + 1) - 1.0) / self.distinct
        return math.floor(self.n * share + 1e-9)


def folds(rows: NDArray[np.floating]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Yield the rows kept and the rows left out of each of five folds in a fixed random order, copies in one fold.

    Raises:
        InputError: fewer than two different rows.
    """
    groups = copies(rows)
    distinct = int(groups.max()) + 1
    if distinct < 2:
        raise InputError(f"X must have at least 2 different rows to leave some out, got 1 in {len(rows)}; fit on more")
    for _, left in KFold(min(_FOLDS, distinct), shuffle=True, random_state=0).split(np.arange(distinct)):
        out = np.isin(groups, left)
        yield np.flatnonzero(~out), np.flatnonzero(out)


def copies(rows: NDArray[np.floating]) -> NDArray[np.int64]:
    """Number rows so that equal rows have one number, counting in the order in which they first occur: (n,).

    Example:
        >>> copies(np.array([[2.0], [1.0], [2.0]])).tolist()
        [0, 1, 0]
    """
    if is_tensor(rows):
        _, first, group = np.unique(distinct(rows)[1], return_index=True, return_inverse=True)
    else:
        _, first, group = np.unique(rows + 0.0, axis=0, return_index=True, return_inverse=True)  # + 0.0: no -0.0
    number = np.empty(len(first), dtype=np.int64)
    number[np.argsort(first)] = np.arange(len(first))
    return np.asarray(number[group.ravel()])


def calibrate(detector: Any, rate: float = FALSE_ALARM_RATE) -> Calibration:
    """Hold benign rows of a fitted detector out of clones of it: one fold where that leaves rows enough, else five.

    Args:
        detector: A fitted detector of rows.
        rate: The false alarm rate to keep to. One fold is enough where it holds out twice as many different rows as
            the rate needs: then a standard deviation of about .7 of the rate is left.

    Raises:
        InputError: too few rows to hold some out.
    """
    rows, labels = detector.benign_, detector.labels_
    enough = math.ceil(2.0 / rate - 1.0 - 1e-9)
    used, left_out = [], []
    try:
        for kept, left in folds(rows):
            clone = type(detector)(**detector.get_params())
            clone.fit(rows[kept], None if labels is None else labels[kept], **detector.besides())
            used.append((clone, clone.anomaly_score(rows[left])))
            left_out.append(left)
            distinct = int(copies(rows[np.concatenate(left_out)]).max()) + 1
            if len(used) == 1 and distinct >= enough:
                break
    except InputError as error:
        raise InputError(
            f"threshold must be given, because {len(rows)} benign rows are too few to hold some out for one ({error})"
        ) from error
    return Calibration(tuple(used), distinct, rate)
