"""PatchCore: the distance to the nearest of a few benign patches that cover all (Roth et al. 2022)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.detectors.patch.base import Maps, PatchDetector
from reprq.detectors.patch.reader import Patches, PatchReader
from reprq.detectors.rows.base import check_count
from reprq.errors import InputError
from reprq.numerics.coreset import k_center_greedy, random_projection
from reprq.numerics.nearest import ExactNeighbours
from reprq.numerics.rows import Scores

_HELD = 1.0  # GiB of patches that are held while the coreset is chosen; more are read twice


@dataclass(kw_only=True, eq=False, repr=False)
class PatchCore(PatchDetector):
    """Distance of patches to a coreset M of benign patches (Roth et al. 2022).

    M is a greedy k-centre coreset of all benign patches, found in a random projection (their Algorithm 1). A patch
    scores its distance to the nearest row of M. With m the patch of an image that scores most, m* its nearest row and
    s* their distance (equation 6), the image scores (equation 7)

        s = (1 - exp|m - m*| / sum over n in N_b(m*) of exp|m - n|) s*,

    where N_b(m*) are the b rows of M nearest to m*, itself the first.

    The authors' released code does otherwise in three ways: an image scores s*, which is `neighbors=1` here; channels
    of each layer, and of all, are averaged down to 1024; and the coreset starts from ten random patches, here from one.

    Args:
        coreset: Share of the benign patches that M has, or their number.
        projection: Width of the random projection in which M is found; wider patches alone are projected.
        neighbors: b; 1 weights nothing, and an image scores s*.
        start: The number of the first patch of M; drawn by `seed` where None.
        seed: Of projection and start.
        backbone: This and the others as in `reprq.detectors.patch.base.PatchDetector`.

    Attributes:
        memory_: (k, d) M.

    Example:
        >>> from reprq.backbones import load_backbone
        >>> from reprq.data import load_dataset
        >>> zeros = load_dataset("digits").restrict(["0"]).sample(8)
        >>> detector = PatchCore(load_backbone("lenet", "random"), layers=1, coreset=0.1).fit(zeros)
        >>> detector.anomaly_map(zeros).shape
        (8, 32, 32)
    """

    coreset: float | int = 0.01
    projection: int = 128
    neighbors: int = 9
    start: int | None = None

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        super().check_parameters()
        check_count("projection", self.projection)
        check_count("neighbors", self.neighbors)
        number = self.coreset
        if (
            isinstance(number, bool)
            or not isinstance(number, int | float)
            or not (0 < number <= 1 or number == int(number) > 1)
        ):
            raise InputError(f"coreset must be a share in (0, 1] or a number of patches, got {number!r}; 0.01 is usual")

    def _settings(self) -> list[str]:
        said = [f"coreset={self.coreset:g}", f"neighbors={self.neighbors}"]
        said += [f"projection={self.projection}"] * (self.projection != PatchCore.projection)
        return said + ([] if self.start is None else [f"start={self.start}"])

    def _learn(self, patches: Patches, reader: PatchReader) -> None:
        n = patches.images * patches.positions
        size = round(self.coreset * n) if self.coreset <= 1 else int(self.coreset)
        start = int(np.random.default_rng(self.seed).integers(n)) if self.start is None else self.start
        whole = patches.gigabytes <= _HELD
        narrow = (
            None if self.projection >= patches.width else random_projection(patches.width, self.projection, self.seed)
        )
        blocks = (block.reshape(-1, patches.width) for block in patches.read())
        if whole or narrow is None:
            rows = np.concatenate(list(blocks))
            sought = rows if narrow is None else rows @ narrow
        else:
            sought = np.concatenate([block @ narrow for block in blocks])
        chosen = k_center_greedy(sought, min(max(size, 1), n), start=start, progress=self.progress)
        self._restore({"memory": rows[chosen] if whole or narrow is None else _rows_of(patches, chosen)}, reader)

    def _scores(self, block: NDArray[np.float32]) -> Scores:
        distances, nearest = self._nearest(block)
        worst = distances.argmax(axis=1)
        images = np.arange(len(block))
        farthest, m_star = distances[images, worst], nearest[images, worst]
        around = self.memory_[self.around(m_star)]
        if around.shape[1] == 1:
            return np.asarray(farthest)
        others = np.sqrt(np.sum((around - block[images, worst].astype(np.float64)[:, None]) ** 2, axis=2))
        return reweighted(farthest, others)

    def _maps(self, block: NDArray[np.float32]) -> Maps:
        return self._nearest(block)[0]

    def _nearest(self, block: NDArray[np.float32]) -> tuple[Maps, NDArray[np.int64]]:
        """The distance of every patch to the nearest row of M, (b, positions), and which it is."""
        squares, rows = self._search.search(np.ascontiguousarray(block.reshape(-1, block.shape[2])), 1)
        return np.sqrt(squares).reshape(block.shape[:2]), rows.reshape(block.shape[:2])

    def around(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """Return (m, b) which rows of M are nearest to some rows of M, each the first of its own; to all by default."""
        sought = self.memory_ if rows is None else self.memory_[rows]
        return self._search.search(sought, min(self.neighbors, len(self.memory_)))[1]

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {"memory": self.memory_}

    def _restore(self, arrays: dict[str, NDArray[Any]], reader: PatchReader) -> None:
        self.memory_ = arrays["memory"]
        self._search = ExactNeighbours(self.memory_)


def reweighted(farthest: Scores, others: NDArray[np.float64]) -> Scores:
    """Return (1 - exp(s*) / sum_j exp(d_j)) s* of every image (Roth et al. 2022, equation 7).

    Args:
        farthest: (m,) s*.
        others: (m, b) distances d_j to the b rows of M around m*; the first is s*, none is less.

    Example:
        >>> reweighted(np.array([2.0]), np.array([[2.0, 2.0]]))
        array([1.])
    """
    with np.errstate(over="ignore"):
        return np.asarray((1.0 - 1.0 / np.exp(others - farthest[:, None]).sum(axis=1)) * farthest)


def _rows_of(patches: Patches, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
    """Read the chosen patches, of which memory would not hold all."""
    found = np.empty((len(chosen), patches.width), dtype=np.float32)
    first = 0
    for block in patches.read():
        rows = block.reshape(-1, patches.width)
        here = np.flatnonzero((chosen >= first) & (chosen < first + len(rows)))
        found[here] = rows[chosen[here] - first]
        first += len(rows)
    return found
