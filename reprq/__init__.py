"""reprq: which representation will detect anomalies, and can its quality be measured before one is seen?

The public names are imported on first use, so `import reprq` loads neither torch nor matplotlib::

    cache = reprq.extract("resnet50", "cifar10", layers="all")  # embeddings, layer by layer, cached on disk
    reprq.measure(cache["layer3"])                              # quality on benign data alone
    reprq.detectors.KNN(k=5).fit(x).anomaly_score(z)            # one-class detection on the same embeddings
    results = reprq.run_study("study.toml")                     # backbones x layers x tasks x detectors
    reprq.correlate(results, metric="rankme", score="auroc")    # does quality predict detection?
    reprq.recommend(results).regret                             # what does choosing by it cost?

Public is what `__all__` lists, here and in the packages, and in `reprq.errors`, `reprq.labels` and `reprq.registry`.
Everything else is internal and may change with any release: packages and modules without `__all__`, such as
`reprq.numerics` and `reprq.cli`, and the module inside a package that a name comes from.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_PACKAGES = (
    "analysis",
    "backbones",
    "data",
    "detectors",
    "embeddings",
    "errors",
    "evaluation",
    "explain",
    "metrics",
    "models",
    "plots",
    "pretext",
    "statistics",
    "study",
)
_NAMES = {
    "Embed": "reprq.models",
    "Embeddings": "reprq.embeddings",
    "EmbeddingCache": "reprq.embeddings",
    "ReprqError": "reprq.errors",
    "correlate": "reprq.analysis",
    "extract": "reprq.embeddings",
    "fit": "reprq.models",
    "load_backbone": "reprq.backbones",
    "load_dataset": "reprq.data",
    "load_model": "reprq.models",
    "measure": "reprq.metrics",
    "recommend": "reprq.analysis",
    "run_study": "reprq.study",
}

__all__ = ["__version__", *_NAMES, *_PACKAGES]


def __getattr__(name: str) -> Any:
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    if name in _PACKAGES:
        return importlib.import_module(f"reprq.{name}")
    raise AttributeError(f"module 'reprq' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
