"""Documents in folders and tables: which rows they make, in which encodings they are read, and what is refused."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_files

from reprq.data import Dataset, as_dataset, load_dataset, one_class_split, one_class_tasks
from reprq.data.text.sources import TextFiles, Texts
from reprq.errors import DataError, InputError

WriteDocuments = Callable[..., Path]


def _load(path: Path, split: str = "train", **how: object) -> Dataset:
    return load_dataset(f"text:{path}", split, **how)  # type: ignore[arg-type]


def test_a_folder_is_what_scikit_learn_reads(tmp_path: Path, write_documents: WriteDocuments) -> None:
    folder = write_documents(tmp_path / "docs")
    theirs = load_files(str(folder), encoding="utf-8", shuffle=False)
    ours = _load(folder, whole=True)
    assert (ours.modality, ours.noun, ours.name) == ("text", "document", f"text:{folder}")
    assert list(ours.classes) == theirs.target_names
    assert [ours.item(i) for i in range(len(ours))] == theirs.data
    assert ours.labels.tolist() == theirs.target.tolist()
    assert ours.notes == (f"{folder} was read as CLASS/*: class0 12, class1 12",)
    train, test = (_load(folder, split) for split in ("train", "test"))
    assert (len(train), len(test)) == (16, 8)
    assert not set(train.ids) & set(test.ids)
    assert train.fingerprint == _load(folder).fingerprint != _load(folder, seed=1).fingerprint


def test_files_without_extension_are_documents_and_foreign_ones_are_not(tmp_path: Path) -> None:
    for name in (
        "space/53068",
        "space/about.the.moon",
        "autos/1.txt",
        "autos/photo.JPG",
        "autos/mail.tar.gz",
        "autos/.x",
    ):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("some words")
    data = _load(tmp_path, whole=True)
    assert data.ids.tolist() == ["autos/1.txt", "space/53068", "space/about.the.moon"]
    assert "passed over: 1 .gz, 1 .jpg" in data.notes[0]


def test_a_split_above_the_classes_is_followed(tmp_path: Path, write_documents: WriteDocuments) -> None:
    write_documents(tmp_path / "Training", each=3)
    write_documents(tmp_path / "test", each=2, seed=1)
    train, test = (_load(tmp_path, split) for split in ("train", "test"))
    assert (len(train), len(test)) == (6, 4)
    assert train.split_info == {"kind": "official"}
    assert train.copies_of(test).sum() == 0


@pytest.mark.parametrize(
    ("content", "text", "encoding"),
    [
        ("café".encode(), "café", "utf-8"),
        (b"\xef\xbb\xbfcaf\xc3\xa9", "café", "utf-8-sig"),
        ("café".encode("utf-16"), "café", "utf-16"),
        ("café".encode("utf-32"), "café", "utf-32"),
        (b"caf\xe9 \x80", "café €", "cp1252"),
        (b"caf\xe9 \x81", "café \x81", "latin-1"),
        (b"a\r\nb", "a\r\nb", "utf-8"),
    ],
)
def test_encodings_are_told_by_their_bytes(content: bytes, text: str, encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content)
    source = TextFiles(tmp_path, ["a"])
    assert (source.item(0), source.encoding(0)) == (text, encoding)
    assert source.digest(0) == hashlib.sha256(hashlib.sha256(content).digest() + b"text 1").digest()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty"),
        (b" \n\t", "is empty"),
        (b"\x00\x01\x02 text", "is no text: it holds zero bytes"),
        (b"%PDF-1.7", "is no text: it is a PDF"),
        (b"PK\x03\x04", "is no text: it is an archive"),
        (b"\xef\xbb\xbf\xff", "is no text in utf-8-sig, as its first bytes say"),
    ],
)
def test_what_is_no_text_is_named_and_can_be_left_out(
    content: bytes, said: str, tmp_path: Path, write_documents: WriteDocuments
) -> None:
    folder = write_documents(tmp_path / "docs")
    bad = folder / "class1" / "bad.txt"
    bad.write_bytes(content)
    data = _load(folder, whole=True)
    with pytest.raises(
        DataError, match=f"the document {bad} {said}; repair or remove it, or leave it out with --skip-broken"
    ):
        data.verify()
    kept = _load(folder, whole=True, skip_broken=True)
    assert len(kept) == len(data) - 1
    assert kept.reading == {"skipped": ["class1/bad.txt"]}
    assert f"1 of 25 documents of text:{folder} train are broken and were left out" in kept.notes[-1]


def test_missing_folders_and_empty_ones_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"there is no file or folder .*mails\.tsv; give the path of a table or of a"):
        load_dataset(f"text:{tmp_path}/mails.tsv")
    with pytest.raises(DataError, match=r"the text folder .*nowhere does not exist; expected train/CLASS/\*.txt"):
        _load(tmp_path / "nowhere")
    (tmp_path / "docs" / "a").mkdir(parents=True)
    with pytest.raises(DataError, match="documents are files of plain text, whatever they end in"):
        _load(tmp_path / "docs")
    with pytest.raises(InputError, match=r"text: needs a path, as in text:/data"):
        load_dataset("text:")


@pytest.mark.parametrize("kind", ["csv", "semicolons.csv", "tsv", "jsonl", "list.json", "bare"])
def test_a_table_is_read_by_the_names_of_its_columns(kind: str, tmp_path: Path) -> None:
    rows = [("ham" if i % 3 else "spam", f'text {i}, with "quotes"') for i in range(12)]
    path = tmp_path / f"mails.{kind}"
    quoted = [(label, '"' + text.replace('"', '""') + '"') for label, text in rows]
    content = {
        "csv": "Label,Message\n" + "\n".join(map(",".join, quoted)),
        "semicolons.csv": "label;text\n" + "\n".join(map(";".join, quoted)),
        "tsv": "text\tlabel\n" + "\n".join(f"{text}\t{label}" for label, text in rows),
        "jsonl": "\n".join(json.dumps({"text": text, "label": label}) for label, text in rows),
        "list.json": json.dumps([{"text": text, "label": label} for label, text in rows]),
        "bare": "\n".join(map("\t".join, rows)),
    }[kind]
    path.write_text(content, encoding="latin-1")
    data = _load(path, whole=True)
    assert data.classes == ("ham", "spam")
    assert [(data.classes[label], data.item(i)) for i, label in enumerate(data.labels)] == rows
    assert data.notes == (f"{path} was read as a table: ham 8, spam 4",)
    train, test = (_load(path, split) for split in ("train", "test"))
    assert (len(train), len(test)) == (9, 3)


def test_a_column_of_splits_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text,split\n" + "\n".join(f"words {i},{'train' if i < 3 else 'validation'}" for i in range(5)))
    assert [len(_load(path, split)) for split in ("train", "test")] == [3, 2]
    assert _load(path).classes == ("unlabelled",)
    path.write_text(path.read_text() + "\nmore,test")
    assert len(_load(path, "test")) == 1


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "a,b,c\n1,2,3", "must have a header with a column 'text', or two columns, .*got 3 columns"),
        ("a.csv", "text,label\nsome, words,x", "must have 2 columns in every row, got 3 in row 1"),
        ("a.csv", "text,label", "has a header and no rows"),
        ("a.jsonl", "{", r"must hold a JSON object a line, got '\{' in line 1 \(Expecting property name"),
        ("a.jsonl", '{"text": "a"}\n\n{"text" "b"}', "in line 3 "),
        ("a.jsonl", '[{"text": "a"}, {', "must hold a list of JSON objects, got Expecting property name"),
        ("a.jsonl", "[1, 2]", "must hold JSON objects, got others"),
        ("a.jsonl", '{"label": 1}', "must have a column of texts, called 'text', got label"),
        ("a.jsonl", '{"text": 1}', "must have a text in every row, got 1 in row 0"),
        ("a.jsonl", "", "is empty"),
    ],
)
def test_a_table_that_cannot_be_read_is_told(name: str, content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=said):
        _load(tmp_path / name)


def test_texts_in_memory_and_their_splits(tmp_path: Path, write_documents: WriteDocuments) -> None:
    data = _load(write_documents(tmp_path / "docs", classes=3), whole=True)
    task = one_class_tasks(data.classes)[0]
    split = one_class_split(data, data, task)
    assert (len(split.train), int(split.labels.sum())) == (12, 24)
    with pytest.raises(InputError, match="digits must hold documents as text:.* does, got images"):
        one_class_split(data, data, task, external=load_dataset("digits", "test"))
    with pytest.raises(DataError, match="the document item 1 is empty"):
        Texts(["a", " "]).verify(1)
    with pytest.raises(DataError, match="the document item 0 is no text: character 1 is half of one"):
        Texts(["a\ud800b"]).verify(0)


def test_python_holds_texts_as_columns_lists_and_tables() -> None:
    import pandas as pd

    texts, labels = ["one fine day", "a rainy day", "no day"], ["a", "b", "a"]
    for held in (
        {"text": texts, "label": labels},
        pd.DataFrame({"text": texts, "label": labels}),
        list(zip(texts, labels, strict=True)),
        [{"sentence": text, "label": label} for text, label in zip(texts, labels, strict=True)],
    ):
        data = as_dataset(held)
        assert (data.modality, data.classes, data.labels.tolist()) == ("text", ("a", "b"), [0, 1, 0])
        assert [data.item(i) for i in range(3)] == texts
    assert as_dataset(texts).classes == ("unlabelled",)
    assert as_dataset(np.array(texts)).item(1) == "a rainy day"
