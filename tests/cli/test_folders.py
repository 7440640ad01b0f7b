"""One folder, the same reader in every command, and what each says of it."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Reprq = Callable[..., Any]
HOW = ("--backbone", "lenet", "--weights", "random", "--quiet")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Good and cracked parts, a split of our own, masks and a file that is not read."""
    monkeypatch.setenv("REPRQ_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for name, count in (("good", 20), ("crack", 10), ("dent", 10), ("ground_truth/crack", 10)):
        (tmp_path / "parts" / name).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "parts" / name / f"{i}.png")
    (tmp_path / "parts" / "good" / "x.heic").write_bytes(b"x")
    return tmp_path / "parts"


def _rows(ran: Any) -> list[dict[str, Any]]:
    assert ran.status == 0, ran.err
    rows: list[dict[str, Any]] = json.loads(ran.out)["rows"]
    return rows


@pytest.mark.parametrize(
    ("benign", "n", "said"),
    [
        ((), 14, "note: the class good is benign, as its name says (--benign '*' takes all); left out: crack, dent"),
        (("--benign", "crack,dent"), 14, "note: the classes crack, dent are benign; left out: good"),
        (("--benign", "crack", "--benign", "good"), 21, "note: the classes crack, good are benign; left out: dent"),
        (("--benign", "*"), 28, "note: the classes crack, dent, good are benign"),
    ],
)
def test_benign_classes_alone_are_measured(
    reprq: Reprq, folder: Path, benign: tuple[str, ...], n: int, said: str
) -> None:
    ran = reprq("measure", *HOW, "--data", f"folder:{folder}", *benign, "--metric", "rankme", "--json")
    assert [row["n"] for row in _rows(ran)] == [n]
    assert said in ran.err.splitlines()
    assert "was read as CLASS/*, split here: crack 10, dent 10, good 20; with 10 masks; passed over: 1 .heic" in ran.err
    assert json.loads(ran.out)["provenance"]["data_notes"][0] in ran.err


def test_a_benign_class_that_is_not_there_is_named(reprq: Reprq, folder: Path) -> None:
    for command in ("measure", "extract", "detect"):
        ran = reprq(command, *HOW, "--data", f"folder:{folder}", "--benign", "god")
        assert (ran.status, ran.out) == (1, "")
        assert "unknown label 'god' among the classes" in ran.err.splitlines()[-1]
        assert ": did you mean 'good'? Valid: crack, dent, good" in ran.err.splitlines()[-1]
        ran = reprq(command, *HOW, "--data", f"folder:{folder}", "--benign", "")
        assert (ran.status, ran.out) == (1, "")
        assert "benign must name labels that are benign, got ''" in ran.err.splitlines()[-1]


def test_extract_and_detect_take_the_classes_that_are_benign(reprq: Reprq, folder: Path) -> None:
    where = (*HOW, "--data", f"folder:{folder}")
    assert _rows(reprq("extract", *where, "--benign", "good", "--json"))[0]["rows"] == 14
    assert _rows(reprq("extract", *where, "--json"))[0]["rows"] == 28
    detect = ("detect", *where, "--detector", "centroid", "--json")
    (one,) = _rows(reprq(*detect, "--benign", "good"))
    (same,) = _rows(reprq(*detect, "--task", "unimodal:good"))
    assert one == same
    (two,) = _rows(reprq(*detect, "--benign", "good,dent"))
    assert (two["task"], two["n_train"], two["n_anomalies"]) == ("multimodal:crack", 21, 3)
    assert reprq(*detect, "--benign", "good", "--task", "unimodal:good").status == 2


def test_images_without_class_folders_can_be_measured_and_judged_against_others(reprq: Reprq, folder: Path) -> None:
    flat = (*HOW, "--data", f"folder:{folder / 'good'}")
    (row,) = _rows(reprq("measure", *flat, "--metric", "rankme", "--json"))
    assert row["n"] == 14
    external = ("--external", f"folder:{folder / 'crack'}", "--detector", "centroid", "--json")
    (row,) = _rows(reprq("detect", *flat, *external))
    assert (row["n_train"], row["n_test"], row["n_anomalies"]) == (14, 16, 10)
    ran = reprq("detect", *flat)
    assert (ran.status, ran.err.splitlines()[-1][:60]) == (
        1,
        "reprq: one-class tasks need at least two classes, got ['imag",
    )


def test_of_two_classes_each_task_is_printed_once(reprq: Reprq, folder: Path) -> None:
    (folder / "dent").rename(folder / ".dent")
    where = (*HOW, "--data", f"folder:{folder}", "--detector", "centroid")
    assert [row["task"] for row in _rows(reprq("detect", *where, "--json"))] == ["unimodal:crack", "unimodal:good"]
    (row,) = _rows(reprq("detect", *where, "--task", "multimodal:crack", "--json"))
    assert row["task"] == "multimodal:crack"


@pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse such names")
def test_names_that_are_not_utf8_go_through_every_format(reprq: Reprq, folder: Path) -> None:
    odd = Path(str(folder) + "\udce9")
    folder.rename(odd)
    (odd / "crack").rename(odd / "cr\udceack")
    for form in ((), ("--json",), ("--csv",)):
        ran = reprq("detect", *HOW, "--data", f"folder:{odd}", "--detector", "centroid", *form)
        assert ran.status == 0
        assert "xeack" in ran.out
        ran.out.encode("utf-8")


def test_a_study_takes_benign_classes_in_place_of_tasks(reprq: Reprq, folder: Path, tmp_path: Path) -> None:
    study = tmp_path / "study.toml"
    text = f"""
        detectors = ["centroid"]
        metrics = ["rankme"]
        [data]
        name = "folder:{folder}"
        benign = ["good", "dent"]
        [[backbones]]
        name = "lenet"
        weights = "random"
        layers = "1-2"
    """
    study.write_text(text)
    ran = reprq("study", study, "--out", tmp_path / "run", "--quiet")
    assert ran.status == 0, ran.err
    assert "with 10 masks; passed over: 1 .heic" in ran.err
    assert (tmp_path / "run" / "detectors.csv").read_text().count("multimodal:crack") == 2
    assert json.loads((tmp_path / "run" / "study.json").read_text())["data_notes"][0] in ran.err
    study.write_text(f'tasks = "unimodal"\n{text}')
    ran = reprq("study", study, "--out", tmp_path / "other")
    assert (ran.status, "data.benign and tasks both say what is benign" in ran.err) == (1, True)
