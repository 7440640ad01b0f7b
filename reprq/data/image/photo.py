"""From what a network saw back to the pixels of a photo."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Placement(NamedTuple):
    """How one side of a photo lies in the input of a network: pixel p of the photo at p * scale - offset.

    Attributes:
        scale: Pixels of the input a pixel of the photo.
        offset: Pixels that are cut off before the input begins; below 0 where it begins with padding.
        start: The first pixel of the input that shows the photo.
        stop: The first one after those.
    """

    scale: float
    offset: float
    start: int
    stop: int

    def read(self, length: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Return where each pixel of the photo's side lies in the input, (length,), and whether it shows it."""
        place = (np.arange(length) + 0.5) * self.scale - self.offset - 0.5
        shown = (place >= self.start - 0.5) & (place <= self.stop - 0.5)
        return np.clip(place, self.start, self.stop - 1), shown


def to_photo(values: Any, transform: Any, width: int, height: int) -> NDArray[np.float64]:
    """Bring a map over the input of a network back to the pixels of its photo: through padding, crop and resizing.

    Values are interpolated bilinearly between the centers of pixels. What was cut off is nan: a network that did not
    see a part of a photo says nothing of it. Padding is left out, and no pixel of the photo is mixed with it.

    Args:
        values: (H, W), as large as the input.
        transform: From the photo to the input; one that cannot say where the photo lies in it saw all of it, squashed.
        width: Of the photo, in pixels.
        height: Of the photo, in pixels.

    Returns:
        (height, width) float64, nan where the input does not show the photo.

    Example:
        >>> from reprq.data.image.preprocessing import Preprocessing
        >>> cut = Preprocessing(size=2, resize=2)  # the middle of a photo of 4 x 2 pixels
        >>> to_photo(np.array([[1.0, 2.0], [3.0, 4.0]]), cut, 4, 2)
        array([[nan,  1.,  2., nan],
               [nan,  3.,  4., nan]])
    """
    found = np.asarray(values, dtype=np.float64)
    if hasattr(transform, "placements"):
        across, down = transform.placements(width, height)
    else:
        across, down = (
            Placement(n / side, 0.0, 0, n) for n, side in zip(found.shape[::-1], (width, height), strict=True)
        )
    for axis, placement, length in ((0, down, height), (1, across, width)):
        place, shown = placement.read(length)
        low = np.floor(place).astype(np.int64)
        high = np.minimum(low + 1, placement.stop - 1)
        shape = (-1, 1) if axis == 0 else (1, -1)
        share = (place - low).reshape(shape)
        found = (1.0 - share) * found.take(low, axis) + share * found.take(high, axis)
        found = np.where(shown.reshape(shape), found, np.nan)
    return found
