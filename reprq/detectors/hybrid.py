"""Hybrids: a detector of rows on the embeddings of a network that another detector trained."""

import inspect
import json
import tempfile
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from reprq.detectors import files
from reprq.detectors.byname import ByName, check_of_rows
from reprq.detectors.calibration import FALSE_ALARM_RATE, Calibration, copies
from reprq.detectors.entries import DETECTORS
from reprq.detectors.registry import create, is_network, name_of, stands_alone
from reprq.detectors.rows.base import NotFittedError
from reprq.errors import InputError, OutputExistsError
from reprq.storage import write_whole
from reprq.training import split_rows

_KEY, _PARTS = "reprq.hybrid", ("network", "rows")


class Hybrid(ByName):
    """A detector of rows on what a deep detector embeds, fitted one after the other (Ruff 2021, B.1).

    Args:
        model: The name of the detector of rows: "knn" of "hybrid:knn".
        **parameters: `of`, the deep detector, by its name or as a mapping with parameters of its own ("deep_svdd" by
            default); and parameters of either. One that both take goes to the detector of rows alone, but `seed` to
            both, and what the mapping says is not overruled.

    Raises:
        InputError: From `check_parameters`, `model` does not read rows, `of` trains no network, or neither has a
            parameter.

    Attributes:
        network_: The fitted deep detector.
        detector_: The fitted detector of rows.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> detector = Hybrid("knn", k=3, of="deep_svdd", epochs=2).fit(rng.normal(size=(40, 5)))
        >>> detector.describe()
        'hybrid:knn[k=3,kth,euclidean]@deep_svdd[one-class,epochs=2,lr=0.0001]'
        >>> detector.anomaly_score(rng.normal(size=(3, 5))).shape
        (3,)
    """

    network_: Any
    detector_: Any

    @property
    def takes_rows(self) -> bool:
        """Whether (n, d) arrays do as samples."""
        return bool(getattr(self._pair()[0], "takes_rows", False))

    @property
    def uses(self) -> frozenset[str]:
        """What `fit` can learn from besides, of "labelled", "auxiliary" and "masks": whatever either can."""
        return frozenset().union(*(getattr(part, "uses", ()) for part in self._pair()))

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return both names and all parameters of both."""
        network, rows = self._pair()
        of = self.parameters.get("of", "deep_svdd")
        return {**network.get_params(), **rows.get_params(), "of": of, "model": self.model}

    def describe(self) -> str:
        """Return for example "hybrid:knn[k=5,kth,euclidean]@deep_svdd[one-class,epochs=150,lr=0.0001]"."""
        network, rows = self._pair()
        return f"hybrid:{rows.describe()}@{network.describe()}"

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        labelled: Any = None,
        auxiliary: Any = None,
        labels: Any = None,
        masks: Any = None,
    ) -> Self:
        """Train the network on samples, then fit the detector of rows on their embeddings; forgets any earlier fit.

        Args:
            X: Samples, as the deep detector takes them.
            y: Ignored.
            labelled: Labelled samples, for whichever of the two learns from them.
            auxiliary: A corpus, for a deep detector that learns from one.
            labels: Of `labelled`: 1 is anomalous, 0 benign; by default all are anomalous.
            masks: Of `labelled`, for a deep detector that learns from masks, such as FCDD.

        Raises:
            ReprqError: Whatever either detector says.
        """
        network, rows = self._pair()
        vars(self).pop("detector_", None)
        known = {word: x for word, x in (("labelled", labelled), ("labels", labels)) if x is not None}
        of_rows = "labelled" in getattr(rows, "uses", ())
        if "labelled" in network.uses or not of_rows:
            if "labels" in known and "labelled" not in network.uses:
                raise InputError(f"{self.describe()} learns from no labelled samples; leave labels out")
            if "labels" in known and "labels" not in inspect.signature(network.fit).parameters:
                raise InputError(f"{self.describe()} takes all labelled samples for anomalies; leave labels out")
            if masks is not None and "masks" not in network.uses:
                raise InputError(f"{self.describe()} learns from no masks; leave masks out")
            network.fit(X, **known, auxiliary=auxiliary, **({} if masks is None else {"masks": masks}))
        else:
            network.fit(X, auxiliary=auxiliary)
        if of_rows and labelled is not None:
            known["labelled"] = network.embed(labelled)
        self.network_ = network
        self.detector_ = rows.fit(network.embed(X), **(known if of_rows else {}))
        return self

    def anomaly_score(self, X: Any) -> NDArray[np.float64]:
        """Score samples: (m,) float64, higher is more anomalous.

        Raises:
            NotFittedError: `fit` has not been called.
            InputError: As of the deep detector.
        """
        rows = self.embed(X)
        scores: NDArray[np.float64] = self._fitted().anomaly_score(rows) if len(rows) else np.empty(0)
        return scores

    def embed(self, X: Any) -> NDArray[np.float32]:
        """Return the embeddings of samples: (m, d) float32."""
        self._fitted()
        rows: NDArray[np.float32] = self.network_.embed(X)
        return rows

    def predict(self, X: Any, threshold: float | None = None) -> NDArray[np.int64]:
        """Scikit-learn's labels: -1 for anomalous samples (score above the threshold), 1 for benign ones.

        Args:
            X: Samples, as for `fit`.
            threshold: The largest `anomaly_score` of a benign sample. By default about 5 % of new benign samples are
                called anomalous: they are compared with those that the network held out of its training, both scored
                by a detector of rows that is fitted on the others, see `calibration_`.

        Raises:
            NotFittedError: `fit` has not been called.
            InputError: As `anomaly_score`; or no threshold is given, and the network held no sample out.
        """
        if threshold is not None:
            return np.where(self.anomaly_score(X) > threshold, -1, 1)
        calibration, rows = self.calibration_, self.embed(X)
        return np.where(calibration.scores(rows) > calibration.threshold, -1, 1)

    @property
    def calibration_(self) -> Calibration:
        """The embeddings that neither the network nor the detector beside them has learned from, scored by it."""
        rows, schedule = self._fitted(), self.network_.schedule()
        kept, held_out = split_rows(len(rows.benign_), schedule.seed, schedule.held_out)
        if not len(held_out):
            raise InputError("predict needs a threshold, because no sample was held out; give one, or held_out")
        clone = type(rows)(**rows.get_params()).fit(rows.benign_[kept], **rows.besides())
        left = rows.benign_[held_out]
        return Calibration(((clone, clone.anomaly_score(left)),), int(copies(left).max()) + 1, FALSE_ALARM_RATE)

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write both detectors, each as its own file would be, into one safetensors file.

        Raises:
            NotFittedError: `fit` has not been called.
            OutputExistsError: The file is there and `force` is False.
            ReprqError: The file cannot be written.
        """
        self._fitted()
        path = Path(path)
        if path.exists() and not force:
            raise OutputExistsError(f"{path} exists already; give another path or force=True")
        with tempfile.TemporaryDirectory() as folder:
            parts = dict(zip(_PARTS, (self.network_, self.detector_), strict=True))
            for name, part in parts.items():
                files.save(part, Path(folder, name))
            arrays = {name: np.fromfile(Path(folder, name), dtype=np.uint8) for name in parts}
        metadata = {_KEY: json.dumps({"detector": f"hybrid:{self.model}"})}
        write_whole(path, lambda temporary: save_file(arrays, temporary, metadata))

    @classmethod
    def load(cls, path: str | Path, **given: Any) -> Self:
        """Read a fitted hybrid that `save` wrote.

        Args:
            path: The file.
            **given: What the deep detector's file does not hold, such as the device.

        Raises:
            InputError: The file is missing, damaged or foreign.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                model = json.loads(file.metadata()[_KEY])["detector"].partition(":")[2]
                arrays = {name: file.get_tensor(name) for name in _PARTS}
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{path} must be a hybrid that reprq saved, got {error!r}; save it again") from error
        with tempfile.TemporaryDirectory() as folder:
            for name, array in arrays.items():
                array.tofile(Path(folder, name))
            network, rows = files.load(Path(folder, "network"), **given), files.load(Path(folder, "rows"))
        own = {key: value for key, value in rows.get_params().items() if key != "model"}
        detector = cls(model, of={"name": name_of(network), **network.get_params()}, **own)
        detector.network_, detector.detector_ = network, rows
        return detector

    def _fitted(self) -> Any:
        if not hasattr(self, "detector_"):
            raise NotFittedError("Hybrid is not fitted; call fit with benign samples first")
        return self.detector_

    def _made(self) -> Any:
        return self._pair()

    def _pair(self) -> tuple[Any, Any]:
        """Both detectors, unfitted."""
        given = dict(self.parameters)
        of = given.pop("of", "deep_svdd")
        spec = dict(of) if isinstance(of, dict) else {"name": of}
        name = spec.get("name")
        if not isinstance(name, str) or not is_network(name) or not _embeds(name):
            raise InputError(f"of must name a detector that trains a network, such as deep_svdd, got {of!r}")
        if not stands_alone(name):
            raise InputError(
                f"of must name a detector whose embeddings are its own, such as deep_svdd, got {name}, which embeds as"
                f" its backbone does; use {self.model} on the layer of that backbone"
            )
        check_of_rows("hybrid", self.model)
        of_rows, of_network = create(self.model).get_params(), create(name).get_params()
        own = {key: value for key, value in given.items() if key in of_rows or key not in of_network}
        others = {key: value for key, value in given.items() if key not in own or (key == "seed" and key in of_network)}
        return create({**others, **spec}), create({"name": self.model, **own})


def _embeds(name: str) -> bool:
    """Whether a detector trains a network of its own that embeds samples."""
    entry = DETECTORS.find(name)
    return entry.inputs == "samples" and not entry.prefix
