"""Detectors by name: array detectors and network detectors share one set of names."""

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, Protocol, Self

from numpy.typing import NDArray

from reprq.detectors.entries import DETECTORS
from reprq.errors import InputError, UnknownNameError

_KINDS = {"array": ("rows",), "network": ("samples", "maps"), "all": ("rows", "samples", "maps")}
_OF_THE_RUN = ("backbone", "teacher", "device", "progress")  # which commands and studies set themselves
_CONTRACT = ("fit", "anomaly_score", "describe", "get_params", "set_params")


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
        ('centroid', 'ensemble', 'gaussian', 'gmm', 'iforest')
    """
    if kind not in _KINDS:
        raise UnknownNameError("kind of detectors", kind, _KINDS)
    return tuple(sorted(entry.name for entry in DETECTORS if entry.inputs in _KINDS[kind] and not entry.prefix))


def check_name(name: str) -> None:
    """Raise an `UnknownNameError` where no detector has that name; nothing is loaded.

    Example:
        >>> check_name("knn")
    """
    if name not in DETECTORS:
        raise UnknownNameError("detector", name, (*names("all"), *(e.name for e in DETECTORS if e.prefix)))


def is_network(name: str) -> bool:
    """Whether the detector of this name fits on samples, through a network that it trains.

    Example:
        >>> is_network("distillation"), is_network("knn")
        (True, False)
    """
    return name in DETECTORS and DETECTORS.find(name).inputs in _KINDS["network"]


def stands_alone(name: str) -> bool:
    """Whether the detector of this name fits on samples and needs no backbone.

    Example:
        >>> stands_alone("raw:knn"), stands_alone("knn"), stands_alone("distillation")
        (True, False, False)
    """
    return is_network(name) and not DETECTORS.find(name).needs & {"backbone", "layer"}


def needs_layer(spec: str | Mapping[str, Any]) -> bool:
    """Whether a detector is fitted anew on every layer: it reads rows, or a layer that its parameters do not name.

    Example:
        >>> needs_layer("knn"), needs_layer("patchcore"), needs_layer({"name": "patchcore", "layers": [2, 3]})
        (True, True, False)
    """
    given = {"name": spec} if isinstance(spec, str) else spec
    name = str(given.get("name"))
    if not is_network(name):
        return True
    return "layer" in DETECTORS.find(name).needs and "layers" not in given


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
    kind = _class_of(name, given)
    valid = _parameters(kind)
    unknown = sorted(set(given) - set(valid))
    if unknown and "parameters" not in valid:
        listed = [word for word in valid if word not in _OF_THE_RUN]
        raise InputError(f"detector {name} has no parameter {unknown[0]!r}; valid: {', '.join(listed) or '(none)'}")
    detector = kind(**given)
    if lacking := [method for method in _CONTRACT if not callable(getattr(detector, method, None))]:
        raise InputError(f"detector {name} must have the method {lacking[0]}; {kind.__name__} lacks it")
    getattr(detector, "check_parameters", lambda: None)()
    return detector


@cache
def _parameters(kind: Any) -> tuple[str, ...]:
    """The parameters of a detector's class; asked for once, since reading a signature takes longer than a small fit."""
    return tuple(inspect.signature(kind).parameters)


def _class_of(name: str, given: dict[str, Any]) -> Any:
    """The class of a detector; what follows the colon of a name with a prefix becomes the parameter `model`."""
    _, colon, model = name.partition(":")
    if colon and model:
        given["model"] = model
    elif "model" in given and f"{name}:NAME" in DETECTORS.names():
        name = f"{name}:NAME"
    check_name(name)
    return DETECTORS.find(name).load()


def name_of(detector: Any) -> str:
    """The name under which a detector's class is registered.

    Raises:
        InputError: it is not registered.

    Example:
        >>> name_of(create("knn"))
        'knn'
    """
    kind = type(detector)
    for entry in DETECTORS:
        if entry.target in (kind, f"{kind.__module__}:{kind.__name__}"):
            return entry.prefix.rstrip(":") or entry.name
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
