"""Marked texts as a page: whole, escaped, without a network, and readable without colors."""

from html.parser import HTMLParser

from reprq.plots.texts import MarkedText
from reprq.report.texts import TextSection, text_page


class Marks(HTMLParser):
    """The words inside <mark>, all text, and whatever would be fetched."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.marks, self.text, self.fetched = [], [], "", []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "meta":  # which has no end
            self.open.append(tag)
        self.fetched += [value for name, value in attrs if name in ("src", "href")]
        if tag == "mark":
            self.marks.append([dict(attrs).get("title"), dict(attrs).get("class"), ""])

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.open and self.open[-1] == "mark":
            self.marks[-1][2] += data


def test_a_page_shows_every_token_with_its_value() -> None:
    text = MarkedText("<script>ship</script> sunk & gone", [(8, 12), (22, 26)], [0.5, 0.1], "<i>: 1")
    page = text_page("A & B", [TextSection("Most", [text], "added", "said"), TextSection("None", [], "x")])
    found = Marks()
    found.feed(page.partition("\n")[2])
    assert found.open == []
    assert found.fetched == []
    assert text.text in found.text
    assert [mark for mark in found.marks if mark[0]] == [["+0.5", "strong", "ship"], ["+0.1", None, "sunk"]]
    assert "strongest: ship +0.5, sunk +0.1" in found.text
    assert 'lang="en"' in page


def test_a_long_text_is_cut_and_says_so() -> None:
    text = MarkedText("word " * 3000, [(0, 4)], [1.0])
    page = text_page("t", [TextSection("h", [text], "x")])
    assert page.count("word") < 1300
    assert "(9,000 more characters)" in page
