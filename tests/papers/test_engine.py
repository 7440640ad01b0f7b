"""One engine for every paper: cells once, in order; what was made otherwise is refused; a record of how."""

import json
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from reprq.errors import DataError, OutputExistsError
from reprq.papers import PAPERS, Experiment, Paper, PaperCell, PaperRun, reproduce
from reprq.registry import Entry


class Doubled:
    """A paper of cells that double a number, counts what it computes, and fails at one number."""

    def __init__(self) -> None:
        self.computed: list[int] = []
        self.fails: int | None = None

    def compute(self, number: int) -> list[dict]:
        if number == self.fails:
            raise DataError("a file is missing")
        self.computed.append(number)
        return [{"double": 2.0 * number, "number": "of the row", "spread": [number, number]}]

    def experiments(self, count: int, run: PaperRun):
        cells = [PaperCell({"number": i}, lambda i=i: self.compute(i), {"number": i}) for i in range(count)]
        made = {"count": (count,), "seed": run.seed}
        yield Experiment(name="doubles", made=made, cells=cells, tables=lambda rows: {"doubles.md": str(rows)})
        yield Experiment(
            name="again", made=made, cells=cells[:1], figures=lambda rows: {"picture": Figure()}, record="again.json"
        )
        yield Experiment(name="missing", cells=(), tables=lambda rows: {"missing.md": "nothing"}, record="")


def test_a_cell_is_computed_once_and_a_run_goes_on_where_it_failed(tmp_path: Path) -> None:
    doubled = Doubled()
    paper = Paper({"quick": 3, "larger": 4}, doubled.experiments)
    doubled.fails = 2
    with pytest.raises(DataError, match="a file is missing"):
        paper("quick", tmp_path, progress=False)
    assert doubled.computed == [0, 1]
    assert not (tmp_path / "made.json").exists()
    doubled.fails = None
    names = ["doubles.md", "made.json", "picture.png", "picture.svg", "again.json", "missing.md"]
    for _ in range(2):
        assert [path.name for path in paper("quick", tmp_path, progress=False)] == names
    assert doubled.computed == [0, 1, 2]
    assert "{'number': 2, 'double': 4.0, 'spread': [2, 2]}" in (tmp_path / "doubles.md").read_text()
    made = json.loads((tmp_path / "made.json").read_text())
    assert (made["count"], made["seed"]) == ([3], 0)
    assert "python" in made["versions"]


def test_a_run_that_was_made_otherwise_is_refused_before_any_work(tmp_path: Path) -> None:
    doubled = Doubled()
    paper = Paper({"quick": 3, "larger": 4}, doubled.experiments)
    paper("quick", tmp_path, progress=False)
    for asked in ({"preset": "larger"}, {"preset": "quick", "seed": 1}):
        with pytest.raises(OutputExistsError, match="another run; give another --out, or --force"):
            paper(out=tmp_path, progress=False, **asked)
    paper("larger", tmp_path, force=True, progress=False)
    assert doubled.computed == [0, 1, 2, 3]


def test_a_paper_of_another_package_is_declared_too(tmp_path: Path) -> None:
    paper = Paper({"quick": 2}, Doubled().experiments)
    PAPERS.register(Entry(name="doubled", target=paper, facts={"presets": {"quick": "two numbers"}}))
    try:
        paths = reproduce("doubled", out=tmp_path / "out", seed=3, progress=False)
    finally:
        PAPERS.remove("doubled")
    assert json.loads((tmp_path / "out/made.json").read_text())["seed"] == 3
    assert all(path.exists() for path in paths)
