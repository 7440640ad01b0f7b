"""Detectors by name: array detectors and network detectors share one set of names."""

import inspect
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, Protocol, Self

from numpy.typing import NDArray

from reprq.errors import InputError, UnknownNameError
from reprq.registry import Entry, Registry

_ROWS = "reprq.detectors.rows"
DETECTORS = Registry(
    "detector",
    (
        Entry(
            name="centroid",
            target=f"{_ROWS}.centroid:Centroid",
            inputs="rows",
            label="centroid",
            about="squared distance to the mean of the benign rows",
            citation="Mai et al. 2021 (MSE)",
        ),
        Entry(
            name="gaussian",
            target=f"{_ROWS}.density:Gaussian",
            inputs="rows",
            label="Gaussian",
            about="minus the log-density of a Gaussian with the mean and covariance of the benign rows",
            citation="classical",
        ),
        Entry(
            name="gmm",
            target=f"{_ROWS}.shallow:GMM",
            inputs="rows",
            label="Gaussian mixture",
            about="minus the log-likelihood of a Gaussian mixture with diagonal covariances",
            citation="classical",
        ),
        Entry(
            name="iforest",
            target=f"{_ROWS}.shallow:IForest",
            inputs="rows",
            label="isolation forest",
            about="how few random splits isolate a row",
            citation="Liu et al. 2008",
        ),
        Entry(
            name="kde",
            target=f"{_ROWS}.density:KDE",
            inputs="rows",
            label="KDE",
            about="minus the log-density of a Gaussian kernel density estimate",
            citation="Parzen 1962",
        ),
        Entry(
            name="knn",
            target=f"{_ROWS}.knn:KNN",
            inputs="rows",
            label="kNN",
            about="distance to the k nearest benign rows, exact",
            citation="Ramaswamy et al. 2000",
        ),
        Entry(
            name="kpca",
            target=f"{_ROWS}.reconstruction:KPCA",
            inputs="rows",
            label="kernel PCA",
            about="reconstruction error of kernel PCA in feature space",
            citation="Hoffmann 2007",
        ),
        Entry(
            name="lof",
            target=f"{_ROWS}.lof:LOF",
            inputs="rows",
            label="LOF",
            about="how much sparser a row lies than its neighbors",
            citation="Breunig et al. 2000",
        ),
        Entry(
            name="mahalanobis",
            target=f"{_ROWS}.mahalanobis:Mahalanobis",
            inputs="rows",
            label="Mahalanobis",
            about="squared Mahalanobis distance to the mean; covariance ledoit_wolf, oas, empirical (pseudo-inverse),"
            " diagonal or mcd",
            citation="Mahalanobis 1936; Ledoit & Wolf 2004",
        ),
        Entry(
            name="mve",
            target=f"{_ROWS}.density:MVE",
            inputs="rows",
            label="MVE",
            about="squared distance in the smallest ellipsoid that holds all benign rows",
            citation="Khachiyan 1996",
        ),
        Entry(
            name="ocsvm",
            target=f"{_ROWS}.shallow:OCSVM",
            inputs="rows",
            label="OC-SVM",
            about="one-class SVM with a Gaussian kernel, which is SVDD",
            citation="Schölkopf et al. 2001",
        ),
        Entry(
            name="pca",
            target=f"{_ROWS}.reconstruction:PCA",
            inputs="rows",
            label="PCA",
            about="squared distance to the span of the leading principal components",
            citation="classical",
        ),
        Entry(
            name="ssad",
            target=f"{_ROWS}.ssad:SSAD",
            inputs="rows",
            label="SSAD",
            about="as ocsvm, which it is without labelled rows; keeps known anomalies a margin outside its boundary",
            citation="Görnitz et al. 2013",
        ),
        Entry(
            name="distillation",
            target="reprq.detectors.deep.distillation:Distillation",
            inputs="samples",
            needs=frozenset({"backbone", "layer"}),
            label="distillation",
            about="how badly a student that learned benign samples imitates its teacher",
            citation="Mai et al. 2021",
        ),
        Entry(
            name="cvdd",
            target="reprq.detectors.deep.cvdd:CVDD",
            inputs="samples",
            needs=frozenset({"backbone", "layer"}),
            label="CVDD",
            about="distance of what attention heads take from the tokens of a text to a few contexts of benign texts",
            citation="Ruff et al. 2019",
        ),
        Entry(
            name="deep_svdd",
            target="reprq.detectors.deep.svdd:DeepSVDD",
            inputs="samples",
            label="Deep SVDD",
            about="squared distance to the center of a small sphere into which a network maps benign images or rows",
            citation="Ruff et al. 2018",
        ),
        Entry(
            name="deep_sad",
            target="reprq.detectors.deep.sad:DeepSAD",
            inputs="samples",
            label="Deep SAD",
            about="as deep_svdd, which it is without labelled anomalies; pushes those that it is given away",
            citation="Ruff et al. 2020",
        ),
        Entry(
            name="supervised",
            target="reprq.detectors.deep.supervised:SupervisedClassifier",
            inputs="samples",
            needs=frozenset({"labelled"}),
            label="supervised",
            about="the logit of a classifier of labelled anomalies against all other samples",
            citation="Ruff et al. 2020",
        ),
        Entry(
            name="ss_dgm",
            target="reprq.detectors.deep.ss_dgm:SSDGM",
            inputs="samples",
            needs=frozenset({"labelled"}),
            label="SS-DGM",
            about="log-odds of the class of known anomalies in a semi-supervised deep generative model, M2 or M1+M2",
            citation="Kingma et al. 2014",
        ),
        Entry(
            name="hsc",
            target="reprq.detectors.deep.hsc:HSC",
            inputs="samples",
            needs=frozenset({"auxiliary"}),
            label="HSC",
            about="a radial function of an embedding, trained to be small on benign samples and large on a corpus",
            citation="Ruff et al. 2020",
        ),
        Entry(
            name="bce",
            target="reprq.detectors.deep.classifiers:BCE",
            inputs="samples",
            needs=frozenset({"auxiliary"}),
            label="BCE",
            about="the logit of a classifier of benign samples against a corpus",
            citation="Hendrycks et al. 2019",
        ),
        Entry(
            name="focal",
            target="reprq.detectors.deep.classifiers:Focal",
            inputs="samples",
            needs=frozenset({"auxiliary"}),
            label="focal",
            about="as bce, with the focal loss",
            citation="Lin et al. 2017",
        ),
        Entry(
            name="geometric",
            target="reprq.detectors.deep.geometric:Geometric",
            inputs="samples",
            label="geometric",
            about="how badly a classifier of geometric transformations of benign images tells those of an image (GT, or"
            " GT+ with heads=separate)",
            citation="Golan & El-Yaniv 2018; Hendrycks et al. 2019",
        ),
        Entry(
            name="autoencoder",
            target="reprq.detectors.deep.autoencoder:Autoencoder",
            inputs="samples",
            label="autoencoder",
            about="squared error of an autoencoder that rebuilds images or rows, plain or denoising, with a map of it",
            citation="Hinton & Salakhutdinov 2006; Vincent et al. 2008",
        ),
        Entry(
            name="flow",
            target="reprq.detectors.deep.flow:Flow",
            inputs="samples",
            label="Real NVP",
            about="minus the log-likelihood of a normalizing flow, in nats; of rows, or of the pixels of small images",
            citation="Dinh et al. 2017",
        ),
        Entry(
            name="fcdd",
            target="reprq.detectors.deep.fcdd:FCDD",
            inputs="samples",
            label="FCDD",
            about="a map of the outputs of a fully convolutional network, trained against confetti, a corpus or known"
            " anomalies",
            citation="Liznerski et al. 2021",
        ),
        Entry(
            name="padim",
            target="reprq.detectors.patch.padim:PaDiM",
            inputs="maps",
            needs=frozenset({"backbone", "layer"}),
            label="PaDiM",
            about="Mahalanobis distance of the patches of an image to a Gaussian at every position, with a map",
            citation="Defard et al. 2021",
        ),
        Entry(
            name="patchcore",
            target="reprq.detectors.patch.patchcore:PatchCore",
            inputs="maps",
            needs=frozenset({"backbone", "layer"}),
            label="PatchCore",
            about="distance of the patches of an image to a few benign patches that cover all, with a map",
            citation="Roth et al. 2022",
        ),
        Entry(
            name="spade",
            target="reprq.detectors.patch.spade:SPADE",
            inputs="maps",
            needs=frozenset({"backbone", "layer"}),
            label="SPADE",
            about="distance to the nearest benign images, with a map of distances to the patches of these",
            citation="Cohen & Hoshen 2020",
        ),
        Entry(
            name="raw:NAME",
            target="reprq.detectors.raw:Raw",
            inputs="samples",
            label="raw",
            about="a detector of rows, by its name, on the pixels of images, without a network",
        ),
        Entry(
            name="hybrid:NAME",
            target="reprq.detectors.hybrid:Hybrid",
            inputs="samples",
            label="hybrid",
            about="a detector of rows, by its name, on the embeddings of a deep one (`of`, `deep_svdd` by default)",
            citation="Ruff et al. 2020",
        ),
        Entry(
            name="pyod:NAME",
            target=f"{_ROWS}.pyod:PyOD",
            inputs="rows",
            extra="pyod",
            label="PyOD",
            about="any detector of PyOD, by the name of its class",
            citation="Zhao et al. 2019",
        ),
    ),
    group="reprq.detectors",
)
_KINDS = {"array": ("rows",), "network": ("samples", "maps"), "all": ("rows", "samples", "maps")}
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
        ('centroid', 'gaussian', 'gmm', 'iforest', 'kde')
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
        raise InputError(f"detector {name} has no parameter {unknown[0]!r}; valid: {', '.join(valid) or '(none)'}")
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
