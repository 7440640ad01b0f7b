"""Whether scores come from places that say little of what is shown: borders, corners, pixels that never change."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reprq.errors import InputError

Floats = NDArray[np.float64]
Places = NDArray[np.bool_]

BORDER = 16  # a border is a sixteenth of a side wide on each side, and a corner an eighth of both sides
_LEAST_SHARE, _TIMES_AREA, _LEAST_EXCESS = 0.25, 2.0, 0.1


@dataclass(frozen=True)
class RegionShare:
    """How much of what raises scores lies in a region of all images.

    Attributes:
        region: "border", "top left corner", ..., or "constant pixels".
        area: Its share of all pixels; that of relevance which is spread evenly.
        anomalous: Mean over anomalous images of the share of their relevance that lies there.
        benign: The same of benign images.
        excess_low: Lower end of the 95 % interval of the difference of both, by a bootstrap of images.
    """

    region: str
    area: float
    anomalous: float
    benign: float
    excess_low: float

    @property
    def suspicious(self) -> bool:
        """Whether the share is at least a quarter and twice the area, and surely .1 above that of benign images."""
        enough = max(_LEAST_SHARE, _TIMES_AREA * self.area)
        return self.anomalous >= enough and self.excess_low > _LEAST_EXCESS


def region_shares(
    maps: ArrayLike, labels: ArrayLike, constant: ArrayLike | None = None, *, resamples: int = 1000, seed: int = 0
) -> tuple[RegionShare, ...]:
    """Return how much of what raises the scores of anomalous images lies at borders, in corners and constant pixels.

    The relevance of a pixel is by how much its value exceeds its median over benign images, or 0: what a network says
    of padding in every image does not count. The share of a region is its relevance over that of the whole image; an
    image without any has the region's area. An anomaly may well lie at a border: look there.

    Args:
        maps: (n, h, w), higher is more anomalous; nan where nothing is known.
        labels: (n,) 1 is anomalous, 0 benign; at least 2 of each.
        constant: (h, w), True where pixels are alike in all benign images.
        resamples: Of images, for the interval.
        seed: The same seed, the same interval.

    Returns:
        The border, four corners, and where there are some the constant pixels.

    Raises:
        InputError: Other shapes, or too few images.

    Example:
        >>> maps = np.zeros((8, 32, 32))
        >>> maps[4:, :4, :4] = 1.0
        >>> for found in region_shares(maps, [0] * 4 + [1] * 4):
        ...     print(f"{found.region}: {found.anomalous:.2f} of {found.area:.2f}", found.suspicious)
        border: 0.75 of 0.23 True
        top left corner: 1.00 of 0.02 True
        top right corner: 0.00 of 0.02 False
        bottom left corner: 0.00 of 0.02 False
        bottom right corner: 0.00 of 0.02 False
    """
    values, truth = np.asarray(maps, dtype=np.float64), np.asarray(labels)
    if values.ndim != 3 or truth.shape != values.shape[:1]:
        raise InputError(f"maps must be (n, h, w) with n labels, got {values.shape} and {truth.shape}; give such")
    if min((truth == 1).sum(), (truth == 0).sum()) < 2:
        raise InputError(f"maps must be of at least 2 images of either label, got labels {truth.tolist()}; give more")
    values = np.nan_to_num(values)
    relevance = np.maximum(values - np.median(values[truth == 0], axis=0), 0.0)
    rng = np.random.default_rng(seed)
    found = []
    for name, places in _regions(values.shape[1:], constant).items():
        inside, whole = relevance[:, places].sum(1), relevance.sum((1, 2))
        area = float(places.mean())
        shares = np.divide(inside, whole, out=np.full(len(whole), area), where=whole > 0)
        drawn = [_means(shares[truth == label], rng, resamples) for label in (1, 0)]
        low = float(np.quantile(drawn[0] - drawn[1], 0.025))
        found.append(RegionShare(name, area, float(shares[truth == 1].mean()), float(shares[truth == 0].mean()), low))
    return tuple(found)


def _means(values: Floats, rng: np.random.Generator, resamples: int) -> Floats:
    return np.asarray(values[rng.integers(len(values), size=(resamples, len(values)))].mean(1))


def _regions(shape: tuple[int, ...], constant: ArrayLike | None) -> dict[str, Places]:
    height, width = shape
    border = np.ones((height, width), dtype=np.bool_)
    tall, wide = max(height // BORDER, 1), max(width // BORDER, 1)
    border[tall : height - tall, wide : width - wide] = False
    regions = {"border": border}
    high, broad = 2 * tall, 2 * wide
    for vertical, rows in (("top", slice(high)), ("bottom", slice(height - high, None))):
        for side, columns in (("left", slice(broad)), ("right", slice(width - broad, None))):
            corner = np.zeros((height, width), dtype=np.bool_)
            corner[rows, columns] = True
            regions[f"{vertical} {side} corner"] = corner
    if constant is not None:
        still = np.asarray(constant, dtype=np.bool_)
        if still.shape != shape:
            raise InputError(f"constant must be of shape {shape}, as one map, got {still.shape}; give such")
        if still.any() and not still.all():
            regions["constant pixels"] = still
    return regions
