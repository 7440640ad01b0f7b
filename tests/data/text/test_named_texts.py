"""20 Newsgroups and Reuters-21578 from small files of their layouts, and from the real ones where they are."""

import tarfile
from pathlib import Path

import numpy as np
import pytest

from reprq.data import load_dataset
from reprq.data.text.named import GROUPS, TOPICS
from reprq.errors import DataError

NEWSGROUPS = [
    *("alt.atheism", "comp.graphics", "misc.forsale", "rec.autos", "sci.med", "soc.religion.christian"),
    *("talk.politics.guns", "talk.religion.misc"),
]
POST = "From: somebody@{0}\nSubject: about {0}\n\nSomeone writes:\n> a quote\nMy own words {1}.\n\n--\nA signature\n"
STORY = """<REUTERS TOPICS="{topics}" LEWISSPLIT="{split}" CGISPLIT="x" OLDID="1" NEWID="{number}">
<DATE>26-FEB-1987</DATE><TOPICS>{found}</TOPICS><PLACES><D>usa</D></PLACES>
<TEXT{kind}>&#2;
{text}</TEXT>
</REUTERS>
"""


def write_newsgroups(folder: Path, each: int = 4) -> None:
    for newsgroup in NEWSGROUPS:
        (folder / newsgroup).mkdir(parents=True)
        for i in range(each):
            (folder / newsgroup / str(100 + i)).write_text(POST.format(newsgroup, i))


@pytest.fixture
def newsgroups(tmp_path: Path) -> Path:
    write_newsgroups(tmp_path / "20_newsgroups")
    return tmp_path


def test_newsgroups_are_six_groups_and_posts_are_without_what_names_them(newsgroups: Path) -> None:
    sides = [load_dataset("20newsgroups", split, root=newsgroups) for split in ("train", "test")]
    assert sides[0].classes == ("comp", "misc", "pol", "rec", "rel", "sci")
    assert sum(map(len, sides)) == 4 * len(NEWSGROUPS)
    assert not set(sides[0].ids) & set(sides[1].ids)
    assert sides[0].split_info["kind"] == "stratified"
    for i in range(len(sides[0])):
        group, newsgroup = sides[0].classes[sides[0].labels[i]], sides[0].ids[i].partition("/")[0]
        assert any(newsgroup.startswith(start) for start in GROUPS[group])
        assert "My own words" in sides[0].item(i)
        assert not any(part in sides[0].item(i) for part in ("From:", "quote", "signature", newsgroup))


def test_whole_posts_are_as_they_are_written(newsgroups: Path) -> None:
    data = load_dataset("20newsgroups-whole", root=newsgroups)
    assert all(part in data.item(0) for part in ("From:", "> a quote", "A signature"))


def test_the_split_by_date_is_taken_where_it_is(tmp_path: Path) -> None:
    write_newsgroups(tmp_path / "20news-bydate-train", 3)
    write_newsgroups(tmp_path / "20news-bydate-test", 2)
    sizes = [len(load_dataset("20newsgroups", split, root=tmp_path)) for split in ("train", "test")]
    assert sizes == [3 * len(NEWSGROUPS), 2 * len(NEWSGROUPS)]
    assert load_dataset("20newsgroups", root=tmp_path).split_info == {"kind": "official"}


def test_posts_of_which_nothing_is_left_are_left_out_and_counted(newsgroups: Path) -> None:
    (newsgroups / "20_newsgroups" / "sci.med" / "200").write_text("From: a\nSubject: b\n\n> only a quote\n")
    data = load_dataset("20newsgroups", root=newsgroups)
    assert data.notes == ("1 document of 20newsgroups train are empty and were left out",)
    assert "sci.med/200" not in data.ids


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda folder: (folder / "20_newsgroups").rename(folder / "posts"),
            "must hold the folders 20news-bydate-train",
        ),
        (lambda folder: (folder / "20_newsgroups" / "cats").mkdir(), "has no newsgroup 'cats'"),
        (lambda folder: (folder / "20_newsgroups" / "misc.forsale").rename(folder / "x"), "got none of 'misc'"),
        (lambda folder: (folder / "20_newsgroups" / "sci.med" / "9").write_bytes(b"PK\x03\x04"), "it is an archive"),
    ],
)
def test_other_folders_are_one_sentence(newsgroups: Path, change: object, said: str) -> None:
    change(newsgroups)  # type: ignore[operator]
    with pytest.raises(DataError, match=said):
        load_dataset("20newsgroups", root=newsgroups)


def story(number: int, found: list[str], text: str = "", **changed: str) -> str:
    text = text or f"<TITLE>A &lt;TITLE> {number}</TITLE><DATELINE>here</DATELINE><BODY>The body.\n Reuter\n&#3;</BODY>"
    topics = "".join(f"<D>{each}</D>" for each in found)
    return STORY.format(
        **{"topics": "YES", "split": "TRAIN", "kind": "", **changed}, number=number, found=topics, text=text
    )


@pytest.fixture
def reuters(tmp_path: Path) -> Path:
    stories = [story(i, [topic]) for i, topic in enumerate(TOPICS)]
    stories += [story(10 + i, [topic], split="TEST") for i, topic in enumerate(TOPICS)]
    stories += [
        story(20, ["earn", "acq"]), story(21, []), story(22, ["cocoa"]), story(23, ["earn"], topics="NO"),
        story(24, ["earn"], split="NOT-USED"), story(25, ["earn"], "Figures alone &amp; more", kind=' TYPE="UNPROC"'),
    ]  # fmt: skip
    folder = tmp_path / "reuters21578"
    folder.mkdir()
    (folder / "reut2-000.sgm").write_text('<!DOCTYPE lewis SYSTEM "lewis.dtd">\n' + "".join(stories[:9]))
    (folder / "reut2-001.sgm").write_bytes("".join(stories[9:]).encode() + b"\xe9")
    return tmp_path


def test_reuters_is_the_stories_of_one_topic_of_seven(reuters: Path) -> None:
    train, test = (load_dataset("reuters", split, root=reuters) for split in ("train", "test"))
    assert train.classes == TOPICS
    assert train.ids.tolist() == [f"reuters/{i}" for i in [*range(7), 25]]
    assert test.ids.tolist() == [f"reuters/{i}" for i in range(10, 17)]
    assert train.item(0) == "A <TITLE> 0\nThe body.\n Reuter\n"
    assert train.item(7).strip() == "Figures alone & more"
    np.testing.assert_array_equal(train.labels, [*range(7), TOPICS.index("earn")])


def test_no_or_other_stories_are_one_sentence(reuters: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"must hold reut2-000\.sgm"):
        load_dataset("reuters", root=tmp_path / "nothing")
    (reuters / "reuters21578" / "reut2-000.sgm").write_text("no story")
    with pytest.raises(DataError, match="must hold texts of every class, got none of 'acq'; get all its files"):
        load_dataset("reuters", root=reuters)


@pytest.mark.shared_data
def test_the_real_reuters_has_the_texts_that_its_registry_entry_says(shared_data: Path, tmp_path: Path) -> None:
    with tarfile.open(shared_data / "text" / "reuters21578.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    counts = [len(load_dataset("reuters", split, root=tmp_path)) for split in ("train", "test")]
    assert counts == [5444, 2179]


def test_sms_are_ham_and_spam(tmp_path: Path) -> None:
    lines = [*(f"ham\tsee you at {i}" for i in range(10)), *(f'spam\t"WIN {i}\tnow' for i in range(10)), "ham\t "]
    for head in ("", "Label\tSMS\n"):
        (tmp_path / "SMSSpamCollection").write_text(head + "\n".join(lines) + "\n")
        train, test = (load_dataset("sms", split, root=tmp_path) for split in ("train", "test"))
        assert train.classes == ("ham", "spam")
        assert (np.bincount(train.labels).tolist(), np.bincount(test.labels).tolist()) == ([7, 7], [3, 3])
        assert train.item(len(train) - 1).startswith('"WIN ')
        assert "\tnow" in train.item(len(train) - 1)
        assert train.notes == ("1 document of sms train are empty and were left out",)
    (tmp_path / "SMSSpamCollection").write_bytes("ham\tcaf\u00e9\nspam\tw\u00edn\nham\tb\nspam\tc".encode("latin-1"))
    assert "caf\u00e9" in {load_dataset("sms", split, root=tmp_path).item(0) for split in ("train", "test")}


def test_other_files_of_sms_are_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="sms is not in .*, which must hold the file SMSSpamCollection"):
        load_dataset("sms", root=tmp_path)
    for content, said in (
        (b"ham,see you", "must hold ham or spam, a tab and a text a line, got 'ham,see you' in line 1"),
        (b"ham\tsee you\n", "needs|must hold texts of every class, got none of 'spam'"),
        (b"", "is empty"),
        (b"ham\tab\0c", "is no text: it holds zero bytes"),
    ):
        (tmp_path / "SMSSpamCollection").write_bytes(content)
        with pytest.raises(DataError, match=said):
            load_dataset("sms", root=tmp_path)
