"""FCDD's maps (Ruff 2021, section 3.1): magnetic tiles with pixel AUROC over network and sigma, and JPEG CIFAR-10.

Four fifths of the tiles without defect train, against themselves with confetti; the others and tiles of every kind of
defect are scored. A map is judged by the masks in its own size: over all pixels of all images, as the released code
does, and as the mean over images with a defect, as the text says; intervals resample images. Sigma is that of the
upsampling, which needs no training, so that all values are read from one network; the receptive field is the network's.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reprq.data import Dataset, load_dataset
from reprq.data.image.named import data_root
from reprq.detectors import describe
from reprq.detectors.deep.fcdd import FCDD
from reprq.errors import DataError
from reprq.evaluation import auroc, pixel_auroc
from reprq.papers.engine import Experiment, Paper, PaperCell, PaperRun
from reprq.papers.fits import VERSION
from reprq.papers.outcome import csv_text
from reprq.study.cells import Row

DEFECTS = ("blowhole", "break", "crack", "fray", "uneven")


@dataclass(frozen=True)
class MapsPreset:
    """How much to run.

    Attributes:
        networks: Of FCDD.
        size: Side in pixels.
        sigmas: Of the upsampling.
        epochs: And after how many the rate falls to a tenth.
        batch_size: Images a step.
        good: Training and test tiles without defect; None is four fifths and the rest.
        defects: Test tiles of each kind of defect; None is all.
    """

    networks: tuple[str, ...]
    size: int
    sigmas: tuple[float, ...]
    epochs: tuple[int, int]
    batch_size: int
    good: tuple[int, int] | None = None
    defects: int | None = None


PRESETS = {
    "quick": MapsPreset(("fashion_mnist",), 32, (1.2, 4.0), (1, 1), 8, (16, 6), 2),
    "cpu": MapsPreset(("fashion_mnist",), 48, (1.2, 2.0, 4.0, 8.0), (8, 6), 16, (120, 30), 8),
    "full": MapsPreset(
        ("fashion_mnist", "cifar10", "imagenet"), 224, (1.2, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0), (200, 150), 32
    ),
}


def experiments(how: MapsPreset, run: PaperRun) -> Iterator[Experiment]:
    """Declare the networks, `maps.png`, `maps.svg` and `maps.csv`.

    `root` has `images/magnetic_tile/`: good/, a folder for each defect, and ground_truth/DEFECT/NAME_mask.png.
    """
    folder = data_root(run.root) / "images" / "magnetic_tile"
    if not (folder / "good").is_dir():
        raise DataError(f"{folder} must hold good/, a folder for each defect and ground_truth/; put the tiles there")
    benign, tested, files = tiles(folder, how, run.seed)
    masks = [mask_of(folder, file, how.size) for file in files]
    data = {"train": benign.fingerprint, "test": tested.fingerprint}
    cells = []
    for network in how.networks:
        decides = {"network": network, "how": asdict(how), "seed": run.seed, "data": data, "version": VERSION}
        compute = partial(_judged, network, how, benign, tested, masks, run, decides)
        cells.append(PaperCell(decides, compute))
    last = run.file(cells[-1].decides, "safetensors")

    def figures(rows: list[Row]) -> dict[str, Any]:
        if not last.exists():
            return {}
        shown = [int(np.flatnonzero([path.parent.name == defect for path in files])[0]) for defect in DEFECTS]
        best = max((row for row in rows if row["network"] == how.networks[-1]), key=lambda row: row["pixel_auroc"])
        detector = FCDD.load(last, device=run.device).set_params(sigma=best["sigma"])
        return {"maps": _picture(detector, tested.select(shown), [masks[i] for i in shown], how.size)}

    yield Experiment(
        name="maps",
        made={"preset": run.preset, "seed": run.seed, "data": data, "training": asdict(how)},
        cells=cells,
        tables=lambda rows: {"maps.csv": csv_text(rows)},
        figures=figures,
    )


def tiles(folder: Path, how: MapsPreset, seed: int) -> tuple[Dataset, Dataset, list[Path]]:
    """Return the benign training images, the test images, and the files of the latter."""
    whole = load_dataset(folder, whole=True)
    rng = np.random.default_rng(seed)
    good = rng.permutation(np.flatnonzero(whole.labels == whole.classes.index("good")))
    count = how.good or (round(0.8 * len(good)), len(good) - round(0.8 * len(good)))
    kinds = [np.flatnonzero(whole.labels == whole.classes.index(defect)) for defect in DEFECTS]
    chosen = np.concatenate([good[count[0] : sum(count)], *(rng.permutation(kind)[: how.defects] for kind in kinds)])
    files = [folder / str(name) for name in whole.ids[chosen]]
    return whole.select(good[: count[0]]), whole.select(chosen), files


def mask_of(folder: Path, file: Path, size: int) -> NDArray[np.bool_]:
    """Return the mask of an image, squashed to a side: anomalous where a box filter finds a part of a pixel so."""
    if file.parent.name == "good":
        return np.zeros((size, size), dtype=bool)
    path = folder / "ground_truth" / file.parent.name / f"{file.stem}_mask.png"
    with Image.open(path) as image:
        return np.asarray(image.convert("L").resize((size, size), Image.Resampling.BOX)) > 0


def _judged(
    network: str,
    how: MapsPreset,
    benign: Dataset,
    tested: Dataset,
    masks: list[NDArray[np.bool_]],
    run: PaperRun,
    decides: dict[str, Any],
) -> list[Row]:
    """Train, and read one row a sigma."""
    epochs, milestone = how.epochs
    detector = FCDD(
        network=network,  # type: ignore[arg-type]
        size=how.size,
        epochs=epochs,
        milestones=(milestone,),
        batch_size=how.batch_size,
        held_out=0.0,
        seed=run.seed,
        device=run.device,
        checkpoint=run.file(decides, "pt"),
    ).fit(benign)
    detector.save(run.file(decides, "safetensors"), force=True)
    labels = (np.asarray(tested.labels) != tested.classes.index("good")).astype(np.int64)
    images = auroc(labels, detector.anomaly_score(tested))
    found = []
    for sigma in how.sigmas:
        maps = detector.set_params(sigma=sigma).anomaly_map(tested)
        scores = {**pixel_auroc(masks, maps, seed=run.seed).columns(), "image_auroc": images.value}
        counts = {"n_train": len(benign), "n_test": len(tested), "n_defects": int(labels.sum())}
        row = {"network": network, "detector": describe(detector), "field": detector.field_.size, "sigma": sigma}
        found.append({**row, **scores, **counts, "seed": run.seed})
    return found


def _picture(detector: FCDD, images: Dataset, masks: list[NDArray[np.bool_]], size: int) -> Any:
    """A column a defect: image, map in one scale of color for all, and mask."""
    from matplotlib.figure import Figure

    maps = detector.anomaly_map(images)
    fig = Figure(figsize=(2.1 * len(images), 6.2), layout="constrained")
    axes = fig.subplots(3, len(images))
    for i, defect in enumerate(DEFECTS):
        pixels = images.item(i).convert("L").resize((size, size))
        axes[0, i].imshow(pixels, cmap="gray", vmin=0, vmax=255)
        mesh = axes[1, i].imshow(maps[i], cmap="viridis", vmin=0, vmax=float(maps.max()))
        axes[2, i].imshow(masks[i], cmap="gray", vmin=0, vmax=1)
        axes[0, i].set_title(defect, fontsize=10)
    for ax in axes.flat:
        ax.set_xticks([])
        ax.set_yticks([])
    for ax, name in zip(axes[:, 0], ("image", "map", "mask"), strict=True):
        ax.set_ylabel(name, fontsize=10)
    fig.colorbar(mesh, ax=axes[1], shrink=0.9)
    return fig


PAPER = Paper(PRESETS, experiments)
