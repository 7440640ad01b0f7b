"""`reprq detect --gallery`: the most anomalous images with their maps, as a picture for every row of the table."""

import re
from pathlib import Path
from typing import Any

import numpy as np

_MOST = 12


def draw(folder: Path, row: dict[str, Any], found: Any, split: Any, test: Any) -> Path | None:
    """Draw the test images that scored highest beside their maps, in their own pixels, what is marked outlined.

    Args:
        folder: Where the picture goes.
        row: Of the table, which names it.
        found: What `evaluate` returned.
        split: What was judged.
        test: Its test side.

    Returns:
        The picture; None where the detector has no maps of images.
    """
    from reprq.data import to_photo
    from reprq.evaluation.localization import has_maps
    from reprq.plots import overlay_gallery, render
    from reprq.storage import make_folder, write_whole

    detector = found.fitted
    if not has_maps(detector) or getattr(detector, "transform_", None) is None or split.groups is not None:
        return None
    shown = np.argsort(-found.scores, kind="stable")[:_MOST]
    images = test.select(split.test[shown])
    sizes = [images.item(i).size for i in range(len(images))]
    pairs = zip(detector.anomaly_map(images), sizes, strict=True)
    maps = [to_photo(values, detector.transform_, *size) for values, size in pairs]
    known = [None if split.masks is None else split.masks[int(i)] for i in shown]
    masks = [_as_large(mask, values) for mask, values in zip(known, maps, strict=True)]
    titles = [f"{Path(str(name)).name}: {found.scores[i]:.4g}" for name, i in zip(images.ids, shown, strict=True)]
    figure = overlay_gallery(images, maps, masks=masks, titles=titles)
    shots = f"{row['shots']}-shots" if "shots" in row else ""
    words = (row["detector"], row["layer"], row.get("task", ""), shots, f"seed-{row['seed']}")
    name = "_".join(re.sub(r"[^\w=.,-]+", "-", str(word)).strip("-") for word in words if word != "")
    make_folder(folder)
    path = folder / f"{name}.png"
    write_whole(path, lambda temporary: temporary.write_bytes(render(figure, "png")))
    return path


def _as_large(mask: Any, values: Any) -> Any:
    """The mask of an image, where it is as large as its map."""
    return mask if mask is not None and mask.shape == values.shape else None
