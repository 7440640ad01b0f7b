"""FCDD's maps (Ruff 2021, section 3.1) of magnetic tiles, with pixel AUROC over methods, networks and sigma.

Four fifths of the tiles without defect train; the others and tiles of every kind of defect are scored. FCDD learns
against confetti, or against a few tiles of every kind of defect with their masks. Its baselines learn from the same:
the gradient of HSC's score, whose corpus are the tiles with defects, and the error of an autoencoder, which learns from
good tiles alone. A map is judged by masks of the size that FCDD sees: over all pixels of all images, as the released
code does, and as the mean over images with a defect, as the text says; intervals resample images. All maps are blurred
by the same sigma, in pixels of that size, which needs no training, so that all values are read from one network; the
receptive field is the network's. Maps of CIFAR-10, which has no masks, are in `reprq.papers.ruff2021.exposed_maps`.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from reprq.data import Dataset, load_dataset
from reprq.data.image.named import data_root
from reprq.detectors import describe
from reprq.detectors import load as load_detector
from reprq.detectors.deep.autoencoder import Autoencoder
from reprq.detectors.deep.fcdd import FCDD
from reprq.detectors.deep.hsc import HSC
from reprq.errors import DataError
from reprq.evaluation import auroc, pixel_auroc
from reprq.papers.engine import Experiment, Paper, PaperCell, PaperRun
from reprq.papers.fits import VERSION
from reprq.papers.outcome import csv_text
from reprq.papers.ruff2021 import exposed_maps
from reprq.study.cells import Row

DEFECTS = ("blowhole", "break", "crack", "fray", "uneven")
CONFETTI, MASKS, GRADIENT, ERROR = "FCDD, confetti", "FCDD, masks", "HSC, gradient", "autoencoder, error"


@dataclass(frozen=True)
class MapsPreset:
    """How much to run.

    Attributes:
        methods: Pairs of a method and its network.
        size: Side in pixels.
        sigmas: Of the upsampling, and of the blur of the baselines.
        epochs: And after how many the rate falls to a tenth.
        batch_size: Images a step.
        good: Training and test tiles without defect; None is four fifths and the rest.
        defects: Test tiles of each kind of defect; None is all that are left.
        labelled: Tiles of each kind of defect that train, for the methods that learn from some.
    """

    methods: tuple[tuple[str, str], ...]
    size: int
    sigmas: tuple[float, ...]
    epochs: tuple[int, int]
    batch_size: int
    good: tuple[int, int] | None = None
    defects: int | None = None
    labelled: int = 4


_BASELINES = ((GRADIENT, "exposure"), (ERROR, "cifar10"))
_SIGMAS = (1.2, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0)
_FULL = tuple((method, network) for network in ("fashion_mnist", "cifar10", "imagenet") for method in (CONFETTI, MASKS))
PRESETS = {
    "quick": MapsPreset(
        ((MASKS, "fashion_mnist"), *_BASELINES), 32, (1.2, 4.0), (1, 1), 8, good=(16, 6), defects=2, labelled=1
    ),
    "cpu": MapsPreset(
        ((MASKS, "fashion_mnist"), *_BASELINES, (CONFETTI, "fashion_mnist"), (MASKS, "imagenet")),
        size=48,
        sigmas=(1.2, 2.0, 4.0, 8.0),
        epochs=(24, 18),
        batch_size=16,
        good=(96, 30),
        defects=8,
    ),
    "full": MapsPreset((*_FULL, *_BASELINES), 224, _SIGMAS, (200, 150), 32, labelled=10),
}


@dataclass(frozen=True, eq=False)
class Tiles:
    """Which tiles train and which are scored.

    Attributes:
        benign: Without defect, of training.
        known: With a defect, of training.
        known_masks: (k, size, size) of theirs.
        tested: What is scored.
        kinds: (m,) of what is scored, "good" or the defect.
        masks: (m, size, size) of theirs, 1 where the defect is.
    """

    benign: Dataset
    known: Dataset
    known_masks: NDArray[np.bool_]
    tested: Dataset
    kinds: NDArray[np.str_]
    masks: NDArray[np.bool_]


def experiments(how: MapsPreset, run: PaperRun) -> Iterator[Experiment]:
    """Declare the networks, `maps.png`, `maps.svg` and `maps.csv`, and those of `exposed_maps` on CIFAR-10.

    `root` has `images/magnetic_tile/`: good/, a folder for each defect, and ground_truth/DEFECT/NAME_mask.png.
    """
    folder = data_root(run.root) / "images" / "magnetic_tile"
    if not (folder / "good").is_dir():
        raise DataError(f"{folder} must hold good/, a folder for each defect and ground_truth/; put the tiles there")
    given = tiles(folder, how, run.seed)
    data = {name: getattr(given, name).fingerprint for name in ("benign", "known", "tested")}
    cells = []
    for method, network in how.methods:
        settings = {name: value for name, value in asdict(how).items() if name != "methods"}
        decides = {"method": method, "network": network, "how": settings, "seed": run.seed, "data": data}
        decides["version"] = VERSION
        cells.append(PaperCell(decides, partial(_judged, method, network, how, given, run, decides)))

    def figures(rows: list[Row]) -> dict[str, Any]:
        pairs = zip(how.methods, cells, strict=True)
        files = {" ".join(method): run.file(cell.decides, "safetensors") for method, cell in pairs}
        fitted = {name: load_detector(file, device=run.device) for name, file in files.items() if file.exists()}
        return {"maps": _picture(fitted, given, how)} if fitted else {}

    yield Experiment(
        name="maps",
        made={"preset": run.preset, "seed": run.seed, "data": data, "training": asdict(how)},
        cells=cells,
        tables=lambda rows: {"maps.csv": csv_text(rows)},
        figures=figures,
    )
    yield exposed_maps.experiment(exposed_maps.PRESETS[run.preset], run)


def tiles(folder: Path, how: MapsPreset, seed: int) -> Tiles:
    """Draw what trains and what is scored."""
    whole = load_dataset(folder, whole=True)
    rng = np.random.default_rng(seed)
    good = rng.permutation(np.flatnonzero(whole.labels == whole.classes.index("good")))
    count = how.good or (round(0.8 * len(good)), len(good) - round(0.8 * len(good)))
    kinds = [rng.permutation(np.flatnonzero(whole.labels == whole.classes.index(defect))) for defect in DEFECTS]
    last = None if how.defects is None else how.labelled + how.defects
    known = np.concatenate([kind[: how.labelled] for kind in kinds])
    tested = np.concatenate([good[count[0] : sum(count)], *(kind[how.labelled : last] for kind in kinds)])

    def masks(rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.stack([mask_of(folder, folder / str(name), how.size) for name in whole.ids[rows]])

    named = np.array([Path(str(name)).parent.name for name in whole.ids[tested]])
    benign = whole.select(good[: count[0]])
    return Tiles(benign, whole.select(known), masks(known), whole.select(tested), named, masks(tested))


def mask_of(folder: Path, file: Path, size: int) -> NDArray[np.bool_]:
    """Return the mask of an image, squashed to a side: anomalous where a box filter finds a part of a pixel so."""
    if file.parent.name == "good":
        return np.zeros((size, size), dtype=bool)
    path = folder / "ground_truth" / file.parent.name / f"{file.stem}_mask.png"
    with Image.open(path) as image:
        return np.asarray(image.convert("L").resize((size, size), Image.Resampling.BOX)) > 0


def _judged(
    method: str, network: str, how: MapsPreset, given: Tiles, run: PaperRun, decides: dict[str, Any]
) -> list[Row]:
    """Train, and read one row a sigma."""
    detector = _fitted(method, network, how, given, run, run.file(decides, "pt"))
    detector.save(run.file(decides, "safetensors"), force=True)
    labels = (given.kinds != "good").astype(np.int64)
    images = auroc(labels, detector.anomaly_score(given.tested))
    field = detector.field_.size if isinstance(detector, FCDD) else None
    found = []
    for sigma in how.sigmas:
        maps = maps_of(detector, given.tested, sigma, how.size)
        scores = {**pixel_auroc(list(given.masks), maps, seed=run.seed).columns(), "image_auroc": images.value}
        counts = {"n_train": len(given.benign), "n_test": len(labels), "n_defects": int(labels.sum())}
        row = {"method": method, "network": network, "detector": describe(detector), "field": field, "sigma": sigma}
        found.append({**row, **scores, **counts, "seed": run.seed})
    return found


def _fitted(method: str, network: str, how: MapsPreset, given: Tiles, run: PaperRun, checkpoint: Path) -> Any:
    epochs, milestone = how.epochs
    common: dict[str, Any] = {"network": network, "epochs": epochs, "milestones": (milestone,), "lr": 1e-3}
    common |= {"batch_size": how.batch_size, "held_out": 0.0, "preprocessing": "contrast"}
    common |= {"seed": run.seed, "device": run.device, "checkpoint": checkpoint}
    if method == GRADIENT:
        return HSC(**common).fit(given.benign, auxiliary=given.known)
    if method == ERROR:
        return Autoencoder(**common).fit(given.benign)
    detector = FCDD(size=how.size, **common)
    if method == CONFETTI:
        return detector.fit(given.benign)
    return detector.fit(given.benign, labelled=given.known, masks=given.known_masks)


def maps_of(detector: Any, images: Dataset, sigma: float, size: int) -> NDArray[np.float64]:
    """Return maps of a side of `size` pixels, blurred by sigma of these pixels whatever size the network sees."""
    own = size if isinstance(detector, FCDD) else detector.transform_.size
    maps = detector.set_params(sigma=sigma * own / size).anomaly_map(images).astype(np.float64)
    spread = torch.nn.functional.interpolate(torch.from_numpy(maps)[:, None], (size, size), mode="bilinear")
    return spread[:, 0].numpy()


def _picture(fitted: dict[str, Any], given: Tiles, how: MapsPreset) -> Any:
    """A column a defect: image, the maps of each method in one scale of color, and mask."""
    from matplotlib.figure import Figure

    shown = [int(np.flatnonzero(given.kinds == defect)[0]) for defect in DEFECTS]
    images = given.tested.select(shown)
    fig = Figure(figsize=(2.1 * len(shown) + 1, 2.05 * (len(fitted) + 2)), layout="constrained")
    axes = fig.subplots(len(fitted) + 2, len(shown))
    for i, defect in enumerate(DEFECTS):
        pixels = images.item(i).convert("L").resize((how.size, how.size))
        axes[0, i].imshow(pixels, cmap="gray", vmin=0, vmax=255)
        axes[-1, i].imshow(given.masks[shown[i]], cmap="gray", vmin=0, vmax=1)
        axes[0, i].set_title(defect, fontsize=10)
    for line, detector in zip(axes[1:-1], fitted.values(), strict=True):
        maps = maps_of(detector, images, how.sigmas[1], how.size)
        for ax, found in zip(line, maps, strict=True):
            mesh = ax.imshow(found, cmap="viridis", vmin=float(maps.min()), vmax=float(maps.max()))
        fig.colorbar(mesh, ax=line, shrink=0.9)
    for ax in axes.flat:
        ax.set_xticks([])
        ax.set_yticks([])
    for ax, name in zip(axes[:, 0], ("image", *fitted, "mask"), strict=True):
        ax.set_ylabel(name.replace(", ", "\n").replace(" ", "\n"), fontsize=9)
    return fig


PAPER = Paper(PRESETS, experiments)
