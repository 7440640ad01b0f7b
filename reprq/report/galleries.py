"""The most anomalous samples of a study, with the maps of its best detector: fitted again, since a study keeps none."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reprq import plots
from reprq.data import Dataset, to_photo
from reprq.errors import InputError, ReprqError, counted
from reprq.plots.images import framed_images
from reprq.progress import track
from reprq.report.explained import maps_of_refit, reasons
from reprq.report.pictures import LARGEST_JPEG, Picture, raster
from reprq.report.tables import PageTable, to_table
from reprq.study import StudyResults
from reprq.study.refit import Refit, refit

MOST = 24  # samples of a gallery
_HIGHEST = 0.95  # the quantile of all values of the maps that is outlined
_LETTERS = 300  # of a text that is shown
_CHOSEN = ["backbone", "layer", "definition"]


@dataclass(frozen=True)
class Galleries:
    """What a page shows of the most anomalous samples.

    Attributes:
        pictures: Of images and sounds, one a data set.
        tables: Of texts and rows, one a data set.
        notes: Why there is none of a data set.
        warnings: Where scores come from places that say little of what is shown, or not from what is marked.
    """

    pictures: tuple[Picture, ...] = ()
    tables: tuple[PageTable, ...] = ()
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def galleries(
    results: StudyResults,
    count: int,
    *,
    device: str = "cpu",
    cache_dir: Path | str | None = None,
    progress: bool = False,
) -> Galleries:
    """Fit the best detector of each data set again and show the test samples that it scores highest.

    Best is the detector and layer with the highest mean AUROC over tasks in hindsight; its first task and seed are
    shown. Images come with its map: its own, or of a detector of rows its scores at every position of the layer.

    Args:
        results: A finished study.
        count: How many samples, from 1 to 24.
        device: A torch device.
        cache_dir: The folder of the embedding caches.
        progress: Whether to show progress on stderr.

    Raises:
        InputError: Another count.
    """
    if not 1 <= count <= MOST:
        raise InputError(f"gallery must be from 1 to {MOST} samples, got {count}")
    found: list[Picture | PageTable] = []
    notes: list[str] = []
    said: list[str] = []
    chosen = list(_best(results))
    for row in track(chosen, desc="gallery", unit="data set", show=progress):
        try:
            again = refit(results, row, device=device, cache_dir=cache_dir)
            found.append(gallery(again, row, count, device, _by(row)))
            why = reasons(again, row, device)
            said += why.warnings
            found += [] if why.table is None else [why.table]
        except ReprqError as error:
            notes.append(f"There is no gallery of {row['dataset']}: {error}.")
    pictures = tuple(each for each in found if isinstance(each, Picture))
    listed = tuple(each for each in found if isinstance(each, PageTable))
    return Galleries(pictures, listed, tuple(notes), tuple(said))


def _best(results: StudyResults) -> Iterator[dict[str, Any]]:
    """A row of the table of detectors for each data set."""
    for _, rows in results.detectors.groupby("dataset", sort=False):
        means = rows.groupby(_CHOSEN, dropna=False)["auroc"].transform("mean")
        first = rows.loc[means.sort_values(ascending=False, kind="stable").index[0]]
        yield {str(name): value for name, value in first.items()}


def _by(row: Mapping[str, Any]) -> str:
    where = f" on {row['layer']} of {row['backbone']}" if isinstance(row["layer"], str) else ""
    return (
        f"By {row['definition']}{where}, which has the highest mean AUROC of the study, as only labels can say (here"
        f" {row['auroc']:.3f}), fitted again with seed {row['seed']}; each with its class and score."
    )


def gallery(
    again: Refit, row: Mapping[str, Any], count: int, device: str, caption: str, largest: int = LARGEST_JPEG
) -> Picture | PageTable:
    """Return the samples that a detector scores highest, with maps where there are some; of texts and rows a table.

    Args:
        again: The detector, fitted again.
        row: Of the table of detectors, which names it.
        count: How many samples.
        device: A torch device.
        caption: What is said of it.
        largest: Bytes of a picture, at most.

    Raises:
        InputError: Its scores are not of samples.
    """
    if again.split.groups is not None:
        raise InputError("its scores are of groups of samples, not of samples")
    shown = np.argsort(-again.found.scores, kind="stable")[:count]
    samples, scores, truth = again.judged.select(shown), again.found.scores[shown], again.found.labels[shown]
    titles = titles_of(samples, scores)
    title = f"The most anomalous {samples.noun}s of {row['dataset']}, {row['task']}"
    anomalous = int(truth.sum())
    said = f"{counted(len(shown), samples.noun)}, of which {anomalous} {'is' if anomalous == 1 else 'are'} anomalous: "
    transform, maps = maps_of_refit(again, samples, device)
    if transform is None:
        return _listing(samples, scores, truth, f"{title}. {caption}", f"gallery-{row['dataset']}")
    if maps is None:
        pictures = [transform.picture(samples.item(i)) for i in range(len(samples))]
        drawn = framed_images(pictures, titles, truth).get_figure(root=True)
        caption += " A dashed orange frame is an anomaly, a solid blue one is benign."
    else:
        masks = [None if again.split.masks is None else again.split.masks[int(i)] for i in shown]
        drawn = overlaid(samples, maps, transform, masks, titles, contour=_HIGHEST)
        caption += (
            " Beside each its map, on one scale of colors; the white line goes around the highest twentieth of all"
        )
        caption += " pixels."
        if any(mask is not None for mask in masks):
            caption += " What is marked as anomalous is outlined in cyan."
    return raster(drawn, title, caption, said + ", ".join(titles), largest)


def overlaid(
    samples: Dataset, maps: Any, transform: Any, masks: list[Any], titles: list[str], contour: float | None = None
) -> Any:
    """Draw samples, and beside each its map over it in the picture's own pixels, with what is marked outlined.

    Args:
        samples: What is drawn.
        maps: Of each, over what the network saw.
        transform: Makes a picture of a sample, and the network's input.
        masks: Of each, or None.
        titles: Of each.
        contour: The quantile of all values at which a line is drawn, if any.
    """
    pictures = [transform.picture(samples.item(i)) for i in range(len(samples))]
    pairs = zip(maps, pictures, strict=True)
    large = [to_photo(values, transform, *picture.size) for values, picture in pairs]
    own = [
        mask if mask is not None and mask.shape == values.shape else None
        for mask, values in zip(masks, large, strict=True)
    ]
    level = (
        None if contour is None else float(np.nanquantile(np.concatenate([each.ravel() for each in large]), contour))
    )
    return plots.overlay_gallery(pictures, large, masks=own, titles=titles, threshold=level, axes=transform.axes)


def _listing(
    samples: Dataset, scores: NDArray[np.float64], truth: NDArray[np.int64], caption: str, key: str
) -> PageTable:
    """The samples as a table, with the beginning of what texts and rows say."""
    frame = pd.DataFrame({"score": scores, "anomalous": ["yes" if label else "no" for label in truth]})
    if len(samples.classes) > 1:
        frame["class"] = [samples.classes[label] for label in samples.labels]
    frame["id"] = [str(name) for name in samples.ids]
    if samples.modality in ("text", "table"):
        frame["sample"] = [_words(samples.item(i)) for i in range(len(samples))]
    return to_table(frame, re.sub(r"[^\w-]+", "-", key), caption, choose=("class",))


def _words(item: Any) -> str:
    text = str(item)
    if isinstance(item, dict):
        short = {name: f"{value:.4g}" if isinstance(value, float) else value for name, value in item.items()}
        text = ", ".join(f"{name} {value}" for name, value in short.items())
    text = " ".join(text.split())
    return text if len(text) <= _LETTERS else f"{text[:_LETTERS]} ..."


def titles_of(samples: Any, scores: Any) -> list[str]:
    """The class of each sample where there are several, the name of its file, and its score."""
    names = [Path(str(name)).name for name in samples.ids]
    if len(samples.classes) > 1:
        names = [f"{samples.classes[label]} {name}" for label, name in zip(samples.labels, names, strict=True)]
    return [f"{name}: {score:.4g}" for name, score in zip(names, scores, strict=True)]
