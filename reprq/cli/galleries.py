"""`reprq detect --gallery`: the most anomalous images or texts with their maps, for every row of the table."""

import re
from pathlib import Path
from typing import Any

import numpy as np

_MOST = 12


def draw(folder: Path, row: dict[str, Any], found: Any, split: Any, test: Any) -> Path | None:
    """Draw the test samples that scored highest with their maps, and of images in their own pixels what is marked.

    Args:
        folder: Where the picture goes.
        row: Of the table, which names it.
        found: What `evaluate` returned.
        split: What was judged.
        test: Its test side.

    Returns:
        The picture, of texts the page; None where the detector has no maps of such samples.
    """
    from reprq.evaluation.localization import has_maps
    from reprq.report.galleries import titles_of

    detector = found.fitted
    if not has_maps(detector) or getattr(detector, "transform_", None) is None or split.groups is not None:
        return None
    if test.modality not in getattr(detector, "maps_of", {"image"}) and not hasattr(detector.transform_, "picture"):
        return None
    shown = np.argsort(-found.scores, kind="stable")[:_MOST]
    shots = f"{row['shots']}-shots" if "shots" in row else ""
    words = (row["detector"], row["layer"], row.get("task", ""), shots, f"seed-{row['seed']}")
    name = "_".join(re.sub(r"[^\w=.,-]+", "-", str(word)).strip("-") for word in words if word != "")
    judged = test.select(split.test)
    titles = titles_of(judged.select(shown), found.scores[shown])
    if test.modality == "text":
        return _draw_texts(folder, name, detector, judged, shown, titles)
    return _draw_images(folder, name, detector, judged.select(shown), split, shown, titles)


def _draw_texts(folder: Path, name: str, detector: Any, judged: Any, shown: Any, titles: list[str]) -> Path:
    from reprq.cli import marked_texts
    from reprq.report.texts import TextSection

    texts = judged.select(shown)
    maps = detector.anomaly_map(texts)
    drawn = [marked_texts.marked(detector.transform_, texts, i, maps[i], title) for i, title in enumerate(titles)]
    sections = [TextSection("The most anomalous texts", drawn, marked_texts.ADDED)]
    return marked_texts.write(folder, name, name, [*sections, *marked_texts.contexts(detector, judged)])


def _draw_images(
    folder: Path, name: str, detector: Any, images: Any, split: Any, shown: Any, titles: list[str]
) -> Path:
    from reprq.plots import render
    from reprq.report.galleries import overlaid
    from reprq.storage import make_folder, write_whole

    known = [None if split.masks is None else split.masks[int(i)] for i in shown]
    figure = overlaid(images, detector.anomaly_map(images), detector.transform_, known, titles)
    make_folder(folder)
    path = folder / f"{name}.png"
    write_whole(path, lambda temporary: temporary.write_bytes(render(figure, "png")))
    return path
