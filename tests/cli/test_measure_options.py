"""What `reprq measure` can say beside the values: all definitions, intervals, curves, CKA."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reprq.metrics import cka, identifiers, rankme

Reprq = Callable[..., Any]
LENET = ("--backbone", "lenet", "--weights", "random", "--quiet", "--samples", 100)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "x.npy"
    np.save(path, np.random.default_rng(0).normal(size=(200, 30)) * np.arange(1, 31) ** -0.5 + 1)
    return path


def rows(reprq: Reprq, *arguments: object) -> list[dict[str, Any]]:
    ran = reprq("measure", *arguments, "--json")
    assert ran.status == 0, ran.err
    found: list[dict[str, Any]] = json.loads(ran.out)["rows"]
    return found


def test_all_definitions_stand_side_by_side(reprq: Reprq, file: Path) -> None:
    found = rows(reprq, "--embeddings", file, "--metric", "rankme", "--definitions", "all")
    assert {row["definition"] for row in found} == {name for name in identifiers() if name.startswith("rankme[")}
    assert len({round(row["value"], 3) for row in found}) > 1


def test_intervals_hold_their_value(reprq: Reprq, file: Path) -> None:
    for row in rows(reprq, "--embeddings", file, "--metric", "rankme", "--metric", "aucev", "--intervals"):
        assert row["low"] < row["value"] < row["high"]


def test_metrics_are_named_with_commas_or_one_by_one(reprq: Reprq, file: Path) -> None:
    one, two = ("--metric", "rankme, aucev"), ("--metric", "rankme", "--metric", "aucev")
    assert rows(reprq, "--embeddings", file, *one) == rows(reprq, "--embeddings", file, *two)


def test_a_curve_ends_with_the_value_of_all_rows(reprq: Reprq, file: Path) -> None:
    curve = rows(reprq, "--embeddings", file, "--metric", "rankme", "--curve")
    (value,) = rows(reprq, "--embeddings", file, "--metric", "rankme")
    assert [row["n"] for row in curve] == [12, 25, 50, 100, 200]
    assert curve[-1]["mean"] == pytest.approx(value["value"])
    assert all(row["lowest"] <= row["mean"] <= row["highest"] for row in curve)


def test_cka_draws_a_heatmap_and_prints_its_numbers(reprq: Reprq, tmp_path: Path) -> None:
    picture = tmp_path / "cka.png"
    found = rows(reprq, *LENET, "--layer", "all", "--cka", picture)
    assert picture.stat().st_size > 5000
    layers = [row["layer"] for row in found]
    assert layers == ["conv1", "conv2", "conv3", "pooled"]
    matrix = np.array([[row[name] for name in layers] for row in found])
    np.testing.assert_allclose(np.diag(matrix), 1)
    np.testing.assert_allclose(matrix, matrix.T)
    refused = reprq("measure", *LENET, "--layer", "all", "--cka", picture)
    assert (refused.status, refused.err) == (
        1,
        f"reprq: {picture} exists; give another path, or --force to replace it\n",
    )
    assert reprq("measure", *LENET, "--layer", "all", "--cka", picture, "--force").status == 0


def test_the_numbers_of_the_heatmap_are_those_of_cka(reprq: Reprq, tmp_path: Path) -> None:
    import reprq as library

    images = library.load_dataset("digits").sample(100, seed=0)
    cache = library.extract("lenet", images, "0-1", weights="random", progress=False)
    found = rows(reprq, *LENET, "--layer", "0-1", "--cka", tmp_path / "cka.png")
    expected = cka(cache["conv1"].array, cache["conv2"].array, debiased=True)
    assert found[0]["conv2"] == pytest.approx(expected, rel=1e-6)


def test_any_similarity_of_the_registry_is_printed_with_its_chance_level(reprq: Reprq) -> None:
    import reprq as library
    from reprq.metrics import METRICS, layer_similarity

    cache = library.extract(
        "lenet", library.load_dataset("digits").sample(200, seed=0), "2-3", weights="random", progress=False
    )
    for entry in METRICS.built_in():
        if not entry.takes("pair"):
            continue
        asked = (*LENET[:-1], 200, "--layer", "2-3", "--similarity", entry.name)
        found = rows(reprq, *asked)
        assert len(found) == (1 if entry.facts.get("symmetric") else 2)
        expected = layer_similarity(cache, measure=entry.name)
        for row in found:
            assert row["value"] == pytest.approx(expected.loc[row["layer"], row["other"]], rel=1e-6)
            assert row["definition"] == expected.attrs["definition"]
            nearer = row["value"] < row["by_chance"] if "distance" in entry.name else row["value"] > row["by_chance"]
            assert nearer


@pytest.mark.parametrize(
    ("more", "status", "said"),
    [
        (("--layer", "1", "--similarity", "cka"), 1, "compares layers, got conv2 alone; give more, as in --layer all"),
        (("--layer", "all", "--similarity", "rankme"), 1, "unknown similarity 'rankme'"),
        (("--layer", "all", "--similarity", "cka", "--curve"), 2, "give one of them"),
        (("--layer", "all", "--similarity", "cka", "--cka", "nowhere.png"), 2, "give one of them"),
    ],
)
def test_similarities_that_cannot_be_are_refused(reprq: Reprq, more: tuple[str, ...], status: int, said: str) -> None:
    ran = reprq("measure", *LENET, *more)
    assert ran.status == status
    assert said in ran.err


def test_rows_that_a_file_labels_anomalous_are_not_measured(reprq: Reprq, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(60, 5))
    np.savez(tmp_path / "labelled.npz", X=x, y=np.repeat([0, 1], [40, 20]))
    ran = reprq("measure", "--embeddings", tmp_path / "labelled.npz", "--metric", "rankme")
    assert ran.out.startswith("40 of 60 rows of labelled.npz (X; labels: y), those labelled anomalous left out")
    (row,) = rows(reprq, "--embeddings", tmp_path / "labelled.npz", "--metric", "rankme")
    assert row["value"] == pytest.approx(rankme(x[:40]))


@pytest.mark.parametrize(
    ("labels", "benign"),
    [
        (["good", "defect"], "good"),
        ([b"good", b"defect"], "good"),
        (["normal", "anomaly"], "norm*"),
        ([-1, 1], "-1"),
        ([1, -1], "1"),
        ([1, 2], "1"),
        ([0, 255], "0"),
        ([3.0, 7.0], "3"),
    ],
)
def test_labels_that_do_not_say_what_is_benign_are_refused_until_told(
    labels: list[Any], benign: str, reprq: Reprq, tmp_path: Path
) -> None:
    x, file = np.random.default_rng(0).normal(size=(60, 5)), tmp_path / "x.npz"
    np.savez(file, X=x, y=np.repeat(np.array(labels), [40, 20]))
    for command in ("measure", "detect"):
        ran = reprq(command, "--embeddings", file)
        assert (ran.status, ran.out) == (1, "")
        assert "must be 0 (benign) or 1 (anomalous), got" in ran.err
        assert reprq(command, "--embeddings", file, "--benign", benign).status == 0
    (row,) = rows(reprq, "--embeddings", file, "--metric", "rankme", "--benign", benign)
    assert row["value"] == pytest.approx(rankme(x[:40]))
    (row,) = rows(reprq, "--embeddings", file, "--metric", "rankme", "--benign", "*")
    assert row["value"] == pytest.approx(rankme(x))


@pytest.mark.parametrize("labels", [np.eye(2)[np.repeat([0, 1], [40, 20])], np.repeat(["0", "1"], [40, 20])])
def test_labels_in_another_notation_are_read(labels: Any, reprq: Reprq, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(60, 5))
    np.savez(tmp_path / "x.npz", X=x, y=labels)
    (row,) = rows(reprq, "--embeddings", tmp_path / "x.npz", "--metric", "rankme", "--labels", "y")
    assert row["value"] == pytest.approx(rankme(x[:40]))


def test_anomalies_alone_and_a_typing_error_are_refused(reprq: Reprq, tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", X=np.eye(9), y=np.ones(9))
    ran = reprq("measure", "--embeddings", tmp_path / "x.npz")
    assert (ran.status, ran.out) == (1, "")
    assert "must have rows labelled benign (0), got 9 labelled anomalous (1)" in ran.err
    ran = reprq("measure", "--embeddings", tmp_path / "x.npz", "--benign", "2")
    assert (ran.status, ran.out) == (1, "")
    assert " among the labels of " in ran.err
    np.save(tmp_path / "none.npy", np.eye(9))
    ran = reprq("measure", "--embeddings", tmp_path / "none.npy", "--benign", "2")
    assert (ran.status, ran.out) == (1, "")
    assert "must hold labels for benign=" in ran.err


@pytest.mark.parametrize("option", [("--layer", 3), ("--weights", "random"), ("--pooling", "max"), ("--size", 32)])
def test_an_option_of_backbones_beside_a_file_is_wrong_usage(
    reprq: Reprq, file: Path, option: tuple[object, ...]
) -> None:
    ran = reprq("measure", "--embeddings", file, *option)
    assert (ran.status, ran.out) == (2, "")
    assert f"{option[0]} goes with --backbone, not with --embeddings" in ran.err


def test_one_row_is_one_plain_line(reprq: Reprq, tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.ones((1, 4)))
    ran = reprq("measure", "--embeddings", tmp_path / "one.npy")
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert "the 1 rows of one have no metric" in ran.err


def test_cka_of_a_file_is_wrong_usage(reprq: Reprq, file: Path, tmp_path: Path) -> None:
    ran = reprq("measure", "--embeddings", file, "--cka", tmp_path / "cka.png")
    assert (ran.status, ran.out) == (2, "")


def test_a_file_may_be_named_by_its_url(reprq: Reprq, file: Path) -> None:
    pytest.importorskip("fsspec", reason="fsspec is an optional extra")
    asked = ("--metric", "rankme", "--json")
    ran, here = (reprq("measure", "--embeddings", name, *asked) for name in (file.as_uri(), file))
    assert (ran.status, ran.out) == (0, here.out)
    ran = reprq("measure", "--embeddings", "memory://files/none.npy")
    assert (ran.status, ran.out) == (1, "")
    assert "there are no embeddings at memory://files/none.npy; check the URL" in ran.err
