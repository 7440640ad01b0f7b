"""Exact nearest neighbors of tensors on the device that they are on."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.numerics.nearest import ExactNeighbours
from reprq.numerics.tensors import Rows, beside, blocks, column_means, double, host, is_tensor, namespace

_SLACK = 4  # neighbors beyond k on the shortlist: enough that the proof rarely fails
_LARGEST = 1e38  # squares that float32 can hold, and the sums on the way to them
_BUDGET = 256 * 2**20  # bytes held at once beside the rows
_QUERIES = 1024
_SEARCHED = 64  # queries that are searched again at a time


class TensorNeighbours:
    """The k nearest of n rows in Euclidean distance, found and proved on the device of the rows.

    What `ExactNeighbours` does with NumPy: products in float32 propose, float64 differences of the values as they were
    given rank, and the same bound proves that nothing is missing; a query that it does not cover is compared with every
    row by float64 differences. Where torch may round products of float32 (TF32 on, autocast), they are of float64. The
    distances are right to float64's rounding, (d + 2) 2^-53 of each, and depend on neither the batch nor the device.

    Args:
        rows: (n, d) tensor; a copy is kept.
    """

    def __init__(self, rows: Any) -> None:
        torch = namespace(rows)
        self.rows = rows.clone()
        self._centre = column_means(rows)
        centre = beside(rows, self._centre)
        ends = torch.stack([rows.amax(dim=0), rows.amin(dim=0)])
        self._scale = float((ends - centre).abs().max()) or 1.0
        n, d = rows.shape
        exact = torch.get_float32_matmul_precision() == "highest" and not torch.is_autocast_enabled()
        self._dtype = torch.float32 if exact else torch.float64
        self._products = torch.empty(n, d + 1, dtype=self._dtype, device=rows.device)
        for part in blocks(n, 8 * d):
            block = self._centred(rows[part])
            self._products[part, :d] = block.to(self._dtype)
            self._products[part, d] = torch.linalg.vecdot(block, block).to(self._dtype)

    def search(
        self, queries: Rows, k: int, own: NDArray[np.int64] | None = None
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Find the k nearest rows of every query, as `ExactNeighbours.search` does.

        Args:
            queries: (m, d); an array is moved to the device of the rows.
            k: How many, at most n (n - 1 where `own` is given).
            own: (m,) the row that each query itself is, which is not its own neighbor.

        Returns:
            (m, k) squared distances in float64, ascending, and the (m, k) numbers of those rows; equally near ones
            rank by number.
        """
        queries = queries if is_tensor(queries) else beside(self.rows, queries)
        squares, ids = np.empty((len(queries), k)), np.empty((len(queries), k), dtype=np.int64)
        length = min(len(self.rows), k + _SLACK + (own is not None))
        held = 24 * length * queries.shape[1]
        for part in blocks(len(queries), max(held, _BUDGET // _QUERIES), _BUDGET):
            mine = None if own is None else beside(self.rows, own[part])
            nearest, numbers, proved = self._search(queries[part], k, length, mine)
            squares[part], ids[part] = host(nearest), host(numbers)
            again = part.start + np.flatnonzero(~host(proved))
            for start in range(0, len(again), _SEARCHED):
                some = again[start : start + _SEARCHED]
                mine = None if own is None else beside(self.rows, own[some])
                nearest, numbers = self._compare(queries[some], k, mine)
                squares[some], ids[some] = host(nearest), host(numbers)
        return squares, ids

    def _search(self, queries: Any, k: int, length: int, own: Any) -> tuple[Any, Any, Any]:
        torch, (n, d) = namespace(queries), self.rows.shape
        centred = self._centred(queries)
        ids, seen = self._shortlist(centred, length)
        ids = ids.sort(dim=1).values
        difference = double(self.rows[ids]) - queries[:, None]
        squares = torch.linalg.vecdot(difference, difference)
        if own is not None:
            squares[ids == own[:, None]] = torch.inf
        nearest, numbers = _smallest(squares, ids, k)
        radius = nearest[:, -1].sqrt() / self._scale
        squared = torch.linalg.vecdot(centred, centred)
        terms = (2.0 * squared.sqrt() + radius) ** 2
        bound = radius**2 + (d + 8) * (2.0**-24 * terms + float(np.finfo(np.float32).tiny))
        beyond = seen.max(dim=1).values.to(torch.float64) + squared
        whole = seen.isfinite().all(dim=1)
        return nearest, numbers, whole & (((beyond > bound) & (terms < _LARGEST)) | (length == n))

    def _shortlist(self, centred: Any, length: int) -> tuple[Any, Any]:
        """Return the rows that are seen nearest to some queries, in no order, and |y|^2 - 2 x.y of each."""
        torch = namespace(centred)
        left = torch.ones(len(centred), centred.shape[1] + 1, dtype=self._dtype, device=centred.device)
        left[:, :-1] = (-2.0 * centred).to(self._dtype)
        ids = torch.empty(len(centred), 0, dtype=torch.int64, device=centred.device)
        seen = torch.empty(len(centred), 0, dtype=self._dtype, device=centred.device)
        for part in blocks(len(self.rows), 8 * len(centred), _BUDGET):
            product = left @ self._products[part].T
            values, places = product.topk(min(length, product.shape[1]), dim=1, largest=False)
            seen, ids = torch.cat([seen, values], dim=1), torch.cat([ids, places + part.start], dim=1)
            seen, best = seen.topk(min(length, seen.shape[1]), dim=1, largest=False)
            ids = ids.gather(1, best)
        return ids, seen

    def _compare(self, queries: Any, k: int, own: Any) -> tuple[Any, Any]:
        """Compare queries with every row by float64 differences."""
        torch, (n, d) = namespace(queries), self.rows.shape
        wanted = double(queries)
        squares = torch.empty(len(queries), n, dtype=torch.float64, device=queries.device)
        for part in blocks(n, 16 * d * len(queries), _BUDGET):
            difference = self.rows[part] - wanted[:, None]
            squares[:, part] = torch.linalg.vecdot(difference, difference)
        if own is not None:
            squares.scatter_(1, own[:, None], torch.inf)
        return _smallest(squares, torch.arange(n, device=queries.device).expand(len(queries), n), k)

    def _centred(self, rows: Any) -> Any:
        return (rows - beside(rows, self._centre)) / self._scale


def exact_neighbours(rows: Rows, device: str = "cpu") -> "ExactNeighbours | TensorNeighbours":
    """Return the search among rows where they are: of a tensor on its device, of an array as `ExactNeighbours` says."""
    return TensorNeighbours(rows) if is_tensor(rows) else ExactNeighbours(rows, device)


def _smallest(squares: Any, ids: Any, k: int) -> tuple[Any, Any]:
    values, order = squares.sort(dim=1, stable=True)
    return values[:, :k], ids.gather(1, order[:, :k])
