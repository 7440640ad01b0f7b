"""By which rule to choose a layer first, what that may be expected to lose, and whether that can be told."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from reprq.analysis.depth import relative_depth
from reprq.analysis.elsewhere import AVERAGED, RULES, Elsewhere
from reprq.analysis.expectation import data_sets_like, most_lost
from reprq.analysis.regret import FEW_CLUSTERS, FEW_TARGETS
from reprq.analysis.regret_over_datasets import BOTH, LAYER, regret_summary
from reprq.analysis.rivals import DEPTH, FIXED, LAST
from reprq.analysis.rules import COMBINATION
from reprq.errors import counted
from reprq.study.results import POINT

FEWEST_ROWS = 10
EXPECTED = ["rule", "regret", "low", "high", "gain", "gain_low", "gain_high", "n_datasets", "most", "chance"]


@dataclass(frozen=True, eq=False)
class Verdict:
    """What is known of choosing a layer for data like the user's.

    Attributes:
        rule: By which the first is chosen.
        told: Whether it is shown that this rule loses less than its rival: the combination of all metrics beside the
            best dull rule.
        expected: One row a rule: the mean regret under the detector over data sets of the modality, or where there are
            fewer than three over all, with the 95 % interval of that mean (low, high), and what it gains over the dull
            rule; and `most`, what a new data set like them loses at most, with which chance (`most_lost`).
        said: All of it in words.
    """

    rule: str
    told: bool
    expected: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=EXPECTED))
    said: str = ""

    @property
    def fields(self) -> dict[str, Any]:
        """As fields of a `Recommendation`."""
        return {"rule": self.rule, "told": self.told, "expected": self.expected, "verdict": self.said}


def verdict(
    known: Elsewhere,
    points: pd.DataFrame,
    modality: str,
    detector: str | None = None,
    *,
    whole: bool = True,
    samples: int = FEWEST_ROWS,
) -> Verdict:
    """Choose the rule that lost less in the mean, the combination of all metrics or the dull one.

    The dull rule is the fixed ranking where it knows all networks, by their weights; otherwise the depth that was best
    most often, or of layers that were chosen the last one. It cannot be told which loses less where the modality is not
    in the study, or on fewer than three of its data sets, or with fewer than six of its networks, or where the 95 %
    interval of the difference holds 0. A detector that was not studied is judged by the mean over others, and cannot be
    told of either.

    Args:
        known: What rules lost on other data sets.
        points: The layers: backbone, layer, layer_number, and place, which the fixed ranking gives it, nan where it is
            unknown.
        modality: Of the data.
        detector: The name of that which will be used; None judges by the mean over several.
        whole: Whether these are all layers of their networks.
        samples: How many benign ones were measured; of fewer than 10 nothing can be told.
    """
    dull = FIXED if points["place"].notna().all() else DEPTH if whole and known.depth is not None else LAST
    level = LAYER if points["backbone"].nunique() == 1 else BOTH
    rows, auroc = known.under(detector)
    rows = rows[rows["level"] == level]
    if not {COMBINATION, dull} <= set(rows["rule"]):
        said = f"cannot tell what choosing the {level} so loses: what was learned from has no several data sets"
        return Verdict(COMBINATION, False, said=f"first by the {COMBINATION}; {said}")
    own = rows[rows["modality"] == modality]
    like = data_sets_like(rows, modality)
    like = like[like["rule"].isin(RULES)]
    table = _with_most(regret_summary(like, dull), like)[EXPECTED]
    table = table.astype({name: float for name in EXPECTED if name not in ("rule", "n_datasets")})
    expected = {row["rule"]: row for row in table.to_dict("records")}
    ours, other = expected[COMBINATION], expected[dull]
    chosen, rival = (ours, other) if ours["regret"] < other["regret"] else (other, ours)
    why = [*_of_detector(known, detector), *_doubts(known, own, modality)]
    if samples < FEWEST_ROWS:
        said = f"only {counted(samples, 'benign sample')} {'was' if samples == 1 else 'were'} measured"
        why.insert(0, f"{said}, and metrics of fewer than {FEWEST_ROWS} are chance")
    if not ours["gain_low"] > 0 and not ours["gain_high"] < 0:
        low, high = (_three(-ours[end]) for end in ("gain_high", "gain_low"))
        span = "" if pd.isna(ours["gain_low"]) else f" [{low}, {high}]"
        why.append(f"the {COMBINATION} loses {_three(-ours['gain'], '+')}{span} against the {dull}")
    kind = f" of {_plural(modality)}" if set(like["modality"]) == {modality} else ""
    where = f"{int(ours['n_datasets'])} data sets{kind}"
    first = f"first by the {chosen['rule']}: choosing the {level} by it lost {_lost(chosen)} {auroc} on {where}"
    first += f" in the mean, and loses at most {chosen['most']:.3f} on a new one like them in {chosen['chance']:.0%} of"
    first += " cases"
    second = f"cannot tell whether that is better for data like yours than the {rival['rule']} ({_lost(rival)})"
    told = f"the {rival['rule']} lost more, {_lost(rival)}"
    said = f"{second}: {'; '.join(why)}" if why else told
    if dull != FIXED and FIXED in expected and expected[FIXED]["regret"] < chosen["regret"]:
        unknown = points.loc[points["place"].isna(), "backbone"].nunique()
        said += (
            f"; the {FIXED} ({_lost(expected[FIXED])}) does not apply: it does not know {counted(unknown, 'network')}"
        )
    return Verdict(chosen["rule"], not why, table, f"{first}; {said}")


def _with_most(table: pd.DataFrame, regrets: pd.DataFrame) -> pd.DataFrame:
    """The table of rules with what a new data set loses at most."""
    means = regrets.groupby(["rule", "dataset"])["regret"].mean()
    said = [most_lost(means[rule].to_numpy()) for rule in table["rule"]]
    return table.assign(most=[most for most, _ in said], chance=[chance for _, chance in said])


def _plural(modality: str) -> str:
    return "sounds" if modality == "audio" else f"{modality}s"


def _lost(row: Mapping[Any, Any]) -> str:
    span = "" if pd.isna(row["low"]) else f" [{_three(row['low'])}, {_three(row['high'])}]"
    return f"{_three(row['regret'])}{span}"


def _three(value: float, sign: str = "") -> str:
    """Three decimals, and no minus before zero."""
    return f"{round(value, 3) + 0.0:{sign}.3f}"


def _of_detector(known: Elsewhere, detector: str | None) -> list[str]:
    studied = detector is None or detector in AVERAGED or (known.regrets["detector"] == detector).any()
    return [] if studied else [f"{detector} is not among the detectors that were studied"]


def _doubts(known: Elsewhere, own: pd.DataFrame, modality: str) -> list[str]:
    """Why the study may say nothing of such data."""
    datasets = own["dataset"].nunique()
    if not datasets:
        return [f"no data set of {_plural(modality)} is among those"]
    if datasets < FEW_TARGETS:
        return [f"only {datasets} of those data sets {'is' if datasets == 1 else 'are'} of {_plural(modality)}"]
    of_kind = known.layers[known.layers["modalities"].str.split().map(lambda names: modality in names)]
    networks = of_kind["weights"].nunique()
    return [f"only {networks} networks of {_plural(modality)} are among those"] if networks < FEW_CLUSTERS else []


def places(known: Elsewhere, points: pd.DataFrame, digests: Mapping[str, str]) -> pd.Series:
    """Return what the fixed ranking says of each layer, nan where it does not know it.

    Args:
        known: What layers did on other data sets.
        points: backbone, layer.
        digests: Of the weights of each backbone.
    """
    ranked = known.layers.drop_duplicates(["weights", "layer"]).set_index(["weights", "layer"])["place"]
    weights = points["backbone"].map(digests).str[:16]
    keys = pd.MultiIndex.from_arrays([weights, points["layer"]])
    return pd.Series(ranked.reindex(keys).to_numpy(dtype=np.float64), index=points.index)


def dull_ranking(rule: str, points: pd.DataFrame, depth: float | None, ties: pd.Series) -> pd.DataFrame:
    """Return the layers by a dull rule: the columns of a ranking, the first on top.

    Networks that the rule cannot tell apart are ordered by the combination, and within a network the nearest to the
    depth, or the last, come first.

    Args:
        rule: Which.
        points: As for `verdict`.
        depth: The most frequent one.
        ties: What the combination says of each layer, higher is better.
    """
    wanted = 1.0 if rule == LAST else depth or 0.0
    said = points["place"] if rule == FIXED else -(relative_depth(points) - wanted).abs()
    steps = said.round(9) if rule == FIXED else -said.groupby(points["backbone"]).rank(ascending=False, method="first")
    order = np.lexsort([-ties.round(9), -steps])
    rank = np.empty(len(points), dtype=np.int64)
    rank[order] = np.arange(1, len(points) + 1)
    return points[POINT].assign(rule=rule, rank=rank, rule_score=said, value=np.nan).sort_values("rank")
