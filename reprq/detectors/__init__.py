"""One-class detectors: fit on benign embeddings, score the rest; higher is more anomalous.

They are made by name or by class, and imported on first use::

    detector = create("knn")                                        # or KNN(k=5)
    detector = create({"name": "mahalanobis", "covariance": "oas"})
    scores = detector.fit(benign).anomaly_score(rows)               # (m,) float64
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reprq.detectors.conformal import Threshold, p_values, threshold
    from reprq.detectors.deep.distillation import Distillation
    from reprq.detectors.files import load, save
    from reprq.detectors.oracle import oracle_grid
    from reprq.detectors.registry import DETECTORS, Detector, create, describe, is_network, names
    from reprq.detectors.rows.centroid import Centroid
    from reprq.detectors.rows.density import KDE, MVE, Gaussian
    from reprq.detectors.rows.knn import KNN
    from reprq.detectors.rows.lof import LOF
    from reprq.detectors.rows.mahalanobis import Mahalanobis
    from reprq.detectors.rows.pyod import PyOD
    from reprq.detectors.rows.reconstruction import KPCA, PCA
    from reprq.detectors.rows.shallow import GMM, OCSVM, IForest

_HOMES = {
    "GMM": "rows.shallow",
    "Gaussian": "rows.density",
    "IForest": "rows.shallow",
    "KDE": "rows.density",
    "KPCA": "rows.reconstruction",
    "LOF": "rows.lof",
    "MVE": "rows.density",
    "OCSVM": "rows.shallow",
    "PCA": "rows.reconstruction",
    "PyOD": "rows.pyod",
    "Centroid": "rows.centroid",
    "Distillation": "deep.distillation",
    "KNN": "rows.knn",
    "Mahalanobis": "rows.mahalanobis",
    "Threshold": "conformal",
    "p_values": "conformal",
    "threshold": "conformal",
    "load": "files",
    "save": "files",
    "DETECTORS": "registry",
    "Detector": "registry",
    "create": "registry",
    "describe": "registry",
    "is_network": "registry",
    "names": "registry",
    "oracle_grid": "oracle",
}

__all__ = [
    "DETECTORS",
    "GMM",
    "KDE",
    "KNN",
    "KPCA",
    "LOF",
    "MVE",
    "OCSVM",
    "PCA",
    "Centroid",
    "Detector",
    "Distillation",
    "Gaussian",
    "IForest",
    "Mahalanobis",
    "PyOD",
    "Threshold",
    "create",
    "describe",
    "is_network",
    "load",
    "names",
    "oracle_grid",
    "p_values",
    "save",
    "threshold",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"reprq.detectors.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'reprq.detectors' has no attribute {name!r}")
