import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reprq.data import ImageDataset, load_dataset, one_class_split, select_tasks
from reprq.errors import DataError, InputError

MakeTree = Callable[..., Path]


def _load(root: Path, split: str = "train", seed: int = 0) -> ImageDataset:
    return load_dataset(f"folder:{root}", split, seed=seed)


def test_train_and_test_folders_are_the_official_split(tree: MakeTree) -> None:
    root = tree("train/dog/2.png", "train/dog/1.png", "train/cat/1.png", "test/cat/9.png", "test/dog/8.png")
    train, test = _load(root), _load(root, "test")
    assert train.classes == test.classes == ("cat", "dog")
    assert train.ids.tolist() == ["train/cat/1.png", "train/dog/1.png", "train/dog/2.png"]
    assert train.labels.tolist() == [0, 1, 1]
    assert test.ids.tolist() == ["test/cat/9.png", "test/dog/8.png"]
    assert train.split_info == {"kind": "official"}
    assert train.name == f"folder:{root}"
    assert train.item(0).size == (4, 4)


def test_a_third_split_beside_them_is_left_alone(tree: MakeTree) -> None:
    root = tree("train/a/1.png", "test/a/2.png", "val/b/3.png")
    assert _load(root).classes == ("a",)


def test_class_folders_get_a_split_of_their_own(tree: MakeTree) -> None:
    root = tree(*(f"{name}/{i}.png" for name in ("a", "b") for i in range(10)))
    train, test = _load(root, seed=4), _load(root, "test", seed=4)
    assert np.bincount(train.labels).tolist() == [7, 7]
    assert np.bincount(test.labels).tolist() == [3, 3]
    assert not set(train.ids) & set(test.ids)
    assert test.split_info == {"kind": "stratified", "seed": 4, "test_fraction": 0.3}
    assert _load(root, seed=5).ids.tolist() != train.ids.tolist()
    for row, name in enumerate(test.ids):
        assert np.array_equal(np.asarray(test.item(row)), np.asarray(_load(root, "test", seed=4).item(row))), name


def test_a_class_called_train_among_others_is_a_class(tree: MakeTree) -> None:
    root = tree(*(f"{name}/{i}.png" for name in ("train", "tram") for i in range(3)))
    assert _load(root).classes == ("train", "tram")


def test_other_files_hidden_files_and_hidden_folders_are_passed_over(tree: MakeTree) -> None:
    root = tree("a/1.png", "a/2.PNG", "b/1.png", "b/2.png", ".cache/1.png", "a/._1.png")
    (root / "a" / "notes.txt").write_text("x")
    (root / "README.md").write_text("x")
    assert _load(root).classes == ("a", "b")
    assert {*_load(root).ids, *_load(root, "test").ids} == {"a/1.png", "a/2.PNG", "b/1.png", "b/2.png"}


def test_nested_folders_and_links_belong_to_their_class(tree: MakeTree, tmp_path: Path) -> None:
    root = tree("a/deep/deeper/1.png", "a/2.png", "b/1.png", "b/2.png")
    elsewhere = tree("3.png", root=tmp_path / "elsewhere")
    (root / "b" / "more").symlink_to(elsewhere)
    (root / "a" / "deep" / "loop").symlink_to(root / "a")
    ids = {*_load(root).ids, *_load(root, "test").ids}
    assert ids == {"a/2.png", "a/deep/deeper/1.png", "b/1.png", "b/2.png", "b/more/3.png"}


def test_fingerprints_do_not_depend_on_where_the_folder_is(tree: MakeTree, tmp_path: Path) -> None:
    files = ("a/1.png", "a/2.png", "b/1.png", "b/2.png")
    here, there = tree(*files), tree(*files, root=tmp_path / "there")
    assert _load(here).fingerprint == _load(there).fingerprint


def test_verify_stops_at_the_first_image_that_does_not_decode(tree: MakeTree) -> None:
    root = tree("train/a/1.png", "train/a/2.png", "test/a/1.png")
    _load(root).verify()
    (root / "train/a/2.png").write_bytes(b"\x89PNG broken")
    with pytest.raises(DataError, match=r"train/a/2\.png does not decode"):
        _load(root).verify()
    _load(root, "test").verify()


def _refused(root: Path, message: str) -> None:
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        _load(root)
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    _refused(tmp_path / "none", f"the image folder {tmp_path / 'none'} does not exist; expected train/")
    (tmp_path / "images.zip").write_bytes(b"PK")
    _refused(tmp_path / "images.zip", "images.zip is a file; unpack an archive, and give the folder; expected train/")
    _refused(tmp_path / ("x" * 5000), "cannot be: File name too long; expected train/")
    _refused(Path("~nosuchuser/images"), "the image folder ~nosuchuser/images cannot be: Could not determine home")


def test_a_folder_that_holds_nothing(tmp_path: Path) -> None:
    _refused(tmp_path, "is empty; expected train/CLASS/*.png and test/CLASS/*.png, or CLASS/*.png")


def test_a_folder_without_images(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "list.csv").write_text("x")
    _refused(tmp_path, "CLASS/*.png; there are 1 .csv; images end in .jpg, .jpeg,")


def test_half_a_split_can_be_measured_and_not_judged(tree: MakeTree) -> None:
    root = tree("train/a/1.png")
    assert _load(root).classes == ("a",)
    with pytest.raises(DataError, match="has train/ but no test/; expected"):
        _load(root, "test")


def test_an_empty_class(tree: MakeTree) -> None:
    root = tree("train/a/1.png", "test/a/1.png", "test/b/1.png")
    (root / "train" / "b").mkdir()
    _refused(root, f"class 'b' in {root / 'train'} has 0 images, it needs at least 1")


def test_a_class_too_small_to_split(tree: MakeTree) -> None:
    root = tree("a/1.png", "a/2.png", "b/1.png")
    _refused(root, f"class 'b' in {root} has 1 image, it needs at least 2 to be split into train and test")


def test_a_class_that_trains_must_be_scored(tree: MakeTree) -> None:
    root = tree("train/a/1.png", "train/b/1.png", "test/a/1.png", "test/c/1.png")
    _refused(root, f"the training images of {root} have classes that the test images have not, 'b'; add test images")


def test_defects_may_be_in_the_test_images_alone(tree: MakeTree) -> None:
    """The layout of MVTec AD."""
    root = tree("train/good/1.png", "train/good/2.png", "test/crack/1.png", "test/good/3.png", "test/scratch/1.png")
    train, test = (load_dataset(f"folder:{root}", split) for split in ("train", "test"))
    assert train.classes == test.classes == ("crack", "good", "scratch")
    assert train.labels.tolist() == [1, 1]
    assert test.labels.tolist() == [0, 1, 2]
    assert len(train.sample(per_class=1)) == 1
    (task,) = select_tasks(train.classes, "all", train.labels, test.labels)
    assert task.name == "unimodal:good"
    with pytest.raises(InputError, match="no multimodal task has training samples of all its benign classes"):
        select_tasks(train.classes, "multimodal", train.labels)
    split = one_class_split(train, test, task)
    assert (len(split.train), split.labels.tolist()) == (2, [1, 0, 1])
    with pytest.raises(DataError, match="ask for at most 2 a class"):
        train.sample(per_class=3)


def test_no_path_at_all() -> None:
    with pytest.raises(InputError, match="folder: needs a path"):
        load_dataset("folder:")


@pytest.mark.shared_data
def test_jpeg_cifar10_lists_fast_and_digests_what_is_chosen(shared_data: Path, tmp_path: Path) -> None:
    import tarfile

    archive = shared_data / "images" / "cifar10_jpeg.tar.xz"
    if not archive.exists():
        pytest.skip(f"needs {archive}")
    with tarfile.open(archive) as tar:
        for _, member in zip(range(400), tar, strict=False):
            tar.extract(member, tmp_path, filter="data")
    split = next(tmp_path.glob("t*"))
    data = load_dataset(f"folder:{split}")  # the archive's first classes, as class folders
    data.verify()
    assert data.item(0).size == (32, 32)
    assert len({data.select([i]).fingerprint for i in range(20)}) == 20
