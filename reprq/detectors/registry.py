"""Detectors by name: array detectors and network detectors share one set of names."""

import importlib
import inspect
from collections.abc import Mapping
from typing import Any, Literal, Protocol, Self

from numpy.typing import NDArray

from reprq.errors import InputError, UnknownNameError

# name -> "module:class"; a detector joins by a line here
_CLASSES = {
    "centroid": "reprq.detectors.rows.centroid:Centroid",
    "gaussian": "reprq.detectors.rows.density:Gaussian",
    "gmm": "reprq.detectors.rows.shallow:GMM",
    "iforest": "reprq.detectors.rows.shallow:IForest",
    "kde": "reprq.detectors.rows.density:KDE",
    "knn": "reprq.detectors.rows.knn:KNN",
    "kpca": "reprq.detectors.rows.reconstruction:KPCA",
    "lof": "reprq.detectors.rows.lof:LOF",
    "mahalanobis": "reprq.detectors.rows.mahalanobis:Mahalanobis",
    "mve": "reprq.detectors.rows.density:MVE",
    "ocsvm": "reprq.detectors.rows.shallow:OCSVM",
    "pca": "reprq.detectors.rows.reconstruction:PCA",
}
# detectors of samples, which train a network
_NETWORKS = {
    "distillation": "reprq.detectors.deep.distillation:Distillation",
}
# "pyod:ECOD" is any detector of PyOD by the name of its class
_PYOD = "reprq.detectors.rows.pyod:PyOD"


class Detector(Protocol):
    """What every detector can do, whether it reads arrays or trains a network."""

    def fit(self, X: Any) -> Self:
        """Learn what is benign; forgets any earlier fit."""

    def anomaly_score(self, X: Any) -> NDArray[Any]:
        """Score rows: (m,) float64, higher is more anomalous."""

    def describe(self) -> str:
        """A stable identifier of the method and its settings, for results."""


def names(kind: Literal["array", "network", "all"] = "array") -> tuple[str, ...]:
    """The names that `create` knows, in alphabetical order.

    Args:
        kind: "array" for detectors of (n, d) arrays, "network" for detectors that train on samples, or "all".

    Example:
        >>> names()[:5]
        ('centroid', 'gaussian', 'gmm', 'iforest', 'kde')
    """
    chosen = {"array": _CLASSES, "network": _NETWORKS, "all": _CLASSES | _NETWORKS}[kind]
    return tuple(sorted(chosen))


def is_network(name: str) -> bool:
    """Whether the detector of this name fits on samples, through a network that it trains.

    Example:
        >>> is_network("distillation"), is_network("knn")
        (True, False)
    """
    return name in _NETWORKS


def create(spec: str | Mapping[str, Any]) -> Any:
    """Make an unfitted detector from its name, or from a mapping with `name` and its parameters.

    Args:
        spec: "knn", or {"name": "knn", "k": 2}; "pyod:ECOD" for a detector of PyOD (optional extra `pyod`).

    Raises:
        UnknownNameError: no detector has that name.
        InputError: the mapping has no name or a parameter that the detector does not take (the valid ones are listed),
            or a parameter has a value that the detector cannot use.

    Example:
        >>> create({"name": "mahalanobis", "covariance": "oas"})
        Mahalanobis(covariance='oas')
    """
    given = {"name": spec} if isinstance(spec, str) else dict(spec)
    name = given.pop("name", None)
    if not isinstance(name, str):
        raise InputError(f"detector must be a name or a mapping with a name, got {spec!r}; try one of {names()}")
    if name.startswith("pyod:"):
        name, given["model"] = "pyod", name.removeprefix("pyod:")
    classes = _CLASSES | _NETWORKS | {"pyod": _PYOD}
    if name not in classes or (name == "pyod" and "model" not in given):
        raise UnknownNameError("detector", name, (*names("all"), "pyod:NAME"))
    module, _, attribute = classes[name].partition(":")
    kind = getattr(importlib.import_module(module), attribute)
    valid = tuple(inspect.signature(kind).parameters)
    unknown = sorted(set(given) - set(valid))
    if unknown and name != "pyod":
        raise InputError(f"detector {name} has no parameter {unknown[0]!r}; valid: {', '.join(valid) or '(none)'}")
    detector = kind(**given)
    detector.check_parameters()
    return detector


def name_of(detector: Any) -> str:
    """The name under which a detector's class is registered.

    Raises:
        InputError: it is not registered.

    Example:
        >>> name_of(create("knn"))
        'knn'
    """
    kind = type(detector)
    for name, target in (_CLASSES | _NETWORKS | {"pyod": _PYOD}).items():
        if target == f"{kind.__module__}:{kind.__name__}":
            return name
    raise InputError(
        f"detector must be of a registered class, got {kind.__name__}; registered are {', '.join(names('all'))}"
    )


def describe(detector: Detector) -> str:
    """A stable identifier of a detector and its settings, which result rows carry.

    Example:
        >>> [describe(create(name)) for name in ("centroid", "knn", "mahalanobis")]
        ['centroid', 'knn[k=5,kth,euclidean]', 'mahalanobis[ledoit_wolf]']
    """
    return detector.describe()
