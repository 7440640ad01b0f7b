"""A rank beside that of a broad reference: how much of what an embedding can tell apart benign rows use."""

from typing import Any

from reprq.errors import InputError
from reprq.metrics.subsampling import at_common_size
from reprq.validation import as_matrix


def relative_rank(x: Any, reference: Any, *, metric: str = "effective_rank", repeats: int = 5, seed: int = 0) -> float:
    """Return the effective rank of benign rows divided by that of a broad reference set in the same embedding.

    r(x) / r(reference), both at the number of rows that the smaller has, since a rank grows with it; r of the larger is
    the mean over random subsamples. By default r = exp(-sum_k p_k log p_k), p_k = lambda_k / sum_j lambda_j of the
    eigenvalues of the covariance (Roy & Vetterli 2007, of eigenvalues).

    Args:
        x: (n, d) benign rows, n at least 2.
        reference: (m, d) rows of what the embedding was made to tell apart, or of many kinds of samples.
        metric: Another rank: "rankme", "participation_ratio", "stable_rank", ...; an identifier.
        repeats: Subsamples of the larger.
        seed: Of the subsamples.

    Returns:
        Above 0; 1 where benign rows use as many directions as the reference, less where they use fewer.

    Raises:
        InputError: Matrices of different width, or not finite, or fewer than two rows, or rows that are all equal.
        UnknownNameError: A metric that does not exist.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> reference = rng.standard_normal((2000, 8))
        >>> round(relative_rank(reference * [1, 1, 0, 0, 0, 0, 0, 0], reference), 2)
        0.25
    """
    own, broad = as_matrix(x), as_matrix(reference, "reference")
    if own.shape[1] != broad.shape[1]:
        raise InputError(
            f"reference must have the columns of x, got {broad.shape[1]} and {own.shape[1]}; embed both by one layer"
        )
    table = at_common_size({"x": own, "reference": broad}, [metric], repeats=repeats, seed=seed)
    found = table.groupby("layer")["value"].mean()
    if found.isna().any():
        raise InputError(f"x and reference must each have a {metric}, got rows that are all equal; give others")
    return float(found["x"] / found["reference"])
