"""When to stop a training, by signals that need no anomaly: what each choice loses, and whether it warns in time.

A table has one row a run and epoch, with signals such as a metric of quality, and a score such as the AUROC.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reprq.analysis.regret import over_classes
from reprq.errors import DataError, InputError
from reprq.study.results import HALVES

LARGEST, SMALLEST, LEARNED = "largest", "smallest", "learned"
LAST, FIRST, RANDOM, ELSEWHERE = "last epoch", "first epoch", "random epoch", "best epoch elsewhere"
Floats = NDArray[np.float64]
_SIGNS = {LARGEST: 1.0, SMALLEST: -1.0}


@dataclass(frozen=True, eq=False)
class _Run:
    """A training: (E,) epochs in order, signals and scores along them, and (F, 2, E) scores to choose and judge by."""

    name: str
    group: str
    epochs: Floats
    signals: dict[str, Floats]
    score: Floats
    folds: Floats

    def lost(self, shares: Floats) -> float:
        """What a choice of epochs, in shares, loses against the best epoch in hindsight."""
        return float(np.mean([judge[choose.argmax()] - shares @ judge for choose, judge in self.folds]))

    def at(self, epoch: int) -> Floats:
        """All of the choice on one place."""
        shares: Floats = np.eye(len(self.epochs))[epoch]
        return shares

    def extreme(self, signal: str, sign: float) -> Floats | None:
        """The first epoch of the largest value times a sign; None where the signal has no value."""
        values = sign * self.signals[signal]
        return None if np.isnan(values).all() else self.at(int(np.nanargmax(values)))


def regret_of_stopping(
    table: pd.DataFrame, signals: Sequence[str], *, score: str = "auroc", run: str = "run", group: str | None = None
) -> pd.DataFrame:
    """Return what stopping at the largest or smallest value of each signal loses against the best epoch.

    The best epoch in hindsight is the largest of many noisy scores, and so too good. Where the table has the score on
    either half of the test rows (`auroc_half_1`, `auroc_half_2`), one half chooses it and the other judges both it and
    the stop, as `recommend` does. The "learned" end of a signal is the one that lost less in all other groups: it and
    the dull rules alone were not chosen by scores that judge them.

    Args:
        table: Columns `run`, "epoch", the score, and the signals (nan where one has no value: no stop there).
        signals: Their names.
        score: The column to lose least of; higher is better.
        run: The column that tells trainings apart.
        group: The column that says what a run is about, such as the benign class: runs of one group are no evidence
            for each other, and intervals are over groups. `run` by default.

    Returns:
        One row a rule, ordered by regret: signal ("" of dull rules), rule, regret with `regret_low` and `regret_high`
        (95 %, Student's over the means of groups; nan from fewer than three), over_last (what it gains on the last
        epoch) with its ends, stop (the mean epoch), n_runs. A signal without any value in some run is left out.

    Raises:
        InputError: A column is missing, or no signal is named.
        DataError: No run, an epoch twice in one, or one without a score.

    Example:
        >>> rows = [("a", 0, 0.7, 9.0), ("a", 1, 0.9, 8.0), ("b", 0, 0.6, 5.0), ("b", 1, 0.5, 1.0)]
        >>> table = pd.DataFrame(rows, columns=["run", "epoch", "auroc", "rankme"])
        >>> found = regret_of_stopping(table, ["rankme"]).set_index(["signal", "rule"])
        >>> found.loc[[("rankme", "smallest"), ("", "last epoch")], ["regret", "stop"]].round(2).values.tolist()
        [[0.05, 1.0], [0.05, 1.0]]
    """
    runs = _runs(table, signals, score, run, group or run)
    rules: dict[tuple[str, str], list[Floats]] = {}
    for signal in signals:
        ends = {end: _everywhere([each.extreme(signal, s) for each in runs]) for end, s in _SIGNS.items()}
        known = {end: shares for end, shares in ends.items() if shares is not None}
        rules |= {(signal, end): shares for end, shares in known.items()}
        if known and len({each.group for each in runs}) > 1:
            rules[signal, LEARNED] = _learned(runs, known)
    rules |= {("", name): shares for name, shares in _dull(runs).items()}
    found = [{"signal": signal, "rule": rule, **_judged(runs, shares)} for (signal, rule), shares in rules.items()]
    return pd.DataFrame(found).sort_values("regret", kind="stable").reset_index(drop=True)


def warnings_of_forgetting(
    table: pd.DataFrame,
    signals: Sequence[str],
    *,
    score: str = "auroc",
    run: str = "run",
    moved: float = 0.1,
    fallen: float = 0.02,
) -> pd.DataFrame:
    """Return when each signal warns, and when the score falls, in each run.

    A signal warns at the first epoch where it is further than `moved` from its first known value, as a share of that.
    The score has fallen at the first epoch from which on it stays more than `fallen` below the best it had until then.

    Args:
        table: As for `regret_of_stopping`.
        signals: Their names.
        score: The column that falls.
        run: The column that tells trainings apart.
        moved: A share, above 0.
        fallen: In units of the score, above 0.

    Returns:
        One row a run and signal: warned and fell (epochs; nan where it never does), lead = fell - warned.

    Raises:
        InputError: A column is missing, no signal is named, or a threshold is not positive.
        DataError: No run, an epoch twice in one, or one without a score.

    Example:
        >>> along = {"epoch": range(4), "auroc": [0.8, 0.9, 0.7, 0.6], "cka": [1, 0.8, 0.5, 0]}
        >>> table = pd.DataFrame({"run": "a", **along})
        >>> warnings_of_forgetting(table, ["cka"]).to_dict("records")
        [{'run': 'a', 'signal': 'cka', 'warned': 1.0, 'fell': 2.0, 'lead': 1.0}]
    """
    for name, value in (("moved", moved), ("fallen", fallen)):
        if not value > 0:
            raise InputError(f"{name} must be a positive number, got {value!r}")
    rows = []
    for each in _runs(table, signals, score, run, run):
        below = np.maximum.accumulate(each.score) - each.score > fallen
        fell = _first(each.epochs, np.logical_and.accumulate(below[::-1])[::-1])
        for signal in signals:
            values = each.signals[signal]
            start = np.append(values[~np.isnan(values)], np.nan)[0]
            warned = _first(each.epochs, np.abs(values - start) > moved * np.abs(start))
            rows.append({"run": each.name, "signal": signal, "warned": warned, "fell": fell, "lead": fell - warned})
    return pd.DataFrame(rows)


def _runs(table: pd.DataFrame, signals: Sequence[str], score: str, run: str, group: str) -> list[_Run]:
    if isinstance(signals, str) or not signals:
        raise InputError(f"signals must be a list of columns, got {signals!r}; name one such as rankme")
    if missing := [name for name in (run, group, "epoch", score, *signals) if name not in table]:
        raise InputError(f"table must have the columns {', '.join(missing)}, got {', '.join(map(str, table.columns))}")
    if table[[run, "epoch"]].duplicated().any():
        raise DataError(f"table has an epoch of one {run} twice; name the column that tells trainings apart as run")
    if table.empty or table[score].isna().any():
        raise DataError(
            f"table must have a number of {score} in each of its rows, got {len(table)} rows; leave others out"
        )
    halves = [f"{score}{half}" for half in HALVES]
    has_halves = all(name in table and table[name].notna().all() for name in halves)
    found = []
    for name, part in table.sort_values("epoch").groupby(run, sort=False):
        along = {each: part[each].to_numpy(float) for each in (*signals, score)}
        judged = part[halves].to_numpy(float).T if has_halves else np.stack([along[score]] * 2)
        folds = np.stack([judged, judged[::-1]])
        kept = {each: along[each] for each in signals}
        found.append(
            _Run(str(name), str(part[group].iloc[0]), part["epoch"].to_numpy(float), kept, along[score], folds)
        )
    return found


def _everywhere(shares: list[Floats | None]) -> list[Floats] | None:
    """The choices of all runs; None where one has none."""
    known = [each for each in shares if each is not None]
    return known if len(known) == len(shares) else None


def _learned(runs: list[_Run], ends: dict[str, list[Floats]]) -> list[Floats]:
    """For each run the end that lost less, on average, in the runs of other groups."""
    lost = {end: np.array([each.lost(share) for each, share in zip(runs, ends[end], strict=True)]) for end in ends}
    groups = np.array([each.group for each in runs])
    chosen = [min(ends, key=lambda end: lost[end][groups != each.group].mean()) for each in runs]
    return [ends[end][i] for i, end in enumerate(chosen)]


def _dull(runs: list[_Run]) -> dict[str, list[Floats]]:
    """What no signal is needed for."""
    rules = {
        FIRST: [each.at(0) for each in runs],
        LAST: [each.at(-1) for each in runs],
        RANDOM: [np.full(len(each.epochs), 1 / len(each.epochs)) for each in runs],
    }
    if len({each.group for each in runs}) > 1:
        rules[ELSEWHERE] = [_best_elsewhere(runs, each) for each in runs]
    return rules


def _best_elsewhere(runs: list[_Run], one: _Run) -> Floats:
    """The epoch of a run that was the best, on average, in the runs of other groups; its last if they share none."""
    others = pd.concat([pd.Series(each.score, each.epochs) for each in runs if each.group != one.group])
    means = others.groupby(level=0).mean().reindex(one.epochs)
    return one.at(-1 if means.isna().all() else int(np.nanargmax(means)))


def _judged(runs: list[_Run], shares: list[Floats]) -> dict[str, float | int | None]:
    lost = np.array([each.lost(share) for each, share in zip(runs, shares, strict=True)])
    gain = np.array([each.lost(each.at(-1)) for each in runs]) - lost
    groups = np.array([each.group for each in runs])
    row: dict[str, float | int | None] = {}
    for name, values in (("regret", lost), ("over_last", gain)):
        low, high = over_classes(values, groups)
        row |= {name: float(values.mean()), f"{name}_low": low, f"{name}_high": high}
    stop = float(np.mean([share @ each.epochs for each, share in zip(runs, shares, strict=True)]))
    return {**row, "stop": stop, "n_runs": len(runs)}


def _first(epochs: Floats, which: NDArray[np.bool_]) -> float:
    """The first epoch of those marked; nan for none."""
    return float(epochs[which.argmax()]) if which.any() else float("nan")
