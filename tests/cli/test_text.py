"""The commands on texts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
    ],
)
def test_the_commands_take_texts(
    arguments: list[str], said: str, write_documents: Callable[..., Path], bert: Path, tmp_path: Path, reprq: Run
) -> None:
    given = [word.replace("BERT", f"hf:{bert}") for word in arguments]
    if arguments[0] != "layers":
        documents = write_documents(tmp_path / "docs", classes=3, each=20)
        given += ["--data", f"text:{documents}", "--cache", str(tmp_path / "cache"), "--quiet"]
    if arguments[0] in ("extract", "measure", "detect"):
        given += ["--backbone", f"hf:{bert}"]
    ran = reprq(*given)
    assert ran.status == 0, ran.err
    assert said in ran.out
    assert "image" not in ran.err
    assert "image" not in ran.out or "that study is of images, and these are documents" in ran.out


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
