"""The classic one-class methods on scikit-learn, after Ruff (2021), and no choice made on test labels.

Rows are centered and divided by one number, their root mean square deviation, in float64 first: the defaults then mean
the same for embeddings of any offset and scale, and no digits are lost to an offset. A cosine kernel takes them as they
are.
"""

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import ensemble, mixture, svm

from reprq.detectors.rows.base import ArrayDetector, check_choice, check_count
from reprq.errors import InputError
from reprq.numerics.pairs import squared_distances
from reprq.numerics.rows import Matrix, Scores, column_means, distinct_rows, score_in_blocks, unit_rows


class ShallowDetector(ArrayDetector):
    """A detector of centered and scaled rows; a subclass writes `_learn` and `_anomaly`.

    Attributes:
        mean_: (d,) mean of the benign rows.
        scale_: Root mean square deviation of all entries from `mean_`; 1 where all rows are equal.
    """

    min_rows = 2
    mean_: NDArray[np.float64]
    scale_: float

    def _fit(self, rows: Matrix, labels: NDArray[Any] | None) -> None:
        self.mean_ = column_means(rows)
        centred = rows - self.mean_
        largest = float(np.abs(centred).max()) or 1.0
        self.scale_ = largest * float(np.sqrt(np.mean((centred / largest) ** 2))) or 1.0
        self._learn(centred / self.scale_)

    def _score(self, rows: Matrix) -> Scores:
        centred: NDArray[np.float64] = (rows - self.mean_) / self.scale_
        return self._anomaly(centred)

    @abstractmethod
    def _learn(self, rows: NDArray[np.float64]) -> None: ...

    @abstractmethod
    def _anomaly(self, rows: NDArray[np.float64]) -> Scores: ...


class OCSVM(ShallowDetector):
    """One-class SVM (Schölkopf et al. 2001); with a Gaussian kernel it is SVDD (Tax & Duin 2004).

    The score is minus the kernel sum, weighted by the dual's solution whose weights add to 1: in [-1, 0] with a
    Gaussian kernel, where 0 is far from all benign rows, and in [-1, 1] with a cosine kernel, cos(x, y), which is a
    linear one of rows of length 1 and has no center or scale. There a zero row, such as the mean vector of a text of
    which no word is known, has cosine 0 with every row, as in scikit-learn's `normalize`.

    Args:
        nu: Upper bound on the share of benign rows left outside. Ruff (2021) tries 0.1 and 0.01 in Table 2.1; 0.01,
            0.05, 0.1, 0.2 and 0.5 beside Deep SAD; 0.05, 0.1, 0.2 and 0.5 with a cosine kernel on texts (Table 3.4);
            and, as SVDD, 0.01 to 0.2 in chapter 4.
        kernel: "gaussian" or "cosine".
        gamma: Kernel exp(-gamma |x - y|^2), in units of the scaled rows; None is 1 / d (scikit-learn's "scale"), a rule
            without labels. Ruff chose it on test labels, from 2^-10 to 2^-1 in Table 2.1 and from 2^-7 to 2^2 beside
            Deep SAD.

    Raises:
        InputError: from `fit`, of a cosine kernel where all rows are zero.

    Example:
        >>> scores = OCSVM(gamma=1.0).fit([[0.0], [1.0], [2.0]]).anomaly_score([[1.0], [9.0]])
        >>> bool(scores[0] < scores[1])
        True
        >>> OCSVM(0.5, kernel="cosine").fit([[3.0, 0.0], [9.0, 0.0]]).anomaly_score([[1.0, 0.0], [0.0, 2.0]])
        array([-1.,  0.])
    """

    def __init__(self, nu: float = 0.1, *, kernel: str = "gaussian", gamma: float | None = None) -> None:
        self.nu = nu
        self.kernel = kernel
        self.gamma = gamma

    def check_parameters(self) -> None:
        """Raise an InputError unless nu is in (0, 1], the kernel is known, and gamma is its, and positive, or None."""
        if not 0.0 < self.nu <= 1.0:
            raise InputError(f"nu must be in (0, 1], got {self.nu!r}")
        check_choice("kernel", self.kernel, ("gaussian", "cosine"))
        if self.gamma is not None and not self.gamma > 0.0:
            raise InputError(f"gamma must be positive, got {self.gamma!r}")
        if self.gamma is not None and self.kernel == "cosine":
            raise InputError(f"gamma is of a gaussian kernel, got {self.gamma!r} with kernel cosine; leave one out")

    def describe(self) -> str:
        """Return for example "ocsvm[nu=0.1]" or "ocsvm[nu=0.1,cosine]"."""
        more = ",cosine" if self.kernel == "cosine" else "" if self.gamma is None else f",gamma={self.gamma:g}"
        return f"ocsvm[nu={self.nu:g}{more}]"

    def _fit(self, rows: Matrix, labels: NDArray[Any] | None) -> None:
        if self.kernel == "gaussian":
            super()._fit(rows, labels)
            return
        self.mean_, self.scale_ = np.zeros(rows.shape[1]), 1.0
        if not rows.any():
            raise InputError("X must have a row that is not zero for a cosine kernel, got zeros alone; give others")
        self.model_ = svm.OneClassSVM(nu=self.nu, kernel="linear", tol=1e-6).fit(_directions(rows))
        weights = self.model_.dual_coef_[0]
        self.direction_: NDArray[np.float64] = weights @ self.model_.support_vectors_ / weights.sum()

    def _learn(self, rows: NDArray[np.float64]) -> None:
        self.gamma_ = 1.0 / rows.shape[1] if self.gamma is None else self.gamma
        self.model_ = svm.OneClassSVM(nu=self.nu, gamma=self.gamma_, tol=1e-6).fit(rows)

    def _anomaly(self, rows: NDArray[np.float64]) -> Scores:
        if self.kernel == "cosine":
            return score_in_blocks(_directions(rows), lambda block: 0.0 - block @ self.direction_)
        support, weights = self.model_.support_vectors_, self.model_.dual_coef_[0]
        return -kernel_sums(rows, support, weights, self.gamma_) / float(weights.sum())  # nu n: else they grow with n


class IForest(ShallowDetector):
    """Isolation forest (Liu et al. 2008): the score 2^(-mean depth / expected depth), in (0, 1].

    Args:
        trees: How many; Ruff uses 100.
        samples: Rows a tree sees, at most n; Ruff uses 256.
        seed: The same seed, the same forest.

    Raises:
        InputError: from `fit`, with fewer than three different rows, which no forest can tell from the rest.

    Example:
        >>> scores = IForest(trees=10).fit([[0.0], [1.0], [2.0]]).anomaly_score([[1.0], [9.0]])
        >>> bool(scores[0] < scores[1])
        True
    """

    def __init__(self, trees: int = 100, *, samples: int = 256, seed: int = 0) -> None:
        self.trees = trees
        self.samples = samples
        self.seed = seed

    def check_parameters(self) -> None:
        """Raise an InputError unless both counts are positive integers."""
        check_count("trees", self.trees)
        check_count("samples", self.samples)

    def describe(self) -> str:
        """Return for example "iforest[t=100,psi=256]"."""
        return f"iforest[t={self.trees},psi={self.samples}]"

    def _learn(self, rows: NDArray[np.float64]) -> None:
        if (distinct := len(distinct_rows(rows))) < 3:
            raise InputError(
                f"X must have at least three different rows, got {distinct}: a forest of fewer has one score"
            )
        samples = min(self.samples, len(rows))
        forest = ensemble.IsolationForest(n_estimators=self.trees, max_samples=samples, random_state=self.seed)
        self.model_ = forest.fit(_within_float32(rows))

    def _anomaly(self, rows: NDArray[np.float64]) -> Scores:
        scores: Scores = -self.model_.score_samples(_within_float32(rows))
        return scores


class GMM(ShallowDetector):
    """Minus the log-likelihood of a Gaussian mixture with diagonal covariances, in nats of the scaled rows.

    Args:
        components: How many; None chooses among 1, 2, 4, 8 and 16 by the Bayesian information criterion.
        seed: Of the k-means starts.

    Attributes:
        components_: The number chosen.

    Example:
        >>> GMM().fit([[0.0], [0.1], [5.0], [5.1]] * 5).components_
        2
    """

    components_: int

    def __init__(self, components: int | None = None, *, seed: int = 0) -> None:
        self.components = components
        self.seed = seed

    def check_parameters(self) -> None:
        """Raise an InputError unless components is a positive integer or None."""
        if self.components is not None:
            check_count("components", self.components)

    def describe(self) -> str:
        """Return for example "gmm[bic]" or "gmm[4]"."""
        return f"gmm[{'bic' if self.components is None else self.components}]"

    def _learn(self, rows: NDArray[np.float64]) -> None:
        n = len(rows)
        if self.components is not None and self.components > n:
            raise InputError(f"components must be at most the number of rows, got {self.components} and n_samples={n}")
        distinct = len(distinct_rows(rows))
        if self.components is not None and self.components > distinct:
            raise InputError(f"components must be at most the different rows, got {self.components} and {distinct}")
        counts = (self.components,) if self.components else [c for c in (1, 2, 4, 8, 16) if 2 * c <= max(2, distinct)]
        fits = [
            mixture.GaussianMixture(
                n_components=c, covariance_type="diag", reg_covar=1e-6, max_iter=200, random_state=self.seed
            )
            for c in counts
        ]
        self.model_ = min((fit.fit(rows) for fit in fits), key=lambda fit: float(fit.bic(rows)))
        self.components_ = int(self.model_.n_components)

    def _anomaly(self, rows: NDArray[np.float64]) -> Scores:
        # a product of one row rounds otherwise than one of many
        return score_in_blocks(rows, lambda block: -self.model_.score_samples(block))


def kernel_sums(
    rows: NDArray[np.float64], support: NDArray[np.float64], weights: NDArray[np.float64], gamma: float
) -> Scores:
    """Return sum_i weights_i exp(-gamma |row - support_i|^2) of each row, by one product where libsvm goes by pairs."""

    def of_block(block: NDArray[np.float64]) -> Scores:
        return np.asarray(np.exp(-gamma * squared_distances(block, support)) @ weights)

    return score_in_blocks(rows, of_block)


def _directions(rows: Matrix) -> NDArray[np.float64]:
    """Rows of length 1 in float64; a zero row stays one."""
    found = np.zeros(rows.shape)
    there = rows.any(axis=1)
    found[there] = unit_rows(rows[there], "X", "")
    return found


def _within_float32(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Trees compare in float32: what is out of its range lies beyond every split, as its ends do."""
    return np.clip(rows, -1e30, 1e30)
