"""A corpus goes without the classes of the task."""

import numpy as np
import pytest
from PIL import Image

from reprq.data import as_dataset, load_dataset
from reprq.data.corpus import check_alike, without_classes
from reprq.errors import DataError, InputError

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
SYNSETS = {
    "n02123045": "tabby, tabby cat",
    "n02123394": "Persian cat",
    "n02509815": "lesser panda, red panda, panda, raccoon, Ailurus fulgens",
    "n02099601": "golden retriever",
    "n02056570": "king penguin, Aptenodytes patagonica",
    "n01641577": "bullfrog, Rana catesbeiana",
    "n04285008": "sports car, sport car",
    "n02814533": "beach wagon, station wagon, wagon, estate car",
    "n03796401": "moving van",
    "n03662601": "lifeboat",
    "n02909870": "bucket, pail",
    "n02988304": "CD player",
}
LEFT = {"n02509815", "n02909870", "n02988304"}


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "corpus"
    for i, name in enumerate(SYNSETS):
        (root / name).mkdir(parents=True)
        for number in range(2):
            Image.fromarray(np.full((4, 4, 3), 20 * i + number, dtype=np.uint8)).save(root / name / f"{number}.png")
    return root


def test_synsets_that_name_a_class_are_left_out_and_it_is_said(folder):
    (folder / "classes.tsv").write_text("\n".join(f"{k}\t{v}" for k, v in SYNSETS.items()))
    corpus = load_dataset(f"folder:{folder}", "train", whole=True)
    kept = without_classes(corpus, CIFAR10)
    assert {kept.classes[label] for label in kept.labels} == LEFT
    assert len(kept) == 2 * len(LEFT)
    assert "goes without 9 of its 12 classes, which name classes of the task: " in kept.notes[-1]
    assert "n02123394 (Persian cat)" in kept.notes[-1]
    cats = without_classes(corpus, ["cat"])
    assert {corpus.classes[i] for i in set(corpus.labels) - set(cats.labels)} == {"n02123045", "n02123394"}


def test_synsets_without_names_are_not_passed_over_in_silence(folder):
    corpus = load_dataset(f"folder:{folder}", "train", whole=True)
    kept = without_classes(corpus, CIFAR10)
    assert len(kept) == len(corpus)
    assert "number alone, such as n01641577: " in kept.notes[-1]
    assert "12 of 12 classes of the corpus" in kept.notes[-1]


def test_names_are_compared_whatever_their_spelling_and_by_whole_words():
    digits = load_dataset("digits")
    assert set(without_classes(digits, [" 3"]).labels.tolist()) == {0, 1, 2, 4, 5, 6, 7, 8, 9}
    same = without_classes(digits, ["13", "four"])
    assert (len(same), same.notes) == (len(digits), digits.notes)
    with pytest.raises(DataError, match="every class of the corpus digits names a class of the task; give another"):
        without_classes(digits, digits.classes)


def test_what_stands_beside_a_data_set_is_of_its_modality() -> None:
    digits, texts = load_dataset("digits"), as_dataset(["a text of words", "and another one"])
    check_alike(digits, digits, "auxiliary")
    with pytest.raises(InputError, match=r"auxiliary must hold images as digits does, got the documents of .*--auxil"):
        check_alike(digits, texts, "auxiliary")
