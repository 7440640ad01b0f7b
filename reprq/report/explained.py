"""Where the scores of a detector that was fitted again come from: maps, and what they say of its reasons."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image

from reprq.data import Dataset
from reprq.detectors.deep.base import DeepDetector
from reprq.detectors.raw import Raw
from reprq.errors import InputError, ReprqError
from reprq.evaluation import clever_hans_score, explanation_accuracy, pointing_game
from reprq.evaluation.suspicion import region_shares
from reprq.explain import relevance
from reprq.explain.deep import DeepScore
from reprq.explain.pictures import input_maps
from reprq.models.embedder import Embedder
from reprq.models.position_maps import check_positions, maps_by_position, scale_of
from reprq.report.tables import PageTable, to_table
from reprq.study.refit import Refit

_MOST = 64  # samples of either label that are explained
_ALIKE = 0.02  # of the largest spread of a pixel over benign samples: below, it is constant
_HIGH = 0.8  # an AUROC that needs reasons

Maps = NDArray[np.float64]


class Pixels:
    """What a detector of pixels reads of an image: all of it."""

    axes = None

    def __call__(self, image: Image.Image) -> torch.Tensor:
        """Return (3, height, width) in [0, 1]."""
        return torch.from_numpy(np.asarray(image.convert("RGB"), dtype=np.float32).transpose(2, 0, 1) / 255.0)

    def picture(self, image: Image.Image) -> Image.Image:
        """Return the image."""
        return image


def maps_of_refit(again: Refit, samples: Dataset, device: str) -> tuple[Any, Any]:
    """Return what makes pictures of samples, None where they have none, and their maps, None where there are none.

    They are the detector's own; of a detector of rows its scores at every position of the layer, and of pixels and of
    networks without maps of their own the relevance of pixels.
    """
    detector = again.found.fitted
    transform = getattr(detector, "transform_", None)
    if again.layer and again.backbone is not None and transform is None:
        transform = again.backbone.preprocessing
        if not hasattr(transform, "picture"):
            return None, None
        embedder = Embedder(again.backbone, (again.layer,), again.pooling, (1.0,), device)
        try:
            check_positions(embedder, detector)
            scale = scale_of(embedder, detector, *_benign(again))
            return transform, list(maps_by_position(embedder, detector, samples, scale))
        except InputError:  # a layer without positions, or pooled so that a row is of all of them
            return transform, None
    if samples.modality == "image" and transform is None:
        return Pixels(), _of_pixels(detector, samples)
    if not hasattr(transform, "picture"):
        return None, None
    if hasattr(detector, "anomaly_map"):
        return transform, detector.anomaly_map(samples)
    return transform, _of_network(detector, samples)


def _benign(again: Refit) -> tuple[Dataset, Maps]:
    """The benign samples that were judged, and their scores."""
    rows = np.flatnonzero(again.found.labels == 0)
    return again.judged.select(rows), again.found.scores[rows]


def _of_pixels(detector: Any, samples: Dataset) -> Maps | None:
    """The relevance of pixels, summed over channels; None where the detector has no rule."""
    if not isinstance(detector, Raw):
        return None
    try:
        values = relevance(detector.detector_, detector._pixels(samples))
    except ReprqError:
        return None
    width, height = samples.item(0).size
    return np.asarray(values.reshape(len(samples), height, width, -1).sum(3))


def _of_network(detector: Any, samples: Dataset) -> list[Maps] | None:
    if not isinstance(detector, DeepDetector):
        return None
    try:
        return list(input_maps(DeepScore(detector), samples, "relevance"))
    except ReprqError:  # no rule, or no zennit
        return None


@dataclass(frozen=True)
class Reasons:
    """What a page says of the reasons of a detector.

    Attributes:
        warnings: Sentences.
        table: The numbers, None where there are none.
    """

    warnings: tuple[str, ...] = ()
    table: PageTable | None = field(default=None)


def reasons(again: Refit, row: dict[str, Any], device: str) -> Reasons:
    """Say whether maps point at what is marked, or where nothing is marked at borders, corners or constant pixels.

    Args:
        again: The detector that was fitted again.
        row: Of the table of detectors, which names it.
        device: A torch device.
    """
    labels = again.found.labels
    chosen = np.sort(np.concatenate([np.flatnonzero(labels == label)[:_MOST] for label in (0, 1)]))
    truth, samples = labels[chosen], again.judged.select(chosen)
    if samples.modality != "image" or min((truth == 0).sum(), (truth == 1).sum()) < 2:
        return Reasons()
    transform, maps = maps_of_refit(again, samples, device)
    if maps is None or len({each.shape for each in maps}) > 1:
        return Reasons()
    found = np.stack([np.asarray(each, dtype=np.float64) for each in maps])
    name = f"{row['definition']} on {row['dataset']}"
    masks = again.split.masks
    if masks is not None and (marked := _marked(masks, chosen, transform, found.shape[1:])).any():
        return _by_masks(found, marked, again.found.auroc.value, name, str(row["dataset"]))
    return _by_regions(found, truth, _constant(samples.select(np.flatnonzero(truth == 0)), transform), name, row)


def _marked(masks: Any, rows: NDArray[np.int64], transform: Any, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    nothing = np.zeros(shape, dtype=np.bool_)
    laid = [masks.over(int(i), transform, shape) for i in rows]
    return np.stack([nothing if mask is None else mask for mask in laid])


def _by_masks(maps: Maps, marked: NDArray[np.bool_], area: float, name: str, dataset: str) -> Reasons:
    """Explanation accuracy, beside that of a map that is the same everywhere: the root of the marked share."""
    there = marked.any((1, 2))
    maps = np.nan_to_num(maps)
    accuracy, pointing = explanation_accuracy(marked, maps), pointing_game(marked, maps)
    even = float(np.sqrt(marked[there].mean((1, 2))).mean())
    score = clever_hans_score(area, accuracy.value)
    rows = [
        ("explanation accuracy", accuracy.value, accuracy.low, accuracy.high, even),
        ("pointing game", pointing.value, pointing.low, pointing.high, float(marked[there].mean())),
        ("Clever-Hans score", score, area - accuracy.high, area - accuracy.low, area - even),
    ]
    frame = pd.DataFrame(rows, columns=["figure", "value", "low", "high", "of a map that is the same everywhere"])
    caption = (
        f"Do the maps of {name} point at what is marked? Explanation accuracy is the mean cosine of map and mask over"
        f" {int(there.sum())} images, the pointing game the share of them whose highest value lies in the mask, and the"
        " Clever-Hans score the AUROC less the accuracy (Ruff 2021)."
    )
    said = (
        f"{name} has an AUROC of {area:.3f}, but its maps point at what is marked no better than one that is the same"
        f" everywhere (explanation accuracy {accuracy.value:.2f} against {even:.2f}, Clever-Hans score {score:.2f}): it"
        " may be right for the wrong reason."
    )
    warned = area >= _HIGH and accuracy.high <= even
    return Reasons((said,) if warned else (), to_table(frame, f"reasons-{_key(dataset)}", caption))


def _by_regions(
    maps: Maps, truth: NDArray[np.int64], constant: NDArray[np.bool_], name: str, row: dict[str, Any]
) -> Reasons:
    found = region_shares(maps, truth, constant)
    rows = [(each.region, each.area, each.anomalous, each.benign, each.excess_low) for each in found]
    columns = ["region", "share of the area", "anomalous", "benign", "difference, at least"]
    caption = (
        f"Where in images the scores of {name} come from: the mean share of relevance above the benign median in"
        " regions that say little of what is shown. A border is a sixteenth of a side wide, a corner an eighth, and"
        " constant pixels are alike in all benign images."
    )
    suspicious = sorted((each for each in found if each.suspicious), key=lambda each: each.area / each.anomalous)
    said = tuple(
        f"{100 * each.anomalous:.0f} % of what raises the scores of anomalous images by {name} lies in the"
        f" {each.region}, {100 * each.area:.0f} % of the area (of benign images {100 * each.benign:.0f} %): look"
        " whether a frame, a watermark or the background tells the images apart."
        for each in suspicious[:1]
    )
    return Reasons(said, to_table(pd.DataFrame(rows, columns=columns), f"reasons-{_key(str(row['dataset']))}", caption))


def _constant(benign: Dataset, transform: Any) -> NDArray[np.bool_]:
    """Which pixels of the input are alike in all benign samples."""
    inputs = torch.stack([transform(benign.item(i)) for i in range(len(benign))])
    spread = (inputs.amax(0) - inputs.amin(0)).amax(0).numpy()
    return np.asarray(spread <= _ALIKE * spread.max())


def _key(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in name)
