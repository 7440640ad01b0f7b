"""CVDD and OC-SVM on texts (Ruff 2021, section 3.2.3): Table 3.4, and the words of contexts.

One class is benign, all others are anomalous at test. Texts are lower case, letters alone, words of three letters and
more without stop words, and become vectors of words. CVDD is averaged over lambda in {1, 10} and over alpha, 0 or
annealed. OC-SVM has a cosine kernel on the mean, on the mean weighted by tf-idf (idf of the benign training texts) and
on the maximum of a text's vectors; the best nu is known only in hindsight, as in the thesis, and nu = 0.1 stands beside
it. "c*" is the best context of each fit, which only labels tell.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from reprq.backbones import Backbone, load_backbone
from reprq.backbones.batch import MASK
from reprq.backbones.term_weights import NAME, TermWeights, weights_of
from reprq.data import Dataset, Split, load_dataset, select_tasks
from reprq.data.image.named import data_root
from reprq.data.splits import task_split
from reprq.detectors import create, describe
from reprq.embeddings.pooling import pool
from reprq.errors import DataError
from reprq.evaluation.detection import evaluate, judge
from reprq.papers.engine import Experiment, Paper, PaperCell, PaperRun
from reprq.papers.fits import row_of, rows_digest
from reprq.papers.ruff2021 import text_tables
from reprq.study.cells import Row
from reprq.training import Inputs

VERSION = 1
POOLINGS = {"mean": "mean", "tf-idf": "tfidf", "max": "max"}  # as the tables and as the registry have them
NUS = (0.05, 0.1, 0.2, 0.5)
_ANNEALED = (0.0, 1e-4, 1e-3, 1e-2, 1e-1)
_BATCH = 256
_TOP = 100  # texts nearest to a context, whose words are counted


@dataclass(frozen=True)
class TextPreset:
    """How much to run.

    Attributes:
        sets: "20newsgroups", "reuters".
        epochs: Of CVDD, after how many the rate falls to a tenth, and how many a value of alpha holds.
        contexts: r.
        orthogonality: lambda.
        annealed: Whether alpha grows; False is alpha = 0.
        seeds: How many.
        train: Training texts of the benign class, a seeded sample of those there; None is all.
        test: Test texts a class, likewise.
        max_length: Words of a text that count.
    """

    sets: tuple[str, ...] = ("20newsgroups", "reuters")
    epochs: tuple[int, int, int] = (100, 40, 20)
    contexts: tuple[int, ...] = (3, 5, 10)
    orthogonality: tuple[float, ...] = (1.0, 10.0)
    annealed: tuple[bool, ...] = (False, True)
    seeds: int = 1
    train: int | None = None
    test: int | None = None
    max_length: int = 10_000

    def detector(self, contexts: int, orthogonality: float, annealed: bool) -> dict[str, Any]:
        """Return a CVDD."""
        epochs, milestone, alpha = self.epochs
        given = {
            "contexts": contexts,
            "orthogonality": orthogonality,
            "alphas": list(_ANNEALED if annealed else (0.0,)),
        }
        return {
            "name": "cvdd",
            **given,
            "epochs": epochs,
            "milestones": [milestone],
            "alpha_epochs": alpha,
            "held_out": 0.0,
        }


PRESETS = {
    "quick": TextPreset(("20newsgroups",), (3, 2, 1), (3,), (1.0,), (True,), train=60, test=20, max_length=50),
    "cpu": TextPreset(train=600, max_length=200),
    "full": TextPreset(seeds=5),
}


def experiments(how: TextPreset, run: PaperRun) -> Iterator[Experiment]:
    """Declare the fits on each set, its table, the words of its contexts and its picture.

    `root`, or the folder `text` in it, has 20_newsgroups/ (or 20news-bydate-train/ and -test/), reut2-*.sgm, and one
    file of GloVe's vectors, glove*.txt, packed or not.
    """
    folder = data_root(run.root)
    folder = folder / "text" if (folder / "text").is_dir() else folder
    preprocessing = {"cleaning": "ruff2021", "max_length": how.max_length}
    vectors = _vectors(folder)
    backbone = load_backbone(f"words:{vectors}", preprocessing=preprocessing)
    for name in how.sets:
        train, test = (load_dataset(name, side, root=folder, seed=run.seed) for side in ("train", "test"))
        if how.test is not None:
            test = test.select(_at_most(test.labels, how.test, run.seed))
        data = {"train": train.fingerprint, "test": test.fingerprint, "vectors": backbone.weights_digest}
        made = {"preset": run.preset, "seed": run.seed, "data": data, "training": asdict(how)}
        made |= {"split": train.split_info["kind"], "vectors_file": vectors.name}
        yield Experiment(
            name=name,
            made=made,
            cells=cells(train, test, backbone, how, run),
            tables=partial(text_tables.tables, name, how, made),
            figures=partial(text_tables.figures, name),
            record=f"{name}.json",
        )


def cells(train: Dataset, test: Dataset, backbone: Backbone, how: TextPreset, run: PaperRun) -> Iterator[PaperCell]:
    """Declare OC-SVM and every CVDD on each benign class, OC-SVM first."""
    data = [train.fingerprint, test.fingerprint, backbone.weights_digest]
    grid = list(product(how.contexts, how.orthogonality, how.annealed))
    for benign, seed in product(train.classes, range(run.seed, run.seed + how.seeds)):
        (task,) = select_tasks(train.classes, f"unimodal:{benign}")
        split = task_split(train, test, task)
        split = split.few(min(how.train or len(split.train), len(split.train)), run.seed)
        common: dict[str, Any] = {"data": data, "rows": rows_digest(split), "words": backbone.preprocessing.to_dict()}
        common |= {"seed": seed, "version": VERSION}
        known: Row = {"task": benign, "seed": seed}
        if seed == run.seed:  # it draws nothing
            decides: dict[str, Any] = {**common, "detector": "ocsvm", "nus": NUS, "poolings": list(POOLINGS)}
            yield PaperCell(decides, partial(_machines, split, train, test, backbone), known)
        for contexts, orthogonality, annealed in grid:
            spec = how.detector(contexts, orthogonality, annealed)
            decides = {**common, "detector": spec}
            setting = {"contexts": contexts, "lambda": orthogonality, "alpha": "annealed" if annealed else "0"}
            compute = partial(_contexts, spec, split, train, test, backbone, seed, run, decides)
            yield PaperCell(decides, compute, {**known, **setting})


def pooled(inputs: Inputs, backbone: Backbone, pooling: str, idf: Tensor) -> NDArray[np.float64]:
    """Return one row a text of the vectors of its words.

    Args:
        inputs: n texts.
        backbone: Vectors of words.
        pooling: Of `POOLINGS`.
        idf: What `TermWeights` learned.
    """
    found = []
    for rows in torch.split(torch.arange(len(inputs)), _BATCH):
        batch = inputs[rows]
        with torch.no_grad():
            vectors = backbone.network(**batch)
        how = {"layout": "NLD", "mask": batch[MASK], "weights": weights_of(idf, batch)}
        found.append(pool(vectors, POOLINGS[pooling], **how))
    return torch.cat(found).double().numpy()


def idf_of(benign: Dataset, backbone: Backbone) -> Tensor:
    """Return the inverse document frequency of words, by their numbers, in some texts."""
    return torch.from_numpy(TermWeights(backbone.network, backbone.preprocessing).learn(benign).arrays[NAME])


def _machines(split: Split, train: Dataset, test: Dataset, backbone: Backbone) -> list[Row]:
    """Two rows a pooling: the best nu in hindsight, and nu = 0.1."""
    sides = [train.select(split.train), test.select(split.test)]
    inputs = [Inputs(side, backbone.preprocessing) for side in sides]
    idf = idf_of(sides[0], backbone)
    whole, found = Split.whole(len(sides[0]), split.labels), []
    for pooling in POOLINGS:
        benign, scored = (pooled(each, backbone, pooling, idf) for each in inputs)
        of_nu = {nu: evaluate({"name": "ocsvm", "kernel": "cosine", "nu": nu}, whole, benign, scored) for nu in NUS}
        best = max(of_nu.values(), key=lambda each: each.auroc.value)
        for setting, each in ((text_tables.BEST, best), ("nu = 0.1", of_nu[0.1])):
            found.append({"method": f"OC-SVM {pooling}", "setting": setting, **row_of(each, 0)})
    return found


def _contexts(
    spec: dict[str, Any],
    split: Split,
    train: Dataset,
    test: Dataset,
    backbone: Backbone,
    seed: int,
    run: PaperRun,
    decides: dict[str, Any],
) -> list[Row]:
    """The row of a CVDD, with the words of its contexts, and that of its best context."""
    began, benign = time.process_time(), train.select(split.train)
    given = {"backbone": backbone, "seed": seed, "device": run.device, "checkpoint": run.file(decides, "pt")}
    detector = create(spec).set_params(**given).fit(benign)
    distances = detector.context_scores(test.select(split.test))
    name, seconds = describe(detector), time.process_time() - began
    found = judge(name, distances.mean(axis=1), split.labels, n_train=len(benign), seconds=seconds)
    alone = [judge(name, column, split.labels, n_train=len(benign), seconds=seconds) for column in distances.T]
    best = max(alone, key=lambda each: each.auroc.value)
    words = {"words": detector.top_words(benign, texts=_TOP), "by_context": [each.auroc.value for each in alone]}
    method = f"CVDD r={spec['contexts']}"
    return [
        {"method": method, **row_of(found, seed), **words},
        {"method": f"{method}, c*", "setting": "the best context", **row_of(best, seed)},
    ]


def _vectors(folder: Path) -> Path:
    found = sorted(folder.glob("glove*.txt*"))
    if len(found) != 1:
        raise DataError(f"{folder} must hold one file of vectors of words, glove*.txt, got {len(found)}; put one there")
    return found[0]


def _at_most(labels: NDArray[np.int64], count: int, seed: int) -> NDArray[np.int64]:
    """Rows of each class, so many or as many as there are."""
    rng = np.random.default_rng(seed)
    return np.sort(np.concatenate([rng.permutation(np.flatnonzero(labels == c))[:count] for c in np.unique(labels)]))


PAPER = Paper(PRESETS, experiments)
