"""The smallest preset of Table 3.4 on made posts, and its rows of OC-SVM against loops and scikit-learn."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.feature_extraction.text import TfidfVectorizer

from reprq.backbones import load_backbone
from reprq.backbones.term_weights import weights_of
from reprq.data import as_dataset
from reprq.errors import DataError
from reprq.papers import reproduce
from reprq.papers.ruff2021 import text
from reprq.papers.ruff2021.text import POOLINGS, TextPreset, idf_of, pooled
from reprq.papers.ruff2021.text_tables import PUBLISHED
from reprq.training import Inputs

NEWSGROUPS = {
    **{"comp.graphics": "pixel screen window", "rec.autos": "engine wheel drive", "sci.med": "doctor patient illness"},
    **{"misc.forsale": "offer price sale", "talk.politics.misc": "senate election vote"},
    **{"alt.atheism": "belief reason doubt"},
}
STORY = (
    '<REUTERS TOPICS="YES" LEWISSPLIT="{side}" NEWID="{number}"><TOPICS><D>{topic}</D></TOPICS>'
    "<TEXT><TITLE>{topic}</TITLE><BODY>{words}</BODY></TEXT></REUTERS>\n"
)
TOPICS = ("acq", "crude", "earn", "interest", "money-fx", "ship", "trade")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Files of the forms of 20 Newsgroups, Reuters-21578 and GloVe; every topic has words of its own."""
    rng, folder = np.random.default_rng(0), tmp_path / "data" / "text"
    words = [*" ".join(NEWSGROUPS.values()).split(), "today", "people"]
    for newsgroup, own in NEWSGROUPS.items():
        (folder / "20_newsgroups" / newsgroup).mkdir(parents=True)
        for i in range(12):
            body = " ".join(rng.permutation([*rng.choice(own.split(), 4), "today", "people"]))
            (folder / "20_newsgroups" / newsgroup / str(i)).write_text(f"From: someone\n\n{body}\n")
    stories = [
        STORY.format(side=side, number=number, topic=topic, words=" ".join(rng.choice(own.split(), 5)))
        for side, count in (("TRAIN", 8), ("TEST", 4))
        for topic, own in zip(TOPICS, [*NEWSGROUPS.values(), "today people"], strict=True)
        for number in range(count)
    ]
    (folder / "reut2-000.sgm").write_text("".join(stories))
    vectors = rng.normal(size=(len(words), 6))
    lines = (f"{word} {' '.join(f'{x:.4f}' for x in row)}\n" for word, row in zip(words, vectors, strict=True))
    (folder / "glove.txt").write_text("".join(lines))
    return tmp_path / "data"


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


def test_the_tables_average_over_settings_and_go_on(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = TextPreset(epochs=(1, 1, 1), contexts=(3,), orthogonality=(1.0,), train=7, test=3)
    monkeypatch.setitem(text.PRESETS, "quick", tiny)
    out = tmp_path / "out"
    paths = reproduce("ruff2021-text", "quick", out, root=root, progress=False)
    names = [f"{kind}{end}" for kind in tiny.sets for end in (".png", ".svg", ".md", "-words.md", ".csv", ".json")]
    assert [path.name for path in paths] == names
    rows = rows_of(out / "20newsgroups.csv")
    assert len(rows) == 6 * (2 * len(POOLINGS) + 2 * 2)  # two settings of OC-SVM, two of CVDD with their best contexts
    assert {row["n_train"] for row in rows} == {"7"}
    assert {row["n_test"] for row in rows} == {"18"}
    ours = [100 * float(row["auroc"]) for row in rows if (row["task"], row["method"]) == ("comp", "CVDD r=3")]
    cell = f"{np.mean(ours):.1f} ± {np.std(ours, ddof=1):.1f} ({PUBLISHED['CVDD r=3']['comp']})"
    table = (out / "20newsgroups.md").read_text()
    assert f"| {cell} |" in table
    assert "over lambda in {1}, over alpha (0 and annealed)" in table
    means = next(line for line in (out / "reuters.md").read_text().splitlines() if line.startswith("| mean |"))
    machine = [row for row in rows_of(out / "reuters.csv") if row["method"] == "OC-SVM mean"]
    best = [100 * float(row["auroc"]) for row in machine if row["setting"].startswith("best")]
    assert means.split(" | ")[1] == f"{np.mean(best):.1f}"
    for hindsight, plain in zip(machine[::2], machine[1::2], strict=True):
        assert float(hindsight["auroc"]) >= float(plain["auroc"])
    words = (out / "20newsgroups-words.md").read_text()
    assert sum(line.startswith("| misc |") for line in words.splitlines()) == 3
    monkeypatch.setattr(text, "_contexts", lambda *given: pytest.fail("what is finished is computed again"))
    assert reproduce("ruff2021-text", "quick", out, root=root, progress=False) == paths
    assert json.loads((out / "reuters.json").read_text())["data"]["vectors"]


def test_rows_of_texts_are_those_of_a_loop(root: Path) -> None:
    backbone = load_backbone(f"words:{root}/text/glove.txt")
    texts = ["pixel screen pixel today", "people", "engine wheel drive sale sale"]
    vocabulary, vectors = (
        backbone.preprocessing.vocabulary,
        backbone.network.vectors.weight[1:].double().numpy(force=True),
    )
    data = as_dataset({"text": texts})
    inputs, idf = Inputs(data, backbone.preprocessing), idf_of(data, backbone)
    peer = TfidfVectorizer(vocabulary=list(vocabulary)).fit(texts)
    every = {"input_ids": torch.arange(1, len(vectors) + 1)}
    np.testing.assert_allclose(weights_of(idf, every), peer.idf_, rtol=1e-6)
    for i, each in enumerate(texts):
        numbers = [vocabulary.index(word) for word in each.split()]
        weights = peer.idf_[numbers]
        expected = {
            "mean": vectors[numbers].mean(axis=0),
            "max": vectors[numbers].max(axis=0),
            "tf-idf": weights @ vectors[numbers] / weights.sum(),
        }
        for pooling, row in expected.items():
            np.testing.assert_allclose(pooled(inputs, backbone, pooling, idf)[i], row, rtol=1e-5, atol=1e-6)


def test_vectors_that_are_not_there_or_are_there_twice_are_named(root: Path, tmp_path: Path) -> None:
    (root / "text/glove.2.txt").write_text("a 1 2\n")
    with pytest.raises(DataError, match=r"must hold one file of vectors of words, glove\*\.txt, got 2"):
        reproduce("ruff2021-text", "quick", tmp_path / "out", root=root, progress=False)
