"""How well classes can be told apart by a hyperplane in a representation."""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from reprq.errors import InputError
from reprq.statistics.estimate import Estimate
from reprq.validation import as_classes, as_matrix

_ITERATIONS = 2000


def linear_probe(
    train: ArrayLike, train_labels: ArrayLike, test: ArrayLike, test_labels: ArrayLike, *, confidence: float = 0.95
) -> Estimate:
    """Compute the test accuracy of a linear head on frozen embeddings (Alain & Bengio 2016).

    The head is multinomial logistic regression with an L2 penalty of C = 1 on columns standardized by the training
    rows. Nothing is chosen on the test rows.

    Args:
        train: (n, d) embeddings.
        train_labels: (n,) classes, 2 or more.
        test: (m, d) embeddings.
        test_labels: (m,) classes, each among the training classes.
        confidence: The level of the interval, in (0, 1).

    Returns:
        The share of test rows that are told right, with Wilson's score interval, and `n` = m.

    Raises:
        InputError: not finite matrices of one width, labels of another length, fewer than 2 training classes, or a test
            class that was not trained.

    Example:
        >>> rows = np.array([[0.0, 1.0], [0.1, 1.1], [3.0, 0.0], [3.1, 0.2]])
        >>> print(linear_probe(rows, ["a", "a", "b", "b"], rows, ["a", "a", "b", "b"]))
        1.000 [0.510, 1.000]
    """
    fitted, scored = as_matrix(train, "train"), as_matrix(test, "test")
    known = as_classes(train_labels, len(fitted), "train_labels")
    wanted = as_classes(test_labels, len(scored), "test_labels")
    if fitted.shape[1] != scored.shape[1]:
        raise InputError(f"test must have {fitted.shape[1]} columns as train has, got {scored.shape[1]}")
    if len(np.unique(known)) < 2:
        raise InputError("train_labels must hold at least 2 classes, got 1; give rows of another class")
    if new := sorted(set(wanted.tolist()) - set(known.tolist())):
        raise InputError(f"test_labels must be among the training classes, got {new[0]!r}; train on it or leave it out")
    head = make_pipeline(StandardScaler(), LogisticRegression(max_iter=_ITERATIONS))
    head.fit(fitted.astype(np.float64), known)
    right = int((head.predict(scored.astype(np.float64)) == wanted).sum())
    return _wilson(right, len(wanted), confidence)


def _wilson(right: int, n: int, confidence: float) -> Estimate:
    """Wilson's interval of a share."""
    if not 0.0 < confidence < 1.0:
        raise InputError(f"confidence must be in (0, 1), got {confidence!r}; 0.95 is usual")
    z = float(norm.ppf(0.5 + confidence / 2.0))
    share = right / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Estimate(share, max(0.0, centre - half), min(1.0, centre + half), n, "wilson", confidence)
