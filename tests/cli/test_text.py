"""The commands on texts."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from reprq.study import StudyResults, run_study

pytest.importorskip("transformers", reason="transformers is an optional extra")

Run = Callable[..., Any]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["layers", "BERT"], "0  stem             tokens x 16     16"),
        (["extract", "--layers", "1-3", "--pooling", "mean,max"], "encoder.layer.2@max"),
        (["measure", "--layer", "3"], "on 42 of 42 documents of text:"),
        (["detect", "--layer", "encoder.layer.2", "--detector", "knn", "--task", "unimodal:class1"], "unimodal:class1"),
        (["recommend", "--backbones", "BERT,BERT=random"], "encoder.layer"),
        (["recommend", "--backbones", "tfidf,lsa"], "components"),
        (["measure", "--backbone", "lsa", "--metric", "rankme"], "lsa (fitted on 42 documents of text:"),
        (["detect", "--backbone", "tfidf", "--detector", "knn"], "tfidf (fitted on the training rows of each split)"),
        (["detect", "--layer", "2", "--pooling", "mean,tfidf", "--detector", "knn"], "encoder.layer.1@tfidf"),
    ],
)
def test_the_commands_take_texts(
    arguments: list[str], said: str, write_documents: Callable[..., Path], bert: Path, tmp_path: Path, reprq: Run
) -> None:
    given = [word.replace("BERT", f"hf:{bert}") for word in arguments]
    if arguments[0] != "layers":
        documents = write_documents(tmp_path / "docs", classes=3, each=20)
        given += ["--data", f"text:{documents}", "--cache", str(tmp_path / "cache"), "--quiet"]
    if arguments[0] in ("extract", "measure", "detect") and "--backbone" not in arguments:
        given += ["--backbone", f"hf:{bert}"]
    ran = reprq(*given)
    assert ran.status == 0, ran.err
    assert said in ran.out
    assert "image" not in ran.err
    assert "image" not in ran.out


def test_a_mistake_is_one_line(write_documents: Callable[..., Path], bert: Path, tmp_path: Path, reprq: Run) -> None:
    documents = write_documents(tmp_path / "docs", classes=3, each=20)
    for given, said in (
        (["--backbone", "lenet", "--weights", "random"], "backbone lenet takes images, and text:"),
        (
            ["--backbone", f"hf:{bert}", "--max-length", "99"],
            "preprocessing max_length must be a whole number of tokens",
        ),
        (["--backbone", f"hf:{bert}", "--pooling", "flatten"], "pooling 'flatten' needs layers of a fixed number"),
        (["--backbone", f"hf:{bert}", "--squash"], "preprocessing of texts has no key 'squash'; valid is max_length"),
    ):
        ran = reprq("extract", *given, "--data", f"text:{documents}", "--quiet")
        assert (ran.status, ran.out) == (1, "")
        assert f"reprq: {said}" in ran.err


def test_texts_are_marked_in_a_gallery_and_by_a_model(
    write_documents: Callable[..., Path], bert: Path, tmp_path: Path, reprq: Run
) -> None:
    documents = write_documents(tmp_path / "docs", classes=2, each=30)
    how = ["--backbone", f"hf:{bert}", "--data", f"text:{documents}", "--layer", "stem", "--quiet"]
    spec = "cvdd:contexts=2,epochs=2,attention=4"
    ran = reprq("detect", *how, "--detector", spec, "--task", "unimodal:class0", "--gallery", tmp_path / "gallery")
    assert ran.status == 0, ran.err
    assert "words of contexts" in ran.out
    (page, picture) = sorted((tmp_path / "gallery").iterdir())
    assert (page.suffix, picture.suffix) == (".html", ".png")
    assert "Context 2" in page.read_text()
    assert picture.read_bytes().startswith(b"\x89PNG")
    ran = reprq("detect", *how, "--detector", spec, "--task", "unimodal:class0", "--json")
    (row,) = json.loads(ran.out)["rows"]
    assert [len(words) for words in row["top_words"]] == [10, 10]
    how += ["--detector", "knn", "--benign", "class0", "--false-alarms", "0.2", "--out", tmp_path / "model"]
    assert reprq("fit", *how).status == 0
    ran = reprq("score", tmp_path / "model", f"text:{documents / 'class1'}", "--maps", tmp_path / "maps", "--quiet")
    assert ran.status == 0, ran.err
    assert "a map of 30 documents, and " in ran.err
    assert "most_anomalous.html" in ran.err
    names = {file.name for file in (tmp_path / "maps").iterdir()}
    assert {"0000.txt.csv", "most_anomalous.html", "most_anomalous.png", "maps.json"} <= names


def test_a_study_has_the_words_of_contexts(write_documents: Callable[..., Path], bert: Path, tmp_path: Path) -> None:
    documents = write_documents(tmp_path / "docs", classes=2, each=20)
    config = {
        "data": {"name": f"text:{documents}"},
        "backbones": [{"name": f"hf:{bert}", "layers": "stem"}],
        "metrics": ["rankme"],
        "detectors": ["knn", {"name": "cvdd", "contexts": 2, "epochs": 1, "attention": 4}],
        "tasks": ["unimodal:class0"],
    }
    out = tmp_path / "run"
    run_study(config, out, cache_dir=tmp_path / "cache", progress=False)
    words = StudyResults.load(out).detectors.set_index("detector")["top_words"]
    assert pd.isna(words["knn"])
    assert [len(context.split(", ")) for context in words["cvdd"].split(" | ")] == [10, 10]


def test_terms_are_bounded_on_the_command_line(reprq: Run, tmp_path: Path) -> None:
    for i in range(12):
        (tmp_path / "texts").mkdir(exist_ok=True)
        (tmp_path / "texts" / f"{i}.txt").write_text(f"ship port grain {'wheat' * (i % 3)} corn {'oil gas ' * (i % 2)}")
    asked = ("measure", "--data", f"text:{tmp_path / 'texts'}", "--json", "--quiet", "--backbone")
    for given, d in ((("tfidf", "--max-features", 3), 3), (("lsa", "--components", 2), 2)):
        ran = reprq(*asked, *given)
        assert ran.status == 0, ran.err
        assert {row["d"] for row in json.loads(ran.out)["rows"]} == {d}
    ran = reprq(*asked, "tfidf", "--components", 2)
    assert (ran.status, "has no key 'components'; valid are max_features" in ran.err) == (1, True)
