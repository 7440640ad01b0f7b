"""SSAD: a one-class SVM that also learns from labelled rows (Görnitz et al. 2013)."""

import math
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from reprq.detectors.labelled import known_labels, note_copies
from reprq.detectors.rows.shallow import ShallowDetector, kernel_sums
from reprq.detectors.rows.ssad_dual import Problem, solve
from reprq.errors import InputError
from reprq.numerics.pairs import squared_distances
from reprq.numerics.rows import Matrix, Scores
from reprq.validation import as_matrix

_FAR = 1e100  # in root mean square deviations of X; squares of more overflow


class SSAD(ShallowDetector):
    """Semi-supervised anomaly detection with a Gaussian kernel: labelled rows a margin away from the boundary.

    minimize ||w||^2 / 2 - rho - kappa gamma + eta_u sum_i xi_i + eta_l sum_j xi_j over w, rho, gamma >= 0, xi >= 0,
    <w, phi(x_i)> >= rho - xi_i for rows without a label,
    y_j <w, phi(x_j)> >= y_j rho + gamma - xi_j for labelled ones, y_j = 1 for benign and -1 for anomalous rows.

    This is the convex form of Görnitz et al. (2013, JAIR 46), which is theirs where all phi(x) have one length, as with
    this kernel. The score is -<w, phi(x)>. Without labelled rows it is `OCSVM` of the same nu.

    Args:
        nu: Sets eta_u = 1 / (nu n), as in `OCSVM`.
        eta_u: Weight of errors on rows without a label, instead of nu. Ruff (2021) has kappa = eta_u = eta_l = 1, by
            which none of them may lie outside if there are few labels.
        eta_l: Weight of errors on labelled rows.
        kappa: Weight of the margin gamma; at most eta_l times the number of labelled rows.
        gamma: Kernel exp(-gamma |x - y|^2), in units of the scaled rows; None is 1 / d. Ruff chose it on test labels,
            from 2^-7 to 2^2.

    Attributes:
        labelled_: (m, d) the labelled rows, or None.
        known_: (m,) their labels, or None.

    Example:
        >>> rows, known = [[0.0], [1.0], [2.0]], [[3.0]]
        >>> plain, told = SSAD(gamma=1.0).fit(rows), SSAD(gamma=1.0).fit(rows, labelled=known)
        >>> [bool(np.diff(each.anomaly_score([[-0.5], [2.5]]))[0] > 0.01) for each in (plain, told)]
        [False, True]
    """

    uses: ClassVar[frozenset[str]] = frozenset({"labelled"})
    labelled_: Matrix | None
    known_: NDArray[np.int64] | None

    def __init__(
        self,
        nu: float = 0.1,
        *,
        eta_u: float | None = None,
        eta_l: float = 1.0,
        kappa: float = 1.0,
        gamma: float | None = None,
    ) -> None:
        self.nu = nu
        self.eta_u = eta_u
        self.eta_l = eta_l
        self.kappa = kappa
        self.gamma = gamma

    def check_parameters(self) -> None:
        """Raise an InputError unless nu is in (0, 1] and the others are positive."""
        if not 0.0 < self.nu <= 1.0:
            raise InputError(f"nu must be in (0, 1], got {self.nu!r}")
        for name in ("eta_u", "eta_l", "kappa", "gamma"):
            value = getattr(self, name)
            if value is not None and not 0.0 < value < math.inf:
                raise InputError(f"{name} must be positive, got {value!r}")

    def describe(self) -> str:
        """Return for example "ssad[nu=0.1]", with whatever is not at its default."""
        said = [f"nu={self.nu:g}" if self.eta_u is None else f"eta_u={self.eta_u:g}"]
        said += [f"{name}={getattr(self, name):g}" for name in ("eta_l", "kappa") if getattr(self, name) != 1.0]
        said += [] if self.gamma is None else [f"gamma={self.gamma:g}"]
        return f"ssad[{','.join(said)}]"

    def fit(self, X: Any, y: Any = None, *, labelled: Any = None, labels: Any = None) -> Self:
        """Learn rows without a label, most of them benign, and labelled ones.

        Args:
            X: (n, d) rows, as of every array detector.
            y: Ignored.
            labelled: (m, d) rows, none of them in `X`.
            labels: (m,) of `labelled`: 1 is anomalous, 0 benign; by default all are anomalous.

        Raises:
            InputError: As for every array detector; `labelled` is not as wide as `X`, or labels of another number or
                kind; or no weights satisfy the constraints.
        """
        self._given: tuple[Matrix, NDArray[np.int64]] | None = None
        if labelled is not None:
            rows = np.array(as_matrix(labelled, "labelled"), dtype=np.float64)
            self._given = rows, known_labels(labels, len(rows))
        elif labels is not None:
            raise InputError("labels are those of labelled rows, and none are given; give labelled too")
        super().fit(X, y)
        self.labelled_, self.known_ = self._given or (None, None)
        return self

    def besides(self) -> dict[str, Any]:
        """Return what `fit` was given besides the benign rows."""
        return {} if self.labelled_ is None else {"labelled": self.labelled_, "labels": self.known_}

    def _learn(self, rows: NDArray[np.float64]) -> None:
        n = len(rows)
        known = np.empty(0, dtype=np.int64)
        if self._given is not None:
            labelled, known = self._given
            if labelled.shape[1] != rows.shape[1]:
                raise InputError(
                    f"labelled must be as wide as X, got {labelled.shape[1]} and {rows.shape[1]} features; give such"
                )
            centred = (labelled - self.mean_) / self.scale_
            if np.abs(centred).max() > _FAR:
                raise InputError(
                    f"labelled must have values like those of X, got {np.abs(labelled).max():.3g}; rescale it"
                )
            note_copies("ssad", centred[known == 1], rows)
            rows = np.concatenate([rows, centred])
        self.gamma_ = 1.0 / rows.shape[1] if self.gamma is None else self.gamma
        upper = np.full(len(rows), float(self.eta_l))
        upper[:n] = 1.0 / (self.nu * n) if self.eta_u is None else self.eta_u

        def kernel(i: int) -> NDArray[np.float64]:
            return np.asarray(np.exp(-self.gamma_ * squared_distances(rows[i : i + 1], rows)[0]))

        kinds = np.concatenate([np.zeros(n, dtype=np.int64), 1 + known])
        weights = solve(Problem(kernel, kinds, upper, float(self.kappa) if len(known) else 0.0))
        self.support_, self.weights_ = rows[weights != 0], weights[weights != 0]

    def _anomaly(self, rows: NDArray[np.float64]) -> Scores:
        return -kernel_sums(rows, self.support_, self.weights_, self.gamma_)
