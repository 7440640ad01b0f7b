"""Studies made of numbers, over several data sets whose values do not compare."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from reprq.study import StudyResults

Make = Callable[..., StudyResults]


def _study(
    datasets: str = "ABC", backbones: str = "abcdefgh", layers: int = 3, tasks: tuple[str, ...] = ("unimodal:good",)
) -> StudyResults:
    """`good` follows the AUROC on every data set, `bad` goes against it, `noise` neither; A has the highest of all."""
    rng = np.random.default_rng(0)
    measured, judged = [], []
    for d, dataset in enumerate(datasets):
        for backbone in backbones:
            for layer in range(layers):
                for task in tasks:
                    quality = rng.normal()
                    key = {"seed": 0, "dataset": dataset, "backbone": backbone, "network": backbone, "weights": "w"}
                    key |= {"layer": f"l{layer}", "layer_number": layer, "task": task}
                    key |= {"task_kind": task.partition(":")[0]}
                    values = {"good": quality, "bad": -quality + 0.5 * rng.normal(), "noise": rng.normal()}
                    for name, value in values.items():
                        measured.append({**key, "metric": name, "definition": name, "d": 8, "notes": None})
                        measured[-1]["value"] = 100.0 * d + 10.0**d * (value + 0.1 * rng.normal())
                    auroc = 0.9 - 0.3 * d + 0.02 * quality
                    judged.append({**key, "detector": "knn", "definition": "knn[1]", "auroc": auroc})
                    judged[-1] |= {"n_train": 9, "n_test": 9, "n_anomalies": 4}
    return StudyResults(pd.DataFrame(measured), pd.DataFrame(judged), {}, Path("run"))


@pytest.fixture(scope="session")
def several() -> Make:
    """What makes such a study."""
    return _study
