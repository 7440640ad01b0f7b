"""Masks: which belongs to which image, what of it is marked, and how it lies over what a network sees."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reprq.data import Masks, Split, check_masks, load_dataset, select_tasks, task_split
from reprq.data.folders.listing import Folder
from reprq.data.folders.masks import paired_masks
from reprq.data.image.decoding import decode_mask
from reprq.data.image.folder import IMAGES
from reprq.data.image.preprocessing import Preprocessing
from reprq.errors import DataError, InputError

PAIRS = {
    "MVTec": ("test/crack/001.png", "ground_truth/crack/001_mask.png"),
    "the same name": ("test/ko/0000.png", "ground_truth/ko/0000.bmp"),
    "CLASS": ("blowhole/0000.jpg", "ground_truth/blowhole/0000_mask.png"),
    "VisA": ("Data/Images/Anomaly/000.JPG", "Data/Masks/Anomaly/000.png"),
    "beside": ("crack/1.png", "crack/1_GT.png"),
    "a folder beside": ("b/images/1.jpg", "b/masks/1.png"),
    "no classes": ("1.jpg", "masks/1_mask.png"),
    "no classes of masks": ("test/crack/1.png", "ground_truth/1.png"),
    "another class": ("test/crack/1.png", "ground_truth/dent/1.png"),
    "another name": ("test/crack/1.png", "ground_truth/crack/2.png"),
}


def _touch(root: Path, *names: str) -> Folder:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return Folder(root, IMAGES)


@pytest.mark.parametrize("case", PAIRS)
def test_a_mask_belongs_to_the_image_of_its_class_and_name(tmp_path, case):
    image, mask = PAIRS[case]
    expected = {} if case.startswith("another") else {image: (mask,)}
    assert paired_masks(_touch(tmp_path, image, mask), [image]) == expected


def test_sides_of_a_split_keep_their_own_masks_and_the_scored_side_comes_first(tmp_path):
    images = [f"{side}/crack/1.png" for side in ("test", "train")]
    masks = [f"{side}/masks/crack/1.png" for side in ("train", "test")]
    folder = _touch(tmp_path, *images, *masks)
    assert paired_masks(folder, images) == {image: (image.replace("/crack", "/masks/crack"),) for image in images}
    other = _touch(tmp_path / "mvtec", *images, "ground_truth/crack/1_mask.png")
    assert paired_masks(other, images) == {images[0]: ("ground_truth/crack/1_mask.png",)}


def test_a_folder_of_masks_with_the_name_of_an_image_holds_its_masks(tmp_path):
    """The layout of MVTec LOCO AD: one mask a defect."""
    images = [f"test/{kind}/{i}.png" for kind in ("good", "logical", "structural") for i in ("000", "001")]
    masks = [
        f"ground_truth/{kind}/{i}/00{k}.png" for kind in ("logical", "structural") for i, k in (("000", 0), ("001", 1))
    ]
    masks.append("ground_truth/logical/001/000.png")
    assert paired_masks(_touch(tmp_path, *images, *masks), images) == {
        "test/logical/000.png": ("ground_truth/logical/000/000.png",),
        "test/logical/001.png": ("ground_truth/logical/001/000.png", "ground_truth/logical/001/001.png"),
        "test/structural/000.png": ("ground_truth/structural/000/000.png",),
        "test/structural/001.png": ("ground_truth/structural/001/001.png",),
    }


def _saved(path: Path, values, mode=None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(values)).convert(mode).save(path) if mode else Image.fromarray(values).save(path)
    return path


SQUARE = np.zeros((6, 9), dtype=np.uint8)
SQUARE[1:4, 2:7] = 1


@pytest.mark.parametrize("values", [1, 255, 3, 200])
def test_grey_masks_are_cut_at_half_of_their_largest_value(tmp_path, values):
    assert (decode_mask(_saved(tmp_path / "m.png", SQUARE * np.uint8(values))) == (SQUARE == 1)).all()


def test_soft_edges_are_cut_in_the_middle_and_kinds_of_defects_are_all_marked(tmp_path):
    soft = np.array([[0, 127, 128, 255]], dtype=np.uint8)
    assert decode_mask(_saved(tmp_path / "soft.png", soft)).tolist() == [[False, False, True, True]]
    kinds = np.array([[0, 1, 2, 5]], dtype=np.uint8)
    assert decode_mask(_saved(tmp_path / "kinds.png", kinds)).tolist() == [[False, True, True, True]]
    deep = np.array([[0, 30000, 40000, 65535]], dtype=np.uint16)
    assert decode_mask(_saved(tmp_path / "deep.png", deep)).tolist() == [[False, False, True, True]]
    jpeg = np.zeros((32, 32), dtype=np.uint8)
    jpeg[8:24, 8:24] = 255
    assert (decode_mask(_saved(tmp_path / "m.jpg", jpeg)) == (jpeg > 0)).all()
    assert (decode_mask(_saved(tmp_path / "one.png", SQUARE * np.uint8(255), "1")) == (SQUARE == 1)).all()
    assert (decode_mask(_saved(tmp_path / "rgb.png", SQUARE * np.uint8(255), "RGB")) == (SQUARE == 1)).all()


GEOMETRIES = [
    {"size": 8, "resize": 12},
    {"size": 8, "squash": True},
    {"size": 8, "crop": "none"},
    {"size": 8, "resize": 12, "squash": True, "crop": "center"},
    {"size": 4},
]


@pytest.mark.parametrize("how", GEOMETRIES)
@pytest.mark.parametrize("shape", [(30, 20), (20, 30), (16, 16), (3, 400)])
def test_a_mask_lies_where_its_pixels_are_in_the_input(how, shape):
    """The mask of a picture of one value is what the transform makes of the picture, by the nearest pixel."""
    seen = Preprocessing().replace(mean=0.0, std=1.0, channels="gray", interpolation="nearest", **how)
    mask = np.random.default_rng(0).random(shape) < 0.4
    picture = seen(Image.fromarray(mask.astype(np.uint8) * np.uint8(255)))[0].numpy()
    other = seen.replace(interpolation="bilinear", mean=0.5, std=0.2)
    assert (other.over(mask) == (picture == 1)).all()


@pytest.fixture
def folder(tmp_path):
    """Two kinds of parts of 6 x 9 pixels, of which one is cracked and has masks."""
    rng = np.random.default_rng(0)
    for kind, n in (("train/good", 6), ("test/good", 4), ("test/crack", 4)):
        for i in range(n):
            _saved(tmp_path / kind / f"{i}.png", rng.integers(0, 255, (6, 9, 3), dtype=np.uint8))
    for i in range(4):
        _saved(tmp_path / "ground_truth" / "crack" / f"{i}_mask.png", SQUARE * np.uint8(255))
    return tmp_path


def _split(folder, **how) -> Split:
    train, test = (load_dataset(f"folder:{folder}", side) for side in ("train", "test"))
    return task_split(train, test, select_tasks(test.classes, "unimodal:good", train.labels)[0], **how)


def test_a_split_has_the_masks_of_its_test_rows(folder):
    split = _split(folder)
    assert split.masks is not None
    assert (split.masks.present == (split.labels == 1)).all()
    row = int(np.flatnonzero(split.labels)[0])
    assert (split.masks[row] == (SQUARE == 1)).all()
    assert split.masks[int(np.flatnonzero(split.labels == 0)[0])] is None
    assert load_dataset(f"folder:{folder}", "train").masks is None


def test_a_subset_keeps_its_masks_and_other_data_has_none(folder):
    test = load_dataset(f"folder:{folder}", "test")
    rows = np.flatnonzero(test.labels == test.classes.index("crack"))
    assert test.select(rows[::-1]).masks.present.all()
    assert test.select(rows[:0]).masks is None
    assert test.restrict(["good"]).masks is None
    assert load_dataset("digits", "test").masks is None


def test_without_a_mask_of_an_anomaly_a_split_has_none(folder):
    for file in (folder / "ground_truth" / "crack").iterdir():
        file.unlink()
    _saved(folder / "ground_truth" / "good" / "0_mask.png", SQUARE * np.uint8(0))
    assert _split(folder).masks is None


def test_the_digest_is_of_what_masks_hold(folder):
    first = _split(folder).masks.digest
    assert _split(folder).masks.digest == first
    _saved(folder / "ground_truth" / "crack" / "0_mask.png", SQUARE * np.uint8(254))
    assert _split(folder).masks.digest != first


def test_bad_masks_are_named_before_work(folder):
    mask = folder / "ground_truth" / "crack" / "1_mask.png"
    check_masks([_split(folder).masks, None], "parts")
    _saved(mask, SQUARE[:5])
    with pytest.raises(DataError, match=r"1_mask.png is 9 x 5 pixels, and its image test/crack/1.png 9 x 6; save it"):
        check_masks([_split(folder).masks], "parts")
    mask.write_bytes(mask.read_bytes()[:40])
    with pytest.raises(DataError, match=r"^the mask .*1_mask.png does not decode: "):
        check_masks([_split(folder).masks], "parts")
    (folder / "ground_truth" / "crack" / "2_mask.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"^2 of 4 masks of parts cannot be used: "):
        check_masks([_split(folder).masks, _split(folder).masks], "parts")


def test_masks_of_arrays_are_checked_and_must_fit_the_split():
    with pytest.raises(InputError, match=r"masks must be \(height, width\) arrays of numbers, got .* at 1"):
        Masks([None, np.zeros(3)])
    with pytest.raises(InputError, match="masks must have one entry for each of the 2 rows, got 1"):
        Split("a", np.arange(2), np.arange(2), np.array([0, 1]), masks=Masks([None]))
    wide = Masks([SQUARE]).over(0, None, (3, 3))
    assert wide.shape == (3, 3)
    with pytest.raises(InputError, match=r"anomaly_map must be as large as what the network sees, \(8, 8\)"):
        Masks([SQUARE]).over(0, Preprocessing(size=8, resize=8), (4, 4))


def test_a_pixel_is_anomalous_where_any_of_several_masks_says_so(folder):
    other = np.zeros((6, 9), dtype=np.uint8)
    other[5, 8] = 1
    one = folder / "ground_truth" / "crack" / "0_mask.png"
    alone = _split(folder).masks.digest
    one.rename(folder / "ground_truth" / "crack" / "first.png")
    (folder / "ground_truth" / "crack" / "0").mkdir()
    (folder / "ground_truth" / "crack" / "first.png").rename(folder / "ground_truth" / "crack" / "0" / "000.png")
    assert _split(folder).masks.digest == alone
    bad = _saved(folder / "ground_truth" / "crack" / "0" / "001.png", other * np.uint8(255))
    split = _split(folder)
    assert (split.masks[int(np.flatnonzero(split.labels)[0])] == ((SQUARE == 1) | (other == 1))).all()
    assert split.masks.digest != alone
    assert "with 5 masks" in load_dataset(f"folder:{folder}", "test").notes[0]
    bad.write_bytes(b"")
    with pytest.raises(DataError, match=r"the mask .*001.png does not decode|001.png"):
        check_masks([split.masks], "parts")


def test_external_anomalies_bring_their_masks(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("other")
    for i in range(3):
        _saved(elsewhere / "scratch" / f"{i}.png", np.full((6, 9, 3), 9 * i, dtype=np.uint8))
        _saved(elsewhere / "ground_truth" / "scratch" / f"{i}_mask.png", SQUARE * np.uint8(255))
    external = load_dataset(f"folder:{elsewhere}", "test", whole=True)
    split = _split(folder, external=external)
    assert split.masks.present.tolist() == (split.labels == 1).tolist()
    assert int(split.labels.sum()) == 3
    assert (split.masks[len(split.test) - 1] == (SQUARE == 1)).all()
    check_masks([split.masks], "parts")
    first = split.masks.digest
    _saved(elsewhere / "ground_truth" / "scratch" / "1_mask.png", SQUARE.T[:6, :6].repeat(2, 1)[:, :9] * np.uint8(255))
    assert _split(folder, external=external).masks.digest != first
