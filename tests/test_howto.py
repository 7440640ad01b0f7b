"""The page "From photos to a detector" does what it says: every command and program of it runs, on small photos."""

import importlib.util
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from reprq.cli import cli

PAGE = Path(__file__).resolve().parent.parent / "docs/howto/fit.md"
pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="the docs are not part of an installed package")

SMALL = (  # nothing is downloaded, and nothing is large
    ("--backbone resnet18 --layer 3", "--backbone lenet --weights random --layer 2"),
    ("--backbone resnet18 --layer 2,3", "--backbone lenet --weights random --layer 1,2"),
    ("--backbones resnet18,mobilenet_v2", "--backbones lenet --weights random"),
    ('fit("resnet18", "folder:my/good", 3,', 'fit("lenet", "folder:my/good", 2, weights="random", progress=False,'),
    ('Embed("resnet18", layer=3)', 'Embed("lenet", layer=2, weights="random")'),
    ('Embed("resnet18", layer="2,3")', 'Embed("lenet", layer="2,3", weights="random")'),
)


def blocks(language: str) -> list[str]:
    """The blocks of a language, in their order, with small networks."""
    text = PAGE.read_text(encoding="utf-8")
    for large, small in SMALL:
        assert large in text, large
        text = text.replace(large, small)
    assert "resnet18" not in "".join(re.findall(r"^```(?:sh|python)\n(.*?)^```", text, re.M | re.S))
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.M | re.S)


@pytest.fixture
def my(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two hundred benign photos of gray noise, and nine new ones, of which the last has a bright stripe."""
    rng = np.random.default_rng(0)
    for name, count in (("good", 200), ("new", 9)):
        (tmp_path / "my" / name).mkdir(parents=True)
        for i in range(count):
            pixels = rng.integers(100, 140, (32, 32, 3), dtype=np.uint8)
            if (name, i) == ("new", 8):
                pixels[10:16] = 255
            Image.fromarray(pixels).save(tmp_path / "my" / name / f"{i:03d}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "my"


def test_commands_and_programs_of_the_page_run(my: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main: Callable[..., object] = cli.main
    printed = ""
    for line in "".join(blocks("sh")).splitlines():
        if line.startswith("reprq export") and importlib.util.find_spec("onnxruntime") is None:
            continue
        if line.startswith("reprq "):
            main(shlex.split(line)[1:], standalone_mode=False)
            printed += capsys.readouterr().out
    assert "knn[k=1,kth,euclidean] on conv3 of lenet, fitted on 200 benign images" in printed
    assert len(list((my / "maps").glob("*.tiff"))) == 9
    scores = pd.read_parquet("scores.parquet")
    assert scores.loc[scores["anomalous"], "id"].tolist() == ["008.png"]
    shutil.rmtree(my / "model")  # which the program writes, too
    known: dict[str, object] = {}
    for program in blocks("python"):
        exec(program, known)
    assert known["photos"].loc[8, "anomalous"]  # type: ignore[attr-defined]
    assert known["pipeline"].predict(known["new"]).tolist()[-1] == -1  # type: ignore[attr-defined]
    assert len(known["rows"]) == 200  # type: ignore[arg-type]
