"""Centered kernel alignment: do two representations place the same samples alike?"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from reprq.conversion import held_array
from reprq.errors import InputError
from reprq.metrics.distributed import check_summable, linear_cka_of_blocks
from reprq.metrics.hsic import alignment, unbiased_hsic
from reprq.numerics.dask_arrays import is_dask
from reprq.numerics.pairs import BLOCK, Matrix, centred_rows, centred_single, check_paired, inner, squared_distances
from reprq.numerics.tensors import Rows, host, is_resident, is_tensor, namespace, together

Kernel = Literal["linear", "rbf"]


def cka(
    x: Any,
    y: Any,
    kernel: Kernel = "linear",
    debiased: bool = False,
    *,
    bandwidth: float = 1.0,
    batch_size: int | None = None,
) -> float:
    """Return the centered kernel alignment HSIC(X, Y) / sqrt(HSIC(X, X) HSIC(Y, Y)) of two representations.

    With the linear kernel and centered columns HSIC(X, Y) is |X^T Y|_F^2 / (n - 1)^2; it is computed so, or from the
    n x n Gram matrices where that is less work. The RBF kernel exp(-|a - b|^2 / (2 s^2)) always takes n x n.

    Float64 input is computed in float64. For the linear kernel float16 and float32 input is centered in float64,
    multiplied in float32 blocks and summed in float64: half the time, and within 1e-6 of the float64 result. Dask
    arrays stay where they are: their workers sum products of float64 blocks, for the linear kernel alone.

    Args:
        x: (n, d1) array or tensor, a dask array, or an object whose `array` is one.
        y: (n, d2), the same samples in the same order.
        kernel: "linear" or "rbf".
        debiased: Whether to take the unbiased HSIC, which independent representations bring to about 0 at any n and d.
        bandwidth: Of the RBF kernel: s as a fraction of the median distance between two rows of that representation.
        batch_size: If given, the rows are cut in order into n // batch_size nearly even batches, and each HSIC is the
            mean over the batches before the ratio is taken; memory for the RBF kernel falls to one batch.

    Returns:
        Biased: 0 to 1. Debiased: at most 1, and below 0 where the representations agree less than chance. Higher is
        more alike; 1 is the same up to rotation, scale and shift.

    Raises:
        InputError: x or y is not a finite matrix, they differ in rows, there are fewer than 2 rows (debiased: 4) in
            all or in a batch, the rows of one are all equal, (debiased) the HSIC of one with itself is not positive,
            or an option is out of its range.

    References:
        Kornblith et al., "Similarity of Neural Network Representations Revisited", ICML 2019, equation 4, with
        bandwidths 0.2, 0.4 and 0.8; debiased: Song et al., "Feature Selection via Dependence Maximization", JMLR 2012,
        equation 5; batches: Nguyen, Raghu & Kornblith, "Do Wide and Deep Networks Learn the Same Things?", ICLR 2021,
        equation 2. Deviation: the median is over distinct pairs.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).standard_normal((50, 3))
        >>> round(cka(x, 2 * x[:, ::-1] + 1), 6)
        1.0
    """
    _check_options(kernel, bandwidth, batch_size, debiased)
    x, y = together(x, y)
    if is_dask(x) or is_dask(y):
        check_summable(kernel, batch_size)
        return linear_cka_of_blocks({"x": x, "y": y}, [(0, 1)], debiased)[0, 1]
    least = 4 if debiased else 2
    if batch_size is None:
        left, right = _layers({"x": x, "y": y}, kernel, bandwidth, debiased)
        return _ratio(_hsic(left.side, right.side, debiased), left, right)
    rows = [centred_rows(z, name, least) for z, name in ((x, "x"), (y, "y"))]
    check_paired(rows[0], rows[1])
    batches = max(1, len(rows[0]) // batch_size)
    both = own_x = own_y = 0.0
    for a, b in zip(*(_split(z, batches) for z in rows), strict=True):
        side_x, side_y = (_side(z - z.mean(axis=0), kernel, bandwidth) for z in (a, b))
        both += _hsic(side_x, side_y, debiased)
        own_x += _hsic(side_x, side_x, debiased)
        own_y += _hsic(side_y, side_y, debiased)
    return _ratio(both, _Layer("x", side_x, own_x), _Layer("y", side_y, own_y))


def cka_matrix(
    xs: Sequence[Any] | Mapping[str, Any],
    ys: Sequence[Any] | Mapping[str, Any] | None = None,
    kernel: Kernel = "linear",
    debiased: bool = False,
    *,
    bandwidth: float = 1.0,
) -> NDArray[np.float64]:
    """Return the CKA of every layer of one network with every layer of another, or with each other.

    Each layer is centered once and its HSIC with itself computed once; with `ys` None no pair is computed twice. All
    layers are held in float64 at once (with the RBF kernel as n x n matrices).

    Args:
        xs: (n, d_i) arrays of the same n samples in one order, or a mapping to them such as an `EmbeddingCache`.
        ys: The layers of the other network; None for `xs` itself.
        kernel: As in `cka`.
        debiased: As in `cka`.
        bandwidth: As in `cka`.

    Returns:
        (len(xs), len(ys)) float64; symmetric with a diagonal of ones where `ys` is None.

    Raises:
        InputError: as `cka`; or there are no layers.

    Example:
        >>> import numpy as np
        >>> x = np.random.default_rng(0).standard_normal((50, 3))
        >>> cka_matrix([x, x[:, ::-1]]).round(6).tolist()
        [[1.0, 1.0], [1.0, 1.0]]
    """
    _check_options(kernel, bandwidth, None, debiased)
    named = _named(xs, "xs")
    others = {} if ys is None else _named(ys, "ys")
    if any(map(is_dask, (named | others).values())):
        check_summable(kernel)
        return _matrix_of_blocks(named, others, debiased)
    layers = _layers(named | others, kernel, bandwidth, debiased)
    left, right = layers[: len(named)], layers[len(named) :] or layers
    matrix = np.ones((len(left), len(right)))
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            if ys is not None or j > i:
                matrix[i, j] = _ratio(_hsic(a.side, b.side, debiased), a, b)
            elif j < i:
                matrix[i, j] = matrix[j, i]
    return matrix


@dataclass(frozen=True, eq=False)
class _Side:
    """One representation in its kernel: K = rows rows^T for the linear kernel, else K = rows, itself n x n.

    `diagonal` is that of K, whose rows sum to zero.
    """

    rows: Rows
    diagonal: Matrix
    is_kernel: bool


@dataclass(frozen=True, eq=False)
class _Layer:
    """One representation under its name in errors, with its HSIC with itself."""

    name: str
    side: _Side
    own: float


def _named(layers: Any, name: str) -> dict[str, Any]:
    """Return the layers of one network under the names that errors call them by."""
    named = dict(layers.items() if isinstance(layers, Mapping) else enumerate(layers))
    if not named:
        raise InputError(f"{name} must hold at least one layer, got none")
    return {f"{name}[{key!r}]": x for key, x in named.items()}


def _layers(named: Mapping[str, Any], kernel: Kernel, bandwidth: float, debiased: bool) -> list[_Layer]:
    """Return representations of the same samples, all in float32 where that costs no digits that count."""
    least = 4 if debiased else 2
    named = dict(zip(named, together(*named.values()), strict=True))
    if kernel == "linear" and all(_is_single(x) for x in named.values()):
        with ThreadPoolExecutor() as threads:  # numpy centers in one thread each, and multiplies in all of them
            rows = list(threads.map(lambda item: centred_single(item[1], item[0], least), named.items()))
        layers = [_layer(name, x, kernel, bandwidth, debiased) for name, x in zip(named, rows, strict=True)]
        # The debiased estimate drops the diagonal of the kernel, and digits with it where that is most of the kernel:
        # a row far from all others, or n far below d.
        if not debiased or all(x.own * len(x.side.rows) ** 2 > np.square(x.side.diagonal).sum() for x in layers):
            return _checked(layers)
    exact = {name: centred_rows(x, name, least) for name, x in named.items()}
    return _checked([_layer(name, rows, kernel, bandwidth, debiased) for name, rows in exact.items()])


def _is_single(x: Any) -> bool:
    if is_resident(x):  # a GPU multiplies in float64, and its products of float32 may be rounded
        return False
    dtype = str(getattr(held_array(x), "dtype", ""))
    return dtype.removeprefix("torch.") in ("float16", "bfloat16", "float32")


def _layer(name: str, rows: Rows, kernel: Kernel, bandwidth: float, debiased: bool) -> _Layer:
    side = _side(rows, kernel, bandwidth)
    return _Layer(name, side, _hsic(side, side, debiased))


def _checked(layers: list[_Layer]) -> list[_Layer]:
    for layer in layers:
        check_paired(layers[0].side.rows, layer.side.rows, layers[0].name, layer.name)
    return layers


def _side(rows: Rows, kernel: Kernel, bandwidth: float) -> _Side:
    xp = namespace(rows)
    if kernel == "linear":
        return _Side(rows, host(xp.linalg.vecdot(rows, rows)).astype(np.float64), is_kernel=False)
    squares = squared_distances(rows if is_tensor(rows) else rows.astype(np.float64, copy=False))
    median = _median_distance(squares)
    if median == 0:
        raise InputError("x and y must have more distinct rows for the RBF kernel, got a median distance of 0")
    gram = xp.exp(-squares / (2 * (bandwidth * median) ** 2))
    gram -= gram.mean(axis=0)
    gram -= gram.mean(axis=1, keepdims=True)
    return _Side(gram, host(xp.diagonal(gram)).copy(), is_kernel=True)


def _median_distance(squares: Rows) -> float:
    """Return the median of the distances between two rows, from all the squared ones."""
    n = len(squares)
    if not is_tensor(squares):
        return float(np.median(np.sqrt(squares[np.triu_indices(n, 1)])))
    pairs = n * (n - 1) // 2
    ascending = squares.ravel().sort().values[n:].sqrt()  # n zeros of the diagonal, then every pair twice
    return float((ascending[2 * ((pairs - 1) // 2)] + ascending[2 * (pairs // 2)]) / 2)


def _split(rows: Rows, batches: int) -> Sequence[Rows]:
    """Cut rows in order into nearly even batches."""
    return namespace(rows).tensor_split(rows, batches) if is_tensor(rows) else np.array_split(rows, batches)


def _hsic(a: _Side, b: _Side, debiased: bool) -> float:
    """Return the HSIC of two representations."""
    n = len(a.rows)
    product = _trace_of_product(a, b)
    if not debiased:
        return product / (n - 1) ** 2
    both = float(a.diagonal @ b.diagonal)
    sums = float(a.diagonal.sum() * b.diagonal.sum())
    return unbiased_hsic(product, both, sums, n)


def _trace_of_product(a: _Side, b: _Side) -> float:
    """Return tr(K L), for linear kernels |A^T B|_F^2 in feature space where that costs less than n x n."""
    if a.is_kernel:
        return inner(a.rows, b.rows)
    n, widths = len(a.rows), (a.rows.shape[1], b.rows.shape[1])
    if widths[0] * widths[1] <= n * sum(widths):
        cross = _product(a.rows, b.rows)
        return inner(cross, cross)
    return inner(_product(a.rows.T, a.rows.T), _product(b.rows.T, b.rows.T))


def _product(a: Rows, b: Rows) -> Rows:
    """Return a^T b in float64; where both are float32, the sum of the products of blocks of rows."""
    if is_tensor(a):
        return a.T @ b
    if a.dtype != np.float32 or b.dtype != np.float32:
        return np.asarray(a.T @ b, dtype=np.float64)
    total = np.zeros((a.shape[1], b.shape[1]))
    for start in range(0, len(a), 4 * BLOCK):
        total += a[start : start + 4 * BLOCK].T @ b[start : start + 4 * BLOCK]
    return total


def _ratio(both: float, x: _Layer, y: _Layer) -> float:
    return alignment(both, (x.own, y.own), (x.name, y.name))


def _matrix_of_blocks(named: Mapping[str, Any], others: Mapping[str, Any], debiased: bool) -> NDArray[np.float64]:
    """Return `cka_matrix` of dask arrays; `others` is empty for `named` itself."""
    m = len(named)
    pairs = [(i, m + j) for i in range(m) for j in range(len(others))] or list(combinations(range(m), 2))
    found = linear_cka_of_blocks({**named, **others}, pairs, debiased)
    if others:
        return np.array([[found[i, m + j] for j in range(len(others))] for i in range(m)])
    return np.array([[found.get((min(i, j), max(i, j)), 1.0) for j in range(m)] for i in range(m)])


def _check_options(kernel: str, bandwidth: float, batch_size: int | None, debiased: bool) -> None:
    if kernel not in ("linear", "rbf"):
        raise InputError(f"kernel must be 'linear' or 'rbf', got {kernel!r}")
    if not 0 < bandwidth < np.inf:
        raise InputError(f"bandwidth must be a positive fraction of the median distance, got {bandwidth}")
    least = 4 if debiased else 2
    if batch_size is not None and batch_size < least:
        raise InputError(f"batch_size must be at least {least}, got {batch_size}")
