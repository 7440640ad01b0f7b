"""The fits behind the tables of Deecke et al. 2021: who is benign, what the corpus is, which network starts."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.backbones import Backbone
from reprq.data import Dataset, Split, load_dataset, select_tasks, small_mode_split
from reprq.data.splits import task_split
from reprq.evaluation import average_precision
from reprq.evaluation.detection import Detection
from reprq.papers.deecke2021.presets import ABLATION, FROZEN, OWN_NETWORK, DeeckePreset, Start, registered
from reprq.papers.deecke2021.starts import Starts
from reprq.papers.engine import PaperCell, PaperRun
from reprq.papers.fits import fit_cell
from reprq.papers.ruff2021.deep import load
from reprq.study.cells import Row

TINY, DIGITS, NONE = "tiny ImageNet", "MNIST", "none"
K = 5  # of kNN; the paper does not say


def with_precision(found: Detection) -> Row:
    """Return the average precision; by chance it is the share of anomalies."""
    return {"ap": average_precision(found.labels, found.scores)}


class Cells:
    """What the experiments share: images, corpora, networks.

    Args:
        how: The preset.
        folder: The root of the data.
        run: What is asked.
    """

    def __init__(self, how: DeeckePreset, folder: Path, run: PaperRun) -> None:
        self.how, self.run, self.starts = how, run, Starts(how, folder, run)
        n_class, n_of_nine, n_corpus, n_test = how.images
        self.train, self.test = load("cifar10", folder, (n_class, n_test), seed=run.seed)  # type: ignore[arg-type]
        self.of_nine = self.train if n_of_nine is None else self.train.sample(per_class=n_of_nine, seed=run.seed)
        inside = folder / "torchvision"
        corpora = {TINY: self.starts.train, DIGITS: load_dataset("mnist", root=inside if inside.is_dir() else folder)}
        self.corpora = {name: _drawn(images, n_corpus, run.seed) for name, images in corpora.items()}
        self.opened: dict[tuple[Start, bool], Backbone] = {}
        self.embedded: dict[tuple[str, str], NDArray[np.float32]] = {}

    @property
    def main(self) -> Start:
        """The network of every table."""
        return self.how.starts[0]

    @property
    def seeds(self) -> range:
        """The seeds."""
        return range(self.run.seed, self.run.seed + self.how.seeds)

    def against_rest(
        self, methods: Sequence[str], start: Start, corpus: str = TINY, few: bool = False
    ) -> Iterator[PaperCell]:
        """Declare methods on every class against the rest, or on few of them."""
        names = self.how.limited(self.how.classes) if few else self.how.classes
        yield from self._tasks("unimodal", names, methods, start, self.train, corpus)

    def semantic(self, rows: dict[str, tuple[str, bool]]) -> Iterator[PaperCell]:
        """Declare methods, each by its row with whether it starts pretrained, on nine classes against the tenth."""
        for title, (method, pretrained) in rows.items():
            if method != FROZEN and not registered(method):
                continue
            names = self.how.limited(self.how.semantic) if method in OWN_NETWORK else self.how.semantic
            cells = self._tasks("multimodal", names, [method], self.main, self.of_nine, TINY, random=not pretrained)
            yield from (replace(cell, known={**cell.known, "row": title}) for cell in cells)

    def small_modes(self, methods: Sequence[str]) -> Iterator[PaperCell]:
        """Declare methods on every pair of modes with every share of the small one."""
        for seed in self.seeds:
            for large, small in self.how.pairs:
                for share in self.how.shares:
                    split = small_mode_split(self.train, self.test, large, small, share, seed=seed)
                    for method in methods:
                        known = {"large": large, "small": small, "share": share}
                        yield self.cell(method, split, self.main, self.train, TINY, seed, known, by_mode)

    def cell(
        self,
        method: str,
        split: Split,
        start: Start,
        train: Dataset,
        corpus: str,
        seed: int,
        known: Row,
        also: Any = with_precision,
        random: bool = False,
    ) -> PaperCell:
        """Return the cell of one fit."""
        network = self._open(start, random)
        data = [train.fingerprint, self.test.fingerprint, network.weights_digest, str(start.size)]
        known = {**known, "method": method, "corpus": corpus, "start": start.title, "ceiling": start.saw_labels}
        given: dict[str, Any] = {"data": data, "seed": seed, "known": known, "also": also}
        if method == FROZEN:
            sides = [self._rows(network, side, f"{start.title} {random}") for side in (train, self.test)]
            return fit_cell(self.run, {"name": "knn", "k": K}, split, *sides, **given)
        if method in OWN_NETWORK:
            return fit_cell(self.run, self.how.detector(method), split, train, self.test, **given)
        shown = self.corpora.get(corpus)
        print_of = "" if shown is None else shown.fingerprint
        given |= {"given": {"backbone": network}, "auxiliary": shown, "corpus": print_of}
        spec = self.how.detector(method, start.precision)
        return fit_cell(self.run, spec, split, train, self.test, **given)

    def _tasks(
        self,
        kind: str,
        names: Sequence[str],
        methods: Sequence[str],
        start: Start,
        train: Dataset,
        corpus: str,
        random: bool = False,
    ) -> Iterator[PaperCell]:
        for seed in self.seeds:
            for name in names:
                (task,) = select_tasks(train.classes, f"{kind}:{name}")
                split = task_split(train, self.test, task)
                known = {"protocol": kind, "task": name}
                for method in methods:
                    yield self.cell(method, split, start, train, corpus, seed, known, random=random)

    def _open(self, start: Start, random: bool) -> Backbone:
        if (start, random) not in self.opened:
            self.opened[start, random] = self.starts.open(start, random=random)
        return self.opened[start, random]

    def _rows(self, network: Backbone, images: Dataset, name: str) -> NDArray[np.float32]:
        """The deepest embeddings of images by a frozen network."""
        from reprq.embeddings import extract

        key = (name, images.fingerprint)
        if key not in self.embedded:
            caches = self.run.out / "embeddings"
            cache = extract(network, images, -1, device=self.run.device, cache_dir=caches, progress=False)
            self.embedded[key] = np.asarray(cache[next(iter(cache))].array)
        return self.embedded[key]


def by_mode(found: Detection) -> Row:
    """Return the AUROC of either benign class against the anomalies, with its interval, by the number of the class."""
    assert found.classes is not None
    row: Row = {}
    for number in np.unique(found.classes[found.labels == 0]).tolist():
        alone = found.on((found.labels == 1) | (found.classes == number)).auroc
        row[f"mode_{number}"] = [alone.value, alone.low, alone.high]
    return row


def _drawn(images: Dataset, n: int | None, seed: int) -> Dataset:
    return images if n is None or n >= len(images) else images.sample(n, seed=seed)


ROWS = {FROZEN: (FROZEN, True), **{name: (name, True) for name in OWN_NETWORK}, **ABLATION}
