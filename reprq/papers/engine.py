"""One engine for every paper: it keeps finished cells, goes on where it stopped, writes tables and figures, records.

A paper declares its presets and its experiments; an experiment declares its cells and what is written from their rows.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reprq.errors import DataError, InputError
from reprq.notices import about
from reprq.papers.outcome import record_text, refuse_other, write_texts
from reprq.progress import track
from reprq.provenance import digest
from reprq.storage import make_folder
from reprq.study.cells import CellStore, Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_SHOWN = 6


def _nothing(rows: list[Row]) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True)
class PaperCell:
    """A computation whose rows are kept.

    Attributes:
        decides: All that decides its rows, of JSON values; they are kept under its digest.
        compute: Gives its rows, of JSON values.
        known: Columns that stand before those of its rows, and in the place of any of their names; they are not kept.
    """

    decides: Mapping[str, Any]
    compute: Callable[[], list[Row]]
    known: Row = field(default_factory=dict)

    @property
    def said(self) -> str:
        """Which it is, in words: the columns that are known."""
        return ", ".join(f"{name} {value}" for name, value in self.known.items() if value not in ("", None))


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """Cells, and the tables and figures that follow from their rows.

    Attributes:
        name: What its progress is called.
        made: What decides its tables, of JSON values; a folder that holds tables made otherwise is refused.
        cells: Computed in this order.
        tables: Gives the text of each file by its name.
        figures: Gives each figure by the name of its files without their ending.
        record: The file for `made`, which several experiments may share; "" where there is nothing to record.
    """

    name: str
    cells: Iterable[PaperCell]
    made: Mapping[str, Any] = field(default_factory=dict)
    tables: Callable[[list[Row]], Mapping[str, str]] = _nothing
    figures: Callable[[list[Row]], "Mapping[str, Figure]"] = _nothing
    record: str = "made.json"


@dataclass(frozen=True)
class PaperRun:
    """What is asked of a paper.

    Attributes:
        preset: The name of how much.
        out: The folder; finished cells stand in its `cells.jsonl`, networks in `networks/`.
        root: The folder of the data; None is the default of `reprq.data`.
        seed: The first seed.
        device: A torch device.
        force: Whether tables that were made otherwise are replaced.
        progress: Whether progress is shown on stderr.
    """

    preset: str
    out: Path
    root: Path | None = None
    seed: int = 0
    device: str = "cpu"
    force: bool = False
    progress: bool = True

    @cached_property
    def store(self) -> CellStore:
        """The finished cells."""
        make_folder(self.out)
        return CellStore(self.out / "cells.jsonl")

    def file(self, decides: Mapping[str, Any], kind: str) -> Path:
        """Return the file for what a cell leaves, a network ("safetensors") or a checkpoint ("pt").

        Args:
            decides: What decides the rows of the cell.
            kind: The ending.
        """
        folder = self.out / "networks"
        make_folder(folder)
        return folder / f"{digest(decides)[:16]}.{kind}"

    def finish(self, experiment: Experiment) -> list[Path]:
        """Compute what is not finished, write tables, figures and record, and return their paths.

        Raises:
            OutputExistsError: The folder holds tables that were made otherwise.
            InputError, DataError: What some cells met, when all others are finished; there are then no tables.
            ReprqError: A file cannot be written.
        """
        if experiment.record:
            refuse_other(self.out, experiment.record, experiment.made, self.force)
        rows: list[Row] = []
        failed: dict[str, InputError | DataError] = {}
        cells = list(experiment.cells)
        for number, cell in enumerate(track(cells, desc=experiment.name, unit="cell", show=self.progress), start=1):
            try:
                rows += self._rows(cell)
            except (InputError, DataError) as error:  # of this cell alone, such as a loss that is not finite
                failed[f"{number} ({cell.said})" if cell.said else str(number)] = error
        if failed:
            raise _of_cells(experiment.name, failed, len(cells))
        texts = dict(experiment.tables(rows))
        if experiment.record:
            texts[experiment.record] = record_text(experiment.made)
        return [*self._draw(experiment.figures(rows)), *write_texts(self.out, texts)]

    def _rows(self, cell: PaperCell) -> list[Row]:
        """Return the rows of a cell with what is known of it, computed if they are not kept."""
        key = digest(cell.decides)
        if key not in self.store:
            with about(cell.said):
                found = cell.compute()
            self.store.add(key, found)
        return [{**cell.known, **row, **cell.known} for row in self.store[key]]

    def _draw(self, figures: "Mapping[str, Figure]") -> list[Path]:
        if not figures:
            return []
        from reprq.plots.save import save  # here, so that tables alone load no matplotlib

        return [path for name, figure in figures.items() for path in save(figure, self.out / name)]


def _of_cells(name: str, failed: Mapping[str, InputError | DataError], count: int) -> InputError | DataError:
    """The first error, told of all cells that failed; its details have every cell with its own."""
    first = next(iter(failed.values()))
    shown = ", ".join([*list(failed)[:_SHOWN], *(["..."] if len(failed) > _SHOWN else [])])
    cells = "cell" if len(failed) == 1 else "cells"
    error = type(first)(
        f"{len(failed)} of {count} cells of {name} failed, {cells} {shown}: {first}; all others are kept, and the same"
        " call computes these alone"
    )
    if len(failed) > 1:
        error.details = tuple(f"cell {cell}: {each}" for cell, each in failed.items())
    return error


@dataclass(frozen=True)
class Paper:
    """What a paper declares; called with a preset and a folder, it is run.

    Attributes:
        presets: How much each preset runs, by its name.
        experiments: Gives the experiments of one of these values in one run, each when the one before is finished.

    Example:
        >>> from tempfile import mkdtemp
        >>> def squares(n, run):
        ...     cells = [PaperCell({"square of": i}, lambda i=i: [{"square": i * i}], {"i": i}) for i in range(n)]
        ...     yield Experiment(name="squares", made={"n": n}, cells=cells, tables=lambda rows: {"all.txt": str(rows)})
        >>> paths = Paper({"quick": 2}, squares)("quick", Path(mkdtemp()), progress=False)
        >>> [path.name for path in paths], paths[0].read_text()
        (['all.txt', 'made.json'], "[{'i': 0, 'square': 0}, {'i': 1, 'square': 1}]")
    """

    presets: Mapping[str, Any]
    experiments: Callable[[Any, PaperRun], Iterable[Experiment]]

    def __call__(self, preset: str, out: Path, **asked: Any) -> list[Path]:
        """Run a preset, and return the paths of its figures and tables.

        Args:
            preset: A name in `presets`.
            out: The folder.
            **asked: The other attributes of a `PaperRun`.

        Raises:
            OutputExistsError: `out` holds the tables of another run.
            ReprqError: Whatever the data of the paper cannot do.
        """
        run = PaperRun(preset, out, **asked)
        paths: list[Path] = []
        failed: list[InputError | DataError] = []
        for experiment in self.experiments(self.presets[preset], run):
            try:
                paths += run.finish(experiment)
            except (InputError, DataError) as error:  # the other experiments are finished first
                failed.append(error)
        if failed:
            raise _joined(failed)
        return list(dict.fromkeys(paths))


def _joined(failed: list[InputError | DataError]) -> InputError | DataError:
    if len(failed) == 1:
        return failed[0]
    error = type(failed[0])("; ".join(map(str, failed)))
    error.details = tuple(line for each in failed for line in each.details or (str(each),))
    return error
