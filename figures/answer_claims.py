"""The claims of Mai's thesis before the study of studies, and near against far anomalies, for `answer.py`.

Near is said beforehand, by what a data set says itself: the classes of CIFAR-10 and the superclasses of Tiny ImageNet
are animals or things; an anomaly is near if it is of the kind of the one benign class, else far. The other data sets
name no such kinds (the groups of 20 Newsgroups are the classes here) and are left out.

Every number is one a data set, its interval Student's over data sets; a claim holds where the interval lies on its
side of 0, is contradicted where it lies on the other, and is not shown where it holds 0.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy import stats

from reprq.analysis import variance_shares
from reprq.study import StudyResults

ANIMALS = {"bird", "cat", "deer", "dog", "frog", "horse", "pets", "wild_mammals", "insects", "sea_animals"}
OF_KINDS = ("cifar", "superclasses")
POINT = ["dataset", "backbone", "layer"]
SIBLINGS = (("MobileNetV2, ImageNet", "MobileNetV2, random"), ("ResNet-20, CIFAR-10", "ResNet-20, random"))
TRAINED_ON_TABLES = ("VIME", "SCARF")
OF_NEAR = ("trace", "mean_knn_distance", "rankme", "effective_rank", "alpha_req", "local_dimension", "relative_rank")


def claims(results: StudyResults, regrets: pd.DataFrame, spots: pd.DataFrame) -> pd.DataFrame:
    """Return one row a claim: statistic, value, low, high, n_datasets, verdict."""
    judged = results.detectors.groupby([*POINT, "definition"], as_index=False)["auroc"].mean()
    points = judged.groupby(POINT, as_index=False)["auroc"].mean()
    rows = [_tested(*each) for each in _differences(judged, points, results, regrets)]
    peak = spots.set_index("metric").loc["alpha_req"]
    found, near = peak["p_holm"] <= 0.05, abs(np.log(peak["value"])) < np.log(1.5)
    row = {"claim": "alpha-ReQ is best in the middle, near 1", "value": peak["p_holm"]}
    row |= {
        "statistic": f"two lines at {peak['value']:.2f}: rise {peak['rise']:.2f}, fall {peak['fall']:.2f}; Holm's p"
    }
    row |= {"n_datasets": peak["n_datasets"], "verdict": ("holds" if near else "elsewhere") if found else "not shown"}
    rows.append(row)
    return pd.DataFrame(rows)


def _differences(
    judged: pd.DataFrame, points: pd.DataFrame, results: StudyResults, regrets: pd.DataFrame
) -> Iterator[tuple[str, str, "pd.Series[float]", int]]:
    """A claim, what is measured, its value by data set, and the sign that the claim says."""
    both = regrets[regrets["level"] == "network and layer"].groupby(["rule", "dataset"])["regret"].mean()
    yield "no representation is best everywhere", "regret of the fixed ranking", both["fixed ranking"], 1
    yield (
        "low-dimensional benign embeddings are best",
        "rho of local_dimension",
        _rhos(results, points, "local_dimension"),
        -1,
    )
    yield "", "rho of participation_ratio", _rhos(results, points, "participation_ratio"), -1
    by_network = points.groupby(["dataset", "backbone"])["auroc"].mean()
    for trained, random in SIBLINGS:
        gain = (by_network.xs(trained, level=1) - by_network.xs(random, level=1)).dropna()
        yield "pretrained networks are a good start", f"AUROC of {trained} less random", gain, 1
    shares = {name: variance_shares(own).set_index("source")["share"] for name, own in _by_dataset(results)}
    more = pd.Series({name: own["network"] + own["layer"] - own["detector"] for name, own in shares.items()})
    yield "the detector matters less than the representation", "share of network and layer less detector", more, 1
    trained = by_network[by_network.index.get_level_values(1).str.startswith(TRAINED_ON_TABLES)].groupby(level=0).mean()
    gain = trained - by_network.xs("standard", level=1)
    yield "self-supervision does not help tables", "AUROC of VIME and SCARF less scaled columns", gain, -1
    wide = judged.assign(own=judged["definition"].str.partition("[")[0]).pivot_table("auroc", "dataset", "own")
    exemplar = "matching a central exemplar is enough"
    yield exemplar, "AUROC of the centroid less kNN", wide["centroid"] - wide["knn"], 1
    yield "", "AUROC of Deep SVDD on the rows less kNN", wide["deep_svdd"] - wide["knn"], 1
    yield "RankMe: higher is better", "rho, all networks", _rhos(results, points, "rankme"), 1
    yield (
        "RankMe compares within one architecture",
        "rho, six MobileNets, layer by layer",
        _of_siblings(results, points),
        1,
    )
    yield "AUCEV: collapse is bad", "rho of aucev", _rhos(results, points, "aucev"), -1


def _tested(claim: str, statistic: str, values: "pd.Series[float]", sign: int) -> dict[str, object]:
    values = values.dropna()
    low, high = stats.ttest_1samp(values, 0).confidence_interval()
    verdict = "not shown" if low <= 0 <= high else "holds" if np.sign(values.mean()) == sign else "contradicted"
    row = {"claim": claim, "statistic": statistic, "value": values.mean(), "low": low, "high": high}
    return row | {"n_datasets": len(values), "verdict": verdict}


def _by_dataset(results: StudyResults) -> Iterator[tuple[str, pd.DataFrame]]:
    for name, own in results.detectors.groupby("dataset", sort=False):
        yield str(name), own


def _rhos(results: StudyResults, points: pd.DataFrame, metric: str) -> "pd.Series[float]":
    """Spearman's coefficient of a metric with AUROC, by data set."""
    own = results.metrics[results.metrics["metric"] == metric].groupby(POINT, as_index=False)["value"].mean()
    both = own.dropna().merge(points, on=POINT)
    return pd.Series({name: _rho(part["value"], part["auroc"]) for name, part in both.groupby("dataset")})


def _of_siblings(results: StudyResults, points: pd.DataFrame) -> "pd.Series[float]":
    """The mean over layers of the coefficient over the MobileNets, which differ in their training alone."""
    own = results.metrics[results.metrics["metric"] == "rankme"].groupby(POINT, as_index=False)["value"].mean()
    both = own.merge(points, on=POINT)
    both = both[both["backbone"].str.startswith("MobileNetV2")]
    found = {
        key: _rho(part["value"], part["auroc"]) for key, part in both.groupby(["dataset", "layer"]) if len(part) > 4
    }
    return pd.Series(found).groupby(level=0).mean()


def _rho(x: "pd.Series[float]", y: "pd.Series[float]") -> float:
    return float(stats.spearmanr(x, y).statistic) if x.nunique() > 1 and y.nunique() > 1 else float("nan")


def near_and_far(classes: pd.DataFrame, metrics: pd.DataFrame) -> pd.DataFrame:
    """Return what detectors and metrics do against near and against far anomalies, a row a data set and what is asked.

    Args:
        classes: A study's table of AUROC by anomaly class.
        metrics: Its table of metrics.
    """
    kept = classes[classes["dataset"].isin(OF_KINDS) & classes["task"].str.startswith("unimodal:")]
    near = [
        (a in ANIMALS) == (t.partition(":")[2] in ANIMALS) for a, t in zip(kept["anomaly"], kept["task"], strict=True)
    ]
    kept = kept.assign(side=np.where(near, "near", "far"), own=kept["definition"].str.partition("[")[0])
    rows: list[dict[str, object]] = []
    for dataset, own in kept.groupby("dataset", sort=False):
        by_detector = own.pivot_table("auroc", "own", "side")
        rows += [{"dataset": dataset, "of": f"AUROC of {name}", **sides} for name, sides in by_detector.iterrows()]
        wide = own.pivot_table("auroc", ["backbone", "layer"], "side").dropna()
        rows.append({"dataset": dataset, "of": "AUROC of the best layer", **wide.max()})
        chosen = {side: wide[side].max() - wide[side][wide[other].idxmax()] for side, other in _EACH}
        rows.append({"dataset": dataset, "of": "lost by the layer that is best on the other", **chosen})
        agree = _rho(wide["near"], wide["far"])
        rows.append({"dataset": dataset, "of": "rho of near and far over layers", "near": agree, "far": agree})
        measured = metrics[(metrics["dataset"] == dataset) & metrics["metric"].isin(OF_NEAR)]
        for metric, values in measured.groupby("metric", sort=False):
            both = wide.join(values.groupby(["backbone", "layer"])["value"].mean(), how="inner").dropna()
            if len(both) > 3:
                said = {side: _rho(both["value"], both[side]) for side, _ in _EACH}
                rows.append({"dataset": dataset, "of": f"rho of {metric}", **said})
    table = pd.DataFrame(rows).reindex(columns=["dataset", "of", "near", "far"])
    means = table.groupby("of", sort=False)[["near", "far"]].mean().reset_index().assign(dataset="mean")
    return pd.concat([table, means[table.columns]], ignore_index=True)


_EACH = (("near", "far"), ("far", "near"))


def radial(layers: pd.DataFrame) -> pd.DataFrame:
    """Return how the Mahalanobis distance does with rows over a power of their length: a row a beta, over data sets."""
    names = [column for column in layers if column.startswith("radial") and column.endswith("|auroc")]
    means = layers.groupby("dataset")[names].mean()
    rows = []
    for name in names:
        gain = (means[name] - means["radial 0|auroc"]).dropna()
        low, high = stats.ttest_1samp(gain, 0).confidence_interval() if gain.any() else (np.nan, np.nan)
        beta = float(name.split()[1].partition("|")[0])
        row = {"beta": beta, "auroc": means[name].mean(), "over beta 0": gain.mean(), "low": low, "high": high}
        rows.append(row | {"n_datasets": len(gain)})
    return pd.DataFrame(rows)
