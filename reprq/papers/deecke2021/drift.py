"""Is forgetting visible before the AUROC falls? Layers and quality along fine-tuning (Deecke et al. 2021).

One class of CIFAR-10 is benign. A pretrained network is fine-tuned by several losses, and after chosen epochs are
taken: the debiased CKA of each layer with itself before the training, and the metrics of quality of the deepest layer,
both of benign images that do not train; and the AUROC on test images, against anomalies like those of the corpus
("seen") and others ("unseen"). The corpus is tiny ImageNet without the synsets that name classes of CIFAR-10, of which
images are held out as seen anomalies, or three other classes of CIFAR-10. The tables say what stopping by each signal,
none of which needs an anomaly, loses against the best epoch in hindsight.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.backbones import Backbone
from reprq.data import Dataset, load_dataset
from reprq.data.corpus import without_classes
from reprq.data.image.named import data_root
from reprq.detectors import create
from reprq.detectors.deep.losses import LOSSES
from reprq.errors import InputError
from reprq.evaluation.detection import judge
from reprq.metrics import cka, names
from reprq.papers.deecke2021.drift_tables import figures, tables
from reprq.papers.engine import Experiment, Paper, PaperCell, PaperRun
from reprq.papers.fits import VERSION
from reprq.papers.ruff2021.deep import CLASSES, load
from reprq.papers.trajectories import Looks, quality
from reprq.papers.weights import pretrained
from reprq.study.cells import Row
from reprq.study.results import HALVES

TINY, OTHERS = "tiny ImageNet", "three classes"
METRICS = (*names(), *names("rows"))


@dataclass(frozen=True)
class FineTuning:
    """One way to fine-tune.

    Attributes:
        spec: Name and parameters of the detector.
        corpus: `TINY`, `OTHERS` or "" for none.
    """

    spec: Mapping[str, Any]
    corpus: str = ""


WAYS = {
    "DSVDD": FineTuning({"name": "transfer", "loss": "dsvdd", "regularizer": "none", "lr": 3e-6}),
    "ADIB": FineTuning({"name": "adib", "lr": 1e-3}, TINY),
    "HSC": FineTuning({"name": "transfer", "loss": "hsc", "regularizer": "none", "lr": 3e-4}, TINY),
    "BCE, three classes": FineTuning({"name": "transfer", "loss": "bce", "regularizer": "none", "lr": 1e-3}, OTHERS),
}

SAMPLE_WISE = "DSVDD, sample-wise"
_KEEPING = {"regularizer": "early_stop", "stop": "sample_wise", "stop_every": 3}
STOPPED = {**WAYS, SAMPLE_WISE: FineTuning({**WAYS["DSVDD"].spec, **_KEEPING})}  # the same networks, scored otherwise


@dataclass(frozen=True)
class DriftPreset:
    """How long to fine-tune, and on what.

    Attributes:
        network: The backbone, and the file of its weights in `weights/` of `root` ("random" for none).
        size: Side of the images that it sees, in pixels.
        classes: The benign classes.
        ways: Of `STOPPED`.
        epochs: How many.
        measured: After which epochs; 0 is before the training.
        images: Benign ones that train, that are measured, of the corpus, held out of it, and test images a class.
        batch_size: Benign images a step, and as many of the corpus.
        seeds: How many.
    """

    network: tuple[str, str]
    size: int
    classes: tuple[str, ...]
    ways: tuple[str, ...]
    epochs: int
    measured: tuple[int, ...]
    images: tuple[int, int, int, int, int]
    batch_size: int = 32
    seeds: int = 1


_MOBILE = ("mobilenet_v2", "mobilenet_v2-imagenet_torchvision.safetensors")
PRESETS = {
    "quick": DriftPreset(("lenet", "random"), 32, ("ship",), ("DSVDD", "ADIB"), 2, (0, 1, 2), (24, 20, 40, 12, 6), 8),
    "cpu": DriftPreset(
        _MOBILE, 64, ("airplane", "frog", "ship"), tuple(WAYS), 12, tuple(range(13)), (200, 150, 2000, 200, 50)
    ),
    "sample-wise": DriftPreset(
        *(_MOBILE, 64, ("airplane", "frog", "ship"), ("DSVDD", SAMPLE_WISE), 12, tuple(range(13))),
        (200, 150, 2000, 200, 50),
    ),
    "full": DriftPreset(
        network=_MOBILE,
        size=224,
        classes=CLASSES["cifar10"],
        ways=tuple(WAYS),
        epochs=100,
        measured=tuple(range(0, 101, 5)),
        images=(4000, 1000, 12000, 2000, 1000),
        batch_size=64,
        seeds=3,
    ),
}


def experiments(how: DriftPreset, run: PaperRun) -> Iterator[Experiment]:
    """Declare the fine-tunings, `drift.png`, `layers.png`, `stopping.png` and their tables.

    `root` has torchvision's CIFAR-10 or `images/cifar10_jpeg/`, the corpus in `images/tiny_imagenet_32/`, a folder a
    synset with `classes.tsv`, and `weights/`.
    """
    folder = data_root(run.root)
    n_train, n_measured, n_corpus, n_seen, n_test = how.images
    train, test = load("cifar10", folder, (n_train + n_measured, n_test), seed=run.seed)
    tiny = without_classes(load_dataset(folder / "images" / "tiny_imagenet_32", whole=True), CLASSES["cifar10"])
    tiny = tiny.sample(n_corpus + n_seen, seed=run.seed)
    start = network(how, folder, run.seed)
    data = {"train": train.fingerprint, "test": test.fingerprint, "corpus": tiny.fingerprint}
    made = {"preset": run.preset, "seed": run.seed, "data": data, "start": start.weights_digest}
    yield Experiment(
        name="drift",
        made={**made, "training": asdict(how), "ways": {way: asdict(STOPPED[way]) for way in how.ways}},
        cells=cells(train, test, tiny, start, how, run),
        tables=tables,
        figures=figures,
    )


def network(how: DriftPreset, folder: Any, seed: int) -> Backbone:
    """Return theta0: the weights in `weights/` of the folder, or those of its source where they are not there."""
    name, file = how.network
    return pretrained(name, file, folder, preprocessing={"size": how.size, "resize": how.size}, seed=seed)


def cells(
    train: Dataset, test: Dataset, tiny: Dataset, start: Backbone, how: DriftPreset, run: PaperRun
) -> Iterator[PaperCell]:
    """Declare every way of fine-tuning on every benign class, class by class."""
    fingerprints = [each.fingerprint for each in (train, test, tiny)]
    for seed in range(run.seed, run.seed + how.seeds):
        for benign in how.classes:
            for way in how.ways:
                sides = Sides.of(train, test, tiny, benign, STOPPED[way].corpus, how.images, seed)
                spec = {**STOPPED[way].spec, "epochs": how.epochs, "batch_size": how.batch_size, "held_out": 0.0}
                spec["milestones"] = []
                of_run = {"way": way, "benign": benign, "seed": seed}
                known = {**of_run, "new_head": LOSSES[spec.get("loss", "bce")].width is not None}
                decides: dict[str, Any] = {
                    **of_run,
                    "detector": spec,
                    "corpus": STOPPED[way].corpus,
                    "data": fingerprints,
                }
                decides |= {"start": [start.weights_digest, how.size], "images": how.images, "measured": how.measured}
                decides |= {"metrics": METRICS, "version": VERSION}

                def compute(spec: dict[str, Any] = spec, sides: Sides = sides, seed: int = seed) -> list[Row]:
                    return fine_tuned({**spec, "seed": seed, "device": run.device}, start, sides, how.measured)

                yield PaperCell(decides, compute, known)


@dataclass(frozen=True, eq=False)
class Sides:
    """The images of a fine-tuning.

    Attributes:
        benign: Those that train.
        measured: Other benign ones, of which layers and quality are taken.
        corpus: None for none.
        tested: Benign test images.
        unseen: Anomalies unlike the corpus.
        seen: Others like it; None without one.
    """

    benign: Dataset
    measured: Dataset
    corpus: Dataset | None
    tested: Dataset
    unseen: Dataset
    seen: Dataset | None

    @classmethod
    def of(
        cls,
        train: Dataset,
        test: Dataset,
        tiny: Dataset,
        benign: str,
        corpus: str,
        images: Sequence[int],
        seed: int,
    ) -> "Sides":
        """Divide the images; the three classes after the benign one, in their order, are the corpus `OTHERS`."""
        n_train, n_measured, n_corpus = images[:3]
        own = shuffled(train.restrict([benign]), seed)
        after = train.classes.index(benign) + np.arange(1, 4)
        shown = [train.classes[i % len(train.classes)] for i in after] if corpus == OTHERS else []
        mixed = shuffled(tiny, seed)
        like = {
            TINY: (mixed.select(range(n_corpus)), mixed.select(range(n_corpus, len(mixed)))),
            OTHERS: (train.restrict(shown), test.restrict(shown)) if shown else (None, None),
        }
        corpus_side, seen = like.get(corpus, (None, None))
        unseen = test.restrict([name for name in test.classes if name not in (benign, *shown)])
        measured = own.select(range(n_train, n_train + n_measured))
        return cls(own.select(range(n_train)), measured, corpus_side, test.restrict([benign]), unseen, seen)


def shuffled(images: Dataset, seed: int) -> Dataset:
    """Return images in a seeded order."""
    return images.select(np.random.default_rng([seed, 1]).permutation(len(images)))


def fine_tuned(spec: dict[str, Any], start: Backbone, sides: Sides, measured: tuple[int, ...]) -> list[Row]:
    """Return one row an epoch measured; an interrupted fine-tuning starts anew."""
    first: dict[str, NDArray[np.float32]] = {}

    def watch(fitted: Any, epoch: Mapping[str, Any]) -> None:
        def look() -> Row:
            return {"loss": epoch["loss"], **judged(fitted, sides), **drifted(fitted, sides.measured, first)}

        looks.look = look
        looks.after(epoch)

    looks = Looks(measured, dict)
    create({**spec, "backbone": start, "on_epoch": watch}).fit(sides.benign, auxiliary=sides.corpus)
    return looks.rows


def judged(fitted: Any, sides: Sides) -> Row:
    """Return the AUROC on unseen and seen anomalies, with intervals and on either half; None without any seen."""
    benign = fitted.anomaly_score(sides.tested)
    row: Row = {}
    for name, images in (("unseen", sides.unseen), ("seen", sides.seen)):
        score = f"auroc_{name}"
        row |= dict.fromkeys((score, *(f"{score}{part}" for part in (*HALVES, "_low", "_high"))))
        if images is None:
            continue
        scores = np.concatenate([benign, fitted.anomaly_score(images)])
        labels = np.repeat([0, 1], [len(benign), len(images)])
        classes = np.concatenate([np.full(len(benign), -1), images.labels])
        found = judge("", scores, labels, classes=classes)
        row |= {score: found.auroc.value, f"{score}_low": found.auroc.low, f"{score}_high": found.auroc.high}
        row |= {f"{score}{half}": value for half, value in zip(HALVES, found.by_half(), strict=True)}
    return row


def drifted(fitted: Any, benign: Dataset, first: dict[str, NDArray[np.float32]]) -> Row:
    """Return the CKA of every layer with itself at the first look, which is kept, and the deepest layer's quality."""
    layers = fitted.embed_layers(benign)
    first.update({name: rows for name, rows in layers.items() if name not in first})
    alike = {name: _cka(first[name], rows) for name, rows in layers.items()}
    known = [value for value in alike.values() if value is not None]
    deepest = list(layers)[-1]
    row: Row = {f"cka_{name}": value for name, value in alike.items()}
    row |= {"cka_mean": float(np.mean(known)) if known else None, "cka_deepest": alike[deepest]}
    return {**row, **quality(layers[deepest], METRICS)}


def _cka(before: NDArray[np.float32], now: NDArray[np.float32]) -> float | None:
    """Debiased CKA; None where a layer has become constant."""
    try:
        return cka(before, now, debiased=True)
    except InputError:
        return None


PAPER = Paper(PRESETS, experiments)
