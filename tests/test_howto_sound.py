"""The page "Use your own sounds" does what it says: every command and program of it runs, on small sounds."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import pytest

from reprq.cli import cli

PAGE = Path(__file__).resolve().parent.parent / "docs/howto/sound.md"
pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="the docs are not part of an installed package")


def blocks(language: str) -> str:
    text = (
        PAGE.read_text(encoding="utf-8").replace("resnet18", "lenet --weights random").replace("--layer 3", "--layer 2")
    )
    return "".join(re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S))


def test_commands_and_programs_of_the_page_run(
    write_sounds: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = write_sounds(tmp_path / "my" / "sounds", each=24)
    (folder / "class0").rename(folder / "hum")
    (folder / "class1").rename(folder / "squeak")
    monkeypatch.chdir(tmp_path)
    for line in blocks("sh").splitlines():
        assert line.startswith("reprq ")
        cli.main(shlex.split(line)[1:], standalone_mode=False)
    said = capsys.readouterr().out
    assert re.search(r"statistics +unimodal:hum +0 +knn\S+ +False +1 ", said)
    assert re.search(r"\b2\d of 48 above the threshold", said)
    assert len(list((tmp_path / "my/pictures").glob("*.png"))) == 1
    exec(blocks("python"), {})
    assert capsys.readouterr().out == "[(8, 1), (8,)]\n"
