"""Tables 4.2 and 4.4 of Ruff (2021): nine methods on MNIST-C, and whether their explanations point at the corruption.

The methods are one for each view (probabilistic, one-class, reconstruction) and kind of features (raw, kernel, neural).
Clean training digits train, as many clean as corrupted test digits are judged, without a label in training (appendix
B.3). Deviations: kernel methods, and here all, train on a seeded sample; SVDD has nu = 0.1 and the width of the rule,
where the thesis chose both on labels; MVE, a fast MCD, sees principal components, since pixels that never change have
no covariance; kPCA has the median width, where there half of the neighbors hold half of the similarity; Deep SVDD,
which trains nothing on digits there either, is the whitened distance to the mean of features of a LeNet that learned
EMNIST's letters where torchvision's files of them stand beside MNIST's, and else drawn ones. AGAN has the halves of
the autoencoder for generator and critic, as there, is trained as a Wasserstein GAN, and each digit is searched for in
the steps and from the starts that the preset says. Beside them stands an ensemble of three by the mean of their
p-values.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from reprq.data import Dataset
from reprq.data.image.corruptions import CORRUPTIONS, SIDE
from reprq.data.image.mnist_c import CLEAN, changes, load_mnist_c
from reprq.data.image.named import data_root
from reprq.evaluation import auroc, average_precision, clever_hans_score, explanation_accuracy, pointing_game
from reprq.optional import require
from reprq.papers.engine import Experiment, Paper, PaperCell, PaperRun
from reprq.papers.fits import VERSION
from reprq.papers.outcome import csv_text
from reprq.papers.ruff2021 import unifying_folder, unifying_tables
from reprq.papers.ruff2021.letters import has_emnist, letters
from reprq.papers.ruff2021.unifying_folder import FolderPreset
from reprq.papers.ruff2021.unifying_methods import Method, by_relevance, of_features, of_network, of_rows, specs
from reprq.study.cells import Row

Array = NDArray[np.floating]
_EXPLAINED = ("Gaussian", "PCA", "KDE", "SVDD", "DSVDD", "AE")


@dataclass(frozen=True)
class UnifyingPreset:
    """How much to run.

    Attributes:
        train: Clean training digits, a seeded sample.
        test: Clean test digits that are judged, and as many of each corruption: the same digits.
        components: Principal components that MVE sees.
        epochs: Of the autoencoder, and after how many the rate falls to a tenth.
        letters: Letters that the network of DSVDD learns, and for how many epochs.
        gan: Epochs of AGAN, and the steps and starts of its search for each digit.
        seeds: How many.
        corruptions: Which.
    """

    train: int
    test: int
    components: int
    epochs: tuple[int, int]
    letters: tuple[int, int]
    gan: tuple[int, int, int]
    seeds: int = 1
    corruptions: tuple[str, ...] = tuple(CORRUPTIONS)

    def specs(self) -> dict[str, dict[str, Any]]:
        """Return the detector of every method on pixels in [0, 1]."""
        return specs("mnist", self.epochs, self.gan)


PRESETS: dict[str, UnifyingPreset | FolderPreset] = {
    "quick": UnifyingPreset(200, 16, 20, (2, 1), (260, 1), (2, 3, 1), corruptions=("stripe", "zigzag")),
    "cpu": UnifyingPreset(5_000, 500, 100, (30, 20), (5_200, 5), (15, 20, 1), seeds=2),
    "full": UnifyingPreset(60_000, 10_000, 100, (250, 200), (104_000, 30), (250, 100, 4), seeds=5),
    "folder": FolderPreset(),
}


def experiments(how: UnifyingPreset | FolderPreset, run: PaperRun) -> Iterator[Experiment]:
    """Declare the fits, Tables 4.2, C.8 and 4.4, and the picture of explanations; `root` has MNIST, or is a folder."""
    if isinstance(how, FolderPreset):
        yield unifying_folder.experiment(how, run)
        return
    require("zennit", "explain", "the explanations of DSVDD")
    train, test = (load_mnist_c(side, _root(run), download=False) for side in ("train", "test"))
    data = {side.split: side.fingerprint for side in (train,)}
    made = {"preset": run.preset, "seed": run.seed, "data": data, "how": asdict(how)}
    said = (
        f"{how.train} clean digits train, {how.test} clean and as many corrupted ones are judged, {how.seeds} seed(s)."
    )
    kinds = how.corruptions
    yield Experiment(
        name="unifying",
        made=made,
        cells=cells(train, test, how, run),
        tables=lambda rows: {
            "table-4.2.md": unifying_tables.table_of_auroc(rows, kinds, said),
            "table-c.8.md": unifying_tables.table_of_precision(rows, kinds, said),
            "table-4.4.md": unifying_tables.table_of_clever_hans(rows, kinds),
            "unifying.csv": csv_text(rows),
        },
    )
    yield Experiment(
        name="explanations",
        made=made,
        cells=shown_cells(train, test, how, run),
        figures=lambda rows: {"explanations": _picture(rows, test, how, run.seed)},
    )


def _root(run: PaperRun) -> Path:
    """Where torchvision's files are."""
    folder = data_root(run.root)
    return folder / "torchvision" if (folder / "torchvision").is_dir() else folder


def cells(train: Dataset, test: Dataset, how: UnifyingPreset, run: PaperRun) -> Iterator[PaperCell]:
    """Declare one fit of each method a seed, which is judged on every corruption."""
    for seed in range(run.seed, run.seed + how.seeds):
        for method, spec in how.specs().items():
            decides = {
                "detector": spec,
                "method": method,
                "explained": method in _EXPLAINED,
                "seed": seed,
                "how": asdict(how),
                "version": VERSION,
            }
            decides["data"] = train.fingerprint
            if method == "DSVDD" and has_emnist(_root(run)):
                decides["letters"] = "EMNIST"
            yield PaperCell(decides, partial(_judged, method, spec, train, test, how, run, seed), {"method": method})


def shown_cells(train: Dataset, test: Dataset, how: UnifyingPreset, run: PaperRun) -> Iterator[PaperCell]:
    """Declare what each method says of the first digit of every corruption, fitted on the first seed."""
    for method in _EXPLAINED:
        spec = how.specs()[method]
        decides = {"detector": spec, "method": method, "shown": True, "seed": run.seed, "how": asdict(how)}
        decides |= {"version": VERSION, "data": train.fingerprint}
        compute = partial(_shown, method, spec, train, test, how, run)
        yield PaperCell(decides, compute, {"method": method})


def _shown(
    method: str, spec: dict[str, Any], train: Dataset, test: Dataset, how: UnifyingPreset, run: PaperRun
) -> list[Row]:
    benign, judged = _samples(train, test, how, run.seed)
    explain = _fitted(method, spec, benign, how, run, run.seed).explain
    assert explain is not None
    rows: list[Row] = []
    for some in _firsts(judged, how):
        truth = np.abs(changes(some))
        said = np.asarray(explain(some), dtype=np.float64).reshape(truth.shape)
        cosine = explanation_accuracy(truth, said, resamples=1).value
        numbers = [float(f"{value:.4g}") for value in said.ravel()]
        rows.append({"task": some.classes[int(some.labels[0])], "map": numbers, "cosine": cosine})
    return rows


def _firsts(judged: Dataset, how: UnifyingPreset) -> Iterator[Dataset]:
    """The first digit of every corruption, by itself."""
    for number in range(1, 1 + len(how.corruptions)):
        yield judged.select([number * how.test])


def _picture(rows: list[Row], test: Dataset, how: UnifyingPreset, seed: int) -> Any:
    _, judged = _samples(test, test, how, seed)
    images = {}
    for some in _firsts(judged, how):
        (corrupted,), (change,) = _pixels(some).reshape(-1, SIDE, SIDE), changes(some)
        images[some.classes[int(some.labels[0])]] = corrupted - change, corrupted, change
    maps: dict[str, dict[str, Array]] = {}
    for row in rows:
        maps.setdefault(str(row["method"]), {})[str(row["task"])] = np.reshape(row["map"], (SIDE, SIDE))
    cosines = {(row["method"], row["task"]): row["cosine"] for row in rows}
    return unifying_tables.picture(images, maps, cosines)


def _judged(
    method: str, spec: dict[str, Any], train: Dataset, test: Dataset, how: UnifyingPreset, run: PaperRun, seed: int
) -> list[Row]:
    benign, judged = _samples(train, test, how, seed)
    fitted = _fitted(method, spec, benign, how, run, seed)
    scores = fitted.score(judged)
    kinds = np.array(judged.classes)[judged.labels]
    clean = scores[kinds == CLEAN]
    rows: list[Row] = []
    for kind in how.corruptions:
        both = np.concatenate([clean, scores[kinds == kind]])
        labels = np.repeat([0, 1], [len(clean), len(both) - len(clean)])
        found = auroc(labels, both)
        row: Row = {"task": kind, "seed": seed, "detector": fitted.name, "n_train": len(benign), "n_test": len(both)}
        row |= {"auroc": found.value, "low": found.low, "high": found.high, "ap": average_precision(labels, both)}
        if fitted.explain is not None:
            row |= _explained(fitted.explain, judged.select(np.flatnonzero(kinds == kind)), found.value)
        rows.append(row)
    return rows


def _samples(train: Dataset, test: Dataset, how: UnifyingPreset, seed: int) -> tuple[Dataset, Dataset]:
    """The clean digits that train, and clean and corrupted ones of the same test digits."""
    rng = np.random.default_rng([seed, 42])
    n = int((test.labels == 0).sum())
    chosen = np.sort(rng.permutation(n)[: how.test])
    numbers = [0, *(1 + list(CORRUPTIONS).index(kind) for kind in how.corruptions)]
    rows = np.concatenate([number * n + chosen for number in numbers])
    return train.select(np.sort(rng.permutation(len(train))[: how.train])), test.select(rows)


def _fitted(
    method: str, spec: dict[str, Any], benign: Dataset, how: UnifyingPreset, run: PaperRun, seed: int
) -> Method:
    explained = method in _EXPLAINED
    if method in ("AE", "AGAN"):
        return of_network(spec, benign, run, seed, explained=explained)
    if method == "DSVDD":
        from reprq.backbones import load_backbone

        return of_features(spec, benign, load_backbone("lenet", _letters_teacher(how, run, seed)), "pooled", run)
    to_rows: Callable[[Dataset], Array] = _pixels
    if method == "MVE":
        reduced = PCA(how.components, random_state=seed).fit(_pixels(benign))
        to_rows = lambda data: np.asarray(reduced.transform(_pixels(data)))  # noqa: E731
    return of_rows(spec, benign, to_rows, by_relevance(to_rows) if explained else None)


def _pixels(data: Dataset) -> Array:
    arrays = [data.source.array(row) for row in data.rows.tolist()]  # type: ignore[attr-defined]
    return np.stack(arrays).reshape(len(data), -1) / np.float32(255)


def _letters_teacher(how: UnifyingPreset, run: PaperRun, seed: int) -> str:
    """The file of the network that learned letters, made where it is not there."""
    from reprq.pretext import train_teacher

    count, epochs = how.letters
    decides = {"letters": how.letters, "seed": seed, **({"of": "EMNIST"} if has_emnist(_root(run)) else {})}
    file = run.file(decides, "safetensors")
    if not file.exists():
        given: dict[str, Any] = {"epochs": epochs, "batch_size": 64, "seed": seed, "device": run.device}
        train_teacher("classification", letters(count, _root(run), seed=seed), out=file, progress=False, **given)
    return str(file)


def _explained(explain: Callable[[Dataset], Array], corrupted: Dataset, area: float) -> Row:
    """The accuracy of explanations by the place of the change, whose sign no score tells."""
    said, truth = np.asarray(explain(corrupted), dtype=np.float64), changes(corrupted)
    said = said.reshape(truth.shape)
    found: Row = {}
    for name, there in (("absolute", np.abs(truth)), ("squared", truth**2), ("signed", truth)):
        accuracy = explanation_accuracy(there, said)
        found |= {f"cosine_{name}": accuracy.value}
        if name == "absolute":
            found |= {"cosine_low": accuracy.low, "cosine_high": accuracy.high}
            found |= {"clever_hans": clever_hans_score(area, accuracy.value)}
    return {**found, "pointing": pointing_game(truth, said).value}


PAPER = Paper(PRESETS, experiments)
