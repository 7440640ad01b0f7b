"""A study under several scenarios, taken apart: an AUROC under pollution is no other draw of one without."""

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from reprq.errors import InputError, UnknownNameError
from reprq.study.results import StudyResults

_PROTOCOL = "protocol"  # `reprq.data.oneclass.PROTOCOL`, whose import loads what tables do not need
PLAIN = "plain"  # tasks from which nothing deviates; the column `scenario` of a study's tables has "" for them


def scenarios_of(results: StudyResults) -> list[str]:
    """Return the scenarios of a study, in its order; "plain" for plain tasks and for the splits of a protocol."""
    tables = (results.metrics, results.detectors)
    found = pd.concat([_scenarios(table) for table in tables if "scenario" in table] or [pd.Series(dtype=object)])
    return [str(name) for name in found.unique()] or [PLAIN]


def chosen_scenarios(results: StudyResults, scenario: str | Sequence[str]) -> list[str]:
    """Return the scenarios that were asked for: "each", a name, or several.

    Raises:
        UnknownNameError: one that the study does not have.
    """
    known = scenarios_of(results)
    asked = [scenario] if isinstance(scenario, str) else list(scenario)
    for name in asked:
        if name not in (*known, "each"):
            raise UnknownNameError("scenario of the study", name, ["each", *known])
    return list(dict.fromkeys(one for name in asked for one in (known if name == "each" else [name])))


def in_scenario(results: StudyResults, scenario: str | None = None) -> StudyResults:
    """Return a study under one scenario: the plain tasks by default, or the first where there are none.

    Raises:
        UnknownNameError: one that the study does not have.
    """
    known = scenarios_of(results)
    name = default_scenario(results) if scenario is None else chosen_scenarios(results, [scenario])[0]
    if len(known) < 2:
        return results
    metrics, detectors, classes = (
        table[_scenarios(table) == name].reset_index(drop=True) if "scenario" in table else table
        for table in (results.metrics, results.detectors, results.classes)
    )
    return replace(results, metrics=metrics, detectors=detectors, classes=classes)


def default_scenario(results: StudyResults) -> str:
    """Return the scenario of which a study speaks where none is asked for."""
    known = scenarios_of(results)
    return PLAIN if PLAIN in known else known[0]


def note_of(results: StudyResults, scenario: str | None = None) -> list[str]:
    """Return a sentence that says of which scenario something is, where a study has several."""
    known = scenarios_of(results)
    if len(known) < 2:
        return []
    name = scenario or default_scenario(results)
    others = ", ".join(other for other in known if other != name)
    return [f"of the scenario {name!r} alone; name another for the others (scenario): {others}"]


def check_one(results: StudyResults) -> None:
    """Raise an `InputError` for a study with several scenarios, whose scores have no mean."""
    if len(known := scenarios_of(results)) > 1:
        raise InputError(
            f"results must be of one scenario, got {', '.join(known)}; take one of them by"
            " reprq.analysis.scenarios.in_scenario"
        )


def _scenarios(table: pd.DataFrame) -> "pd.Series[str]":
    return table["scenario"].fillna("").astype(str).replace({"": PLAIN, _PROTOCOL: PLAIN})
