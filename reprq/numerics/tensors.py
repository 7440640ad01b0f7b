"""Matrices that are tensors on a GPU: checked, summed and multiplied where they are, all in float64.

A tensor on a CUDA device stays there: what leaves it is a vector, a sum over rows, or a Gram matrix that is smaller
than the rows. Tensors elsewhere (on the CPU, whose memory NumPy shares, or on a device without float64) become arrays.
Everything is accumulated in float64: a sum of n products is off by at most n 2^-53 times the sum of their sizes, as on
the CPU, and results differ from those of NumPy by such rounding alone, since the order of the sums is another.

torch is not imported: who holds a tensor has it loaded.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reprq.conversion import as_real, held_array, to_numpy
from reprq.validation import as_matrix, check_matrix, check_size, not_finite

Array = NDArray[np.float64]
Rows = Any  # an (n, d) NumPy array, or a tensor on a device that keeps it

RESIDENT = {"cuda"}  # types of devices whose tensors stay there
_SCORED = 4096  # rows of a block of which the scores are computed together
_BLOCK_BYTES = 256 * 2**20  # of float64 held at once beside the matrix


def is_tensor(rows: Rows) -> bool:
    """Return whether rows that went through `as_resident` are a tensor."""
    return hasattr(rows, "detach")


def is_resident(x: Any) -> bool:
    """Return whether x is a dense tensor, or an object whose `array` is one, on a device that keeps it."""
    x = held_array(x)
    device = getattr(getattr(x, "device", None), "type", "")
    return (
        device in RESIDENT
        and hasattr(x, "detach")
        and not (x.is_nested or x.is_quantized or hasattr(x, "get_mask"))
        and str(x.layout) == "torch.strided"
    )


def as_resident(x: Any, name: str = "x", *, min_rows: int = 1, columns: int | None = None) -> Rows:
    """Return x as `reprq.validation.as_matrix` does, but a tensor on a GPU as a tensor there, of the same dtype.

    Args:
        x: What `as_matrix` takes.
        name: What the caller calls it.
        min_rows: The fewest rows the caller can work with.
        columns: The number of columns the caller needs, when it has one.

    Returns:
        (n, d) float16, float32 or float64, with no copy where none is needed; bfloat16 and 8-bit floats as float32.

    Raises:
        InputError: as `as_matrix`, in the same words.
    """
    if not is_resident(x):
        return as_matrix(x, name, min_rows=min_rows, columns=columns)
    torch, rows = _torch(), held_array(x).detach().resolve_conj().resolve_neg()
    check_matrix(rows, name)
    if rows.is_complex():
        as_real(np.empty(0, dtype=str(rows.dtype).removeprefix("torch.")), name)
    if not rows.is_floating_point():
        rows = rows.to(torch.float64)
    elif rows.dtype not in (torch.float16, torch.float32, torch.float64):
        rows = rows.to(torch.float32)
    check_size(rows, name, min_rows, columns)
    _check_finite(rows, name)
    return rows


def together(*arrays: Any) -> tuple[Any, ...]:
    """Return some arrays as they are where all are tensors on one device that keeps them, else no such tensors."""
    kept = {str(held_array(x).device) for x in arrays if is_resident(x)}
    if len(kept) == 1 and all(map(is_resident, arrays)):
        return arrays
    return tuple(to_numpy(x) if is_resident(x) else x for x in arrays)


def namespace(rows: Rows) -> Any:
    """Return numpy or torch, whose functions of the same names and arguments take the rows."""
    return _torch() if is_tensor(rows) else np


def host(values: Any) -> NDArray[Any]:
    """Return a tensor or an array as an array."""
    return np.asarray(values.cpu() if is_tensor(values) else values)


def beside(rows: Rows, values: Rows) -> Any:
    """Return an array where the rows are: as it is, or as a tensor on their device."""
    if not is_tensor(rows):
        return values
    return values.to(rows.device) if is_tensor(values) else _torch().as_tensor(values, device=rows.device)


def double(rows: Rows) -> Any:
    """Return rows in float64."""
    return rows.to(_torch().float64) if is_tensor(rows) else rows.astype(np.float64)


def joined(parts: Sequence[Rows]) -> Rows:
    """Return blocks of rows as one matrix; a tensor where all are tensors of one device."""
    if len(parts) == 1:
        return parts[0]
    parts = together(*parts)
    return _torch().cat(list(parts)) if is_tensor(parts[0]) else np.concatenate(parts)


class Spread(NamedTuple):
    """What `spread` sums.

    Attributes:
        mean: (d,) the column means; of a constant column exactly that constant.
        product: (d, d) the sum of (x - mean)(x - mean)^T.
        squares: (n,) each |x - mean|^2.
    """

    mean: Array
    product: Array
    squares: Array


def column_means(rows: Any) -> Array:
    """Return the (d,) means of the columns of a tensor; of a constant column exactly that constant."""
    return host(_means(rows))


def spread(rows: Any) -> Spread:
    """Sum the rows of a tensor, in two passes over it."""
    torch, (n, d) = _torch(), rows.shape
    mean = _means(rows)
    product = torch.zeros(d, d, dtype=torch.float64, device=rows.device)
    squares = torch.empty(n, dtype=torch.float64, device=rows.device)
    for part in _parts(n, d):
        deviations = rows[part] - mean
        product.addmm_(deviations.T, deviations)
        squares[part] = torch.linalg.vecdot(deviations, deviations)
    return Spread(host(mean), host(product), host(squares))


def column_squares(rows: Any) -> Array:
    """Return the (d,) sums of the squared deviations of the columns of a tensor; exactly 0 for a constant column."""
    torch, mean = _torch(), _means(rows)
    total = torch.zeros_like(mean)
    for part in _parts(*rows.shape):
        total += (rows[part] - mean).square().sum(dim=0)
    return host(total)


def squares_around(rows: Any, centre: Array) -> Array:
    """Return the (n,) squared distances of the rows of a tensor to a point."""
    torch, there = _torch(), beside(rows, centre)
    found = torch.empty(len(rows), dtype=torch.float64, device=rows.device)
    for part in _parts(*rows.shape):
        deviations = rows[part] - there
        found[part] = torch.linalg.vecdot(deviations, deviations)
    return host(found)


def products(rows: Any, centre: Array, direction: Array) -> Array:
    """Return the (n,) products of a direction with the rows of a tensor less a point."""
    torch, there, along = _torch(), beside(rows, centre), beside(rows, direction)
    found = torch.empty(len(rows), dtype=torch.float64, device=rows.device)
    for part in _parts(*rows.shape):
        found[part] = (rows[part] - there) @ along
    return host(found)


def gram(rows: Any, mean: Array) -> tuple[Array, Array]:
    """Return the (n, n) products of the rows of a tensor less their mean, and their (n,) products with the mean."""
    there = beside(rows, mean)
    deviations = rows - there
    return np.asfortranarray(host(deviations @ deviations.T)), host(deviations @ there)


def directions(rows: Any) -> tuple[Array, Array]:
    """Return the (d,) sum of x / |x| over the rows of a tensor that are not zero, and the (n,) lengths."""
    torch = _torch()
    lengths = torch.empty(len(rows), dtype=torch.float64, device=rows.device)
    total = torch.zeros(rows.shape[1], dtype=torch.float64, device=rows.device)
    for part in _parts(*rows.shape):
        block = rows[part].to(torch.float64)
        lengths[part] = torch.linalg.vecdot(block, block).sqrt()
        inverse = torch.where(lengths[part] > 0, 1.0 / lengths[part], 0.0)
        total += inverse @ block
    return host(total), host(lengths)


def sketches(rows: Any, weights: Array) -> Array:
    """Return a number for every row of a tensor from its bits as float64, two words a value: equal for equal rows."""
    torch, there = _torch(), beside(rows, weights)
    found = torch.empty(len(rows), dtype=torch.float64, device=rows.device)
    for part in _parts(*rows.shape):
        words = (rows[part].to(torch.float64) + 0.0).contiguous().view(torch.int32)  # + 0.0: no -0.0
        found[part] = torch.linalg.vecdot(words.to(torch.float64), there)
    return host(found)


def singular_values(rows: Any, top: Array | None = None) -> Array:
    """Return the singular values of a tensor, under a further row where one is given, by QR and SVD."""
    torch = _torch()
    if top is not None:
        rows = torch.cat([beside(rows, top[None]), rows])
    square = torch.linalg.qr(rows if len(rows) >= rows.shape[1] else rows.T, mode="r")[1]
    return host(torch.linalg.svdvals(square))


def centred(rows: Any) -> Any:
    """Return the rows of a tensor less their column means, in float64."""
    return rows - _means(rows)


def distinct(rows: Any) -> tuple[Any, NDArray[np.int64]]:
    """Return the different rows of a tensor in ascending order, and the (n,) place of each row among them."""
    unique, place = _torch().unique(rows + 0.0, dim=0, return_inverse=True)  # + 0.0: no -0.0
    return unique, host(place)


def score_in_blocks(rows: Any, score: Callable[[Any], Any], centre: Array | float) -> Array:
    """Score the rows of a tensor in blocks of one size, as `reprq.numerics.rows.score_in_blocks` does."""
    torch, (m, d) = _torch(), rows.shape
    there = beside(rows, np.asarray(centre))
    found = torch.empty(m, dtype=torch.float64, device=rows.device)
    block = torch.zeros(_SCORED, d, dtype=torch.float64, device=rows.device)
    for part in (slice(start, min(start + _SCORED, m)) for start in range(0, m, _SCORED)):
        size = part.stop - part.start
        block[:size] = rows[part] - there
        found[part] = score(block)[:size]
    return host(found)


def blocks(n: int, row_bytes: int, budget: int = _BLOCK_BYTES) -> Iterator[slice]:
    """Yield stretches of n rows, of which the budget holds each."""
    step = max(1, budget // max(row_bytes, 1))
    return (slice(start, min(start + step, n)) for start in range(0, n, step))


def _parts(n: int, d: int) -> Iterator[slice]:
    return blocks(n, 8 * d)


def _means(rows: Any) -> Any:
    torch = _torch()
    first = rows[0].to(torch.float64)
    total = torch.zeros_like(first)
    for part in _parts(*rows.shape):
        total += (rows[part] - first).sum(dim=0)
    return first + total / len(rows)


def _check_finite(rows: Any, name: str) -> None:
    torch = _torch()
    if rows.numel() == 0 or bool(torch.isfinite(rows.sum(dtype=torch.float64))):
        return
    bad = torch.nonzero(~torch.isfinite(rows))
    if len(bad):
        row, column = bad[0].tolist()
        raise not_finite(name, rows[row, column].item(), (row, column), len(bad))


def _torch() -> Any:
    return sys.modules["torch"]
