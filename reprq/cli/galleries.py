"""`reprq detect --gallery`: the most anomalous images or texts with their maps, for every row of the table."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

_MOST = 12
_HEADING = "The most anomalous texts"

Maps = Callable[[Any], Any]  # from samples to their maps


def explanation_of(case: Any, found: Any, method: str) -> tuple[Any, Maps] | None:
    """Return what makes the input of samples, and their maps by a method of `reprq.explain`.

    Args:
        case: What was judged.
        found: What `evaluate` returned.
        method: The method.

    Returns:
        None where there is no network between the samples and the score.

    Raises:
        InputError: A score that the method does not know.
    """
    from reprq.detectors.deep.base import DeepDetector
    from reprq.detectors.rows.base import ArrayDetector
    from reprq.explain.deep import DeepScore
    from reprq.explain.layers import LayerScore
    from reprq.explain.pictures import input_maps, maps_of

    detector, given = found.fitted, case.given
    if isinstance(detector, DeepDetector):
        score: Any = DeepScore(detector)
    elif isinstance(detector, ArrayDetector) and "backbone" in given:
        layer, pooling = given["layers"], given["pooling"]
        score = LayerScore(detector, given["backbone"], layer, pooling, device=given["device"])
    else:
        return None
    of_texts = case.samples[1].modality == "text"
    if of_texts:
        return score.transform, lambda samples: [values for _, values in maps_of(score, samples, method)]
    return score.transform, lambda samples: list(input_maps(score, samples, method))


def draw(
    folder: Path, row: dict[str, Any], found: Any, split: Any, test: Any, explained: tuple[Any, Maps] | None = None
) -> Path | None:
    """Draw the test samples that scored highest with their maps, and of images in their own pixels what is marked.

    Texts of which there are no maps are drawn with nothing marked.

    Args:
        folder: Where the picture goes.
        row: Of the table, which names it.
        found: What `evaluate` returned.
        split: What was judged.
        test: The test samples; None where there are only rows of a file.
        explained: What `explanation_of` returned; None for the maps of the detector itself.

    Returns:
        The picture, of texts the page; None where the detector has no maps of such samples.
    """
    from reprq.report.galleries import titles_of

    if test is None or split.groups is not None:
        return None
    transform, maps = explained or _own(found.fitted, test)
    if transform is None and test.modality != "text":
        return None
    shown = np.argsort(-found.scores, kind="stable")[:_MOST]
    shots = f"{row['shots']}-shots" if "shots" in row else ""
    words = (row["detector"], row["layer"], row.get("task", ""), shots, f"seed-{row['seed']}")
    name = "_".join(re.sub(r"[^\w=.,-]+", "-", str(word)).strip("-") for word in words if word != "")
    judged = test.select(split.test)
    titles = titles_of(judged.select(shown), found.scores[shown])
    if test.modality == "text":
        return _draw_texts(folder, name, found.fitted, transform, maps, judged, shown, titles)
    return _draw_images(folder, name, transform, maps, judged.select(shown), split, shown, titles)


def _own(detector: Any, test: Any) -> tuple[Any, Any]:
    """What makes the input of samples, and the detector's own maps; None where it has none of such samples."""
    from reprq.evaluation.localization import has_maps

    transform = getattr(detector, "transform_", None)
    if not has_maps(detector) or transform is None:
        return None, None
    if test.modality not in getattr(detector, "maps_of", {"image"}) and not hasattr(transform, "picture"):
        return None, None
    return transform, detector.anomaly_map


def _draw_texts(
    folder: Path, name: str, detector: Any, transform: Any, maps: Maps, judged: Any, shown: Any, titles: list[str]
) -> Path:
    from reprq.cli import marked_texts
    from reprq.report.texts import TextSection

    texts = judged.select(shown)
    if transform is None:
        plain = [marked_texts.unmarked(texts, i, title) for i, title in enumerate(titles)]
        return marked_texts.write(folder, name, name, [TextSection(_HEADING, plain, "")])
    found = maps(texts)
    drawn = [marked_texts.marked(transform, texts, i, found[i], title) for i, title in enumerate(titles)]
    sections = [TextSection(_HEADING, drawn, marked_texts.ADDED)]
    return marked_texts.write(folder, name, name, [*sections, *marked_texts.contexts(detector, judged)])


def _draw_images(
    folder: Path, name: str, transform: Any, maps: Maps, images: Any, split: Any, shown: Any, titles: list[str]
) -> Path:
    from reprq.plots import render
    from reprq.report.galleries import overlaid
    from reprq.storage import make_folder, write_whole

    known = [None if split.masks is None else split.masks[int(i)] for i in shown]
    figure = overlaid(images, maps(images), transform, known, titles)
    make_folder(folder)
    path = folder / f"{name}.png"
    write_whole(path, lambda temporary: temporary.write_bytes(render(figure, "png")))
    return path
