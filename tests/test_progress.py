"""Progress is a bar where somebody watches, and few lines in a log."""

import io
import re
import sys
from pathlib import Path

import pytest

import reprq.progress
from reprq.progress import bars_of_others, track


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(reprq.progress.time, "monotonic", lambda: now[0])
    return now


def work(clock: list[float], count: int, seconds: float, leave: bool = True) -> None:
    with track(total=count, desc="lenet on digits", unit="image", leave=leave) as bar:
        for i in range(count):
            bar.set_postfix_str(f"row {i}")
            clock[0] += seconds
            bar.update()


@pytest.mark.parametrize(("count", "seconds", "lines"), [(10_000, 0.001, 1), (600, 1.0, 11), (3, 300.0, 4)])
def test_a_log_has_a_line_a_minute_at_most_and_one_at_the_end(
    clock: list[float], capsys: pytest.CaptureFixture[str], count: int, seconds: float, lines: int
) -> None:
    work(clock, count, seconds)
    out, err = capsys.readouterr()
    assert out == ""
    assert "\r" not in err
    assert len(err.splitlines()) == lines
    assert err.splitlines()[-1].startswith(f"lenet on digits: {count:,} of {count:,} images, ")
    work(clock, count, seconds, leave=False)
    assert len(capsys.readouterr().err.splitlines()) == lines - 1


def test_a_line_says_how_long_it_has_been_and_will_be(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    work(clock, 600, 1.0)
    assert capsys.readouterr().err.splitlines()[1] == (
        "lenet on digits: 120 of 600 images, 2 min, about 8 min left; row 119"
    )
    for item in track("ab", desc="letters", unit="letter", initial=0):
        assert item in "ab"
    assert capsys.readouterr().err == "letters: 2 of 2 letters, 0 s\n"


def test_what_fails_has_no_last_line(clock: list[float], capsys: pytest.CaptureFixture[str]) -> None:
    bar = track(total=2, desc="failing", unit="step")
    with pytest.raises(ZeroDivisionError), bar:
        1 / 0  # noqa: B018
    assert capsys.readouterr().err == ""


def test_a_terminal_has_a_bar_and_nothing_is_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for show, expected in ((True, r"\rletters: 100%"), (False, None)):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        assert list(track("ab", desc="letters", unit="letter", show=show)) == ["a", "b"]
        found = terminal.getvalue()
        assert re.search(expected, found) if expected else found == ""
    monkeypatch.setattr(sys, "stderr", None)  # a program without a console
    assert list(track("ab", desc="letters", unit="letter")) == ["a", "b"]


def test_other_libraries_bars_are_kept_out_of_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, expected in ((Terminal(), "downloading\n"), (io.StringIO(), "")):
        monkeypatch.setattr(sys, "stderr", stream)
        with bars_of_others():
            print("downloading")  # noqa: T201
        assert stream.getvalue() == expected


def test_the_package_has_one_progress_function() -> None:
    package = Path(reprq.progress.__file__).parent
    users = [
        path.name for path in package.rglob("*.py") if re.search(r"^\s*(from|import) tqdm", path.read_text(), re.M)
    ]
    assert users == ["progress.py"]
