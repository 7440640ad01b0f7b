"""From benign samples to a model: rows of the layers, the detector, and a threshold from samples held out."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from reprq.backbones import Backbone, load_backbone
from reprq.backbones.entries import brings_weights
from reprq.data import Dataset, as_dataset, benign_rows, load_dataset, read_as
from reprq.data.corpus import check_alike
from reprq.data.image.preprocessing import Preprocessing
from reprq.data.kinds import kinds_of
from reprq.detectors.calibration import Calibration, calibrate, copies, folds
from reprq.detectors.entries import DETECTORS
from reprq.detectors.registry import create, describe, is_network, stands_alone
from reprq.detectors.rows.base import ArrayDetector
from reprq.embeddings import EmbeddingCache, Embeddings, extract
from reprq.embeddings.learning import fitted, must_learn
from reprq.embeddings.origin import origin_of
from reprq.errors import InputError
from reprq.models.embedder import Embedder, layer_names, scales_of, side_by_side
from reprq.models.maps import highest_benign
from reprq.models.model import Model
from reprq.models.position_maps import PositionScale, scale_of
from reprq.provenance import versions

FALSE_ALARMS = 0.01
_FOLDS = 5
_KEPT_KINDS = 2  # values of one aspect; more than one is as good as any
_BESIDES = ("labelled", "auxiliary")


def fit(
    backbone: str | Backbone | None,
    data: Any,
    layers: str | int | Sequence[str | int] = -1,
    *,
    detector: str | Mapping[str, Any] = "knn",
    false_alarms: float = FALSE_ALARMS,
    pooling: str = "avg",
    benign: str | Sequence[str] = (),
    labelled: Any = None,
    auxiliary: Any = None,
    weights: str | Path = "default",
    preprocessing: Mapping[str, Any] | None = None,
    split: str = "train",
    samples: int | None = None,
    root: Path | str | None = None,
    download: bool = False,
    skip_broken: bool = False,
    batch_size: int = 32,
    workers: int = 1,
    device: str = "cpu",
    seed: int = 0,
    cache_dir: Path | str | None = None,
    progress: bool = True,
    **reading: Any,
) -> Model:
    """Fit a detector on benign samples and find the threshold that keeps to a rate of false alarms.

    A backbone that learns from benign samples (`tfidf`) learns from those that are not held out, and the model keeps
    what it learned.

    The threshold is conformal: with n different benign samples held out, a new benign one is called anomalous with a
    probability of at most `false_alarms`, whatever the detector (Vovk et al. 2005). A detector of rows holds a fifth
    out where that is twice as many as the rate needs, else every fifth in turn (CV+, Barber et al. 2021), and is
    compared with them fold by fold; see `reprq.detectors.calibration.Calibration`. One that trains a network holds out
    a fifth, or as many as the rate needs, at most half.

    Rows of several layers stand side by side, each layer divided by the root mean squared distance of its benign rows
    to their mean, so that none outweighs another.

    Args:
        backbone: A name or a loaded `Backbone`; None for a detector that needs none, and for rows of numbers.
        data: A data set's name or what else `reprq.data.as_dataset` takes, all of a folder without a split; or rows of
            numbers: an (n, d) array or `Embeddings`.
        layers: Numbers, names, ranges; see `reprq.extract`.
        detector: A name, or a mapping of a name and parameters.
        false_alarms: The share of new benign samples that may be called anomalous, in (0, 1).
        pooling: How a layer becomes one row per sample.
        benign: Which classes of the data are benign; see `reprq.data.benign_rows`.
        labelled: Known anomalies, for a detector that learns from some: as `data`.
        auxiliary: A corpus, for a detector that learns from one: as `data`.
        weights: See `reprq.extract`.
        preprocessing: See `reprq.extract`.
        split: "train" or "test"; for data with a split.
        samples: A seeded sample of so many; all by default.
        root: See `reprq.extract`.
        download: See `reprq.extract`.
        skip_broken: See `reprq.extract`.
        batch_size: Samples a forward pass, here and when the model scores.
        workers: Threads that read samples.
        device: A torch device.
        seed: Of samples, random weights, what is held out, and a detector that draws.
        cache_dir: The folder of the caches, in which the embeddings are kept: an interrupted fit goes on from there.
        progress: Whether to show progress on stderr.
        **reading: How files are read; see `reprq.data.read_as`.

    Raises:
        InputError: Too few benign samples for the rate (says which rate they can promise); a detector that needs what
            is not given; a wrong argument.
        UnknownNameError: A backbone, data set, layer, pooling or detector that does not exist.
        DataError, WeightsError: Samples or weights that are missing or cannot be read.

    Example:
        >>> x = np.random.default_rng(0).standard_normal((200, 4))
        >>> model = fit(None, x, detector="knn", false_alarms=0.02)
        >>> model.score(np.array([[0.0, 0, 0, 0], [9, 9, 9, 9]]))["anomalous"].tolist()
        [False, True]
    """
    spec = {"name": detector} if isinstance(detector, str) else dict(detector)
    made = create(spec)
    if not 0.0 < false_alarms < 1.0:
        raise InputError(f"false_alarms must be between 0 and 1, got {false_alarms!r}; 0.01 allows 1 %")
    besides = {word: x for word, x in zip(_BESIDES, (labelled, auxiliary), strict=True) if x is not None}
    _check_besides(spec, made, besides)
    if "seed" in made.get_params() and "seed" not in spec:
        made.set_params(seed=seed)
    rows = _as_rows(data)
    if rows is not None:
        _check_rows(backbone, spec, made)
        return _on_rows(made, rows, besides, false_alarms, seed)
    how = {"root": root, "download": download, "skip_broken": skip_broken, **reading}
    said, note = benign_rows(_samples(data, split, seed, how), benign)
    if samples is not None and samples < len(said):
        said = said.sample(samples, seed=seed)
    others = {word: _samples(x, split, seed, how) for word, x in besides.items()}
    for word, other in others.items():
        check_alike(said, other, word)
    network = _network(backbone, spec, weights, preprocessing, seed)
    network = None if network is None else network.taking(said)
    learning = network is not None and must_learn(network, pooling)
    check_samples(said, false_alarms, made, deep=learning or is_network(spec["name"]))
    parted = None
    if network is not None and learning:  # what calibrates must be new to the backbone too
        parted = _parted(said.content.astype(np.float32), false_alarms, seed)
        network = fitted(network, pooling, said.select(parted.kept))
    chosen = [] if network is None else layer_names(network, layers, pooling)
    if network is None or is_network(spec["name"]):
        own: dict[str, Any] = {"teacher": network, "backbone": network, "layers": _one_or_all(chosen)}
        own |= {"pooling": pooling, "device": device, "progress": progress}
        own |= {"drawing": dict(preprocessing) if network is None and preprocessing else None}
        made.set_params(**{k: v for k, v in own.items() if k in made.get_params() and k not in spec and v is not None})
        embedder = None
        calibration, judge, held_out = _trained(made, said, others, false_alarms, seed)
        map_threshold, scale = highest_benign(judge, held_out, false_alarms), None
    else:
        options = {"pooling": pooling, "batch_size": batch_size, "workers": workers, "device": device, "seed": seed}
        options |= {"cache_dir": cache_dir, "progress": progress}
        embedder, x = _embedded(network, said, chosen, options, parted)
        known = {word: _again(embedder, other, options) for word, other in others.items()}
        if parted is None:
            calibration, judge = _of_rows(made, x, known, false_alarms)
        else:
            calibration, judge = _on_part(made, x, parted, known, false_alarms)
        map_threshold = None
        out = parted.out if parted is not None else next(folds(x))[1]
        scale = _positions(embedder, calibration, said.select(out))
    record = _record(judge, calibration, said.name, len(said), said.noun, seed)
    record["trained_on"] |= {"split": said.split, "fingerprint": said.fingerprint, "benign": note}
    record["trained_on"]["notes"] = list(said.notes)
    kinds = {aspect: values[:_KEPT_KINDS] for aspect, values in kinds_of(said).items()}
    record["inputs"] = {"modality": said.modality, "noun": said.noun, "kinds": kinds, "reading": dict(said.reading)}
    record["backbone"] = None if network is None else _of_backbone(network, backbone, weights, seed)
    record |= {"layers": chosen, "pooling": pooling, "batch_size": batch_size}
    record["scales"] = [] if embedder is None else list(embedder.scales)
    record["map_threshold"] = map_threshold
    record["position_scale"] = None if scale is None else scale._asdict()
    return Model(judge, calibration, embedder, record)


def _positions(embedder: Embedder, calibration: Calibration, held_out: Dataset) -> PositionScale | None:
    """On which scale the positions of held-out photos score beside these; None of what is no picture."""
    if not isinstance(embedder.backbone.preprocessing, Preprocessing):
        return None
    detector, scores = calibration.folds[0]
    return scale_of(embedder, detector, held_out, scores)


def _on_rows(made: Any, rows: Embeddings, besides: Mapping[str, Any], rate: float, seed: int) -> Model:
    """A model of rows of numbers."""
    given = {word: np.asarray(getattr(x, "array", x)) for word, x in besides.items()}
    deep = not isinstance(made, ArrayDetector)
    check_enough(len(rows), rate, "row", deep=deep, k=getattr(made, "k", 1))
    calibration, fitted = (
        _trained(made, rows.array, given, rate, seed)[:2] if deep else _of_rows(made, rows.array, given, rate)
    )
    source = str(rows.provenance.get("file", rows.provenance.get("data", "an array")))
    record = _record(fitted, calibration, source, len(rows), "row", seed)
    record["trained_on"]["fingerprint"] = hashlib.sha256(np.ascontiguousarray(rows.array).tobytes()).hexdigest()
    record |= {"inputs": {"width": rows.width, "origin": origin_of(rows)}, "backbone": None, "layers": []}
    return Model(fitted, calibration, None, record, reads_rows=True)


def _as_rows(data: Any) -> Embeddings | None:
    """The data as rows of numbers; None where it holds samples."""
    if isinstance(data, Embeddings):
        return data
    if isinstance(data, Dataset | str | Path):
        return None
    from reprq.detectors.deep.samples import is_rows

    return Embeddings(np.asarray(data)) if is_rows(data) else None


def _samples(data: Any, split: str, seed: int, how: Mapping[str, Any]) -> Dataset:
    """A data set; all of a folder that comes without a split."""
    if isinstance(data, str | Path):
        return load_dataset(data, split, seed=seed, whole=True, **how)
    reading = {word: value for word, value in how.items() if word not in ("root", "download")}
    return read_as(as_dataset(data, split, root=how["root"], seed=seed), **reading)


def _check_besides(spec: Mapping[str, Any], made: Any, besides: Mapping[str, Any]) -> None:
    """Raise an InputError where the detector needs something that is not given, or cannot use what is."""
    name = str(spec["name"])
    needs = DETECTORS.find(name).needs if name in DETECTORS else frozenset()
    uses = needs | set(getattr(made, "uses", ()))
    for word in _BESIDES:
        if word in needs and word not in besides:
            raise InputError(f"detector {name} needs {word} samples; give some ({word}=, --{word} DATA)")
        if word in besides and word not in uses:
            raise InputError(f"detector {name} does not learn from {word} samples; leave {word} out")


def _check_rows(backbone: Any, spec: Mapping[str, Any], made: Any) -> None:
    if backbone is not None:
        raise InputError("backbone must be None for rows of numbers, which need no network; leave it out")
    if is_network(spec["name"]) and not getattr(made, "takes_rows", False):
        raise InputError(f"detector {spec['name']} reads samples, got rows of numbers; give a data set")


def check_samples(data: Dataset, rate: float, made: Any, *, deep: bool) -> None:
    """Raise an InputError where so many samples cannot promise the rate; those that do not decode are not counted."""
    how: dict[str, Any] = {"deep": deep, "k": getattr(made, "k", 1)}
    try:
        check_enough(len(data), rate, data.noun, **how)
    except InputError:  # so few that reading all takes no time
        check_enough(len(data) - len(broken := data.failures()), rate, data.noun, broken=len(broken), **how)
        raise


def check_enough(n: int, rate: float, noun: str, *, deep: bool, k: int = 1, broken: int = 0) -> None:
    """Raise an InputError where so many samples cannot promise the rate, or have no k neighbors.

    Args:
        n: How many samples there are.
        rate: The share of false alarms.
        noun: What a sample is.
        deep: Whether some are held out of training for good.
        k: How many neighbors the detector looks at; a fifth of the rows is held out of them.
        broken: How many more there are that cannot be read.
    """
    usable = n // 2 if deep else n
    most = n - math.ceil(n / _FOLDS)
    needed = math.ceil(1.0 / rate - 1.0 - 1e-9)
    if usable < needed:
        twice = " (half of them train)" if deep else ""
        beside = f" and {broken} that cannot be read" if broken else ""
        advice = f", or ask for {_promised(usable):g}, which {n} can promise" if usable > 1 else ""
        advice += f" with a k of at most {most}" if advice and k > most else ""
        raise InputError(
            f"false_alarms {rate:g} needs at least {needed * (2 if deep else 1)} different benign {noun}s{twice}, got"
            f" {n}{beside}; give more{advice}"
        )
    if not deep and k > most:
        raise InputError(
            f"k must be at most {most} where a fifth of {n} benign {noun}s is held out, got {k}; lower k, or give more"
        )


def _promised(n: int) -> float:
    """The least rate that n samples can promise, 1 / (n + 1), rounded up."""
    return math.ceil(1e4 / (n + 1) - 1e-9) / 1e4


def _network(
    backbone: str | Backbone | None, spec: Mapping[str, Any], weights: str | Path, preprocessing: Any, seed: int
) -> Backbone | None:
    """The backbone of a detector that needs one."""
    if backbone is None:
        if stands_alone(spec["name"]):
            return None
        raise InputError(f"detector {spec['name']} needs a backbone, got None; name one (`reprq backbones`)")
    if stands_alone(spec["name"]):
        raise InputError(f"detector {spec['name']} reads samples without a backbone; leave the backbone out")
    if isinstance(backbone, Backbone):
        return backbone
    return load_backbone(backbone, weights, preprocessing=preprocessing, seed=seed)


def _of_backbone(network: Backbone, asked: Any, weights: str | Path, seed: int) -> dict[str, Any]:
    """What finds the backbone again: how it was asked for, and the digest of what was found then."""
    named = isinstance(asked, str)
    path = named and str(weights) not in ("default", "random")
    return {
        "name": str(asked) if named and brings_weights(asked) else network.name,
        "weights": (str(Path(weights).expanduser().absolute()) if path else str(weights)) if named else None,
        "loaded": network.weights,
        "weights_digest": network.weights_digest,
        "preprocessing": network.preprocessing.overrides(),
        "seed": seed,
    }


def _embedded(
    network: Backbone, data: Dataset, layers: Sequence[str], options: dict[str, Any], parted: "_Parted | None"
) -> Any:
    """How the samples become rows, and these rows."""
    parts = _arrays(extract(network, data, list(layers), **options))
    scales = scales_of(parts if parted is None else [x[parted.kept] for x in parts])
    embedder = Embedder(network, tuple(layers), options["pooling"], scales, options["device"], options["batch_size"])
    return embedder, side_by_side(parts, scales)


def _again(embedder: Embedder, data: Dataset, options: dict[str, Any]) -> NDArray[np.float32]:
    cache = extract(embedder.backbone, data, list(embedder.layers), **options)
    return side_by_side(_arrays(cache), embedder.scales)


def _arrays(cache: EmbeddingCache) -> list[NDArray[np.floating]]:
    return [cache[name].array for name in cache]


def _of_rows(made: Any, x: Any, besides: Mapping[str, Any], rate: float) -> tuple[Calibration, Any]:
    """A detector of rows, fitted on all of them, and its calibration."""
    fitted = made.fit(x, **besides)
    _check_distinct(int(copies(x).max()) + 1, rate)
    return calibrate(fitted, rate), fitted


class _Parted(NamedTuple):
    """The samples that are fitted on, those that are held out, and how many different ones these are."""

    kept: NDArray[np.int64]
    out: NDArray[np.int64]
    distinct: int


def _parted(rows: Any, rate: float, seed: int) -> _Parted:
    """Hold a fifth of some rows out, or as many as the rate needs; copies stay together."""
    groups = copies(rows)
    distinct = int(groups.max()) + 1
    wanted = max(distinct // _FOLDS, math.ceil(1.0 / rate - 1.0 - 1e-9))
    _check_distinct(distinct // 2, rate)
    left = np.isin(groups, np.random.default_rng(seed).permutation(distinct)[:wanted])
    return _Parted(np.flatnonzero(~left), np.flatnonzero(left), wanted)


def _trained(made: Any, data: Any, besides: Mapping[str, Any], rate: float, seed: int) -> tuple[Calibration, Any, Any]:
    """The scores of what is held out, a detector that was fitted on what is not, and what is."""
    parted = _parted(data.content.astype(np.float32) if isinstance(data, Dataset) else data, rate, seed)
    calibration, fitted = _on_part(made, data, parted, besides, rate)
    return calibration, fitted, _take(data, parted.out)


def _on_part(made: Any, data: Any, parted: _Parted, besides: Mapping[str, Any], rate: float) -> tuple[Calibration, Any]:
    """A detector that was fitted on what is kept, and the scores of what is held out."""
    fitted = made.fit(_take(data, parted.kept), **besides)
    held = np.asarray(fitted.anomaly_score(_take(data, parted.out)), np.float64)
    return Calibration(((fitted, held),), parted.distinct, rate), fitted


def _one_or_all(layers: Sequence[str]) -> str | list[str] | None:
    """The layers as a detector's parameter, under the identifier that one has."""
    return list(layers) if len(layers) > 1 else next(iter(layers), None)


def _take(data: Any, rows: NDArray[np.int64]) -> Any:
    return data.select(rows) if isinstance(data, Dataset) else data[rows]


def _check_distinct(distinct: int, rate: float) -> None:
    if rate < 1.0 / (distinct + 1) - 1e-12:
        raise InputError(
            f"false_alarms {rate:g} needs at least {math.ceil(1 / rate - 1 - 1e-9)} different benign samples to compare"
            f" with, got {distinct}, copies counted once; give more, or ask for {_promised(distinct):g}"
        )


def _record(fitted: Any, calibration: Calibration, data: str, n: int, noun: str, seed: int) -> dict[str, Any]:
    low, high = calibration.interval
    return {
        "method": describe(fitted),
        "false_alarms": calibration.wanted,
        "threshold": calibration.threshold,
        "rate": {"value": calibration.rate, "low": low, "high": high, "held_out": calibration.n},
        "trained_on": {"data": data, "rows": n, "noun": noun},
        "seed": seed,
        "versions": versions(),
    }
