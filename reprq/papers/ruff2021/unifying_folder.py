"""The unifying comparison of Ruff (2021) on a folder in MVTec's layout: nine methods, and where each looks.

`train/good/`, `test/good/` and `test/DEFECT/` in one category's folder, with `ground_truth/DEFECT/NAME_mask.png` where
there are masks. Deviations from appendix B.3: images are squashed to a few pixels, gray ones for AGAN and AE, for all
methods but DSVDD, whose frozen network is MobileNetV2 where the thesis has a VGG16; covariances are shrunken (Ledoit
and Wolf), since there are fewer images than pixels; SVDD has nu = 0.1 and the width of the rule. What explains a method
is its relevance (of DSVDD by zennit, down the network), the error of AGAN and AE, and for MVE and kPCA, which have no
rule, by how much the score falls where a square is set to the mean benign image. Explanations are held against masks of
the size of the pixels, marked where a box filter finds a part of a pixel so.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.decomposition import PCA

from reprq.backbones import Backbone
from reprq.data import Dataset, load_dataset
from reprq.data.image.named import data_root
from reprq.data.image.views import resized
from reprq.errors import DataError
from reprq.evaluation import (
    auroc,
    average_precision_bootstrap,
    clever_hans_score,
    explanation_accuracy,
    pointing_game,
)
from reprq.explain import relevance
from reprq.optional import require
from reprq.papers.engine import Experiment, PaperCell, PaperRun
from reprq.papers.fits import VERSION
from reprq.papers.outcome import csv_text
from reprq.papers.ruff2021 import unifying_tables
from reprq.papers.ruff2021.unifying_methods import (
    Method,
    Spec,
    occluded,
    of_features,
    of_network,
    of_rows,
    specs,
)
from reprq.papers.weights import pretrained
from reprq.provenance import digest
from reprq.study.cells import Row

Array = NDArray[np.floating]
_SHOWN = 2  # images of a defect in the picture


@dataclass(frozen=True)
class FolderPreset:
    """How much to run.

    Attributes:
        side: Of images and maps, in pixels; a multiple of 8.
        components: Principal components that MVE sees; of few images fewer than half as many as there are images.
        epochs: Of the autoencoder, and after how many the rate falls to a tenth.
        gan: Epochs of AGAN, and the steps and starts of its search for each image.
        network: The backbone of DSVDD, the file of its weights in `weights/` ("random" for none), its layer, and the
            side of what it sees.
    """

    side: int = 32
    components: int = 20
    epochs: tuple[int, int] = (60, 40)
    gan: tuple[int, int, int] = (60, 20, 1)
    network: tuple[str, str, str, int] = (
        "mobilenet_v2",
        "mobilenet_v2-imagenet_torchvision.safetensors",
        "stage5",
        96,
    )

    def specs(self) -> dict[str, Spec]:
        """Return the detector of each of the nine methods."""
        found = specs(f"fashion_mnist:{self.side}", self.epochs, self.gan, covariance="ledoit_wolf")
        return {method: found[method] for method in unifying_tables.METHODS}


@dataclass(frozen=True, eq=False)
class FolderSamples:
    """What learns and what is judged.

    Attributes:
        benign: Of training.
        tested: Of both kinds.
        labels: (n,) of what is judged, 1 is anomalous.
        masks: (n, side, side) of theirs; None where no defect has one.
    """

    benign: Dataset
    tested: Dataset
    labels: NDArray[np.int64]
    masks: NDArray[np.bool_] | None


def experiment(how: FolderPreset, run: PaperRun) -> Experiment:
    """Declare the fits, the table and the picture of a folder in `root`."""
    require("zennit", "explain", "the explanations of DSVDD")
    given = read(run.root, how)
    backbone = _backbone(how, run)
    data = {"train": given.benign.fingerprint, "test": given.tested.fingerprint, "network": backbone.weights_digest}
    data["masks"] = "" if given.masks is None else digest(given.masks.tolist())
    cells = []
    for method, spec in how.specs().items():
        decides = {"detector": spec, "method": method, "how": asdict(how), "seed": run.seed, "data": data}
        compute = partial(_judge, method, spec, given, backbone, how, run)
        cells.append(PaperCell({**decides, "version": VERSION}, compute, {"method": method}))
    name = given.benign.name.partition(":")[2]
    return Experiment(
        name="folder",
        made={"preset": run.preset, "seed": run.seed, "data": data, "how": asdict(how)},
        cells=cells,
        tables=lambda rows: {
            "methods.md": unifying_tables.table_of_folder(rows, Path(name).name, given.masks, given.labels),
            "methods.csv": csv_text(rows),
        },
        figures=lambda rows: {} if given.masks is None else {"maps": _picture(rows, given, how)},
    )


def read(root: Path | None, how: FolderPreset) -> FolderSamples:
    """Read a folder.

    Raises:
        DataError: It has no `train/` and `test/`, several classes to train on, or lacks benign or anomalous images.
    """
    folder = data_root(root)
    if not (folder / "train").is_dir() or not (folder / "test").is_dir():
        raise DataError(
            f"{folder} must hold train/good/, test/good/ and test/DEFECT/, as one category of MVTec AD does; give such"
            " a folder as --root"
        )
    benign, tested = (load_dataset(f"folder:{folder}", split=split) for split in ("train", "test"))
    kinds = np.unique([benign.classes[label] for label in benign.labels])
    if len(kinds) != 1:
        raise DataError(f"{folder}/train must hold one class, the benign one, got {', '.join(kinds)}; move the others")
    labels = np.array([tested.classes[label] != kinds[0] for label in tested.labels], dtype=np.int64)
    if min(np.bincount(labels, minlength=2)) < 2:
        raise DataError(
            f"{folder}/test must hold 2 or more images of {kinds[0]} and of other classes, got"
            f" {int((labels == 0).sum())} and {int(labels.sum())}; add some"
        )
    return FolderSamples(benign, tested, labels, _masks(tested, labels, how.side))


def _masks(tested: Dataset, labels: NDArray[np.int64], side: int) -> NDArray[np.bool_] | None:
    """Masks of the size of maps: anomalous where a box filter finds a part of a pixel so."""
    if tested.masks is None or not tested.masks.present[labels == 1].any():
        return None
    laid = np.zeros((len(tested), side, side), dtype=np.bool_)
    for i in np.flatnonzero(labels):
        mask = tested.masks[int(i)]
        if mask is not None:
            image = Image.fromarray(mask.astype(np.uint8) * 255)
            laid[i] = np.asarray(image.resize((side, side), Image.Resampling.BOX)) > 0
    return laid


def _backbone(how: FolderPreset, run: PaperRun) -> Backbone:
    """The weights in `weights/` of the folder or of the data folder, else those of the source."""
    name, file, _, size = how.network
    folders = data_root(run.root), data_root(None)
    return pretrained(name, file, *folders, preprocessing={"size": size, "squash": True}, seed=run.seed)


def _judge(
    method: str, spec: Spec, given: FolderSamples, backbone: Backbone, how: FolderPreset, run: PaperRun
) -> list[Row]:
    fitted = _fitted(method, spec, given.benign, backbone, how, run)
    scores = fitted.score(given.tested)
    area, precision = auroc(given.labels, scores), average_precision_bootstrap(given.labels, scores)
    row: Row = {"detector": fitted.name, "seed": run.seed, "n_train": len(given.benign), "n_test": len(scores)}
    row |= {"auroc": area.value, "low": area.low, "high": area.high}
    row |= {"ap": precision.value, "ap_low": precision.low, "ap_high": precision.high}
    if given.masks is None:
        return [row]
    assert fitted.explain is not None
    maps = np.asarray(fitted.explain(given.tested), dtype=np.float64)
    accuracy, pointing = explanation_accuracy(given.masks, maps), pointing_game(given.masks, maps)
    row |= {"cosine": accuracy.value, "cosine_low": accuracy.low, "cosine_high": accuracy.high}
    row |= {"pointing": pointing.value, "pointing_low": pointing.low, "pointing_high": pointing.high}
    row["clever_hans"] = clever_hans_score(area.value, accuracy.value)
    shown = maps[_shown(given)]
    return [{**row, "maps": [[float(f"{value:.4g}") for value in each.ravel()] for each in shown]}]


def _fitted(method: str, spec: Spec, benign: Dataset, backbone: Backbone, how: FolderPreset, run: PaperRun) -> Method:
    side = how.side
    if method == "DSVDD":
        found = of_features(spec, benign, backbone, how.network[2], run)
        return Method(found.name, found.score, _averaged(found.explain, how.network[3], side))
    if method in ("AE", "AGAN"):
        deep = of_network(spec, resized(benign, side), run, run.seed)
        explain = deep.explain
        assert explain is not None
        return Method(deep.name, lambda x: deep.score(resized(x, side)), lambda x: explain(resized(x, side)))
    pixels = partial(_pixels, side)
    shape = (-1, 3, side, side)
    if method not in ("MVE", "kPCA"):

        def explain_by_relevance(detector: Any) -> Callable[[Dataset], Array]:
            return lambda data: relevance(detector, pixels(data)).reshape(shape).sum(1)

        return of_rows(spec, benign, pixels, explain_by_relevance)
    blank = pixels(benign).mean(0)
    reduce = _reduced(pixels(benign), how.components, run.seed) if method == "MVE" else np.asarray

    def explain_by_hiding(detector: Any) -> Callable[[Dataset], Array]:
        def score(images: Array) -> Array:
            return np.asarray(detector.anomaly_score(reduce(images.reshape(len(images), -1))))

        return lambda data: occluded(score, pixels(data).reshape(shape), blank.reshape(shape)[0], side // 8)

    return of_rows(spec, benign, lambda data: reduce(pixels(data)), explain_by_hiding)


def _reduced(rows: Array, components: int, seed: int) -> Callable[[Array], Array]:
    few = max(1, (len(rows) - 1) // 2)  # the covariance of MVE needs more than two rows a column
    fitted = PCA(min(components, few), random_state=seed).fit(rows)
    return lambda rows: np.asarray(fitted.transform(rows))


def _pixels(side: int, data: Dataset) -> Array:
    """(n, 3 side^2) in [0, 1], channel by channel."""
    small = resized(data, side)
    images = [np.asarray(small.item(i).convert("RGB"), dtype=np.float32) / 255 for i in range(len(small))]
    return np.stack(images).transpose(0, 3, 1, 2).reshape(len(images), -1)


def _averaged(explain: Any, size: int, side: int) -> Callable[[Dataset], Array]:
    """Maps of images of one size, averaged over what a pixel covers."""

    def found(data: Dataset) -> Array:
        maps = torch.from_numpy(explain(resized(data, size)))[:, None]
        return np.asarray(torch.nn.functional.interpolate(maps, (side, side), mode="area")[:, 0].numpy())

    return found


def _shown(given: FolderSamples) -> NDArray[np.int64]:
    """The first images of every defect with a mask, and one benign image."""
    assert given.masks is not None
    marked = given.masks.any((1, 2))
    kinds = [np.flatnonzero(marked & (given.tested.labels == kind)) for kind in np.unique(given.tested.labels)]
    return np.concatenate([*(rows[:_SHOWN] for rows in kinds), np.flatnonzero(given.labels == 0)[:1]])


def _picture(rows: list[Row], given: FolderSamples, how: FolderPreset) -> Any:
    assert given.masks is not None
    shown = _shown(given)
    some = given.tested.select(shown)
    images = [some.item(i).convert("RGB").resize((96, 96)) for i in range(len(some))]
    names = [some.classes[label] for label in some.labels]
    maps = {str(row["method"]): np.reshape(row["maps"], (-1, how.side, how.side)) for row in rows}
    return unifying_tables.picture_of_folder(images, names, given.masks[shown], maps)
