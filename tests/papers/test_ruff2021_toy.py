import csv

import numpy as np
import pytest

from reprq.errors import OutputExistsError
from reprq.papers import reproduce
from reprq.papers.ruff2021 import moons as moons_module
from reprq.papers.ruff2021 import toy as ruff2021_toy
from reprq.papers.ruff2021.levels import level_sets
from reprq.papers.ruff2021.moons import CENTERS, HIGH, LOW, NOISES, RADII, anomalies, moons, surprise
from reprq.papers.ruff2021.toy import METHODS


def test_the_moons_are_arcs_of_two_scales_and_the_same_seed_draws_the_same() -> None:
    rows = moons(4000, seed=3)
    np.testing.assert_array_equal(rows, moons(4000, seed=3))
    assert not np.array_equal(rows, moons(4000, seed=4))
    for moon, part in enumerate((rows[:2000], rows[2000:])):
        off = np.linalg.norm(part - CENTERS[moon], axis=1) - RADII[moon]
        assert off.std() == pytest.approx(NOISES[moon], rel=0.1)
    assert rows[:2000, 1].mean() > 1 > 0 > rows[2000:, 1].mean()
    uniform = anomalies(4000, seed=3)
    np.testing.assert_allclose(uniform.min(0), LOW, atol=0.01)
    np.testing.assert_allclose(uniform.max(0), HIGH, atol=0.01)


def test_the_true_density_is_that_of_what_is_drawn() -> None:
    """The share of drawn rows in a box is the density's integral over it."""
    steps = [np.arange(low, high, 0.02) + 0.01 for low, high in zip(LOW, HIGH, strict=True)]
    grid = np.stack(np.meshgrid(*steps, indexing="ij"), axis=-1).reshape(-1, 2)
    density = np.exp(-surprise(grid))
    rows = moons(4000, seed=0)
    for low, high in (((-3, 0), (0, 3)), ((1.5, -1), (2.5, 0.2)), ((0, 1.5), (1.5, 2.5))):
        inside = ((grid > low) & (grid < high)).all(1)
        drawn = ((rows > low) & (rows < high)).all(1).mean()
        assert density[inside].sum() / density.sum() == pytest.approx(drawn, abs=0.03)


def test_every_method_has_a_panel_and_a_row_and_another_run_is_refused(tmp_path, monkeypatch) -> None:
    kept = {name: METHODS[name] for name in ("Gaussian", "SVDD", "autoencoder")}
    monkeypatch.setattr(ruff2021_toy, "METHODS", kept)
    monkeypatch.setattr(moons_module, "GRID", 10)
    out = tmp_path / "out"
    monkeypatch.setitem(ruff2021_toy.PRESETS, "quick", 0.02)
    paths = reproduce("ruff2021-toy", "quick", out, progress=False)
    names = [f"{name}.{kind}" for name in ("moons", "levels", "labelled") for kind in ("png", "svg", "csv")]
    assert sorted(path.name for path in paths) == sorted([*names, "made.json"])
    before = (out / "cells.jsonl").read_bytes()
    reproduce("ruff2021-toy", "quick", out, progress=False)
    assert (out / "cells.jsonl").read_bytes() == before
    rows = {row["method"]: row for row in csv.DictReader((out / "moons.csv").read_text().splitlines())}
    assert list(rows) == [*kept, "best"]
    found = {name: float(row["auroc"]) for name, row in rows.items()}
    assert 70 < found["Gaussian"] < found["SVDD"] < found["best"] < 99
    assert rows["autoencoder"]["detector"].startswith("autoencoder[epochs=3,")
    with pytest.raises(OutputExistsError, match="holds the tables of another run"):
        reproduce("ruff2021-toy", "quick", out, seed=1, progress=False)
    levels = list(csv.DictReader((out / "levels.csv").read_text().splitlines()))
    assert all(float(row["found"]) == pytest.approx(float(row["alpha"]), abs=0.04) for row in levels)
    labelled = {row["method"]: row for row in csv.DictReader((out / "labelled.csv").read_text().splitlines())}
    ssad, ocsvm = labelled["SSAD, semi-supervised"], labelled["OC-SVM, unsupervised"]
    assert float(ssad["known"]) > float(ocsvm["known"])
    assert "supervised[" in labelled["classifier, supervised"]["detector"]


def test_level_sets_of_a_gaussian_hold_their_share() -> None:
    """The integral of the density over the set, by a sum."""
    x = np.arange(-6, 6, 0.01) + 0.005
    for row in level_sets(0):
        density = np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
        if row["dimensions"] == 2:
            density = np.multiply.outer(density, density)
        inside = density >= row["level"]
        assert density[inside].sum() * 0.01 ** row["dimensions"] == pytest.approx(row["alpha"], abs=0.01)
