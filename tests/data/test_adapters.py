"""Whatever a Python program holds becomes the same images, or one sentence before any work is done."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.utils import data as torch_data
from torchvision import datasets, transforms

from reprq.data import ImageDataset, as_dataset, load_dataset, one_class_split, one_class_tasks, patches
from reprq.errors import DataError, InputError, ReprqError

N = 6
PIXELS = np.random.default_rng(0).integers(0, 256, (N, 5, 7, 3), dtype=np.uint8)
IMAGES = [Image.fromarray(pixels) for pixels in PIXELS]
LABELS = [0, 1, 1, 0, 2, 1]
NAMES = ["cat", "dog", "emu"]
FIRST = torch.from_numpy(PIXELS).permute(0, 3, 1, 2)


class Items(torch_data.Dataset):
    """A map-style data set of one's own."""

    def __init__(self, item: Callable[[int], Any]) -> None:
        self.item = item

    def __len__(self) -> int:
        return N

    def __getitem__(self, i: int) -> Any:
        return self.item(i)


class HuggingFace(Items):
    """What Hugging Face's data sets show: rows as mappings, and features."""

    def __init__(self) -> None:
        self.features = {"image": None, "label": SimpleNamespace(names=NAMES)}
        super().__init__(lambda i: {"image": IMAGES[i], "label": LABELS[i]})


class Endless(torch_data.IterableDataset):
    def __iter__(self) -> Any:
        yield from IMAGES


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{i}.png" for i in range(N)]
    for path, image in zip(paths, IMAGES, strict=True):
        image.save(path)
    return paths


def same_images(found: ImageDataset) -> None:
    assert len(found) == N
    np.testing.assert_array_equal([np.asarray(found.item(i)) for i in range(N)], PIXELS)
    assert len(set(found.ids.tolist())) == N
    assert len(found.fingerprint) == 64
    found.verify()


UNLABELLED = {
    "uint8 array": PIXELS,
    "channels first": PIXELS.transpose(0, 3, 1, 2),
    "whole 255ths": PIXELS / 255,
    "tensor": FIRST,
    "ToTensor's tensor": FIRST / 255,
    "tensor with a gradient": (FIRST / 255).requires_grad_(),
    "PIL images": IMAGES,
    "tuple": tuple(IMAGES),
    "list of arrays": list(PIXELS),
    "object array": pd.Series(IMAGES).to_numpy(),
    "series": pd.Series(IMAGES),
    "torch data set": Items(lambda i: IMAGES[i]),
    "of tensors": Items(lambda i: transforms.ToTensor()(IMAGES[i])),
    "in tuples of one": torch_data.TensorDataset(FIRST),
}
LABELLED = {
    "images and labels": (PIXELS, LABELS),
    "pairs": list(zip(IMAGES, LABELS, strict=True)),
    "pairs of a data set": Items(lambda i: (IMAGES[i], LABELS[i])),
    "pairs of tensors": Items(lambda i: (transforms.ToTensor()(IMAGES[i]), torch.tensor(LABELS[i]))),
    "triples": Items(lambda i: (IMAGES[i], np.int64(LABELS[i]), i)),
    "mappings": Items(lambda i: {"img": IMAGES[i], "target": LABELS[i]}),
    "tensors": torch_data.TensorDataset(FIRST, torch.tensor(LABELS)),
    "loader": torch_data.DataLoader(torch_data.TensorDataset(FIRST, torch.tensor(LABELS)), batch_size=4),
    "shuffling loader": torch_data.DataLoader(Items(lambda i: (IMAGES[i], LABELS[i])), shuffle=True),
    "columns": {"image": PIXELS, "label": np.array(LABELS)},
    "hugging face": HuggingFace(),
    "mapping of splits": {"train": HuggingFace(), "test": None},
    "frame of images": pd.DataFrame({"image": pd.Series(IMAGES), "class": LABELS}),
}


@pytest.mark.parametrize("kind", UNLABELLED)
def test_images_without_labels_are_one_class(kind: str) -> None:
    found = as_dataset(UNLABELLED[kind])
    same_images(found)
    assert found.classes == ("unlabelled",)


@pytest.mark.parametrize("kind", LABELLED)
def test_labels_come_along(kind: str) -> None:
    found = as_dataset(LABELLED[kind])
    same_images(found)
    assert found.labels.tolist() == LABELS
    assert found.classes in ((*"012",), tuple(NAMES))


@pytest.mark.parametrize("kind", [np.array, torch.tensor, lambda rows: rows])
def test_one_hot_labels_are_classes(kind: Callable[[Any], Any]) -> None:
    numbers = [2, 0, 1, 2, 0, 0]
    found = as_dataset((PIXELS, kind(np.eye(3)[numbers].tolist())))
    assert found.labels.tolist() == numbers


def test_files_are_read_where_they_lie(files: list[Path], tmp_path: Path) -> None:
    named = [NAMES[label] for label in LABELS]
    for data in (
        files,
        list(map(str, files)),
        pd.DataFrame({"n": range(N), "anything": list(map(str, files))}),
        Items(lambda i: files[i]),
    ):
        same_images(as_dataset(data))
    relative = pd.DataFrame({"file": [path.name for path in files], "label": named})
    found = as_dataset(relative, root=tmp_path)
    same_images(found)
    assert [found.classes[label] for label in found.labels] == named
    assert found.ids.tolist() == [path.name for path in files]
    assert as_dataset(list(zip(files, named, strict=True))).classes == tuple(NAMES)


def test_torchvisions_folders_keep_their_classes_in_subsets_too(files: list[Path], tmp_path: Path) -> None:
    for i, path in enumerate(files):
        folder = tmp_path / "tree" / NAMES[i % 3]
        folder.mkdir(parents=True, exist_ok=True)
        path.rename(folder / path.name)
    tree = datasets.ImageFolder(tmp_path / "tree", transform=transforms.ToTensor())
    assert as_dataset(tree).classes == tuple(NAMES)
    part = as_dataset(torch_data.Subset(tree, [5, 0]))
    assert [part.classes[label] for label in part.labels] == ["emu", "cat"]
    whole = as_dataset(tmp_path / "tree")
    assert whole.fingerprint == load_dataset(f"folder:{tmp_path / 'tree'}").fingerprint
    with pytest.raises(InputError, match="is a folder and no name of a data set; write 'folder:"):
        as_dataset(str(tmp_path / "tree"))


REFUSED = {
    "normalised array": ((PIXELS / 255 - 0.5) / 0.2, "are no 8-bit pixels; reprq resizes, crops and normalizes"),
    "normalised items": (Items(lambda i: (FIRST[i] / 255 - 0.5) / 0.2), "item 0 of the Items holds float32 from -2.5"),
    "interpolated floats": (np.random.default_rng(0).random((N, 5, 5)), "are no 8-bit pixels"),
    "16 bits": (PIXELS.astype(np.uint16) * 257, "uint16 from 0 to"),
    "alpha": (np.concatenate([PIXELS, PIXELS[..., :1]], -1), "composite the alpha channel"),
    "rows": (PIXELS.reshape(N, -1), r"`reprq.measure` takes embeddings"),
    "one image": (PIXELS[0], "may be one image or several"),
    "one PIL image": (IMAGES[0], r"give a list of images, as in \[image\]"),
    "no image": (PIXELS[:0], "at least one image"),
    "empty list": ([], "at least one image"),
    "numbers": ([1, 2], "item 0 of the list must be an image"),
    "generator": ((image for image in IMAGES), "make a list of it first"),
    "stream": (Endless(), "data must have a length"),
    "loader of a stream": (torch_data.DataLoader(Endless()), "data must have a length"),
    "sampler": (
        torch_data.DataLoader(Items(lambda i: IMAGES[i]), sampler=torch_data.SubsetRandomSampler([0, 1])),
        "SubsetRandomSampler visits other rows",
    ),
    "drawn with replacement": (
        torch_data.DataLoader(
            Items(lambda i: IMAGES[i]),
            sampler=torch_data.RandomSampler(range(N), replacement=True),  # type: ignore[arg-type]
        ),
        "visits other rows",
    ),
    "None": (None, "got NoneType"),
    "images twice": ((PIXELS, PIXELS), r"item 0 of the tuple must be pixels .H, W., .H, W, 3. or .3, H, W., got shape"),
    "labels first": ((LABELS, PIXELS), "item 0 of the tuple must be an image"),
    "empty frame": (pd.DataFrame({"path": [], "label": []}), "at least one image or text, got an empty list"),
    "frame with a hole": (pd.DataFrame({"image": pd.Series(IMAGES), "label": [*LABELS[:5], None]}), "got nan at row 5"),
    "masks": (Items(lambda i: (IMAGES[i], IMAGES[i])), "labels must be names or whole numbers, got Image at row 0"),
    "regression": ((PIXELS, np.linspace(0, 1, N)), "got 0.2 at row 1"),
    "soft labels": ((PIXELS, np.full((N, 2), 0.5)), "one 1 a row among zeros, got .0.5, 0.5. at row 0"),
    "two classes": ((PIXELS, np.ones((N, 2))), "one 1 a row among zeros, got .1.0, 1.0. at row 0"),
    "too few one-hot": ((PIXELS, np.eye(2)), "one entry for each of the 6 rows, got 2"),
    "missing label": (list(zip(IMAGES, [*LABELS[:5], None], strict=True)), "got None at row 5"),
    "too few labels": ((PIXELS, LABELS[:3]), "one entry for each of the 6 rows, got 3"),
    "two columns of labels": (
        {"image": PIXELS, "fine_label": LABELS, "coarse_label": LABELS},
        "at most one column of labels",
    ),
    "no column of images": ({"a": np.eye(3)}, "must have one column of images"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_data_set_of_images_is_one_sentence(kind: str) -> None:
    data, said = REFUSED[kind]
    with pytest.raises(InputError, match=said) as caught:
        as_dataset(data)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_what_cannot_be_read_is_named(files: list[Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1 of 7 image files do not exist, the first is .*no.png"):
        as_dataset([*files, tmp_path / "no.png"])
    with pytest.raises(DataError, match="item 0 of the Items cannot be read: ZeroDivisionError"):
        as_dataset(Items(lambda i: 1 / 0))
    files[0].write_bytes(b"no image")
    with pytest.raises(DataError, match="0.png does not decode"):
        as_dataset(Items(lambda i: files[i]))


def test_a_transform_that_draws_at_random_is_refused() -> None:
    draws = np.random.default_rng(1)
    found = as_dataset(Items(lambda i: draws.integers(0, 256, (5, 7, 3), dtype=np.uint8)))
    for check in (lambda: found.item(3), found.verify):
        with pytest.raises(InputError, match="is another image each time it is read"):
            check()


def test_functions_of_data_sets_take_them_too() -> None:
    pair = (PIXELS, LABELS)
    (task,) = one_class_tasks(tuple("01"))[:1]
    split = one_class_split((PIXELS, [0, 1] * 3), (PIXELS, [0, 1] * 3), task)
    assert (len(split.train), split.labels.tolist()) == (3, [0, 1] * 3)
    assert len(patches(pair, 5, 2)[0]) == 2 * N
    for wrong in (3, PIXELS):
        with pytest.raises(ReprqError, match=r"`reprq.data.as_dataset` takes data"):
            load_dataset(wrong)  # type: ignore[arg-type]


def test_an_image_in_memory_is_read_as_its_file(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    IMAGES[0].save(tmp_path / "turned.png", exif=turned)
    alpha = np.dstack([PIXELS[0], np.arange(35, dtype=np.uint8).reshape(5, 7) * 7])
    Image.fromarray(alpha).save(tmp_path / "alpha.png")
    for file in (tmp_path / "turned.png", tmp_path / "alpha.png"):
        with Image.open(file) as image:
            np.testing.assert_array_equal(as_dataset([image]).item(0), as_dataset([file]).item(0))
    deep = Image.fromarray(np.array([[0, 4000]], np.uint16))
    with pytest.raises(InputError, match="holds uint16 from 0 to 4000, which are no 8-bit pixels"):
        as_dataset([deep])


def test_images_of_several_sizes_and_grey_ones_are_taken() -> None:
    mixed = [Image.fromarray(PIXELS[0]), PIXELS[1][:3, :4], Image.fromarray(PIXELS[2][..., 0])]
    assert [as_dataset(mixed).item(i).size for i in range(3)] == [(7, 5), (4, 3), (7, 5)]
    for grey in (PIXELS[..., 0], PIXELS[..., :1], FIRST[:, :1]):
        found = np.asarray(as_dataset(grey).item(4))
        np.testing.assert_array_equal(found, np.repeat(PIXELS[4][..., :1], 3, axis=2))
