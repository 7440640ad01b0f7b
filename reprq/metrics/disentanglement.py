"""DCI: how far each code tells one factor, each factor is told by one code, and all codes tell all factors."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reprq.conversion import to_numpy
from reprq.errors import InputError
from reprq.validation import as_matrix

Floats = NDArray[np.float64]
ESTIMATORS = ("lasso", "forest", "boosting")
_STRENGTHS = np.logspace(0.0, -3.0, 20)  # of the lasso, for columns of unit variance: at 1 nothing is left
_LEAST_ROWS = 10
_ROUNDING = 1e-12  # of the largest importance: decreases of impurity are differences


@dataclass(frozen=True, eq=False)
class DCI:
    """What `dci` found.

    Attributes:
        disentanglement: In [0, 1]; 1 is a factor a code. nan where every code is dead.
        completeness: In [0, 1]; 1 is a code a factor. nan where every code is dead.
        informativeness: 1 is exact, 0 as good as no code at all; below 0 is worse.
        importances: (d, K) R, how much each factor's estimator needs each code; at least 0.
        by_code: (d,) disentanglement of each; nan of dead ones.
        by_factor: (K,) completeness of each; nan of those that no code tells.
        errors: (K,) of rows held out, over the error of the best constant: root mean squares of numbers, shares of
            wrong classes.
        dead: (d,) whether a code has no importance for any factor.
    """

    disentanglement: float
    completeness: float
    informativeness: float
    importances: Floats
    by_code: Floats
    by_factor: Floats
    errors: Floats
    dead: NDArray[np.bool_]


def dci(
    codes: Any,
    factors: Any,
    *,
    estimator: Literal["lasso", "forest", "boosting"] = "forest",
    held_out: float = 0.25,
    seed: int = 0,
) -> DCI:
    """Return disentanglement, completeness and informativeness of codes about known factors.

    An estimator predicts each factor from all codes; R_ij is how much it needs code i for factor j. With
    P_ij = R_ij / sum_k R_ik, D_i = 1 + sum_j P_ij log_K P_ij, and D = sum_i rho_i D_i where rho_i = sum_j R_ij / sum R.
    With Q_ij = R_ij / sum_k R_kj, C_j = 1 + sum_i Q_ij log_d Q_ij, and C is their mean. Informativeness is 1 less the
    mean error on rows held out, over the error of the best constant.

    D and C depend on the estimator, so that only values of one estimator compare:

    - "lasso": absolute coefficients, of codes and factors of unit variance, at the strength that cross-validation
      chooses; the coefficients of an indicator of each class, added up, for factors of classes;
    - "forest": 100 trees' mean decrease of impurity;
    - "boosting": the same of 100 boosted trees of depth 3.

    A code is dead if it is constant or has no importance for any factor. Dead codes are as if they were not there:
    they have no D_i, and d counts the others; a single code that is left has C_j = 1. A factor that no code tells has
    no C_j.

    Args:
        codes: (n, d), an embedding.
        factors: (n, K), K at least 2. Columns of floats are numbers, those of whole numbers, booleans or words are
            classes; an array is of one kind, a list of K columns of (n,) each may mix them.
        estimator: Which.
        held_out: Share of the rows that only judge.
        seed: Of the rows held out and of the trees.

    Raises:
        InputError: Nothing of that form, other than one row of factors for each of at least ten rows of codes, a
            factor that is constant, or an unknown estimator.

    References:
        Eastwood & Williams, "A Framework for the Quantitative Evaluation of Disentangled Representations", ICLR 2018,
        section 2. Deviations: they have no rule for dead codes, choose the depth of trees by validation, and give the
        errors as informativeness. disentanglement_lib weights C_j by the importance of its factor, counts dead codes
        in d, and gives the accuracy of boosted trees.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> factors = rng.normal(size=(200, 3))
        >>> found = dci(np.column_stack([-2 * factors[:, [2, 0, 1]], np.zeros(200)]), factors, estimator="lasso")
        >>> round(found.disentanglement, 3), round(found.completeness, 3), found.dead.tolist()
        (1.0, 1.0, [False, False, False, True])
    """
    x = as_matrix(codes, "codes", min_rows=_LEAST_ROWS).astype(np.float64)
    columns = list(_columns(factors, len(x)))
    if estimator not in ESTIMATORS:
        raise InputError(f"estimator must be {', '.join(ESTIMATORS[:-1])} or {ESTIMATORS[-1]}, got {estimator!r}")
    if isinstance(held_out, bool) or not isinstance(held_out, int | float) or not 0 < held_out < 1:
        raise InputError(f"held_out must be a share between 0 and 1, got {held_out!r}; 0.25 is usual")
    order = np.random.default_rng(seed).permutation(len(x))
    judging, learning = np.split(order, [max(1, round(held_out * len(x)))])
    varies = np.ptp(x[learning], axis=0) > 0
    importances, errors = np.zeros((x.shape[1], len(columns))), np.ones(len(columns))
    for j, y in enumerate(columns):
        if len(np.unique(y[learning])) < 2:
            raise InputError(
                f"factor {j} must vary over the rows that are learned from; leave it out or give more rows"
            )
        if varies.any():
            learn = _lasso if estimator == "lasso" else _trees
            found = learn(x[:, varies], y, learning, judging, estimator, seed)
            importances[varies, j], errors[j] = found
    by_code, by_factor = disentanglement_by_code(importances), completeness_by_factor(importances)
    total, dead = importances.sum(), np.isnan(by_code)
    weights = importances.sum(1)[~dead] / total if total else np.zeros(0)
    overall = float(weights @ by_code[~dead]) if total else float("nan")
    told = by_factor[~np.isnan(by_factor)]
    complete = float(told.mean()) if len(told) else float("nan")
    return DCI(overall, complete, float(1 - errors.mean()), importances, by_code, by_factor, errors, dead)


def disentanglement_by_code(importances: Any) -> Floats:
    """Return D_i of each code, (d,): 1 where it tells one factor, 0 where it tells all alike; nan of dead codes.

    Args:
        importances: (d, K) R, at least 0, K at least 2.

    Raises:
        InputError: It is no such matrix.

    Example:
        >>> disentanglement_by_code([[1, 0], [2, 2], [0, 0]])
        array([ 1.,  0., nan])
    """
    r = _as_importances(importances)
    return np.array([_concentration(row) for row in r])


def completeness_by_factor(importances: Any) -> Floats:
    """Return C_j of each factor, (K,): 1 where one code tells it, 0 where all do alike; nan of those that none tells.

    Dead codes, rows of zeros, do not count; one that is left alone has 1.

    Args:
        importances: As for `disentanglement_by_code`.

    Raises:
        InputError: It is no such matrix.

    Example:
        >>> completeness_by_factor([[1, 3, 0], [0, 3, 0], [0, 0, 0]])
        array([ 1.,  0., nan])
    """
    r = _as_importances(importances)
    return np.array([_concentration(column) for column in r[r.any(axis=1)].T])


def _concentration(values: Floats) -> float:
    """1 less the entropy of shares, in units of that of as many equal ones; nan for no shares, 1 for one."""
    if not values.any():
        return float("nan")
    if len(values) == 1:
        return 1.0
    shares = values / values.max()  # first by the largest: the sum of huge ones would overflow
    shares = shares[shares > 0] / shares.sum()
    return float(np.clip(1 + (shares * np.log(shares)).sum() / np.log(len(values)), 0.0, 1.0))


def _as_importances(x: Any) -> Floats:
    r = as_matrix(x, "importances").astype(np.float64)
    if r.shape[1] < 2 or r.min() < 0:
        raise InputError(f"importances must be a (d, K) matrix of numbers from 0, K at least 2, got shape {r.shape}")
    return r


def _columns(factors: Any, n: int) -> Iterator[NDArray[Any]]:
    """The factors as (n,) float64 numbers, or as the numbers of their classes in int64."""
    if (
        isinstance(factors, list | tuple)
        and factors
        and all(np.ndim(each) == 1 for each in factors)
        and (len(factors) != n or np.shape(factors[0])[0] == n)
    ):
        given = [np.asarray(each) for each in factors]
    else:
        array = np.asarray(factors) if getattr(factors, "dtype", None) is not None else to_numpy(factors, "factors")
        if array.ndim != 2:
            raise InputError(
                f"factors must be an (n, K) array or K columns, got shape {array.shape}; stack the columns"
            )
        given = list(array.T)
    if len(given) < 2:
        raise InputError(f"factors must be at least 2, got {len(given)}: of one alone there is nothing to disentangle")
    for j, each in enumerate(given):
        if len(each) != n:
            raise InputError(f"factor {j} must have a value for each of the {n} rows of codes, got {len(each)}")
        if each.dtype.kind == "f":
            yield as_matrix(each[:, None], f"factor {j}")[:, 0].astype(np.float64)
        elif each.dtype.kind in "biuUSO":
            yield np.unique(each.astype(str) if each.dtype.kind == "O" else each, return_inverse=True)[1]
        else:
            raise InputError(f"factor {j} must be of numbers, whole numbers or words, got {each.dtype}")


def _lasso(
    x: Floats, y: NDArray[Any], learning: NDArray[Any], judging: NDArray[Any], estimator: str, seed: int
) -> tuple[Floats, float]:
    """Absolute coefficients and the relative error of a lasso, of an indicator of each class where y has classes."""
    from sklearn.linear_model import LassoCV

    mean, scale = x[learning].mean(0), x[learning].std(0)
    scaled = (x - mean) / scale
    classes = np.unique(y[learning])
    targets = y[:, None] if y.dtype.kind == "f" else (y[:, None] == classes).astype(np.float64)
    importances, predicted = np.zeros(x.shape[1]), np.empty((len(judging), targets.shape[1]))
    for k, target in enumerate(targets.T):
        center, spread = target[learning].mean(), target[learning].std()
        fitted = LassoCV(alphas=_STRENGTHS, cv=min(5, len(learning)), max_iter=10_000, tol=1e-3)
        fitted.fit(scaled[learning], (target[learning] - center) / spread)
        importances += np.abs(fitted.coef_)
        predicted[:, k] = center + spread * fitted.predict(scaled[judging])
    found = predicted[:, 0] if y.dtype.kind == "f" else classes[predicted.argmax(1)]
    return importances, _error(y, found, learning, judging)


def _trees(
    x: Floats, y: NDArray[Any], learning: NDArray[Any], judging: NDArray[Any], estimator: str, seed: int
) -> tuple[Floats, float]:
    """The decrease of impurity by each code, and the relative error, of a forest or of boosted trees."""
    from sklearn import ensemble

    kinds = {
        ("forest", True): ensemble.RandomForestRegressor,
        ("forest", False): ensemble.RandomForestClassifier,
        ("boosting", True): ensemble.GradientBoostingRegressor,
        ("boosting", False): ensemble.GradientBoostingClassifier,
    }
    fitted = kinds[estimator, y.dtype.kind == "f"](random_state=seed).fit(x[learning], y[learning])
    found = fitted.feature_importances_
    return np.where(found > _ROUNDING * found.max(), found, 0.0), _error(
        y, fitted.predict(x[judging]), learning, judging
    )


def _error(y: NDArray[Any], predicted: NDArray[Any], learning: NDArray[Any], judging: NDArray[Any]) -> float:
    """The error of rows held out, over that of the mean or the most frequent class of the others."""
    truth = y[judging]
    if y.dtype.kind == "f":
        wrong, dull = (np.sqrt(np.mean((truth - each) ** 2)) for each in (predicted, y[learning].mean()))
    else:
        names, counts = np.unique(y[learning], return_counts=True)
        wrong, dull = (np.mean(truth != each) for each in (predicted, names[counts.argmax()]))
    return float(wrong / dull) if dull else float(wrong > 0)
