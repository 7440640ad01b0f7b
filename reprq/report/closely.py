"""Single points of the plot looked at closely: their ROC and most anomalous samples, from detectors fitted again."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from reprq import plots
from reprq.errors import InputError, ReprqError
from reprq.progress import track
from reprq.report.explorer import MOST, Closely, Point, point_id
from reprq.report.galleries import gallery
from reprq.report.pictures import picture
from reprq.report.tables import PageTable
from reprq.study import StudyResults
from reprq.study.refit import Refit, Refits

SAMPLES = 3  # of each
_LARGEST_JPEG = 60_000  # bytes, a third more in the page


def look_closely(
    results: StudyResults,
    detector: str,
    count: int,
    *,
    device: str = "cpu",
    cache_dir: Path | str | None = None,
    progress: bool = False,
) -> Closely:
    """Fit a detector again on the layers that it is best on: the best of each network first, then the others.

    Args:
        results: A finished study.
        detector: A definition in its table of detectors.
        count: How many points, from 1 to 40.
        device: A torch device.
        cache_dir: The folder of the embedding caches.
        progress: Whether to show progress on stderr.

    Raises:
        InputError: Another count.
    """
    if not 1 <= count <= MOST:
        raise InputError(f"points must be from 1 to {MOST}, got {count}")
    again = Refits(results, device=device, cache_dir=cache_dir)
    found: list[Point] = []
    notes: dict[str, None] = {}
    several = results.detectors["dataset"].nunique() > 1
    for row in track(list(_best(results, detector, count)), desc="points", unit="point", show=progress):
        try:
            found.append(_point(again.of(row), row, device, several))
        except ReprqError as error:
            notes[f"A layer of {row['backbone']} could not be looked at closely: {error}."] = None
    return Closely(tuple(found), tuple(notes))


def _best(results: StudyResults, detector: str, count: int) -> Iterator[dict[str, Any]]:
    """The first task and seed of the best layers; rows of one network stand together, since they share its samples."""
    by = ["dataset", "backbone"]
    rows = results.detectors[results.detectors["definition"] == detector]
    means = rows.groupby([*by, "layer"], sort=False)["auroc"].mean().sort_values(ascending=False, kind="stable")
    order = means.groupby(level=by).cumcount().sort_values(kind="stable").index[:count]
    first = rows.drop_duplicates([*by, "layer"]).set_index([*by, "layer"], drop=False)
    for row in first.loc[order.sort_values()].to_dict("records"):
        yield {str(name): value for name, value in row.items()}


def _point(again: Refit, row: Mapping[str, Any], device: str, several: bool) -> Point:
    title = " · ".join([*([str(row["dataset"])] * several), str(row["backbone"]), str(row["layer"])])
    area = again.found.auroc
    said = f"{row['definition']} on {row['task']}, seed {row['seed']}, fitted again: AUROC {area.value:.3f}."
    axes = plots.roc_plot(again.found.labels, again.found.scores)
    roc = picture(axes, "ROC", "ROC with its pointwise 95 % band.", f"ROC, AUROC {area.value:.3f}")
    own = f"The {SAMPLES} test samples with the highest scores."
    shown = gallery(again, row, SAMPLES, device, own, _LARGEST_JPEG)
    key = point_id(str(row["dataset"]), str(row["backbone"]), str(row["layer"]))
    if isinstance(shown, PageTable):
        return Point(key, title, said, (roc,), tuple(_sentence(shown, cells) for cells in shown.rows))
    return Point(key, title, said, (roc, shown))


def _sentence(table: PageTable, cells: tuple[Any, ...]) -> str:
    return "; ".join(f"{column.title}: {cell.text}" for column, cell in zip(table.columns, cells, strict=True))
