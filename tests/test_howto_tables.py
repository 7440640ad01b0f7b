"""The page on tables does what it says: every command, study and program of it runs, on a small table."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reprq.cli import cli

PAGE = Path(__file__).resolve().parent.parent / "docs/howto/tables.md"
pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="the docs are not part of an installed package")


def blocks(language: str) -> list[str]:
    """The blocks of a language, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)


@pytest.fixture
def my(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Patients, of whom the ill have a high pressure, and new ones with their columns in another order."""
    rng = np.random.default_rng(0)
    ill = np.repeat([False, True], [120, 30])
    table = pd.DataFrame({"age": rng.integers(20, 80, 150), "sex": rng.choice(["f", "m"], 150)})
    table["pressure"] = rng.normal(130, 5, 150) + 60 * ill
    table["class"] = np.where(ill, "ill", "well")
    (tmp_path / "my").mkdir()
    table.to_csv(tmp_path / "my/patients.csv", index=False)
    new = pd.DataFrame({"pressure": [130.0, 250.0], "age": [50, 50], "sex": ["m", "f"], "more": [1, 2]})
    new.to_csv(tmp_path / "my/new.csv", index=False)
    (tmp_path / "study.toml").write_text(blocks("toml")[0])
    monkeypatch.setenv("REPRQ_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "my"


def test_commands_and_programs_of_the_page_run(my: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main: Callable[..., object] = cli.main
    printed = {}
    for line in "".join(blocks("sh")).splitlines():
        main([*shlex.split(line)[1:], *([] if " score " in line else ["--quiet"])], standalone_mode=False)
        printed[line.split()[1], line.split()[2]] = capsys.readouterr().out
    assert "identity (fitted on 84 rows of table:my/patients.csv train)" in printed["measure", "--backbone"]
    scores = [row.split(",") for row in printed["score", "my/model"].splitlines()]
    assert [row[3] for row in scores] == ["anomalous", "False", "True"]
    assert "block2" in printed["recommend", "--backbones"]
    main(["study", "study.toml", "--out", "run", "--quiet"], standalone_mode=False)
    detectors = pd.read_csv("run/detectors.csv")
    assert set(detectors["layer"]) == {"rows", "block1", "block2", "block3", "pooled"}
    assert detectors["auroc"].min() > 0.9
    main(["report", "run"], standalone_mode=False)
    known: dict[str, object] = {}
    for program in blocks("python"):
        exec(program, known)
    assert len(known["well"]) == 120  # type: ignore[arg-type]


def refused(*words: str) -> str:
    """What a command says that fails."""
    main: Callable[..., object] = cli.main
    with pytest.raises(Exception) as caught:  # noqa: PT011 - what the command line prints, whatever its class
        main([*words, "--quiet"], standalone_mode=False)
    return str(caught.value)


def test_what_does_not_go_together_is_told(my: Path) -> None:
    data = ["--data", "table:my/patients.csv"]
    said = refused("measure", "--backbone", "lenet", "--weights", "random", "--layer", "1", *data)
    assert "takes images, and table:my/patients.csv holds rows; give images" in said
    said = refused("detect", "--backbone", "identity", "--layer", "rows", "--data", "digits", "--detector", "knn")
    assert "identity takes rows, and digits holds images" in said
    assert "has no key 'scaler'" in refused(
        "measure", "--backbone", "lenet", "--weights", "random", "--scaler", "robust", "--layer", "1"
    )
    assert "must name a file" in refused(
        "measure", "--backbone", "identity", "--layer", "0", "--data", "table:none.csv"
    )


def test_a_model_refuses_rows_without_a_column_says_what_it_passes_over_and_no_graph_is_written(
    my: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main: Callable[..., object] = cli.main
    fit = next(line for line in "".join(blocks("sh")).splitlines() if line.startswith("reprq fit"))
    main([*shlex.split(fit)[1:], "--quiet"], standalone_mode=False)
    frame = pd.read_csv("my/new.csv")
    frame.drop(columns="sex").to_csv("my/less.csv", index=False)
    assert "rows must have the column 'sex'" in refused("score", "my/model", "table:my/less.csv", "--csv")
    frame.assign(pressure=[130.0, None]).to_csv("my/gaps.csv", index=False)
    assert "column 'pressure' must have a value in every row" in refused("score", "my/model", "table:my/gaps.csv")
    frame.assign(sex="x", shoe=41).to_csv("my/other.csv", index=False)
    capsys.readouterr()
    main(["score", "my/model", "table:my/other.csv", "--csv", "--quiet"], standalone_mode=False)
    said = capsys.readouterr().err
    assert "categories that no benign training row has are zeros, sex 2 of 2 rows of table:my/other.csv test" in said
    assert re.search(r"columns that the benign training rows lack are passed over: .*shoe", said)
    main_said = ["export", "my/model", "--onnx", "my/model.onnx"]
    with pytest.raises(Exception, match="export is of models of images, and this one reads table|onnx"):
        main(main_said, standalone_mode=False)
