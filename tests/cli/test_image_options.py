"""What the commands that read images say of them: crops, depths, broken files."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Reprq = Callable[..., Any]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REPRQ_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for name in ("bad", "good"):
            (tmp_path / "images" / split / name).mkdir(parents=True)
            for i in range(6):
                pixels = rng.integers(0, 256, (20, 40, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / "images" / split / name / f"{i}.png")
    return tmp_path / "images"


def _network(folder: Path) -> list[str]:
    return ["--backbone", "lenet", "--weights", "random", "--data", f"folder:{folder}"]


def _notes(out: str, about: str) -> list[str]:
    return [note for note in json.loads(out)["notes"] if about in note]


COMMANDS: dict[str, list[str]] = {
    "measure": ["--metric", "trace"],
    "extract": [],
    "detect": ["--detector", "centroid", "--task", "unimodal:good"],
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_crop_is_said_on_stderr_and_in_json_and_whole_images_are_not(
    reprq: Reprq, folder: Path, command: str
) -> None:
    asked = [*_network(folder), *COMMANDS[command], "--json"]
    ran = reprq(command, *asked, "--quiet")
    (note,) = _notes(ran.out, "the crop drops")
    assert note.startswith("the crop drops about 50% of the area of folder:")
    assert ran.err.count(f"note: {note}") == 1
    assert reprq(command, *asked).err.count(f"note: {note}") == 1
    for whole in (["--squash"], ["--crop", "none"]):
        kept = reprq(command, *asked, *whole, "--quiet")
        assert _notes(kept.out, "the crop drops") == []
        assert "the crop drops" not in kept.err


def test_test_images_that_are_copies_of_training_images_are_counted(reprq: Reprq, folder: Path) -> None:
    asked = ["detect", *_network(folder), *COMMANDS["detect"], "--squash", "--json"]
    assert _notes(reprq(*asked).out, "copies") == []
    for name in ("good/0.png", "good/3.png", "bad/1.png"):
        (folder / "test" / name).write_bytes((folder / "train/good/0.png").read_bytes())
    (folder / "test/bad/5.png").write_bytes((folder / "test/bad/4.png").read_bytes())  # of no training image
    ran = reprq(*asked)
    (note,) = _notes(ran.out, "copies")
    assert note.startswith("3 of 12 test images are byte copies of training images")
    assert ran.err.count(f"note: {note}") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_broken_files_are_all_named_and_left_out_on_demand(reprq: Reprq, folder: Path, command: str) -> None:
    for name in ("good/1.png", "good/4.png"):
        (folder / "train" / name).write_bytes(b"")
    asked = [*_network(folder), *COMMANDS[command], "--squash", "--json", "--quiet"]
    ran = reprq(command, *asked)
    assert (ran.status, ran.out) == (1, "")
    lines = [line for line in ran.err.splitlines() if not line.startswith("note: ")]
    assert len(lines) == 1
    assert [lines[0].count(name) for name in ("good/1.png", "good/4.png", "--skip-broken")] == [1, 1, 1]
    assert " images of folder:" in lines[0]
    assert not (folder.parent / "cache").exists()
    skipped = reprq(command, *asked, "--skip-broken")
    assert skipped.status == 0
    (note,) = _notes(skipped.out, "are broken and were left out: train/good/1.png, train/good/4.png (")
    assert skipped.err.count(f"note: {note}") == 1


@pytest.mark.parametrize("command", [*COMMANDS, "train"])
@pytest.mark.parametrize("crop", ["none", "center"])
def test_a_squash_and_a_crop_contradict_each_other(reprq: Reprq, folder: Path, command: str, crop: str) -> None:
    asked = [*_network(folder), *COMMANDS[command]] if command in COMMANDS else ["random", "--out", folder / "t"]
    for both in (["--squash", "--crop", crop], ["--crop", crop, "--squash"]):
        ran = reprq(command, *asked, *both)
        assert (ran.status, ran.out) == (2, "")
        assert "give either --crop or --squash" in ran.err


@pytest.mark.parametrize("command", COMMANDS)
def test_deep_images_want_a_range(reprq: Reprq, folder: Path, command: str) -> None:
    rng = np.random.default_rng(0)
    for path in folder.glob("*/*/*.png"):
        Image.fromarray(rng.integers(0, 4096, (20, 20)).astype(np.uint16)).save(path)
    asked = [*_network(folder), *COMMANDS[command], "--json", "--quiet"]
    ran = reprq(command, *asked)
    assert ran.status == 1
    assert "has more than 8 bits a channel" in ran.err
    assert "with --intensity-range LOW,HIGH" in ran.err
    assert reprq(command, *asked, "--intensity-range", "0,4095").status == 0
    for wrong in ("4095,0", "1", "a,b", "0,nan"):
        assert reprq(command, *asked, "--intensity-range", wrong).status in (1, 2)


def test_a_teacher_takes_them_too(reprq: Reprq, folder: Path, tmp_path: Path) -> None:
    (folder / "train/good/1.png").write_bytes(b"")
    asked = ["train", "random", "--data", f"folder:{folder}", "--out", tmp_path / "t.safetensors", "--quiet"]
    ran = reprq(*asked, "--skip-broken", "--squash")
    assert ran.status == 0
    assert "1 of 12 images of folder:" in ran.err
    measured = reprq(
        "measure", "--backbone", f"teacher:{tmp_path / 't.safetensors'}", "--data", f"folder:{folder}", "--json",
        "--metric", "trace", "--skip-broken", "--quiet",
    )  # fmt: skip
    assert json.loads(measured.out)["provenance"]["preprocessing"]["crop"] == "none"


def test_a_large_photo_and_damaged_notes_of_a_camera_are_no_warnings(
    reprq: Reprq, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (40, 40)).save(folder / "train/good/0.png")
    notes = b"Exif\0\0II*\0\x08\0\0\0\xff\xff"
    Image.new("RGB", (20, 20)).save(folder / "train/good/7.jpg", exif=notes)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000)
    ran = reprq("measure", *_network(folder), "--metric", "trace", "--squash", "--quiet", "--json")
    assert (ran.status, json.loads(ran.out)["rows"][0]["n"]) == (0, 7)
    assert "arning" not in ran.err
