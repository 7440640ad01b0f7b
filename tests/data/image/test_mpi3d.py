"""MPI3D's protocols, on a small array of its axes."""

from pathlib import Path

import numpy as np
import pytest

from reprq.data import load_protocol
from reprq.data.image.mpi3d import FACTORS, interventions, load_mpi3d, shifts
from reprq.data.oneclass import sides_and_splits
from reprq.errors import DataError
from reprq.evaluation.detection import evaluate

VIEWS = 10


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Every pixel of a photo says its color, shape and size; the last channel its view."""
    axes = np.indices((6, 6, 2, VIEWS))
    pixels = np.stack([axes[0], 10 * axes[1] + 100 * axes[2], axes[3]], axis=-1).astype(np.uint8)
    np.save(tmp_path / "mpi3d_real.npy", np.broadcast_to(pixels[..., None, None, :], (6, 6, 2, VIEWS, 4, 4, 3)))
    return tmp_path


def test_a_class_is_a_color_a_shape_and_a_size_in_all_views(root: Path) -> None:
    whole = load_mpi3d(root)
    assert len(whole) == 72 * VIEWS
    assert (len(whole.classes), whole.classes[0], whole.classes[-1]) == (72, "white cone small", "olive sphere large")
    row = whole.classes.index("red cube large") * VIEWS + 7
    assert np.asarray(whole.item(row))[0, 0].tolist() == [2, 110, 7]
    assert whole.labels[row] == whole.classes.index("red cube large")
    assert whole.ids[row] == f"mpi3d/{row:07d}"


def test_an_intervention_changes_one_factor_and_no_corpus_shows_it(root: Path) -> None:
    made = interventions(root, images=50)
    assert len(made) == sum(len(values) for values in FACTORS.values()) - 3
    for split in made:
        benign, value = split.train.classes.index("red cone small"), split.made["value"]
        assert set(split.train.labels.tolist()) == {benign}
        assert set(split.test.labels[split.labels == 0].tolist()) == {benign}
        assert not set(split.train.ids) & set(split.test.ids)
        anomalous = {split.test.classes[n] for n in split.test.labels[split.labels == 1].tolist()}
        assert anomalous == {"red cone small".replace(*_changed(split.made["factor"], value))}
        assert split.corpus is not None
        shown = {split.corpus.classes[n] for n in split.corpus.labels.tolist()}
        assert len(split.corpus) == 50
        assert "red cone small" not in shown
        assert not any(value in name.split() for name in shown)


def _changed(factor: str, value: str) -> tuple[str, str]:
    return {"color": "red", "shape": "cone", "size": "small"}[factor], value


def test_a_shift_trains_on_more_and_more_colors_and_is_judged_on_all(root: Path) -> None:
    made = shifts(root, images=60)
    assert [split.made["colors"] for split in made] == [1, 2, 3, 4, 5, 6]
    for count, split in enumerate(made, start=1):
        names = [[split.train.classes[n] for n in side.labels] for side in (split.train, split.test, split.corpus)]
        colors = FACTORS["color"][:count]
        assert {name.split()[0] for name in names[0]} == {name.split()[0] for name in names[2]} == set(colors)
        assert {name.split()[1] for name in names[0]} == {"cone"}
        assert {name.split()[1] for name in names[2]} == {"cylinder", "hexagonal", "pyramid", "sphere"}
        assert {name.split()[0] for name in names[1]} == set(FACTORS["color"])
        assert [int(name.split()[1] == "cube") for name in names[1]] == split.labels.tolist()
        assert not set(split.train.ids) & set(split.test.ids)
    assert set(made[0].train.ids) < set(made[1].train.ids)


def test_the_seed_draws(root: Path) -> None:
    one, same, other = (interventions(root, seed=seed)[0] for seed in (0, 0, 1))
    assert one.train.ids.tolist() == same.train.ids.tolist() != other.train.ids.tolist()


def test_a_detector_learns_from_the_corpus_of_its_split(root: Path) -> None:
    train, test, splits = sides_and_splits([part.sample(12) for part in load_protocol("mpi3d-interventions", root)[:2]])
    for split in splits:
        assert split.has_corpus
        assert not split.auxiliary
        assert not np.isin(split.corpus, split.train).any()
        other = "green" if "white" in split.name else "white"
        assert any(train.classes[n].startswith(other) for n in train.labels[split.corpus])
        assert not any(train.classes[n].startswith(split.made["value"]) for n in train.labels[split.corpus])
    seen: list[int] = []

    def spy(self, X, y=None, *, labelled=None, auxiliary=None):
        seen.append(len(auxiliary))
        return type(self)._plain(self, X, labelled=labelled, auxiliary=auxiliary)

    from reprq.detectors.deep.hsc import HSC

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(HSC, "_plain", HSC.fit, raising=False)
        patched.setattr(HSC, "fit", spy)
        found = evaluate({"name": "hsc", "network": "mnist", "epochs": 1}, splits[0], train, test)
    assert seen == [12]
    assert 0 <= found.auroc.value <= 1
    assert splits[0].rows != splits[1].rows


def test_what_is_not_mpi3d_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has none of mpi3d_real.npy, .*; mpi3d expects mpi3d_real.npy"):
        load_mpi3d(tmp_path)
    (tmp_path / "mpi3d_toy.npy").write_bytes(b"no array")
    with pytest.raises(DataError, match="mpi3d_toy.npy cannot be read: "):
        load_mpi3d(tmp_path)
    for array, words in (
        (np.zeros((72, 4, 4, 3)), "holds float64"),
        (np.zeros((72, 4, 4), np.uint8), "holds uint8"),
        (np.zeros((71, 4, 4, 3), np.uint8), "has 71 images, no multiple of 72"),
        (np.array([{}], dtype=object), "cannot be read"),
    ):
        np.save(tmp_path / "mpi3d_toy.npy", array)
        with pytest.raises(DataError, match=words):
            load_mpi3d(tmp_path)
    np.save(tmp_path / "mpi3d_toy.npy", np.zeros((72, 4, 4, 3), np.uint8))
    with pytest.raises(DataError, match="has one view of each object"):
        interventions(tmp_path)
