"""What a mistake is answered with leads on: it names what is at fault, and an option that the command has."""

import wave
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROWS = "a,b,kind\n" + "".join(f"{i % 5},{i % 3 / 2},{'bad' if i == 11 else 'ok'}\n" for i in range(12))


def images(folder: Path, count: int = 10) -> Path:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(count):
        Image.fromarray(rng.integers(0, 256, (24, 24), dtype=np.uint8)).save(folder / f"{i}.png")
    return folder


def documents(folder: Path, count: int = 6) -> Path:
    folder.mkdir(parents=True)
    for i in range(count):
        (folder / f"{i}.txt").write_text(f"some words of text {i}")
    return folder


def sounds(folder: Path) -> Path:
    folder.mkdir(parents=True)
    for i in range(3):
        with wave.open(str(folder / f"{i}.wav"), "wb") as file:
            file.setparams((1, 2, 8000, 0, "NONE", ""))
            file.writeframes(bytes(4000))
    return folder


def test_a_missing_cell_is_named_and_the_model_is_what_imputes(reprq, tmp_path: Path) -> None:
    table, holed = tmp_path / "rows.csv", tmp_path / "holed.csv"
    table.write_text(ROWS)
    holed.write_text(ROWS + "1,,ok\n,,ok\n")
    fit = ("fit", "--backbone", "identity", "--data", f"table:{table}#kind", "--benign", "ok", "--false-alarms", "0.2")
    assert reprq(*fit, "--out", tmp_path / "model").status == 0
    ran = reprq("score", tmp_path / "model", f"table:{holed}#kind")
    assert ran.status == 1
    assert "column 'a' must have a value in every row, got 1 missing in" in ran.err
    assert "the first in holed.csv/000013; repair the table, or fit with what stands for missing cells" in ran.err
    assert reprq(*fit, "--impute", "mean", "--out", tmp_path / "other").status == 0
    assert reprq("score", tmp_path / "other", f"table:{holed}#kind").status == 0


@pytest.mark.parametrize(
    ("command", "rest"),
    [("fit", ("--benign", "ok", "--out", "m")), ("detect", ("--benign", "ok")), ("detect", ("--task", "unimodal:ok"))],
)
def test_benign_rows_of_a_table_without_labels(reprq, tmp_path: Path, command: str, rest: tuple[str, ...]) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    ran = reprq(command, "--backbone", "identity", "--data", f"table:{tmp_path / 'rows.csv'}", *rest)
    assert ran.status == 1
    assert "was read as labels; call it label, or say which it is, as in table:" in ran.err
    assert "#COLUMN" in ran.err


def test_the_network_to_train_is_that_of_the_modality_and_has_weights(reprq, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(ROWS)
    documents(tmp_path / "texts")
    table, out = ("--data", f"table:{tmp_path / 'rows.csv'}#kind"), ("--out", tmp_path / "t.safetensors")
    for name in ("identity", "tfidf", "logmel"):
        ran = reprq("train", "scarf", *table, *out, "--architecture", name)
        assert f"architecture must be a network with weights to train, got {name}; choose such as mlp" in ran.err
    ran = reprq("train", "masked-word", "--data", f"text:{tmp_path / 'texts'}", *out)
    assert "architecture must be given for the documents of" in ran.err
    assert "as hf:PATH (--architecture)" in ran.err
    assert reprq("train", "vime", *table, *out, "--epochs", "1").status == 0
    assert (tmp_path / "t.safetensors").exists()


def test_a_folder_of_another_modality_is_named_as_it_is_read(reprq, tmp_path: Path) -> None:
    made = {
        "folder": ("images", images(tmp_path / "photos" / "good")),
        "audio": ("sounds", sounds(tmp_path / "clips" / "good")),
        "text": ("documents", documents(tmp_path / "texts" / "good")),
    }
    for prefix, (what, folder) in made.items():
        for path in (folder, folder.parent):
            for asked in {"folder", "audio"} - {prefix} if prefix == "text" else set(made) - {prefix}:
                ran = reprq("measure", "--backbone", "lenet", "--weights", "random", "--data", f"{asked}:{path}")
                assert ran.status == 1
                assert f"and holds {len(list(folder.iterdir()))} {what}; name it {prefix}:{path}" in ran.err


def test_what_stands_beside_the_data_is_refused_before_any_work(reprq, tmp_path: Path, monkeypatch) -> None:
    for name in ("good", "bad"):
        images(tmp_path / "photos" / name)
    documents(tmp_path / "texts" / "a")
    monkeypatch.setattr("reprq.embeddings.extract", lambda *_, **__: 1 / 0)
    data = ("--data", f"folder:{tmp_path / 'photos'}", "--backbone", "lenet", "--weights", "random")
    for option in ("auxiliary", "external"):
        ran = reprq("detect", *data, "--task", "unimodal:good", f"--{option}", f"text:{tmp_path / 'texts'}")
        assert ran.status == 1
        assert f"{option} must hold images as folder:{tmp_path / 'photos'} does, got the documents" in ran.err
        assert f"give such (--{option} DATA)" in ran.err
    ran = reprq(
        *("fit", "--data", f"folder:{tmp_path / 'photos'}", "--benign", "good", "--detector", "hsc"),
        *("--auxiliary", f"text:{tmp_path / 'texts'}", "--out", tmp_path / "model"),
    )
    assert "auxiliary must hold images" in ran.err


def test_broken_images_are_all_named_and_left_out_only_where_some_are_left(reprq, tmp_path: Path) -> None:
    images(tmp_path / "good")
    data = ("--data", f"folder:{tmp_path / 'good'}", "--backbone", "lenet", "--weights", "random", "--layer", "1")
    assert reprq("fit", *data, "--false-alarms", "0.2", "--out", tmp_path / "model").status == 0
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "a.png").write_text("no image")
    for rest in ((), ("--any-kind",), ("--skip-broken",)):
        ran = reprq("score", tmp_path / "model", f"folder:{broken}", *rest)
        assert ran.status == 1
        assert "the only image of" in ran.err
        assert "skip-broken" not in ran.err
    (broken / "b.png").write_text("no image")
    Image.open(tmp_path / "good" / "0.png").save(broken / "c.png")
    ran = reprq("score", tmp_path / "model", f"folder:{broken}")
    assert "2 of 3 images of" in ran.err
    assert "a.png, b.png (" in ran.err
    assert "--skip-broken" in ran.err
    assert reprq("score", tmp_path / "model", f"folder:{broken}", "--skip-broken").status == 0


def test_maps_of_texts_name_the_backbone_that_reads_no_tokens(reprq, tmp_path: Path) -> None:
    documents(tmp_path / "texts", 12)
    data = f"text:{tmp_path / 'texts'}"
    assert (
        reprq("fit", "--backbone", "bow", "--data", data, "--false-alarms", ".2", "--out", tmp_path / "m").status == 0
    )
    ran = reprq("score", tmp_path / "m", data, "--maps", tmp_path / "maps")
    assert "the backbone bow takes a text as a whole; fit on one that reads tokens, as words:FILE" in ran.err
    assert not (tmp_path / "maps").exists()


def test_a_sample_says_that_it_is_one_where_its_size_is_printed(reprq) -> None:
    asked = ("--backbone", "lenet", "--weights", "random", "--data", "digits", "--layer", "1", "--samples")
    first = [reprq("measure", *asked, n, "--metric", "rankme").out.splitlines()[0] for n in (64, 5000)]
    assert first[0].endswith("on 64 of 1258 images of digits train, a seeded sample (--samples N takes more)")
    assert first[1].endswith("on 1258 of 1258 images of digits train")
    detect = ("detect", *asked, 64, "--detector", "centroid", "--task", "unimodal:3")
    said = "on 64 training and 64 test images of digits, of each split at most 64 (--samples)"
    assert reprq(*detect).out.splitlines()[0].endswith(said)


def test_what_is_advised_of_data_that_is_not_there_can_be_typed(reprq, tmp_path: Path) -> None:
    images(tmp_path / "good")
    data = ("--data", f"folder:{tmp_path / 'good'}", "--backbone", "lenet", "--weights", "random", "--layer", "1")
    assert reprq("fit", *data, "--false-alarms", "0.2", "--out", tmp_path / "model").status == 0
    ran = reprq("score", tmp_path / "model", "cifar10", "--root", tmp_path)
    assert "download it with --download or point --root" in ran.err
    for command in ("score", "export"):
        said = reprq(command, "--help").out
        assert "--download" in said
        assert "--root" in said


@pytest.mark.parametrize("k", [9, 900])
def test_too_many_neighbors_are_refused_before_any_work(reprq, tmp_path: Path, monkeypatch, k: int) -> None:
    images(tmp_path / "good")
    monkeypatch.setattr("reprq.models.fitting.extract", lambda *_, **__: 1 / 0)
    data = ("--data", f"folder:{tmp_path / 'good'}", "--backbone", "lenet", "--weights", "random", "--layer", "1")
    ran = reprq("fit", *data, "--detector", f"knn:k={k}", "--false-alarms", "0.2", "--out", tmp_path / "model")
    assert ran.status == 1
    assert f"k must be at most 8 where a fifth of 10 benign images is held out, got {k}; lower k" in ran.err
