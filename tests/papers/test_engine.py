"""One engine for every paper: cells once, in order; what was made otherwise is refused; a record of how."""

import json
import re
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from reprq.errors import DataError, InputError, OutputExistsError
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
    said = (
        "1 of 3 cells of doubles failed, cell 3 (number 2): a file is missing; all others are kept, and the same call"
    )
    with pytest.raises(DataError, match=re.escape(said)) as caught:
        paper("quick", tmp_path, progress=False)
    assert caught.value.details == ()
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


def test_cells_that_fail_end_no_other_cell_and_are_named(tmp_path: Path) -> None:
    computed = []

    def compute(number: int) -> list[dict]:
        if number in (1, 3):
            raise InputError(f"the loss is not finite in epoch {number}; give an lr below 0.1")
        if number == 6:
            raise ZeroDivisionError  # a fault of the program ends the run
        computed.append(number)
        return [{"n": number}]

    def experiments(numbers: list[int], run: PaperRun):
        cells = [PaperCell({"n": n}, lambda n=n: compute(n), {"task": f"t{n}"} if n != 3 else {}) for n in numbers]
        yield Experiment(name="one", cells=cells, made={"numbers": numbers}, tables=lambda rows: {"all.md": str(rows)})

    paper = Paper({"some": [0, 1, 2, 3, 4], "broken": [6, 5]}, experiments)
    said = (
        "2 of 5 cells of one failed, cells 2 (task t1), 4: the loss is not finite in epoch 1; give an lr below 0.1;"
        " all others are kept, and the same call computes these alone"
    )
    for _ in range(2):
        with pytest.raises(InputError) as caught:
            paper("some", tmp_path, progress=False)
        assert str(caught.value) == said
        assert [line[:17] for line in caught.value.details] == ["cell 2 (task t1):", "cell 4: the loss "]
        assert computed == [0, 2, 4]  # once
        assert [path.name for path in tmp_path.iterdir()] == ["cells.jsonl"]
    with pytest.raises(ZeroDivisionError):
        paper("broken", tmp_path, progress=False)
    assert computed == [0, 2, 4]


def test_an_experiment_that_fails_ends_no_other_experiment(tmp_path: Path) -> None:
    def fail(number: int) -> list[dict]:
        raise DataError(f"file {number} is missing")

    def experiments(count: int, run: PaperRun):
        for n in range(count):
            cells = [PaperCell({"n": n}, lambda n=n: fail(n) if n else [{"n": n}], {"n": n})]
            tables = {f"{n}.md": "found"}
            yield Experiment(name=f"part {n}", cells=cells, tables=lambda rows, tables=tables: tables, record="")

    paper = Paper({"one": 2, "two": 3}, experiments)
    with pytest.raises(
        DataError, match=r"1 of 1 cells of part 1 failed, cell 1 \(n 1\): file 1 is missing; all others"
    ):
        paper("one", tmp_path, progress=False)
    with pytest.raises(DataError, match=r"part 1 failed.*; 1 of 1 cells of part 2 failed, cell 1 \(n 2\)") as caught:
        paper("two", tmp_path, progress=False)
    assert [line[:24] for line in caught.value.details] == ["1 of 1 cells of part 1 f", "1 of 1 cells of part 2 f"]
    assert (tmp_path / "0.md").read_text() == "found"


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
