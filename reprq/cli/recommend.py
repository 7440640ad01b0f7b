"""`reprq recommend RUN` and `reprq recommend --data`: which backbone and layer to use, and how far to trust it."""

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reprq.cli import options
from reprq.cli.groups import Command

if TYPE_CHECKING:
    from reprq.analysis import Recommendation


SHOWN = 5  # layers
COMBINATION = "combination"  # of all metrics
_EXPECTED = (
    "AUROC that choosing by each rule lost on other data sets against the best in hindsight (regret), and gained on the"
    " dull rule, means with their 95 % intervals; and what it loses at most on a new data set like them, and with which"
    " chance"
)


@click.command(cls=Command)
@click.argument("run", required=False, type=click.Path(path_type=Path))
@click.option("--data", metavar="folder:PATH", help="Instead of RUN: benign samples, or the name of a data set.")
@options.benign
@click.option(
    "--backbones",
    metavar="A,B=WEIGHTS,...|FILE.toml",
    help="With --data: the networks to choose from, each with weights of its own where it says so; or as --config.",
)
@options.networks
@click.option("--layers", default="all", show_default=True, metavar="1-4|all", help="With --data: which layers.")
@click.option(
    "--weights",
    default="default",
    show_default=True,
    metavar="default|random|PATH[#PART]",
    help="With --data: the weights of networks that say none.",
)
@options.inputs
@click.option("--samples", type=click.IntRange(min=2), help="With --data: a seeded sample of the data; all by default.")
@options.poolings
@click.option("--root", type=click.Path(path_type=Path), help="With --data: where a named data set's files are.")
@click.option("--download", is_flag=True, help="With --data: download a named data set where its files are missing.")
@options.files
@click.option(
    "--from",
    "sources",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A study to learn from; may be repeated. With --data in place of the packaged one; with RUN beside it; alone,"
    " at least two, of which each data set is judged by rules from the others.",
)
@click.option(
    "--detector",
    metavar="NAME",
    help="The detector to choose for; with --data also NAME:PARAMETER=VALUE,... [default: all of RUN, or the first of"
    " the study; with --fit knn]",
)
@click.option("--exclude", multiple=True, metavar="LABEL", help="With RUN: leave out such backbones, as in 'cifar_*'.")
@click.option("--fit", "fitted", is_flag=True, help="With --data: fit --detector on the first layer, as `reprq fit`.")
@options.false_alarms
@click.option(
    "--out",
    default="model",
    show_default=True,
    type=click.Path(path_type=Path),
    help="With --fit: the folder to write; `reprq score` reads it.",
)
@click.option("--force", is_flag=True, help="With --fit: replace a model that is there.")
@options.scenario
@options.target
@options.cluster("architecture", "With RUN: what rules are fitted without, with all its networks.")
@click.option(
    "--top",
    type=click.IntRange(min=1),
    help="How many layers to show, by the rule that comes first.  [default: 5; with --data and --csv or --json all, by"
    " every rule]",
)
@options.run
@options.output
def recommend(
    run: Path | None,
    data: str | None,
    backbones: str | None,
    config: Path | None,
    detector: str | None,
    exclude: tuple[str, ...],
    scenario: str | None,
    cluster: str,
    targets: tuple[str, ...],
    sources: tuple[Path, ...],
    top: int | None,
    form: str | None,
    seed: int,
    quiet: bool,
    **asked: Any,
) -> None:
    r"""Rank backbones and layers by quality on benign samples, and say what that is worth.

    With RUN, the folder of a study, or several after --from: what choosing by each metric, and by all of them together,
    loses in AUROC against the best choice in hindsight, on architectures and classes, or data sets, that it was not
    fitted on. With --data and --backbones: a ranking for data of your own, first by the rule that lost less on other
    data sets: all metrics together, or a dull rule that takes no metric (the fixed ranking of networks that are known
    there, else the depth that was best most often), with what it may be expected to lose, or "cannot tell". Benign are
    the classes that --benign names; without it the class called good, normal, healthy or the like, or all classes where
    none is called so.

    \b
    rule_score   what the rule says of a layer, higher is better: of the
                 combination the sum of weight x rank over the metrics, ranks
                 from -1/2 (least) to 1/2; of a metric its rank, negated where
                 its coefficient is below 0; of a dull rule the mean rank
                 elsewhere, or minus the distance from the depth
    coefficient  Spearman's rho of a metric with AUROC over layers: below 0,
                 less of it went with better detection
    weight       of the metric's rank in the combination, given all other
                 metrics: its sign may differ from that of the coefficient,
                 since metrics go together
    """
    if (run is None and data is None and len(sources) < 2) or (run is not None and data is not None):
        raise click.UsageError(
            "give either the folder of a study, or --data with --backbones, or two studies or more as --from A --from B"
        )
    if data is None:
        from reprq.analysis import recommend as recommend_study
        from reprq.analysis.targets import parse_targets, with_targets
        from reprq.study import StudyResults

        _only_with("RUN", {*_OF_DATA, *options.PREPROCESSING})
        studies = [with_targets(StudyResults.load(path, classes=False), parse_targets(targets)) for path in sources]
        judged = studies if run is None else with_targets(StudyResults.load(run, classes=False), parse_targets(targets))
        learned = () if run is None else studies
        _print_study(
            recommend_study(
                judged, detector, source=learned, exclude=exclude, scenario=scenario, cluster=cluster, seed=seed
            ),
            run,
            top,
            form,
        )
        return
    if bool(backbones) == (config is not None):
        raise click.UsageError(
            "--data needs either --backbones A,B,... (`reprq backbones` lists them) or --config FILE.toml"
        )
    _only_with("--data", {"cluster", "exclude", "scenario", "targets"})
    fitting = {name: asked.pop(name) for name in ("fitted", "out", "force", "false_alarms")}
    if not fitting["fitted"]:
        _only_with("--data without --fit", set(fitting))
    options.check_device(asked["device"])
    changed = {name: asked.pop(name) for name in options.PREPROCESSING}
    asked |= {"preprocessing": options.preprocessing(changed), "seed": seed, "progress": not quiet}
    networks = _networks(backbones or "") if config is None else options.load_networks(config)
    _for_data(data or "", networks, sources, detector, asked, fitting, top, form)


def _for_data(
    data: str,
    networks: list[Any],
    sources: tuple[Path, ...],
    detector: str | None,
    asked: dict[str, Any],
    fitting: dict[str, Any],
    top: int | None,
    form: str | None,
) -> None:
    """Rank the layers of networks for samples of one's own, and where that is asked for fit a model on the first."""
    from reprq.analysis import recommend_for
    from reprq.data.names import readable
    from reprq.models import fit

    definition, spec = _detector(detector or "knn" if fitting["fitted"] else detector)
    if fitting["fitted"]:
        _check_fit(data, spec, asked, fitting)
    found = recommend_for(data, networks, detector=definition, source=sources or None, **asked)
    if not fitting["fitted"]:
        _print_ranking(found, readable(data), top, form)
        return
    model = fit(data=data, detector=spec, false_alarms=fitting["false_alarms"], **{**asked, **found.first})
    model.save(fitting["out"], force=fitting["force"])
    said = {"path": str(fitting["out"]), "model": model.record}
    _print_ranking(found, readable(data), top, form, said)
    click.echo(f"\n{fitting['out']}: {model.describe()}", err=form is not None)


def _detector(asked: str | None) -> tuple[str | None, dict[str, Any]]:
    """The definition of a detector whose settings were given, else what was asked for; and its specification."""
    from reprq.cli.specifications import specification
    from reprq.detectors import create

    if asked is None or "[" in asked.partition(":")[0]:  # a definition in a study
        return asked, {"name": asked}
    spec = specification(asked)
    return (create(spec).describe() if len(spec) > 1 else asked), spec


def _check_fit(data: str, spec: dict[str, Any], asked: dict[str, Any], fitting: dict[str, Any]) -> None:
    """Raise an error for what would stop the fit after all layers were measured."""
    from reprq.data import benign_rows, load_dataset
    from reprq.detectors import create
    from reprq.detectors.registry import is_network
    from reprq.models.files import check_free
    from reprq.models.fitting import check_samples

    check_free(fitting["out"], fitting["force"])
    made = create(spec)
    names = ("root", "download", "seed", "intensity_range", "skip_broken")
    kept = benign_rows(load_dataset(data, whole=True, **{name: asked[name] for name in names}), asked["benign"]).samples
    if asked["samples"] is not None and asked["samples"] < len(kept):
        kept = kept.sample(asked["samples"], seed=asked["seed"])
    check_samples(kept, fitting["false_alarms"], made, deep=is_network(spec["name"]))


_OF_DATA = {"benign", "backbones", "layers", "weights", "samples", "pooling", "root", "download", "device"}
_OF_DATA |= {"cache_dir", "intensity_range", "skip_broken", "config", "fitted", "out", "force", "false_alarms"}


def _networks(text: str) -> list[Any]:
    """Read `A,B=WEIGHTS` or the name of a TOML file."""
    if text.strip().endswith(".toml"):
        return options.load_networks(Path(text.strip()))
    names = [name.strip() for name in text.split(",") if name.strip()]
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise click.UsageError(f"--backbones must name each backbone once, got {twice[0]} more than once")
    parts = {name: name.partition("=") for name in names}
    if bare := [name for name, (_, equals, weights) in parts.items() if equals and not weights]:
        raise click.UsageError(f"--backbones must be NAME or NAME=WEIGHTS, got {bare[0]!r}")
    return [{"name": name, "weights": weights} if equals else name for name, equals, weights in parts.values()]


def _only_with(what: str, others: set[str]) -> None:
    """Raise a usage error if an option was typed that says nothing of `what`."""
    context = click.get_current_context()
    typed = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name in others
        and context.get_parameter_source(parameter.name) is click.core.ParameterSource.COMMANDLINE
    ]
    if typed:
        raise click.UsageError(f"{', '.join(typed)} does not go with {what}")


def _print_study(found: "Recommendation", run: Path | None, top: int | None, form: str | None) -> None:
    from reprq.cli.output import emit, text_table

    ranking = _top(found, top)
    context = {"run": None if run is None else str(run), "notes": list(found.notes), "ranking": ranking}
    if form is None:
        shown = ["auroc", "regret", "regret_low", "regret_high", "over_last"]
        shown += ["over_random", "over_random_low", "over_random_high", "p_holm"]
        several = found.regret["dataset"].nunique() > 1
        shown = [*(["dataset"] * several), "detector", "rule", *shown, "favourite", "favourite_share"]
        emit(form, "recommend", found.regret[shown].to_dict("records"), context, _REGRET)
        ranking = [{name: row[name] for name in row if several or name != "dataset"} for row in ranking]
        click.echo(f"\nThe first layers by the combination, over all tasks\n{text_table(ranking)}")
        _echo_notes(found, top)
        return
    emit(form, "recommend", found.regret.to_dict("records"), context)


_REGRET = (
    "What choosing one layer a task by each rule loses against the best in hindsight (regret), and gains on the last"
    " layer and on chance; p_holm: how often as much, with the metrics moved between networks"
)


def _print_ranking(
    found: "Recommendation", data: str, top: int | None, form: str | None, fitted: dict[str, Any] | None = None
) -> None:
    from reprq.cli.output import emit, text_table

    if form is not None:
        context: dict[str, Any] = {"data": data, "notes": list(found.notes), "trust": found.trust.to_dict("records")}
        context |= {} if fitted is None else {"fitted": fitted}
        context |= {
            "regret": found.regret.to_dict("records"),
            "rule": found.rule,
            "told": found.told,
            "verdict": found.verdict,
        }
        context |= {"expected": found.expected.to_dict("records"), "networks": found.networks.to_dict("records")}
        ranking = found.ranking
        if top is not None:
            ranking = ranking[(ranking["rule"] == found.rule) & (ranking["rank"] <= top)]
        emit(form, "recommend", ranking.to_dict("records"), context)
        return
    detector = found.trust["detector"].iloc[0]
    by = "all metrics together" if found.rule == COMBINATION else f"the {found.rule}"
    click.echo(f"{found.verdict[0].upper()}{found.verdict[1:]}.\n")
    emit(form, "recommend", _top(found, top, found.rule), {}, f"The first layers for {detector}, by {by}")
    if found.rule != COMBINATION:
        click.echo(f"\nThe first by all metrics together\n{text_table(_top(found, top))}")
    if not found.expected.empty:
        click.echo(f"\n{_EXPECTED}\n{text_table(found.expected.round(3).to_dict('records'))}")
    click.echo(f"\nTheir metrics on {data}\n{text_table(_metrics(found, top))}")
    known = found.trust.drop(columns="detector").dropna(axis="columns", how="all")
    span = " and its 95 % interval" if "low" in known else ""
    click.echo(f"\nHow each metric went with AUROC in the study that the weights come from: Spearman's rho{span}")
    click.echo(text_table(known.to_dict("records")))
    click.echo(f"\nThe networks\n{text_table(found.networks.to_dict('records'))}")
    for row in found.regret.to_dict("records"):
        if row["rule"] == "combination":
            several = found.regret["dataset"].nunique() > 1
            where = f"In {'those studies' if several else 'that study'}, on architectures and"
            left_out = f"data sets left out ({row['dataset']})" if several else "classes left out"
            click.echo(
                f"\n{where} {left_out}, the combination lost {row['regret']:.3f}"
                f" AUROC against the best in hindsight{_interval(row, 'regret')} and gained {row['over_last']:.3f} on"
                f" the last layer{_interval(row, 'over_last')}."
            )
    _echo_notes(found, top)


def _metrics(found: "Recommendation", top: int | None) -> list[dict[Any, Any]]:
    """One row a metric: its value on each of the first layers, in their order."""
    values = found.ranking.set_index(["rule", "backbone", "layer"])["value"]
    places = [(row["backbone"], row["layer"]) for row in _top(found, top, found.rule)]
    return [
        {"metric": name, **{f"{i}: {layer}": values[name, of, layer] for i, (of, layer) in enumerate(places, start=1)}}
        for name in found.trust["metric"]
    ]


def _interval(row: dict[Any, Any], name: str) -> str:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return "" if low is None or low != low else f" [{low:.3f}, {high:.3f}]"


def _top(found: "Recommendation", top: int | None, rule: str = COMBINATION) -> list[dict[Any, Any]]:
    rows = found.ranking[(found.ranking["rule"] == rule) & (found.ranking["rank"] <= (top or SHOWN))]
    return rows.drop(columns=["rule", "layer_number", "value"], errors="ignore").to_dict("records")


def _ties(found: "Recommendation", top: int | None) -> list[str]:
    """A sentence for every rank that several of the layers shown have."""
    counts = Counter((row.get("dataset", ""), row["rank"]) for row in _top(found, top))
    return [
        f"{many} layers share rank {rank}{f' on {dataset}' if dataset else ''}: the combination cannot tell them apart"
        for (dataset, rank), many in counts.items()
        if many > 1
    ]


def _echo_notes(found: "Recommendation", top: int | None) -> None:
    for note in [*_ties(found, top), *found.notes]:
        click.echo(f"note: {note}")
