"""A few rows that cover all others: the greedy k-centre, exact, by products of matrices instead of vectors."""

import numpy as np
from numpy.typing import NDArray

from reprq.errors import InputError
from reprq.progress import Progress, track

Single = NDArray[np.float32]
Ids = NDArray[np.int64]

_CANDIDATES = 1024  # rows among which the next centers are sought before all others are compared with these
_ROWS = 4096  # of one product


def random_projection(d: int, width: int, seed: int) -> Single:
    """Return a (d, width) matrix of Gaussian entries with variance 1 / width.

    A product with it keeps squared distances within 1 +- eps for n rows where width is of the order log(n) / eps^2
    (Johnson & Lindenstrauss 1984).

    Example:
        >>> random_projection(3, 2, seed=0).shape
        (3, 2)
    """
    drawn = np.random.default_rng(seed).standard_normal((d, width), dtype=np.float32)
    return drawn / np.float32(np.sqrt(width))


def k_center_greedy(rows: Single, size: int, *, start: int = 0, progress: bool = False) -> Ids:
    """Choose rows that cover all: each is the one farthest from those chosen before (Gonzalez 1985; Sener & Savarese).

    With the rows m_1 ... m_n and C = {start}, it adds argmax_i min_{c in C} |m_i - m_c| until C has `size` rows; among
    rows equally far the first. No row is farther from C than twice the least that any C of this size allows.

    A distance to C only falls as C grows. So the next centers are sought among the rows that are farthest now, for as
    long as the farthest of them is farther than any other row was; then all rows are compared with the new centers in
    one product. Distances are of float32, after the mean row is subtracted.

    Args:
        rows: (n, d) float32.
        size: How many are chosen, at most n; fewer where those cover all rows at distance 0.
        start: The first.
        progress: Whether to show progress on stderr.

    Returns:
        (size,) numbers of rows, in the order in which they were chosen.

    Raises:
        InputError: `size` is not from 1 to n, or `start` is no row.

    Example:
        >>> k_center_greedy(np.array([[0.0], [1.0], [9.0], [5.0]], dtype=np.float32), 3).tolist()
        [0, 2, 3]
    """
    n = len(rows)
    if not 1 <= size <= n:
        raise InputError(f"size must be from 1 to the number of rows, {n}, got {size}")
    if not 0 <= start < n:
        raise InputError(f"start must be the number of a row, from 0 to {n - 1}, got {start}")
    centred = np.ones((n, rows.shape[1] + 1), dtype=np.float32)  # beside the rows a column for the lengths of centers
    np.subtract(rows, rows.mean(axis=0, dtype=np.float64).astype(np.float32), out=centred[:, :-1])
    lengths = np.einsum("ij,ij->i", centred[:, :-1], centred[:, :-1])
    chosen, far = [start], np.full(n, np.inf, dtype=np.float32)
    with track(total=size, initial=1, desc="coreset", unit="patch", show=progress, leave=False) as bar:
        new = [start]
        while True:
            _compare(far, centred, lengths, new)
            new = _next_centers(far, centred, lengths, size - len(chosen), bar)
            chosen += new
            if not new or len(chosen) == size:
                return np.array(chosen, dtype=np.int64)


def _compare(far: Single, rows: Single, lengths: Single, new: list[int]) -> None:
    """Let `far`, the squared distance of every row to the nearest center, know of new centers."""
    centers = -2.0 * rows[new].T
    centers[-1] = lengths[new]
    for first in range(0, len(rows), _ROWS):
        part = slice(first, first + _ROWS)
        near = (rows[part] @ centers).min(axis=1)
        np.minimum(far[part], near + lengths[part], out=far[part])
    far[new] = 0.0
    np.maximum(far, 0.0, out=far)


def _next_centers(far: Single, rows: Single, lengths: Single, most: int, bar: Progress) -> list[int]:
    """The next centers that are known without a look at the rows that are nearer than those looked at."""
    count = min(_CANDIDATES, len(far))
    order = np.argpartition(far, -count)
    some = np.sort(order[-count:])
    beyond = float(far[order[:-count]].max()) if count < len(far) else 0.0
    near, own, squares = far[some], rows[some, :-1], lengths[some]
    found: list[int] = []
    while len(found) < most:
        i = int(near.argmax())
        if near[i] <= beyond:
            break
        found.append(int(some[i]))
        np.minimum(near, np.maximum(squares + squares[i] - 2.0 * (own @ own[i]), 0.0), out=near)
        near[i] = 0.0
        bar.update()
    if not found and most and beyond > 0.0:  # so many rows are equally far that they are not all looked at
        found.append(int(far.argmax()))
        bar.update()
    return found
