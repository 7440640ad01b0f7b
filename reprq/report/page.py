"""A study as one HTML page that needs no network."""

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from reprq.analysis import correlate
from reprq.analysis.complete import TASK_GROUPS
from reprq.analysis.datasets import NOTHING, by_dataset
from reprq.analysis.recommendation import Recommendation, recommend
from reprq.analysis.scenarios import in_scenario, note_of
from reprq.errors import OutputExistsError, ReprqError
from reprq.evaluation import holm
from reprq.metrics import METRICS
from reprq.registry import Entry
from reprq.report import tables
from reprq.report.answer import Answer, answer, is_polluted
from reprq.report.explorer import Closely
from reprq.report.pictures import pictures, unexplained
from reprq.storage import write_text
from reprq.study import StudyResults

if TYPE_CHECKING:
    from reprq.report.galleries import Galleries

_HERE = Path(__file__).parent
_QUESTION = "Which representation will detect anomalies, and can its quality be measured before an anomaly is seen?"


def write_report(
    results: StudyResults | Path | str,
    out: Path | str | None = None,
    *,
    force: bool = False,
    scenario: str | None = None,
    seed: int = 0,
    gallery: int = 0,
    points: int = 0,
    device: str = "cpu",
    cache_dir: Path | str | None = None,
    progress: bool = False,
) -> Path:
    """Write a finished study as one self-contained HTML file.

    The page holds the question, the answer in sentences made from the numbers, what to beware of, figures, tables that
    can be sorted and filtered, the definitions of what was measured, and how the study was made. It loads nothing: its
    style, script and pictures stand in the file, and its Content-Security-Policy forbids the network.

    Args:
        results: A study, or the folder of one.
        out: The file; `report.html` in the study's folder by default.
        force: Replace the file where it exists.
        scenario: Under which scenario, where the study has several; the plain tasks by default.
        seed: Seeds the bootstrap of the intervals.
        gallery: How many of the most anomalous test samples of each data set are shown, with maps where there are
            some; their detector is fitted again, see `reprq.report.galleries`. 0 for none.
        points: Of how many points of the plot the ROC and the most anomalous samples are shown; the detector of the
            plot is fitted again, see `reprq.report.closely`. 0 for none.
        device: A torch device, for the gallery and the points.
        cache_dir: The folder of the embedding caches, for the gallery.
        progress: Whether to show progress on stderr.

    Returns:
        The path of the file; the same study gives the same bytes.

    Raises:
        UnknownNameError: a scenario that the study does not have.
        OutputExistsError: the file exists and `force` is off.
        ReprqError: the folder is not a finished study, or the file cannot be written.
    """
    if not isinstance(results, StudyResults):
        results = StudyResults.load(results)
    path = results.path / "report.html" if out is None else Path(out)
    if path.exists() and not force:
        raise OutputExistsError(f"{path} exists; give another --out, or --force to replace it")
    of = in_scenario(results, scenario)
    how: dict[str, Any] = {"device": device, "cache_dir": cache_dir, "progress": progress}
    shown: Galleries | None = None
    close: Callable[[str], Closely] | None = None
    if gallery:
        from reprq.report.galleries import galleries  # fits detectors: pages without one load no torch

        shown = galleries(of, gallery, **how)
    if points:
        from reprq.report.closely import look_closely

        close = partial(look_closely, of.of_layers, count=points, **how)
    page = render_page(results, seed, scenario, shown, close)
    write_text(path, page)
    return path


def render_page(
    results: StudyResults,
    seed: int = 0,
    scenario: str | None = None,
    shown: "Galleries | None" = None,
    close: Callable[[str], Closely] | None = None,
) -> str:
    """Return the page as text.

    Args:
        results: A study.
        seed: Seeds the bootstrap of the intervals.
        scenario: Under which scenario, where the study has several; the plain tasks by default.
        shown: The most anomalous samples.
        close: Looks closely at points of the plot, by its detector.
    """
    said, results = note_of(results, scenario), in_scenario(results, scenario)
    made = _without_backbones(results) if results.without_backbones else _compared(results, seed)
    made["closely"] = Closely() if close is None or results.without_backbones else close(made["answer"].detector)
    said = [*made["closely"].notes, *said]
    if shown is not None:
        made |= {"pictures": [*made["pictures"], *shown.pictures], "tables": [*shown.tables, *made["tables"]]}
        said = [*shown.warnings, *shown.notes, *said]
    else:
        said = [*said, *unexplained(results)]
    return _rendered(results, {**made, "warnings": [*said, *made["warnings"]]})


def _without_backbones(results: StudyResults) -> dict[str, Any]:
    """What a page says of a study without backbones: the scores of its detectors."""
    made = [tables.without_layers(results), None if results.failures.empty else tables.failures(results)]
    return {
        "answer": Answer(f"{NOTHING[0].upper()}{NOTHING[1:]}.", (), "", ""),
        "parts": [],
        "warnings": ["Detectors without a network say nothing of representations."],
        "pictures": [],
        "tables": [table for table in made if table is not None],
    }


def _compared(results: StudyResults, seed: int) -> dict[str, Any]:
    """What a page says of a study of layers: metrics against scores."""
    whole, results = results, results.of_layers
    kinds = set(results.metrics["task_kind"])
    groups = ["all", *(group for group in TASK_GROUPS if group in kinds and len(kinds) > 1)]
    table = correlate(results, tasks=groups, dataset=["all", "each"], seed=seed)
    levels = correlate(results, method="spearman", level=["between", "within"], seed=seed)
    if (table["n_architectures"] < table["n_backbones"]).any():
        levels = _joined(levels, correlate(results, method="spearman", cluster="architecture", seed=seed))
    chosen = _chosen(results, seed)
    over_all = table[(table["tasks"] == "all") & (table["method"] == "spearman")]
    shown = _of(over_all, over_all["dataset"].iloc[0]) if len(over_all) else over_all
    together = None if chosen is None else _of(chosen.regret, chosen.regret["dataset"].iloc[0])
    found = answer(results, shown, together, "data sets" if results.metrics["dataset"].nunique() > 1 else "classes")
    correlations, *regret = _page_corrected([_joined(table, levels), *([] if chosen is None else [chosen.regret])])
    return {
        "answer": found,
        "parts": _parts(results, over_all, chosen),
        "warnings": [*_beware(results, shown), *(chosen.notes if chosen else ()), *tables.notes(results, shown)],
        "pictures": pictures(results, shown, found),
        "tables": _tables(results, correlations, regret, tables.without_layers(whole)),
    }


def _rendered(results: StudyResults, said: dict[str, Any]) -> str:
    """The page of a study with what it says."""
    style, *scripts = ((_HERE / name).read_text(encoding="utf-8") for name in ("page.css", "page.js", "points.js"))
    script = "".join(scripts)
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("page.html").render(
        title=results.study.get("config", {}).get("title") or results.path.name,
        question=_QUESTION,
        **said,
        definitions=_definitions(results),
        rows_trained_on="training rows, some of them anomalous" if is_polluted(results) else "benign training rows",
        detectors=sorted({str(name) for name in results.detectors["definition"]}),
        provenance=_provenance(results),
        style=Markup(style),  # our own files, which no study can change
        script=Markup(script),
        policy=_policy(style, script),
        version=results.study.get("versions", {}).get("reprq", ""),
    )


def _joined(*parts: pd.DataFrame) -> pd.DataFrame:
    """Return tables of one shape as one; a column in which a part has no value is one of numbers there, too."""
    return pd.concat([part.astype({name: float for name in part if part[name].isna().all()}) for part in parts])


def _chosen(results: StudyResults, seed: int) -> Recommendation | None:
    """What choosing by quality costs; None where there are too few backbones or classes to hold some out."""
    try:
        return recommend(results, seed=seed)
    except ReprqError:
        return None


def _of(table: pd.DataFrame, dataset: str) -> pd.DataFrame:
    return table[table["dataset"] == dataset]


def _parts(results: StudyResults, table: pd.DataFrame, chosen: Recommendation | None) -> list[tuple[str, Answer]]:
    """The answer of each data set by itself, where there are several."""
    parts = by_dataset(results)
    if len(parts) < 2:
        return []
    regret = None if chosen is None else chosen.regret
    return [
        (name, answer(part.results, _of(table, name), None if regret is None else _of(regret, name), "data sets"))
        for name, part in parts.items()
        if len(_of(table, name))
    ]


def _page_corrected(shown: Sequence[pd.DataFrame]) -> list[pd.DataFrame]:
    """The tables with p-values corrected for all those of the page (Holm), in the column `p_page`."""
    values = [p for table in shown for p in table["p_value"]]
    adjusted = pd.Series(holm([None if pd.isna(p) else float(p) for p in values]), dtype=float).to_numpy()
    ends = np.cumsum([len(table) for table in shown])
    return [
        _inserted(table, "p_page", own, after="p_family" if "p_family" in table else "p_holm")
        for table, own in zip(shown, np.split(adjusted, ends[:-1]), strict=True)
    ]


def _inserted(table: pd.DataFrame, name: str, values: Any, after: str) -> pd.DataFrame:
    names = [str(column) for column in table]
    place = names.index(after) + 1
    return table.assign(**{name: values})[[*names[:place], name, *names[place:]]]


def _tables(
    results: StudyResults, table: pd.DataFrame, regret: Sequence[pd.DataFrame], beside: tables.PageTable | None
) -> list[tables.PageTable]:
    made = [tables.correlations(table), *map(tables.regrets, regret)]
    made += [tables.layers(results), tables.tasks(results)]
    if beside is not None:
        made.append(beside)
    return made if results.failures.empty else [*made, tables.failures(results)]


def _beware(results: StudyResults, table: pd.DataFrame) -> list[str]:
    tried = table["metric"].nunique()
    sentences = ["A correlation over networks that somebody chose says nothing of networks unlike them."]
    if failed := len(results.failures):
        sentences.insert(0, f"{failed} of the study's cells failed and are left out; the last table has their reasons.")
    if tried > 1:
        sentences.append(
            f"The metric named for a detector is the strongest of {tried}: its p-value is corrected for that choice,"
            " its coefficient and interval are not, so expect less of it on new networks."
        )
    return sentences


def _definitions(results: StudyResults) -> list[dict[str, str]]:
    found = results.metrics[["metric", "definition"]].drop_duplicates()
    return [
        {"metric": metric, "identifier": identifier, **_words(metric)}
        for metric, identifier in found.itertuples(index=False, name=None)
    ]


def _words(metric: str) -> dict[str, str]:
    """What a metric measures, by name or identifier; nothing of one that is unknown here."""
    name = metric.partition("[")[0]
    entry = METRICS.find(name) if name in METRICS else Entry(name=name, target=None)
    return {"measures": entry.about, "reads": entry.reads, "paper": entry.citation}


def _provenance(results: StudyResults) -> list[tuple[str, str]]:
    """The parts of study.json, each as text; the configuration first."""
    titles = {
        "config": "Configuration",
        "weights_digests": "Digests of the weights (SHA-256)",
        "data_fingerprints": "Fingerprints of the samples (SHA-256)",
        "versions": "Versions",
    }
    rest = [name for name in results.study if name not in (*titles, "schema_version", "failures")]
    return [
        (titles.get(name, name), json.dumps(results.study[name], indent=2, ensure_ascii=False))
        for name in [*titles, *rest]
        if name in results.study
    ]


def _policy(style: str, script: str) -> str:
    """A Content-Security-Policy that allows these two texts and pictures in the page, and nothing from a network."""

    def hashed(text: Any) -> str:
        return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

    return (
        f"default-src 'none'; img-src data:; style-src {hashed(style)}; script-src {hashed(script)};"
        " base-uri 'none'; form-action 'none'"
    )
