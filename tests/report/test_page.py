"""The page as text: whole, escaped, the same every time, and refused where it would overwrite."""

import json
import re
from html.parser import HTMLParser

import pytest

from reprq.errors import OutputExistsError, ReprqError
from reprq.report import write_report
from reprq.study.results import FAILURE_COLUMNS


class Elements(HTMLParser):
    """Every element with its attributes, and the text between."""

    def __init__(self, text):
        super().__init__()
        self.found, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data.strip())

    def of(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


@pytest.fixture(scope="module")
def elements(page):
    return Elements(page.read_text(encoding="utf-8"))


def test_names_are_text_and_never_markup(elements, hostile):
    assert len(elements.of("script")) == len(elements.of("style")) == len(elements.of("title")) == 1
    assert not [a for _, attributes in elements.found for a in attributes if a.startswith("on")]
    assert all(name in elements.texts for name in hostile[:-1])
    assert hostile[-1] in elements.texts
    assert {image["src"].split(",")[0] for image in elements.of("img")} <= {
        "data:image/svg+xml;base64",
        "data:image/png;base64",
    }


def test_nothing_is_loaded_and_the_policy_says_so(page, elements):
    policy = next(a["content"] for a in elements.of("meta") if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; img-src data:;")
    assert "unsafe" not in policy
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", text)
    assert "@import" not in text
    assert set(re.findall(r"url\((.)", text)) <= {"#"}
    assert [a["href"] for a in elements.of("link")] == ["data:,"]


def test_it_can_be_read_without_eyes(elements):
    assert elements.of("html")[0]["lang"] == "en"
    assert all(a.get("scope") in ("col", "row") for a in elements.of("th"))
    assert all(len(a["alt"]) > 20 for a in elements.of("img"))
    named = {a["id"] for _, a in elements.found if "id" in a}
    for _, attributes in elements.found:
        assert attributes.get("aria-labelledby", "answer") in named
        assert attributes.get("href", "#answer").lstrip("#") in {*named, "data:,"}
    inside = [tag for tag, _ in elements.found]
    assert inside.index("h1") < inside.index("h2") < inside.index("h3")
    assert inside.count("h1") == 1


def test_samples_are_not_called_images_which_they_may_not_be(elements):
    assert not [text for text in elements.texts if re.search(r"\b(training|test|anomalous|the) images?\b", text)]
    assert any("measured on benign training samples alone" in text for text in elements.texts)


def test_the_record_stands_in_the_page(elements):
    configuration = next(text for text in elements.texts if text.startswith("{") and "title" in text)
    assert json.loads(configuration)["note"] == "</script><script>alert(2)</script>"
    assert any("00ff" in text for text in elements.texts)
    assert any("rankme[singular,uncentred,eps=1e-7]" in text for text in elements.texts)


def test_the_same_study_is_the_same_page_and_is_not_replaced_unasked(make_study, tmp_path):
    results = make_study(tmp_path / "run", ["a", "b", "c"], layers=2)
    results.save()
    first = write_report(tmp_path / "run")
    assert first == tmp_path / "run" / "report.html"
    with pytest.raises(OutputExistsError, match="exists; give another --out, or --force"):
        write_report(results)
    second = write_report(tmp_path / "run", tmp_path / "other.html")
    assert second.read_bytes() == first.read_bytes()


def test_a_study_of_one_network_and_constant_scores_has_a_page(make_study, tmp_path):
    results = make_study(tmp_path / "run", ["only"], layers=2)
    results.detectors["auroc"] = 0.5
    text = write_report(results).read_text(encoding="utf-8")
    assert "No correlation could be computed." in text


def test_cells_that_failed_are_listed_with_their_reasons(make_study, tmp_path):
    results = make_study(tmp_path / "run", ["a", "b", "c"], layers=2)
    failed = dict.fromkeys(FAILURE_COLUMNS, "") | {
        "backbone": "a",
        "task": "unimodal:cat",
        "reason": "<b>no</b> memory",
    }
    results.study["failures"] = [failed]
    elements = Elements(write_report(results).read_text(encoding="utf-8"))
    assert "<b>no</b> memory" in elements.texts
    assert any(text.startswith("1 of the study's cells failed") for text in elements.texts)
    assert any(text.startswith("Cells that failed") for text in elements.texts)


def test_what_is_no_study_is_refused(tmp_path):
    with pytest.raises(ReprqError, match="not the folder of a finished study"):
        write_report(tmp_path)


def test_pairs_with_points_are_drawn_where_the_first_has_none(make_study, tmp_path):
    """A metric that no layer has a value of comes first in a small study of texts."""
    results = make_study(tmp_path / "run", ["a"], layers=2)
    none = results.metrics["metric"] == "rankme"
    results.metrics.loc[none, "value"] = float("nan")
    page = write_report(results, tmp_path / "page.html").read_text("utf-8")
    assert page.count("data:image/") >= 1


def test_ends_of_a_range_in_a_note_stay_one_range_over_all_values() -> None:
    from reprq.report.tables import _NUMBER, _with_ranges

    def merged(*sentences: str) -> str:
        return _with_ranges(tuple(_NUMBER.split(sentences[0])), [_NUMBER.findall(each) for each in sentences])

    assert merged("2 ranks fitted (11 to 12)", "3 ranks fitted (11 to 13)") == "2 to 3 ranks fitted (11 to 13)"
    assert merged("2 ranks fitted (11 to 12)") == "2 ranks fitted (11 to 12)"
    assert merged("12 to 13 of 4", "11 to 12 of 9") == "11 to 13 of 4 to 9"
    assert merged("n = 5 rows", "n = 7 rows") == "n = 5 to 7 rows"
    assert merged("nothing to count") == "nothing to count"
