"""Layouts that people have: each is read as what it means, or refused by name."""

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reprq.data import ImageDataset, load_dataset
from reprq.errors import DataError

MakeTree = Callable[..., Path]
Counts = dict[str, int]


def _of(folder: str, n: int = 2, name: str = "{}.png") -> list[str]:
    return [f"{folder}/{name.format(i)}" for i in range(n)]


def _both(*sides: str, classes: tuple[str, ...] = ("cat", "dog")) -> list[str]:
    return [file for side in sides for name in classes for file in _of(f"{side}/{name}")]


def _mvtec(root: str, good: str = "good", bad: str = "crack") -> list[str]:
    files = _of(f"{root}/train/{good}") + _of(f"{root}/test/{good}") + _of(f"{root}/test/{bad}")
    return [file.lstrip("./") for file in files + _of(f"{root}/ground_truth/{bad}", name="{}_mask.png")]


def _visa(root: str) -> list[str]:
    masks = _of(f"{root}/Data/Masks/Anomaly")
    files = _of(f"{root}/Data/Images/Normal", 10) + _of(f"{root}/Data/Images/Anomaly") + masks
    return [file.lstrip("./") for file in files]


def _counts(data: ImageDataset) -> Counts:
    numbers = np.bincount(data.labels, minlength=len(data.classes)).tolist()
    return {name: count for name, count in zip(data.classes, numbers, strict=True) if count}


def _load(root: Path, split: str = "train", **how: bool) -> ImageDataset:
    return load_dataset(f"folder:{root}", split, **how)


PAIR = {"cat": 2, "dog": 2}
UNDERSTOOD = {
    "val": (_both("train", "val"), PAIR, PAIR, "of which val/ is scored"),
    "valid": (_both("train", "valid"), PAIR, PAIR, "of which valid/ is scored"),
    "Validation": (_both("Train", "Validation"), PAIR, PAIR, "of which Validation/ is scored"),
    "three sides": (_both("train", "val", "test"), PAIR, PAIR, "passed over: val/ (4 images)"),
    "capitals": (_both("TRAIN", "TEST"), PAIR, PAIR, "TRAIN/CLASS/* and TEST/CLASS/*"),
    "one capital": (_both("train", "Test"), PAIR, PAIR, "Test/CLASS/*"),
    "training, testing": (_both("training", "testing"), PAIR, PAIR, "testing/CLASS/*"),
    "training_set, test_set": (_both("training_set", "test_set"), PAIR, PAIR, "test_set/CLASS/*"),
    "train2017, val2017": (_both("train2017", "val2017"), PAIR, PAIR, "val2017/ is scored"),
    "the side in itself": (_both("train/train", "test/test"), PAIR, PAIR, "train/CLASS/*"),
    "a copy in itself": (_both("train", "test", "data/train", "__MACOSX/train"), PAIR, PAIR, "data/ (4 images)"),
    "val where test has no classes": ([*_both("train", "val"), *_of("test")], PAIR, PAIR, "test/ (2 images)"),
    "a class first": (_of("a/train") + _of("a/test") + _of("b/test"), {"a": 2}, {"a": 2, "b": 2}, "CLASS/train/*"),
    "MVTec": (_mvtec("."), {"good": 2}, {"crack": 2, "good": 2}, "with 2 masks"),
    "BTAD": (_mvtec(".", "ok", "ko"), {"ok": 2}, {"ko": 2, "ok": 2}, "2 masks"),
    "in one folder": (_mvtec("bottle"), {"good": 2}, {"crack": 2, "good": 2}, "bottle/train/CLASS/*"),
    "MVTec AD 2": (
        _of("train/good") + _of("test_public/good") + _of("test_public/ground_truth/bad") + _of("test_private"),
        {"good": 2},
        {"good": 2},
        "test_private/ (2 images), 2 masks",
    ),
    "benign in no folder": (_of("train") + _of("test/bad") + _of("test/good"), {"good": 2}, {"bad": 2, "good": 2}, ""),
    "no classes on either side": (_of("train", 3) + _of("test"), {"images": 3}, {"images": 2}, "train/* and test/*"),
    "YOLO": (
        [*_of("images/train"), *_of("images/val"), "labels/train/0.txt"],
        {"images": 2},
        {"images": 2},
        "images/train/* and images/val/*",
    ),
    "VisA": (_visa("."), {"Anomaly": 1, "Normal": 7}, {"Anomaly": 1, "Normal": 3}, "Data/Images/CLASS/*, split here"),
    "masks beside": (
        _of("a", 10) + _of("a", 10, "{}_mask.png") + _of("b"),
        {"a": 7, "b": 1},
        {"a": 3, "b": 1},
        "10 masks",
    ),
    "GT beside": (_of("a", 10) + _of("b", name="{}_GT.png") + _of("b"), {"a": 7, "b": 1}, {"a": 3, "b": 1}, "2 masks"),
    "masks of the same name": (
        _of("a", 10, "{}.jpg") + _of("a", 10) + _of("b"),
        {"a": 7, "b": 1},
        {"a": 3, "b": 1},
        "10 masks",
    ),
    "mask folders": (
        _of("a") + _of("b/images") + _of("b/masks") + _of("gt"),
        {"a": 1, "b": 1},
        {"a": 1, "b": 1},
        "4 masks",
    ),
    "masks that are a class": (_of("mask") + _of("no_mask"), {"mask": 1, "no_mask": 1}, {"mask": 1, "no_mask": 1}, ""),
    "a class called train": (_of("train") + _of("tram"), {"train": 1, "tram": 1}, {"train": 1, "tram": 1}, "CLASS/*"),
    "what systems leave": (
        _of("a", 10) + _of("@eaDir") + _of("a/@eaDir/0.png") + _of("__MACOSX/a") + _of("$RECYCLE.BIN") + _of(".x"),
        {"a": 7},
        {"a": 3},
        "",
    ),
    "classes below images": (_of("images/a") + _of("images/b"), {"a": 1, "b": 1}, {"a": 1, "b": 1}, "images/CLASS/*"),
    "one class and its folders": (_of("good/monday", 5) + _of("good/friday", 5), {"good": 7}, {"good": 3}, "good 10"),
    "no classes": (["x.png", *_of("masks"), *[f"{i}.jpg" for i in range(10)]], {"images": 8}, {"images": 3}, "2 masks"),
    "beside classes": (
        ["x.png", *_of("a"), *_of("b")],
        {"a": 1, "b": 1},
        {"a": 1, "b": 1},
        "1 image beside the class",
    ),
}


@pytest.mark.parametrize(("files", "train", "test", "said"), UNDERSTOOD.values(), ids=UNDERSTOOD)
def test_a_layout_is_understood(tree: MakeTree, files: list[str], train: Counts, test: Counts, said: str) -> None:
    root = tree(*(file for file in files if not file.endswith(".txt")))
    for file in files:
        if file.endswith(".txt"):
            (root / file).parent.mkdir(parents=True, exist_ok=True)
            (root / file).write_text("0 0.5 0.5 1 1")
    both = _load(root), _load(root, "test")
    assert [_counts(data) for data in both] == [train, test]
    assert both[0].classes == both[1].classes
    assert not set(both[0].ids) & set(both[1].ids)
    assert all((root / name).is_file() for data in both for name in data.ids)
    (note,) = both[0].notes
    assert said in note
    assert both[1].notes == both[0].notes


REFUSED = {
    "several data sets": (
        _mvtec("bottle") + _mvtec("cable"),
        r"holds several data sets, bottle/, cable/.*images/bottle$",
    ),
    "VisA's parent": (_visa("candle") + _visa("pcb1"), "holds several data sets, candle/, pcb1/"),
    "sets of classes": (_both("nut", "screw", classes=("good", "bad")), "holds several data sets, nut/, screw/"),
    "a set and a copy": (_both("data/train", "data/test", "small"), "holds several data sets, data/"),
    "two of one side": (_both("train", "test", "Test"), "has several folders for one side of its split, Test/, test/"),
    "splits in other words": (_both("seg_train", "seg_test"), "may be splits or classes, seg_test/, seg_train/"),
    "a class and its test side": (_of("normal") + _of("normal_test") + _of("abnormal"), "normal_test/; expected"),
    "a side and a class": (_both("train") + _of("bad"), "train/ with class folders in it, and beside it bad/"),
    "some with splits": (
        _of("a/train") + _of("a/test") + _of("b"),
        r"some folders hold splits \(a/\) and others do not",
    ),
    "one side of each class": (_of("a/train") + _of("b/train"), "has splits in its class folders, but no CLASS/test"),
    "nothing to train on": (_both("val", "test"), "has test/ but no train/"),
    "whose benign images": (_of("train") + _of("test/a") + _of("test/b"), "train has 2 images without class folders"),
    "spelled otherwise": (_of("train/Good") + _of("test/good"), "'Good' is 'good' there: give both one spelling"),
}


@pytest.mark.parametrize(("files", "said"), REFUSED.values(), ids=REFUSED)
def test_a_layout_that_is_not_clear_is_refused_by_name(tree: MakeTree, files: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        _load(tree(*files))


def test_test_images_without_classes_are_named_and_the_others_can_be_measured(tree: MakeTree) -> None:
    root = tree(*_both("train"), *_of("test", 3))
    assert _counts(_load(root)) == PAIR
    with pytest.raises(DataError, match="test has 3 images without class folders, so nothing says their class"):
        _load(root, "test")


def test_one_side_of_a_split_is_not_split_again(tree: MakeTree) -> None:
    root = tree(*_mvtec("."))
    assert _counts(_load(root / "test", "test")) == {"crack": 2, "good": 2}
    assert _counts(_load(root / "train")) == {"good": 2}
    with pytest.raises(DataError, match=r"is the test side of a split whose train side is train/ .* or ask for split"):
        _load(root / "test")
    alone = tree(*_of("test/good", 10), root=root / "elsewhere")
    assert _counts(_load(alone / "test")) == {"good": 7}


def test_all_of_a_folder_without_a_split_can_be_taken(tree: MakeTree, tmp_path: Path) -> None:
    flat, split = tree(*[f"{i}.png" for i in range(10)]), tree(*_both("train", "test"), root=tmp_path / "split")
    whole = _load(flat, whole=True)
    assert (_counts(whole), whole.split_info) == ({"images": 10}, {"kind": "whole"})
    assert "split here" not in whole.notes[0]
    assert _load(split, whole=True).split_info == {"kind": "official"}


@pytest.mark.parametrize("extension", [".jfif", ".jpe", ".avif", ".JPEG", ".dib", ".pnm", ".apng"])
def test_every_extension_of_a_format_that_is_decoded_is_read(tree: MakeTree, extension: str) -> None:
    if extension == ".avif":
        pytest.importorskip("PIL.AvifImagePlugin", reason="this Pillow does not read AVIF")
    data = _load(tree(*_of("a", name=f"{{}}{extension}")), whole=True)
    data.verify()
    assert _counts(data) == {"a": 2}


def test_what_is_passed_over_is_counted_by_extension(tree: MakeTree) -> None:
    root = tree(*_of("a"), *_of("b"))
    for name in ("a/1.heic", "a/2.HEIC", "b/notes.txt", "b/README", "Thumbs.db", "docs/list.csv"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"x")
    assert _load(root).notes[0].endswith("passed over: 2 .heic, 1 .csv, 1 .txt, 1 no extension")


def test_a_class_of_unread_images_is_refused_with_their_extension(tree: MakeTree) -> None:
    root = tree(*_of("a"), *_of("b"))
    (root / "c").mkdir()
    (root / "c" / "1.heic").write_bytes(b"x")
    with pytest.raises(DataError, match=r"class 'c' in .* has 0 images, it needs at least 1; there are 1 \.heic"):
        _load(root)


def test_a_table_that_says_a_split_is_named(tree: MakeTree) -> None:
    root = tree(*_of("images/a"), *_of("images/b"))
    (root / "meta").mkdir()
    for name in ("meta/train.txt", "split_1cls.csv", "classes.txt"):
        (root / name).write_text("x")
    assert "passed over: split_1cls.csv, which is not followed, meta/train.txt, which" in _load(root).notes[0]
    assert "classes.txt" not in _load(root).notes[0]
    visa = tree(*_visa("VisA/candle")) / "VisA"
    (visa / "split_csv").mkdir()
    (visa / "split_csv" / "1cls.csv").write_text("object,split,label,image,mask")
    assert "passed over: ../split_csv/1cls.csv, which is not followed" in _load(visa / "candle").notes[0]


def test_links_to_class_folders_and_images_are_followed_and_pipes_are_not(tree: MakeTree, tmp_path: Path) -> None:
    elsewhere = tree(*_of("b", 3), root=tmp_path / "elsewhere")
    root = tree(*_of("a"))
    (root / "b").symlink_to(elsewhere / "b")
    (root / "a" / "2.png").symlink_to(elsewhere / "b" / "2.png")
    os.mkfifo(root / "a" / "3.png")
    data = _load(root, whole=True)
    data.verify()
    assert _counts(data) == {"a": 3, "b": 3}


def test_a_folder_that_may_not_be_read_is_named(tree: MakeTree, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tree(*_of("a"))
    scan = os.scandir

    def refuse(path: Path) -> object:
        if str(path).endswith("a"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr("reprq.data.folders.listing.os.scandir", refuse)
    with pytest.raises(DataError, match=r"the folder .*images/a cannot be read: Permission denied"):
        _load(root)


COMPOSED, DECOMPOSED = (unicodedata.normalize(form, "caf\u00e9") for form in ("NFC", "NFD"))


def test_a_class_is_the_same_however_its_accents_are_encoded(tree: MakeTree) -> None:
    train = _load(tree(*_of(f"train/{COMPOSED}"), *_of(f"test/{DECOMPOSED}"), *_of("test/bad")))
    assert train.classes == ("bad", COMPOSED)
    assert len(train.restrict([DECOMPOSED])) == 2
    merged = tree(*_of(COMPOSED), *_of(DECOMPOSED, 3), *_of("b"), root=tree() / "merged")
    data = _load(merged, whole=True)
    assert _counts(data) == {"b": 2, COMPOSED: 5}
    assert len(set(data.ids)) == len(data)


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_names_that_are_not_utf8_are_read_and_written_as_escapes(tree: MakeTree) -> None:
    root = tree(*_of("a"))
    for number, name in enumerate((b"a/caf\xe9.png", b"b\xff/1.png", b"b\xff/2.png")):
        path = Path(os.fsdecode(os.fsencode(root) + b"/" + name))
        path.parent.mkdir(exist_ok=True)
        path.write_bytes((root / f"a/{number % 2}.png").read_bytes())
    data = _load(root, whole=True)
    data.verify()
    assert data.classes == ("a", "b\\xff")
    assert "a/caf\\xe9.png" in data.ids.tolist()
    assert len(data.fingerprint) == 64
    "".join([*data.ids, *data.classes, *data.notes, data.name]).encode("utf-8")


def test_names_with_signs_of_their_own_are_kept(tree: MakeTree) -> None:
    names = ["-x", "a,b", "c:d", "e f", "g\nh", "i" * 200]
    data = _load(tree(*(file for name in names for file in _of(name))), whole=True)
    assert data.classes == ("-x", "a,b", "c:d", "e f", "g\\nh", "i" * 200)
    assert "\n" not in "".join([*data.ids, *data.notes])
    assert _counts(_load(tree(*_of("A"), *_of("a"), root=tree() / "case"))) == {"A": 1, "a": 1}


@pytest.mark.parametrize(
    "name", ["ground_truth", "Ground Truth", "GT", "Masks", "defect-masks", "mask images", "mask_dir", "labels"]
)
def test_folders_of_masks_are_known_by_many_names(tree: MakeTree, name: str) -> None:
    data = _load(tree(*_of("good"), *_of("bad"), *_of(f"{name}/bad", 3)), whole=True)
    assert _counts(data) == {"bad": 2, "good": 2}
    assert data.notes[0].endswith("with 2 masks; passed over: 1 mask of no image")


@pytest.mark.parametrize(
    "names", [("mask", "without_mask"), ("masks", "no masks"), ("label", "no_label"), ("gtx", "b")]
)
def test_classes_about_masks_are_classes(tree: MakeTree, names: tuple[str, str]) -> None:
    assert _counts(_load(tree(*_of(names[0]), *_of(names[1])), whole=True)) == dict.fromkeys(sorted(names), 2)
