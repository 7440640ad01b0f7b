"""What papers measure along a training: rows at chosen epochs, metrics of benign embeddings, and their picture."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from reprq.metrics import measure
from reprq.study.cells import Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Looks:
    """Rows of a training, taken at chosen epochs.

    Args:
        measured: After which epochs; 0 is before the training.
        look: Gives the row as things are.
    """

    def __init__(self, measured: Collection[int], look: Callable[[], Row]) -> None:
        self.measured, self.look = measured, look
        self.rows: list[Row] = []

    def after(self, epoch: Mapping[str, Any] | None = None) -> None:
        """Look, if it is time; `epoch` is the row of the history, None before the training."""
        number = int((epoch or {}).get("epoch") or 0)
        if number in self.measured:
            self.rows.append({"epoch": number, **self.look()})


def quality(benign: Any, metrics: Sequence[str]) -> Row:
    """Return metrics of (n, d) benign embeddings by name; None where one has no value."""
    found = measure(benign, list(metrics))
    return {name: found[name].value for name in metrics}


def trajectories(
    rows: list[Row],
    panels: Mapping[str, str],
    *,
    case: Callable[[Row], str],
    line: str,
    replicate: str = "seed",
    logarithmic: Collection[str] = (),
) -> "Figure":
    """Draw columns over epochs: a row of panels a case, a panel a column, a line for each value of another column.

    Args:
        rows: With "epoch", and None where a column has no value.
        panels: The title of each column that is drawn.
        case: What stands beside the row of panels that a row belongs to.
        line: The column that tells lines apart by color; the legend names its values.
        replicate: The column that tells apart lines of one color.
        logarithmic: Columns with a logarithmic axis.
    """
    from matplotlib.figure import Figure

    cases, kinds = (list(dict.fromkeys(map(of, rows))) for of in (case, lambda row: row[line]))
    fig = Figure(figsize=(2.43 * len(panels), 2.7 * len(cases) + 0.5), layout="constrained")
    axes = fig.subplots(len(cases), len(panels), sharex=True, squeeze=False)
    for beside, name in zip(axes, cases, strict=True):
        for ax, (column, title) in zip(beside, panels.items(), strict=True):
            for number, kind in enumerate(kinds):
                found = [row for row in rows if case(row) == name and row[line] == kind]
                for each in dict.fromkeys(row[replicate] for row in found):
                    points = [(row["epoch"], row[column]) for row in found if row[replicate] == each]
                    known = [point for point in points if point[1] is not None]
                    if known:
                        ax.plot(*zip(*known, strict=True), color=f"C{number}", marker=".", markersize=4)
            if not ax.lines:
                ax.text(0.5, 0.5, "none", ha="center", transform=ax.transAxes, fontsize=8, color="0.5")
                ax.set_yticks([])
            if column in logarithmic:
                ax.set_yscale("log")
            ax.set_title(title, fontsize=9)
            ax.tick_params(labelsize=7)
        beside[0].set_ylabel(name, fontsize=9)
    for ax in axes[-1]:
        ax.set_xlabel("epoch", fontsize=8)
    handles = [axes[0][0].plot([], [], color=f"C{number}", marker=".")[0] for number in range(len(kinds))]
    fig.legend(handles, list(map(str, kinds)), loc="outside lower center", ncols=len(kinds), fontsize=9)
    return fig
