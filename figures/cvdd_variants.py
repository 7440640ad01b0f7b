"""CVDD by what the thesis leaves open, on one group of 20 Newsgroups, and on a language model's tokens, on all six.

    python figures/cvdd_variants.py ROOT --misc --out figures/ruff2021-text
    python figures/cvdd_variants.py ROOT --tokens MINILM --out figures/ruff2021-text

ROOT has 20_newsgroups/ and one file of GloVe's vectors, MINILM is a folder as save_pretrained writes it. `misc.csv` has
r = 3 on misc.forsale with one thing changed at a time. `tokens.csv` has r = 3 on words of GloVe and on the last layer
of MiniLM, both of the same few texts.
"""

import argparse
import re
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from sklearn.cluster import KMeans

from reprq.backbones import Backbone, load_backbone
from reprq.data import Dataset, load_dataset
from reprq.data.text import words
from reprq.data.views import joined
from reprq.detectors import CVDD, create
from reprq.embeddings import extract
from reprq.evaluation import auroc
from reprq.study.tables import write_table

HOW = {"contexts": 3, "alphas": [0.0], "held_out": 0.0}
TRAIN, LENGTH = 600, 200
FEW, FEW_TESTED, FEW_TOKENS = 100, 40, 48  # texts of a class that train and are scored, tokens of a text
FUNCTION_WORDS = (
    "i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers herself it"
    " its itself they them their theirs themselves what which who whom this that these those am is are was were be been"
    " being have has had having do does did doing a an the and but if or because as until while of at by for with about"
    " against between into through during before after above below to from up down in out on off over under again"
    " further then once here there when where why how all any both each few more most other some such no nor not only"
    " own same so than too very s t can will just don should now"
)


def main() -> None:
    """Run one part and write its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", type=Path)
    parser.add_argument("--misc", action="store_true")
    parser.add_argument("--tokens", type=Path, metavar="MINILM")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    train, test = (load_dataset("20newsgroups", side, root=asked.root, seed=0) for side in ("train", "test"))
    if asked.misc:
        write_table(pd.DataFrame(list(of_misc(train, test, asked.root))).round(2), asked.out / "misc.csv")
    if asked.tokens:
        found = pd.DataFrame(list(of_tokens(train, test, asked.root, asked.tokens)))
        write_table(found.round(2), asked.out / "tokens.csv")


def vectors(root: Path, file: Path | None = None, length: int = LENGTH, cleaning: str = "ruff2021") -> Backbone:
    """Return words of GloVe."""
    (found,) = [file] if file else sorted(root.glob("glove*.txt*"))
    return load_backbone(f"words:{found}", preprocessing={"cleaning": cleaning, "max_length": length})


def judged(detector: CVDD, backbone: Backbone, train: Dataset, test: Dataset, group: str) -> dict[str, Any]:
    """Fit CVDD on a group of 20 Newsgroups, and return its AUROC and that of each context, in per cent."""
    rows = np.flatnonzero(train.labels == train.classes.index(group))
    rows = rows if len(rows) <= TRAIN else np.sort(np.random.default_rng(0).choice(rows, TRAIN, replace=False))
    detector.set_params(backbone=backbone).fit(train.select(rows))
    distances, known = detector.context_scores(test), test.labels != test.classes.index(group)
    alone = sorted((100 * auroc(known, column).value for column in distances.T), reverse=True)
    found = {"auroc": 100 * auroc(known, distances.mean(axis=1)).value, "contexts": " ".join(f"{x:.1f}" for x in alone)}
    return {**found, "n_train": len(rows), "n_test": len(test)}


def of_misc(train: Dataset, test: Dataset, root: Path) -> Iterator[dict[str, Any]]:
    """Yield a row a variant."""
    stop = frozenset(FUNCTION_WORDS.split())
    few = words.Cleaning(re.compile(r"[^\W\d_]+"), lower=True, keep=lambda x: len(x) >= 3 and x not in stop)
    words.CLEANINGS["few"] = few  # type: ignore[index]
    own, share = vectors(root), {"orthogonality": 1 / 9}
    variants: list[tuple[str, dict[str, Any], Backbone, Dataset, Dataset]] = [
        ("as in the table", {}, own, train, test),
        *[(f"seed {seed}", {"seed": seed}, own, train, test) for seed in (1, 2)],
        ("k-means on unit means", {}, own, train, test),
        ("10,000 words of a text", {}, vectors(root, length=10_000), train, test),
        ("split by date", {}, own, *by_date(train, test, root)),
        ("penalty divided by r^2", share, own, train, test),
        ("127 stop words", {}, vectors(root, cleaning="few"), train, test),
        ("both of these", share, vectors(root, cleaning="few"), train, test),
    ]
    for name, changed, backbone, *sides in variants:
        start = CVDD._prepare
        if name == "k-means on unit means":
            CVDD._prepare = on_unit_means  # type: ignore[method-assign]
        found = judged(CVDD(**{**HOW, **changed}), backbone, *sides, "misc")
        CVDD._prepare = start  # type: ignore[method-assign]
        print(name, found, flush=True)
        yield {"variant": name, **found}


def on_unit_means(detector: CVDD, schedule: Any, kept: Any) -> None:
    """Start contexts as the released code does."""
    means = torch.nn.functional.normalize(detector._in_batches(detector._mean, detector.inputs_, kept).double(), dim=1)
    centers = KMeans(detector.contexts, n_init=10, random_state=schedule.seed).fit(means.numpy()).cluster_centers_
    with torch.no_grad():
        detector.network_.contexts.copy_(torch.nn.functional.normalize(torch.from_numpy(centers).float(), dim=1))


def by_date(train: Dataset, test: Dataset, root: Path) -> tuple[Dataset, Dataset]:
    """Return the posts split by their dates, the first 60 % to train, without those that stand in it twice."""
    whole, dated, seen = joined(train, test), [], set()
    for row in range(len(whole)):
        name = str(whole.ids[row]).removeprefix("20newsgroups/")
        post = (root / "20_newsgroups" / name).read_bytes().decode("latin-1")
        date = re.search(r"^Date:\s*(.+)$", post, re.M)
        try:
            when = parsedate_to_datetime(date[1]).timestamp() if date else None
        except ValueError:
            when = None
        if when is not None and whole.item(row) not in seen:
            seen.add(whole.item(row))
            dated.append((when, row))
    order = np.array([row for _, row in sorted(dated)])
    cut = int(0.6 * len(order))
    return whole.select(np.sort(order[:cut])), whole.select(np.sort(order[cut:]))


def of_tokens(train: Dataset, test: Dataset, root: Path, minilm: Path) -> Iterator[dict[str, Any]]:
    """Yield a row a group and backbone: CVDD, and OC-SVM with a cosine kernel on the mean of the tokens."""
    train, test = train.sample(per_class=FEW, seed=0), test.sample(per_class=FEW_TESTED, seed=0)
    models = {
        "GloVe": vectors(root, length=FEW_TOKENS),
        "MiniLM": load_backbone(f"hf:{minilm}", preprocessing={"max_length": FEW_TOKENS}),
    }
    for name, backbone in models.items():
        layer = [each.name for each in backbone.layers if each.layout != "ND"][-1]
        sides = [extract(backbone, side, layer, pooling="mean", progress=False) for side in (train, test)]
        x, z = (next(iter(side.values())).array for side in sides)
        for group in train.classes:
            known = test.labels != test.classes.index(group)
            machine = create({"name": "ocsvm", "kernel": "cosine", "nu": 0.1})
            machine.fit(x[train.labels == train.classes.index(group)])
            found = judged(CVDD(**HOW, layers=layer), backbone, train, test, group)
            row = {"group": group, "tokens": name, "ocsvm": 100 * auroc(known, machine.anomaly_score(z)).value, **found}
            print(row, flush=True)
            yield row


if __name__ == "__main__":
    main()
