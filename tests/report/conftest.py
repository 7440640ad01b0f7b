"""A study made of numbers, with names as hostile as a file may hold, and its page."""

import numpy as np
import pandas as pd
import pytest

from reprq.report import write_report
from reprq.study import StudyResults

HOSTILE = [
    '<script>document.title="owned"</script>',
    '"><img src=x onerror=alert(1)>',
    "$\\frac{1}{0$",
    "_hidden & 'quoted' random",
    "</script></style></table>",
    "{{ 7 * 7 }}",
    "net" * 40,
]
TASKS = ("unimodal:cat", "unimodal:dog", "multimodal:cat")
TITLE = "</title><script>alert('title')</script> $x"


@pytest.fixture(scope="session")
def make_study():
    return _study


@pytest.fixture(scope="session")
def hostile():
    return (*HOSTILE, TITLE)


def _study(path, backbones, effect=0.3, noise=0.01, layers=4, seed=0, tasks=TASKS):
    """Two metrics against two detectors: `rankme` predicts both by `effect`, `aucev` is chance."""
    rng = np.random.default_rng(seed)
    measured, judged = [], []
    for b, backbone in enumerate(backbones):
        for k in range(layers):
            strength = rng.uniform()
            for task in tasks:
                key = {"seed": 0, "backbone": backbone, "network": f"net{b % 3}", "layer": f"layer{k}"}
                key["weights"] = "random(seed=0)" if backbone.endswith(" random") else "default: V1"
                key |= {"layer_number": k, "task": task, "task_kind": task.split(":")[0]}
                notes = "n = 12 rows for d = 64 columns" if b == 0 else None
                measured.append({**key, "metric": "rankme", "definition": "rankme[singular,uncentred,eps=1e-7]"})
                measured[-1] |= {"value": 1 + 30 * strength, "n": 12, "d": 64, "notes": notes}
                measured.append({**key, "metric": "aucev", "definition": "aucev[singular,centred]"})
                measured[-1] |= {"value": rng.uniform(0.5, 1), "n": 12, "d": 64, "notes": None}
                for name in ("knn[k=5,kth,euclidean]", "centroid"):
                    auroc = 0.5 + effect * strength + noise * rng.standard_normal()
                    judged.append({**key, "detector": name.split("[")[0], "definition": name, "auroc": auroc})
                    judged[-1] |= {"n_train": 12, "n_test": 40, "n_anomalies": 20}
    record = {
        "schema_version": 1,
        "config": {"title": TITLE, "note": "</script><script>alert(2)</script>"},
        "versions": {"reprq": "0.1.0"},
        "data_fingerprints": {"train": "00ff"},
    }
    path.mkdir(parents=True, exist_ok=True)
    return StudyResults(pd.DataFrame(measured), pd.DataFrame(judged), record, path)


@pytest.fixture(scope="session")
def page(tmp_path_factory):
    """The page of a study with hostile names, on disk."""
    names = HOSTILE + [f"resnet {i}" for i in range(5)]
    return write_report(_study(tmp_path_factory.mktemp("hostile") / "run", names))
