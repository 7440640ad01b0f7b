"""Data sets of texts by name: 20 Newsgroups and Reuters-21578 in the classes of Ruff (2021), and the SMS collection."""

import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from reprq.data.dataset import Dataset
from reprq.data.image.named import data_root
from reprq.data.stratified import split_info, stratified_rows
from reprq.data.text.decoding import decoded, read_bytes
from reprq.data.text.sources import Texts
from reprq.errors import DataError, counted

GROUPS = {
    **{"comp": ("comp.",), "rec": ("rec.",), "sci": ("sci.",), "misc": ("misc.forsale",)},
    **{"pol": ("talk.politics.",), "rel": ("talk.religion.misc", "alt.atheism", "soc.religion.christian")},
}
"""The six groups of section 3.2.3, by what the names of their newsgroups begin with; no newsgroup is left over."""
TOPICS = ("acq", "crude", "earn", "interest", "money-fx", "ship", "trade")
"""The topics of which at least 100 training texts have no other, the seven of section 3.2.3."""

KINDS = ("ham", "spam")

_SMS = "SMSSpamCollection"
_SIDES = {"train": "20news-bydate-train", "test": "20news-bydate-test"}
_WHOLE = ("20_newsgroups", "20_newsgroup", "20news-19997", ".")
_STORY = re.compile(r"<REUTERS\b([^>]*)>(.*?)</REUTERS>", re.DOTALL)
_SPLITS = {"TRAIN": "train", "TEST": "test"}


class Document(NamedTuple):
    """A text, its class and its id."""

    text: str
    label: str
    id: str


def load_newsgroups(name: str, split: str, seed: int, root: Path | str | None) -> Dataset:
    """Return one side of 20 Newsgroups, its 20 newsgroups in the six groups of Ruff (2021).

    The split by date is taken where the folders of "20news-bydate" are there; the 19,997 posts of "20_newsgroups" are
    split here, seeded and stratified.

    Args:
        name: "20newsgroups", whose posts are without header, footer and quotes, by the rules of scikit-learn: headers
            name the newsgroup. "20newsgroups-whole" leaves them in.
        split: "train" or "test".
        seed: Seed of the split where there is none by date.
        root: The folder that holds those folders; see `data_root`.

    Raises:
        DataError: The folders are not there, or hold other newsgroups.
    """
    where = data_root(root)
    official = all((where / side).is_dir() for side in _SIDES.values())
    candidates = [_SIDES[split]] if official else [folder for folder in _WHOLE if (where / folder / "sci.med").is_dir()]
    if not candidates:
        raise DataError(
            f"{name} is not in {where}, which must hold the folders {' and '.join(_SIDES.values())}, or"
            " 20_newsgroups with a folder a newsgroup; unpack it there, or point --root or $REPRQ_DATA to it"
        )
    folder = where / candidates[0]
    strip = (lambda text: text) if name.endswith("whole") else _stripped()
    documents = [Document(strip(post.text), *post[1:]) for post in _posts(folder, name)]
    return _dataset(name, split, tuple(sorted(GROUPS)), documents, None if official else seed)


def _posts(folder: Path, name: str) -> Iterator[Document]:
    for newsgroup in sorted(path for path in folder.iterdir() if path.is_dir()):
        group = next((each for each, starts in GROUPS.items() if newsgroup.name.startswith(starts)), None)
        if group is None:
            raise DataError(f"{name} has no newsgroup {newsgroup.name!r}, which is in {folder}; take it out")
        for path in sorted(newsgroup.iterdir()):
            yield Document(decoded(read_bytes(path), path)[0], group, f"{newsgroup.name}/{path.name}")


def _stripped() -> Callable[[str], str]:
    """What takes headers, footers and quotes off a post, as `fetch_20newsgroups(remove=...)` does."""
    from sklearn.datasets._twenty_newsgroups import (
        strip_newsgroup_footer,
        strip_newsgroup_header,
        strip_newsgroup_quoting,
    )

    def stripped(post: str) -> str:
        text: str = strip_newsgroup_quoting(strip_newsgroup_footer(strip_newsgroup_header(post)))
        return text

    return stripped


def load_reuters(name: str, split: str, root: Path | str | None) -> Dataset:
    """Return one side of Reuters-21578 ("ModApte") with the seven classes of Ruff (2021).

    Texts have one topic, which is one of the seven. A text is the title and the body of a story.

    Args:
        name: "reuters".
        split: "train" or "test".
        root: The folder of `reut2-000.sgm` to `reut2-021.sgm`, or one with them in `reuters21578`; see `data_root`.

    Raises:
        DataError: The files are not there, or hold no such stories.
    """
    where = data_root(root)
    folder = next((each for each in (where, where / "reuters21578") if any(each.glob("reut2-*.sgm"))), None)
    if folder is None:
        raise DataError(
            f"{name} is not in {where}, which must hold reut2-000.sgm to reut2-021.sgm; unpack an archive of"
            " Reuters-21578 there, or point --root or $REPRQ_DATA to it"
        )
    documents = [
        story
        for path in sorted(folder.glob("reut2-*.sgm"))
        for story in _stories(read_bytes(path).decode("latin-1"), split)
    ]
    return _dataset(name, split, TOPICS, documents, None)


def _stories(content: str, split: str) -> Iterator[Document]:
    for found in _STORY.finditer(content):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', found[1]))
        if attributes.get("TOPICS") != "YES" or _SPLITS.get(attributes.get("LEWISSPLIT", "")) != split:
            continue
        topics = re.findall(r"<D>(.*?)</D>", _element("TOPICS", found[2]))
        if len(topics) == 1 and topics[0] in TOPICS:
            yield Document(_text(found[2]), topics[0], f"reuters/{attributes.get('NEWID', '')}")


def _text(story: str) -> str:
    """The title and the body; of the few stories that have neither, which are tables and flashes, the whole text."""
    parts = [part for part in (_element(each, story).strip() for each in ("TITLE", "BODY")) if part]
    text = "\n".join(parts or [_element("TEXT", story)])
    return html.unescape(text).replace("\x03", "").replace("\x02", "")


def _element(name: str, story: str) -> str:
    found = re.search(rf"<{name}\b[^>]*>(.*?)</{name}>", story, re.DOTALL)
    return found[1] if found else ""


def load_sms(name: str, split: str, seed: int, root: Path | str | None) -> Dataset:
    """Return one side of the SMS Spam Collection (Almeida et al. 2011): ham, which is benign, and spam.

    It comes without a split and is split here, seeded and stratified. Some messages stand in it more than once.

    Args:
        name: "sms".
        split: "train" or "test".
        seed: Seed of the split.
        root: The folder of the file `SMSSpamCollection`; see `data_root`.

    Raises:
        DataError: The file is not there, or a line of it is no label, a tab and a text.
    """
    where = data_root(root)
    path = next((each for each in (where / _SMS, where / f"{_SMS}.txt") if each.is_file()), None)
    if path is None:
        raise DataError(
            f"{name} is not in {where}, which must hold the file {_SMS}; put it there, or point --root or $REPRQ_DATA"
            " to it"
        )
    documents = []
    for number, line in enumerate(decoded(read_bytes(path), path)[0].split("\n"), 1):
        label, tab, text = line.rstrip("\r").partition("\t")
        if not line.strip() or (number == 1 and label.lower() == "label"):
            continue
        if not tab or label not in KINDS:
            raise DataError(
                f"{path} must hold ham or spam, a tab and a text a line, got {line[:40]!r} in line {number}"
            )
        documents.append(Document(text, label, f"sms/{number:04d}"))
    return _dataset(name, split, KINDS, documents, seed)


def _dataset(name: str, split: str, classes: tuple[str, ...], documents: list[Document], seed: int | None) -> Dataset:
    """Return documents that are not empty; one side of a split made here where there is a seed of it."""
    whole = [document for document in documents if document.text.strip()]
    labels = np.array([classes.index(document.label) for document in whole], dtype=np.int64)
    if lacking := sorted(set(classes) - {document.label for document in whole}):
        raise DataError(f"{name} {split} must hold texts of every class, got none of {lacking[0]!r}; get all its files")
    rows = np.arange(len(whole)) if seed is None else stratified_rows(labels, split, seed)
    empty = len(documents) - len(whole)
    return Dataset(
        name=name,
        split=split,
        classes=classes,
        labels=labels[rows],
        ids=np.array([document.id for document in whole], dtype=np.str_)[rows],
        source=Texts([document.text for document in whole], name),
        rows=rows,
        split_info={"kind": "official"} if seed is None else split_info(seed),
        notes=(f"{counted(empty, 'document')} of {name} {split} are empty and were left out",) if empty else (),
        modality="text",
    )
