import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reprq.data import PROTOCOLS, load_protocol
from reprq.data.image.protocols import cats_vs_dogs, plant_pathology, xray_parcels
from reprq.errors import DataError, InputError, UnknownNameError


def picture(path: Path, width: int = 12, height: int = 9) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(list(path.name.encode()))
    Image.fromarray(rng.integers(0, 200, (height, width, 3), dtype=np.uint8)).save(path)


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    for i in range(9):
        picture(tmp_path / f"train/cat.{i}.png")
        picture(tmp_path / f"train/dog.{i}.png")
    return tmp_path


@pytest.fixture
def leaves(tmp_path: Path) -> Path:
    rows = ["image_id,healthy,multiple_diseases,rust,scab"]
    for i in range(22):
        kind = 0 if i < 10 else 1 + i % 3
        rows.append(f"Train_{i}," + ",".join(str(int(j == kind)) for j in range(4)))
        picture(tmp_path / f"images/Train_{i}.png")
    (tmp_path / "train.csv").write_text("\n".join(rows))
    return tmp_path


@pytest.fixture
def parcels(tmp_path: Path) -> Path:
    for i in range(5):
        for view in "ab":
            picture(tmp_path / f"benign/p_{i}_{view}.png", 14, 8)
            picture(tmp_path / f"threat/t{i}_{view}.png", 8, 8 + i)
    return tmp_path


def test_either_animal_is_benign(pets: Path) -> None:
    cat, dog = cats_vs_dogs(pets, train=6, test=3)
    assert (cat.name, dog.name) == ("unimodal:cat", "unimodal:dog")
    assert (len(cat.train), len(cat.test), int(cat.labels.sum())) == (6, 6, 3)
    assert all(name.startswith("cat.") for name in cat.train.ids)
    assert not set(cat.train.ids) & set(cat.test.ids)
    assert np.array_equal(cat.labels, 1 - dog.labels)
    assert cat.train.item(0).size == (32, 32)
    assert set(cats_vs_dogs(pets, train=6, test=3, seed=1)[0].train.ids) != set(cat.train.ids)


def test_too_few_animals(pets: Path) -> None:
    with pytest.raises(DataError, match=r"has 9 images cat.N.jpg, 12500 are needed; cats-vs-dogs expects train/cat.0"):
        load_protocol("cats-vs-dogs", pets)


def test_healthy_leaves_against_as_many_others(leaves: Path) -> None:
    (split,) = plant_pathology(leaves)
    assert split.name == "unimodal:healthy"
    assert (len(split.train), len(split.test), int(split.labels.sum())) == (8, 4, 2)
    assert set(split.train.labels) == {0}
    assert split.test.item(0).size == (224, 224)
    numbers = [int(re.findall(r"\d+", name)[0]) for name in split.test.ids]
    assert [int(number >= 10) for number in numbers] == split.labels.tolist()


def test_a_table_or_folder_of_another_kind(leaves: Path, tmp_path: Path) -> None:
    (leaves / "images/Train_3.png").unlink()
    with pytest.raises(DataError, match=r"has no image Train_3 \(1 of 22 missing\); plant-pathology-2020 expects"):
        plant_pathology(leaves)
    (leaves / "train.csv").write_text("image_id,healthy\na,1")
    with pytest.raises(DataError, match=r"train.csv has a row that does not name one class \('multiple_diseases'\)"):
        plant_pathology(leaves)
    (leaves / "train.csv").unlink()
    with pytest.raises(DataError, match=r"train.csv cannot be read: No such file"):
        plant_pathology(leaves)


def test_only_benign_patches_train_and_both_views_are_one_object(parcels: Path) -> None:
    (split,) = xray_parcels(parcels, size=8, stride=4)
    assert set(split.train.labels) == {0}
    assert len(split.train) == 4 * 2 * 3  # four parcels, two views, corners 0, 4 and 6
    assert split.groups is not None
    assert sorted(set(split.groups)) == list(range(6))
    for group in range(6):
        of_group = split.groups == group
        names = {re.sub(r"_[ab]\.png@.*", "", name) for name in split.test.ids[of_group]}
        assert len(names) == 1
        assert len(set(split.labels[of_group])) == 1
        assert len({name.split("@")[0] for name in split.test.ids[of_group]}) == 2
    assert int(split.labels[split.groups == 0].max()) == 0
    assert split.test.item(0).size == (8, 8)
    trained = {name.split("@")[0] for name in split.train.ids}
    assert not trained & {name.split("@")[0] for name in split.test.ids}


def test_a_sample_keeps_objects_whole(parcels: Path) -> None:
    (split,) = xray_parcels(parcels, size=8, stride=4)
    assert split.groups is not None
    part = split.sample(12, seed=1)
    assert len(part.train) == 12
    assert set(part.train.ids) < set(split.train.ids)
    assert part.groups is not None
    assert set(part.labels) == {0, 1}
    assert len(part.test) < len(split.test)
    for group in set(part.groups):
        assert np.sum(part.groups == group) == np.sum(split.groups == group)
    whole = split.sample(10_000)
    assert (len(whole.train), len(whole.test)) == (len(split.train), len(split.test))
    with pytest.raises(InputError, match="n must be at least 2"):
        split.sample(1)


def test_a_sample_of_plain_images_keeps_the_shares(leaves: Path) -> None:
    (split,) = plant_pathology(leaves)
    assert split.sample(2).labels.tolist() == [0, 1]


def test_a_parcel_needs_both_views(parcels: Path) -> None:
    with pytest.raises(InputError, match="stride must be positive and at most half of size, got 5 for patches of 8"):
        xray_parcels(parcels, size=8, stride=5)
    (parcels / "threat/t3_b.png").unlink()
    with pytest.raises(DataError, match="has 1 views of parcel 't3', such as threat/t3_a.png; xray-parcels expects"):
        xray_parcels(parcels, size=8, stride=4)


@pytest.mark.parametrize("entry", list(PROTOCOLS), ids=lambda entry: entry.name)
def test_the_error_says_the_layout(entry, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder") as caught:
        load_protocol(entry.name, tmp_path / "nowhere")
    assert entry.facts["layout"] in str(caught.value)


def test_unknown_protocols_and_the_default_root() -> None:
    with pytest.raises(UnknownNameError, match="unknown protocol 'cats': did you mean 'cats-vs-dogs'"):
        load_protocol("cats")
    with pytest.raises(DataError, match="data/xray-parcels/benign is not a folder"):
        load_protocol("xray-parcels")
