"""What two small studies beside the large ones say, for `answer.py`: a patch detector, and brittle students."""

import numpy as np
import pandas as pd
from scipy import stats

from reprq.study import StudyResults

BESIDE = ("patches", "students")


def patches(results: StudyResults) -> pd.DataFrame:
    """Return PatchCore on the maps of each layer beside kNN on its pooled rows, a row a data set and their mean.

    Columns: the AUROC of either, mean over layers and of the best layer; Spearman's coefficient of both over layers;
    what PatchCore loses in the layer that is best for kNN, in the last one, and in a random one.
    """
    wide = results.detectors.pivot_table("auroc", ["dataset", "backbone", "layer_number", "layer"], "detector").dropna()
    rows = []
    for dataset, own in wide.groupby(level=0, sort=False):
        last = own.groupby(level=1)["patchcore"].last().mean()
        best, mean = own.max(), own.mean()
        row = {f"{name}, mean": mean[name] for name in own} | {f"{name}, best": best[name] for name in own}
        row |= {"rho": stats.spearmanr(own["patchcore"], own["knn"]).statistic}
        row |= {"lost by kNN's layer": best["patchcore"] - own["patchcore"][own["knn"].idxmax()]}
        row |= {"lost by last": best["patchcore"] - last, "lost by random": best["patchcore"] - mean["patchcore"]}
        rows.append({"dataset": dataset, **row, "layers": len(own)})
    table = pd.DataFrame(rows)
    return pd.concat([table, pd.DataFrame([{"dataset": "mean", **table.drop(columns="dataset").mean()}])])


def students(results: StudyResults) -> pd.DataFrame:
    """Return how brittleness, with the loss as a sum or a mean, goes with AUROC over networks: a row a score and form.

    The scores are the error of the student, the norm of its gradient, and kNN on the teacher's rows.
    """
    measured = results.metrics[results.metrics["metric"] == "brittleness"]
    measured = measured.set_index(["dataset", "backbone"])[["value", "d"]]
    forms = {"sum": measured["value"], "mean": measured["value"] / measured["d"]}
    rows = []
    for definition, own in results.detectors.groupby("definition", sort=False):
        name = "gradient" if "score=gradient" in definition else "error" if "distillation" in definition else "knn"
        auroc = own.groupby(["dataset", "backbone"])["auroc"].mean()
        for form, values in forms.items():
            both = pd.concat([values.rename("x"), auroc], axis=1).dropna()
            rhos = [stats.spearmanr(part["x"], part["auroc"]).statistic for _, part in both.groupby(level=0)]
            ends = stats.ttest_1samp(rhos, 0).confidence_interval() if len(rhos) > 2 else (np.nan, np.nan)
            low, high = np.clip(ends, -1, 1)
            row = {"score": name, "auroc": auroc.mean(), "brittleness": form, "rho": np.mean(rhos)}
            rows.append(row | {"low": low, "high": high, "networks": len(both) // len(rhos), "n_datasets": len(rhos)})
    return pd.DataFrame(rows)
