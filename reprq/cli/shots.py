"""`reprq detect --shots`: how many benign samples a detector needs."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from reprq.cli.cases import Case


def numbers(context: click.Context, parameter: click.Parameter, value: str | None) -> tuple[int, ...]:
    """Read `1,2,4`."""
    parts = [] if value is None else [part.strip() for part in value.split(",")]
    if not all(part.isdigit() and int(part) > 0 for part in parts) or len(set(parts)) < len(parts):
        raise click.BadParameter(f"expected different numbers from 1 on with commas, got {value!r}", context, parameter)
    return tuple(sorted(map(int, parts)))


def cases_of(case: "Case", shots: tuple[int, ...], seed: int) -> Iterator["Case"]:
    """Yield the case with each number of training rows, drawn by the seed; as it is where no number is given."""
    if not shots:
        yield case
    for n in shots:
        yield replace(case, split=case.split.few(n, seed), columns={**case.columns, "shots": n})


class Unable:
    """The detectors that cannot learn from as few rows as asked for, which are left out of the curve there."""

    def __init__(self) -> None:
        self._reasons: dict[str, list[str]] = {}
        self._numbers: dict[str, set[int]] = {}

    def judge(self, judged: Callable[[], dict[str, Any]], case: "Case", name: str) -> list[dict[str, Any]]:
        """Return the row that `judged` gives, none where the detector is refused and the rows are few on purpose."""
        from reprq.errors import InputError

        try:
            return [judged()]
        except InputError as error:
            if "shots" not in case.columns:
                raise
            self._reasons.setdefault(name, []).append(str(error))
            self._numbers.setdefault(name, set()).add(case.columns["shots"])
            return []

    def notes(self, rows: list[dict[str, Any]]) -> list[str]:
        """Say a sentence a detector.

        Raises:
            InputError: No detector could learn from any number.
        """
        from reprq.errors import InputError

        if self._reasons and not rows:
            raise InputError(next(iter(self._reasons.values()))[0])
        return [
            f"{name} is left out with {', '.join(map(str, sorted(self._numbers[name])))} benign: {reasons[0]}"
            for name, reasons in self._reasons.items()
        ]


def print_curve(rows: list[dict[str, Any]], context: dict[str, Any], form: str | None, picture: Path | None) -> None:
    """Print the means over tasks and seeds, or where there is one of each the rows, and draw them.

    Args:
        rows: One a number of samples, detector, task and seed.
        context: source, notes, seed and mean, as `reprq detect --json` has them.
        form: "json", "csv" or None for text.
        picture: What to draw, as PNG and SVG.
    """
    from reprq.cli.output import echo_table, emit
    from reprq.cli.sources import unsaid

    curve = context["mean"] or rows
    drawn = [] if picture is None else _draw(curve, picture, context["source"])
    if form is not None:
        emit(
            form,
            "detect",
            [{k: v for k, v in row.items() if (k, form) != ("by_class", "csv")} for row in rows],
            context,
        )
        return
    over = "means over tasks and seeds" if context["mean"] else "one draw, so intervals are of the test samples alone"
    click.echo(f"{context['source']}\nAUROC with so many benign samples, {over}")
    names = [name for name in ("backbone", "layer", "task", "detector", "shots") if name in curve[0]]
    curve = sorted(curve, key=lambda row: [row[name] for name in names])
    names += ["auroc", "low", "high", *(["n_cells"] if context["mean"] else []), "notes"]
    echo_table([{name: row[name] for name in names} for row in curve])
    for note in unsaid(context["notes"]):
        click.echo(f"note: {note}")
    for path in drawn:
        click.echo(str(path))


def _draw(curve: list[dict[str, Any]], picture: Path, title: str) -> list[Path]:
    import matplotlib.pyplot as plt
    import pandas as pd

    from reprq.plots import save, shots_plot

    ax = shots_plot(pd.DataFrame(curve))
    ax.set_title(title, fontsize=9, wrap=True)
    figure = ax.get_figure(root=True)
    assert figure is not None
    written = save(figure, picture.with_suffix(""))
    plt.close(figure)
    return list(written)
