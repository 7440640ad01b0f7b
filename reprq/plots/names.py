"""What metrics and detectors are called beside an axis: names for people, where tables have identifiers."""

import re
from collections.abc import Sequence

from reprq.detectors import DETECTORS
from reprq.metrics import METRICS
from reprq.registry import Registry

_USUAL = {  # of a detector, what goes without saying
    "knn": ("kth", "euclidean"),
    "gaussian": ("empirical",),
}
_WORDS = {
    "ledoit_wolf": "Ledoit-Wolf",
    "oas": "OAS",
    "mcd": "MCD",
    "bic": "components by BIC",
    "cv": "bandwidth by likelihood",
    "nu": "\N{GREEK SMALL LETTER NU}",
    "psi": "\N{GREEK SMALL LETTER PSI}",
    "gamma": "\N{GREEK SMALL LETTER GAMMA}",
    "eps": "\N{GREEK SMALL LETTER EPSILON}",
    "debiased=True": "debiased",
    "debiased=False": "biased",
    "kernel=linear": "linear",
    "kernel=rbf": "RBF",
    "singular": "of singular values",
    "eigen": "of eigenvalues",
}


def metric_label(identifier: str) -> str:
    """Return what to call a metric beside an axis; an unknown name as it is.

    Example:
        >>> metric_label("rankme"), metric_label("rankme[eigen,centred,eps=1e-7]"), metric_label("loss")
        ('RankMe', 'RankMe, of eigenvalues, centred, ε = 1e-7', 'loss')
    """
    return _label(identifier, METRICS)


def detector_label(identifier: str) -> str:
    """Return what to call a detector beside an axis; an unknown name as it is.

    Example:
        >>> detector_label("knn[k=5,kth,euclidean]"), detector_label("mahalanobis[ledoit_wolf]")
        ('kNN, k = 5', 'Mahalanobis, Ledoit-Wolf')
        >>> detector_label("pca[0.95]"), detector_label("pyod:KNN[n_neighbors=2]")
        ('PCA, 95 % of the variance', 'KNN (PyOD), n_neighbors = 2')
        >>> detector_label("ensemble[mean,knn[k=5,kth,euclidean]+centroid]")
        'ensemble (mean) of kNN, k = 5 + centroid'
    """
    if found := re.fullmatch(r"ensemble\[(\w+),(.+)\]", identifier):
        return f"ensemble ({found[1]}) of {' + '.join(map(detector_label, found[2].split('+')))}"
    return _label(identifier, DETECTORS)


def detector_labels(identifiers: Sequence[str]) -> dict[str, str]:
    """Return the label of each detector, its identifier where two would be called the same.

    Example:
        >>> detector_labels(["knn[k=5,kth,euclidean]", "knn[k=5]", "centroid"])
        {'knn[k=5,kth,euclidean]': 'knn[k=5,kth,euclidean]', 'knn[k=5]': 'knn[k=5]', 'centroid': 'centroid'}
    """
    labels = {identifier: detector_label(identifier) for identifier in identifiers}
    said = list(labels.values())
    return {identifier: label if said.count(label) == 1 else identifier for identifier, label in labels.items()}


def _label(identifier: str, registry: Registry) -> str:
    name, bracket, inside = identifier.partition("[")
    _, colon, model = name.partition(":")
    if name not in registry:
        return identifier
    label = registry.find(name).label
    called = f"{model} ({label})" if colon else label or name
    if not (bracket and inside.endswith("]")):
        return called if not bracket else identifier
    usual = _USUAL.get(name, ())
    parts = [_part(part, name) for part in inside[:-1].split(",") if part not in usual]
    return ", ".join([called, *parts])


def _part(part: str, name: str) -> str:
    """One setting of an identifier."""
    if part in _WORDS:
        return _WORDS[part]
    if name in ("pca", "kpca") and re.fullmatch(r"0?\.\d+", part):
        return f"{100 * float(part):g} % of the variance"
    key, comparison, value = re.split(r"(<=|=|$)", part, maxsplit=1)
    if not comparison:
        return part
    sign = "\N{LESS-THAN OR EQUAL TO}" if comparison == "<=" else "="
    return f"{_WORDS.get(key, key)} {sign} {value}"
