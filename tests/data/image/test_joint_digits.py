"""SVHN, drawn digits, and sets of digits merged in one format."""

import bz2
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from scipy.io import savemat

from reprq.data import available, load_dataset, load_protocol
from reprq.data.image.drawn_digits import FONTS, drawn, load_drawn
from reprq.data.image.joint_digits import digit_set, in_one_format
from reprq.data.image.readings import robledo2023
from reprq.data.views import merged, sets_of
from reprq.errors import DataError, InputError, UnknownNameError


def write_mnist(root: Path, n: int = 20) -> None:
    rng = np.random.default_rng(0)
    for side in ("train", "t10k"):
        parts = {"images-idx3": rng.integers(0, 256, (n, 28, 28)), "labels-idx1": np.arange(n) % 10}
        for part, array in parts.items():
            path = root / f"MNIST/raw/{side}-{part}-ubyte"
            path.parent.mkdir(parents=True, exist_ok=True)
            header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
            path.write_bytes(header + array.astype(np.uint8).tobytes())


def write_usps(root: Path, n: int = 10) -> None:
    pixels = " ".join(f"{i}:{v}" for i, v in enumerate(np.linspace(-1, 1, 256), start=1))
    for file in ("usps.bz2", "usps.t.bz2"):
        (root / file).write_bytes(bz2.compress("".join(f"{i % 10 + 1} {pixels}\n" for i in range(n)).encode()))


def write_svhn(root: Path, n: int = 30) -> np.ndarray:
    pixels = np.random.default_rng(1).integers(0, 256, (32, 32, 3, n), dtype=np.uint8)
    for split in ("train", "test"):
        savemat(root / f"{split}_32x32.mat", {"X": pixels, "y": (np.arange(n) % 10 + 1)[:, None]})
    return pixels


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_mnist(tmp_path)
    write_usps(tmp_path)
    write_svhn(tmp_path)
    return tmp_path


def test_svhn_is_read_from_its_files_and_label_10_is_a_0(tmp_path: Path) -> None:
    pixels = write_svhn(tmp_path)
    data = load_dataset("svhn", "test", root=tmp_path)
    assert data.labels.tolist() == [*range(1, 10), 0] * 3
    assert data.classes == tuple("0123456789")
    assert np.array_equal(np.asarray(data.item(9)), pixels[..., 9])


@pytest.mark.parametrize("content", [b"not mat", b""])
def test_damaged_files_of_svhn_say_so(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "train_32x32.mat").write_bytes(content)
    with pytest.raises(DataError, match="the files of svhn in .* are damaged: .*; delete them and use --download"):
        load_dataset("svhn", root=tmp_path)
    savemat(tmp_path / "train_32x32.mat", {"X": np.zeros((32, 32, 3, 2), np.uint8), "y": [[1], [11]]})
    with pytest.raises(DataError, match="are damaged: labels must be 1 to 10, one an image"):
        load_dataset("svhn", root=tmp_path)


def test_drawn_digits_are_the_same_at_any_time_and_of_many_looks() -> None:
    train, test = load_drawn("train"), load_drawn("test")
    assert (len(train), len(test)) == (6000, 2000)
    assert np.bincount(train.labels).tolist() == [600] * 10
    first, again, other = (np.asarray(data.item(3)) for data in (train, load_drawn("train"), test))
    assert first.shape == (32, 32, 3)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    looks = np.stack([np.asarray(train.item(10 * i)) for i in range(40)]).astype(float)
    assert (looks.std((1, 2)).max(1) > 10).all()  # a digit can be seen
    assert (np.ptp(looks.mean((1, 2)), axis=1) > 20).mean() > 0.8  # most have color
    assert looks.mean((1, 2, 3)).std() > 20
    sources = [train.content[i].tobytes() for i in range(100)] + [test.content[i].tobytes() for i in range(100)]
    assert len(set(sources)) == 200


@pytest.mark.parametrize("font", FONTS)
def test_every_font_has_all_digits(font: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reprq.data.image.drawn_digits.FONTS", (font,))
    images = [np.asarray(drawn(digit, np.random.default_rng(5)), dtype=float) for digit in range(10)]
    apart = [np.abs(a - b).mean() for i, a in enumerate(images) for b in images[:i]]
    assert min(apart) > 0.5  # one draw of all else: only the digit differs


def test_a_font_that_is_gone_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reprq.data.image.drawn_digits.FONTS", ("nosuch",))
    with pytest.raises(DataError, match=r"drawn_digits needs the font .*nosuch.ttf: .*; install matplotlib again"):
        load_drawn("test").verify()


def test_the_format_is_what_it_says() -> None:
    rng = np.random.default_rng(0)
    own = Image.fromarray(rng.integers(0, 256, (28, 28), dtype=np.uint8))
    assert np.array_equal(in_one_format(own.convert("RGB"), "mnist"), own)
    color = Image.fromarray(rng.integers(0, 256, (32, 32, 3), dtype=np.uint8))
    gray = np.rint(np.asarray(color, dtype=float) @ [0.299, 0.587, 0.114])
    assert np.abs(np.asarray(color.convert("L")) - gray).max() <= 1
    middle = color.convert("L").crop((1, 1, 30, 30)).resize((28, 28), Image.Resampling.BILINEAR)
    raised = ImageEnhance.Sharpness(ImageEnhance.Contrast(middle).enhance(1.5)).enhance(2.0)
    for name in ("svhn", "drawn_digits"):
        assert np.array_equal(in_one_format(color, name), raised)
    assert in_one_format(Image.new("L", (16, 16)), "usps").size == (28, 28)


@pytest.mark.parametrize(
    ("name", "third", "counts"),
    [
        ("joint_digits", "svhn", [20, 10, 30]),
        ("joint_digits_drawn", "drawn_digits", [20, 10, 2000]),
    ],
)
def test_joint_sets_stand_one_after_another(root: Path, name: str, third: str, counts: list[int]) -> None:
    data = load_dataset(name, "test", root=root)
    names, which = sets_of(data)
    assert names == ("mnist", "usps", third)
    assert np.bincount(which).tolist() == counts
    assert f"mnist 20, usps 10, {third} {counts[2]}: 28 x 28 gray; contrast x 1.5" in data.notes[0]
    start = 0
    for part in names:
        alone = digit_set(part, "test", root)
        rows = np.arange(start, start + len(alone))
        start += len(alone)
        assert np.array_equal(data.labels[rows], alone.labels)
        assert data.ids[rows[3]] == f"{part}/test/00003"
        assert np.array_equal(data.item(int(rows[3])), alone.item(3))
        assert np.array_equal(data.content[rows[:5]], alone.content[:5])
    assert {np.asarray(data.item(i)).shape for i in (0, 25, 29)} == {(28, 28, 3)}


def test_sets_that_do_not_go_together_are_refused(root: Path) -> None:
    mnist = digit_set("mnist", "test", root)
    with pytest.raises(InputError, match="the sets must have names of their own, got .'mnist', 'mnist'."):
        merged([mnist, mnist], "twice")
    with pytest.raises(InputError, match="usps must have the classes of mnist, and its images; merge its like"):
        merged([mnist, digit_set("usps", "test", root).restrict(["0", "1"])], "two")
    with pytest.raises(UnknownNameError, match="unknown set of digits 'msint'"):
        digit_set("msint", "test", root)
    parts = [mnist.select([4, 2]), digit_set("svhn", "test", root).select([9])]
    few = merged(parts, "few")
    assert few.labels.tolist() == [4, 2, 0]
    assert np.array_equal(few.item(2), parts[1].item(0))


@pytest.mark.shared_data
def test_sizes_that_are_stated(shared_data: Path) -> None:
    folder = shared_data / "torchvision"
    if not folder.is_dir():
        pytest.skip(f"needs {folder}")
    stated = {info.name: info.test for info in available()}
    data = load_dataset("joint_digits_drawn", "test", root=folder)
    assert len(data) == stated["joint_digits_drawn"]
    assert len(load_drawn("test")) == stated["drawn_digits"]


@pytest.mark.parametrize("reading", ["report", "official"])
def test_a_reading_says_what_is_tested(root: Path, reading: str) -> None:
    splits = robledo2023(root, reading)
    assert len(splits) == 30
    assert splits[13].name == "unimodal:3 of usps"
    train = {name: digit_set(name, "train", root) for name in ("mnist", "usps", "svhn")}
    for split in splits:
        digit, _, name = split.name.removeprefix("unimodal:").partition(" of ")
        own = train[name]
        benign = [f"{name}/{each}" for each in own.ids[own.labels == int(digit)]]
        assert set(split.train.ids) <= set(benign)
        assert len(split.train) == round(0.8 * len(benign))
        official = [f"test/{name}/{each}" for each in digit_set(name, "test", root).ids]
        left = {f"{name}/{each}" for each in own.ids} - set(split.train.ids)
        added = [f"train/{each}" for each in left] if reading == "report" else []
        assert sorted(split.test.ids) == sorted([*official, *added])
        assert np.array_equal(split.labels, split.test.labels != int(digit))
        assert split.made["prevalence"] == split.labels.mean()


def test_both_readings_train_on_the_same_images_and_seeds_move_them(root: Path) -> None:
    first, second = (robledo2023(root, reading, digits=[4])[0] for reading in ("report", "official"))
    assert first.train.ids.tolist() == second.train.ids.tolist()
    ids = {tuple(robledo2023(root, "report", seed=seed, sets=["svhn"], digits=[1])[0].train.ids) for seed in range(9)}
    assert len(ids) > 1


def test_the_share_of_anomalies_is_printed(root: Path) -> None:
    (root / "train_32x32.mat").unlink()
    split = load_protocol("robledo2023-official", root)[29]
    assert split.name == "unimodal:9 of drawn_digits"
    said = "the share of anomalies by the reading 'official': mnist 0.900 to 0.900, usps 0.900 to 0.900, drawn_digits"
    assert split.test.notes[0].startswith(said)
    with pytest.raises(UnknownNameError, match="unknown reading 'offical': did you mean 'official'"):
        robledo2023(root, "offical")
    (root / "usps.bz2").unlink()
    with pytest.raises(DataError, match="usps is not in "):
        robledo2023(root, "report")
