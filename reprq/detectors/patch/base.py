"""What the detectors of patches share: images in, a network that only reads, scores and maps in blocks, and a file."""

import json
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from sklearn.base import BaseEstimator

from reprq.backbones import Backbone
from reprq.data import Transform, as_dataset
from reprq.data.image.preprocessing import Preprocessing
from reprq.detectors.deep.maps import check_blur
from reprq.detectors.network import check_network, check_same, opened
from reprq.detectors.patch.reader import Patches, PatchReader, spread
from reprq.detectors.registry import name_of
from reprq.detectors.rows.base import NotFittedError, check_count
from reprq.errors import DataError, InputError, OutputExistsError, ReprqError
from reprq.numerics.rows import Scores
from reprq.progress import track
from reprq.storage import write_whole
from reprq.training import Inputs

KEY = "reprq.patch"
LEAST_IMAGES = 4
_NOT_SAVED = ("backbone", "device", "progress")
Maps = NDArray[np.float64]


@dataclass(kw_only=True, eq=False, repr=False)
class PatchDetector(BaseEstimator):  # type: ignore[misc]
    """A detector that compares the patches of an image with those of benign images; no network is trained.

    A patch is a position of the feature maps of `layers`, see `reprq.detectors.patch.reader.PatchReader`. A subclass
    writes `_learn`, `_scores`, `_maps`, `_arrays` and `_restore`.

    Args:
        backbone: A `Backbone`, or the name of one.
        layers: Which of its layers, as in `Backbone.select_layers`; all must put out maps or tokens.
        average: Side of the neighborhood over which positions are averaged, an odd number.
        normalize: Whether every patch is brought to length 1, so that directions alone count; the papers do not.
        grid: Side of the common grid of all layers; by default that of the layer with the most positions.
        sigma: Of the Gaussian that smooths maps, in pixels of the network's input; 0 for none.
        batch_size: Images a forward pass.
        seed: Of what is drawn.
        device: A torch device, of the network.
        progress: Whether to show progress on stderr.

    Attributes:
        transform_: From an image to the network's input.
        reader_: From the network's input to patches.
    """

    backbone: Backbone | str | None = field(default=None, kw_only=False)
    layers: str | int | Sequence[str | int] = -1
    average: int = 3
    normalize: bool = False
    grid: int | None = None
    sigma: float = 4.0
    batch_size: int = 32
    seed: int = 0
    device: str = "cpu"
    progress: bool = False
    takes_rows: ClassVar[bool] = False

    transform_: Transform = field(init=False)
    reader_: PatchReader = field(init=False)

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn the patches of benign images; forgets any earlier fit.

        Args:
            X: Images, 4 or more: a `Dataset`, or what else `reprq.data.as_dataset` takes.
            y: Ignored.

        Raises:
            InputError: `X` holds no images, a parameter cannot be used, or memory would not hold what is learned.
            DataError: Too few images, or one that cannot be read.
        """
        self.check_parameters()
        images = as_dataset(X)
        if hasattr(self, "reader_"):
            del self.reader_  # until the end it is not fitted
        reader = self._opened(images.modality)
        reader.backbone.check_takes(images)
        if len(images) < LEAST_IMAGES:
            raise DataError(
                f"{type(self).__name__} needs at least {LEAST_IMAGES} benign images, got {len(images)}; give more"
            )
        inputs = Inputs(images, reader.backbone.preprocessing)
        read = lambda: self._blocks(reader, inputs, self.progress)  # noqa: E731
        self._learn(Patches(len(images), reader.grid[0] * reader.grid[1], sum(reader.widths), read), reader)
        self.reader_ = reader
        return self

    def anomaly_score(self, X: Any) -> Scores:
        """Score images: (m,) float64, higher is more anomalous.

        Args:
            X: Images, in any form that `fit` takes.

        Raises:
            NotFittedError: `fit` has not been called.
            InputError: `X` holds no images.
        """
        found = [self._scores(block) for block in self._read(X)]
        return np.concatenate(found) if found else np.empty(0)

    def anomaly_map(self, X: Any) -> Maps:
        """Return where images are anomalous: (m, H, W), as large as the network's input, higher is more anomalous.

        What each patch scores is interpolated bilinearly, and smoothed by a Gaussian of `sigma` pixels for which the
        border goes on as it is. `reprq.data.to_photo` brings a map back to the pixels of its photo.

        Raises:
            NotFittedError: `fit` has not been called.
            InputError: `X` holds no images.
        """
        shape = (self._fitted().backbone.input_shape[1], self._fitted().backbone.input_shape[2])
        grid = self._fitted().grid
        found = [spread(self._maps(block), grid, shape, self.sigma) for block in self._read(X)]
        return np.concatenate(found) if found else np.empty((0, *shape))

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        check_network(self.backbone, "backbone")
        if not isinstance(self.layers, str | int) and not len(self.layers):
            raise InputError("layers must name at least one layer, got none")
        check_count("average", self.average)
        if self.average % 2 == 0:
            raise InputError(f"average must be an odd number, got {self.average!r}; 3 is the papers'")
        if not isinstance(self.normalize, bool):
            raise InputError(f"normalize must be True or False, got {self.normalize!r}")
        if self.grid is not None:
            check_count("grid", self.grid)
        check_count("batch_size", self.batch_size)
        check_blur(self.sigma)

    def check_fitted(self) -> None:
        """Raise a NotFittedError before the first `fit`."""
        self._fitted()

    def describe(self) -> str:
        """A stable identifier of the method and its settings, such as "padim[layers=2,3,channels=100]"."""
        plain = type(self)()
        layers = self.layers if isinstance(self.layers, str | int) else ",".join(map(str, self.layers))
        values = {name: getattr(self, name) for name in ("average", "grid", "sigma")}
        others = ["normalized"] * self.normalize
        others += [f"{name}={value:g}" for name, value in values.items() if value != getattr(plain, name)]
        return f"{name_of(self)}[{','.join([f'layers={layers}', *self._settings(), *others])}]"

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write what was learned to a safetensors file, with parameters as JSON; no code, and not the network.

        Raises:
            NotFittedError: `fit` has not been called.
            OutputExistsError: The file is there and `force` is False.
            ReprqError: The file cannot be written.
        """
        reader = self._fitted()
        path = Path(path)
        if path.exists() and not force:
            raise OutputExistsError(f"{path} exists already; give another path or force=True")
        parameters = {name: value for name, value in self.get_params().items() if name not in _NOT_SAVED}
        made = {"detector": name_of(self), "parameters": parameters, "backbone": reader.backbone.weights_digest}
        made["modality"] = reader.backbone.preprocessing.modality
        arrays = {name: np.ascontiguousarray(array) for name, array in self._arrays().items()}
        write_whole(path, lambda temporary: save_file(arrays, temporary, {KEY: json.dumps(made)}))

    @classmethod
    def load(cls, path: str | Path, backbone: Backbone | str, *, device: str = "cpu") -> Self:
        """Read a fitted detector that `save` wrote; the network is not in the file.

        Args:
            path: The file.
            backbone: The network that it was fitted with.
            device: A torch device.

        Raises:
            InputError: The file is missing, damaged or foreign, or the network has other weights.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                made = json.loads((file.metadata() or {})[KEY])
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            detector = cls(backbone, **made["parameters"], device=device)
            detector.check_parameters()
            reader = detector._opened(made.get("modality", "image"))  # files of older versions do not say
            check_same(reader.backbone, made["backbone"], "backbone", path)
            detector._restore(arrays, reader)
        except ReprqError:
            raise
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"{path} must be a {cls.__name__} that reprq saved, got {error!r}; save it again"
            ) from error
        detector.reader_ = reader
        return detector

    @abstractmethod
    def _settings(self) -> list[str]:
        """Return those of its own parameters that change scores, for `describe`."""

    @abstractmethod
    def _learn(self, patches: Patches, reader: PatchReader) -> None:
        """Learn the patches of benign images."""

    @abstractmethod
    def _scores(self, block: NDArray[np.float32]) -> Scores:
        """Score (b, positions, width) patches of images: (b,)."""

    @abstractmethod
    def _maps(self, block: NDArray[np.float32]) -> Maps:
        """Score every patch: (b, positions)."""

    @abstractmethod
    def _arrays(self) -> dict[str, NDArray[Any]]:
        """Return all that was learned."""

    @abstractmethod
    def _restore(self, arrays: dict[str, NDArray[Any]], reader: PatchReader) -> None:
        """Learn what `_arrays` returned."""

    def _opened(self, modality: str) -> PatchReader:
        backbone = opened(self.backbone, "backbone", self)
        if not isinstance(backbone.preprocessing, Preprocessing):
            raise InputError(f"{type(self).__name__} reads patches of images, and {backbone.name} takes none")
        backbone = backbone.reading(modality)
        self.transform_ = backbone.preprocessing
        how: dict[str, Any] = {"average": self.average, "normalize": self.normalize, "grid": self.grid}
        return PatchReader(backbone, self.layers, **how, device=self.device)

    def _fitted(self) -> PatchReader:
        if not hasattr(self, "reader_"):
            raise NotFittedError(f"{type(self).__name__} is not fitted; call fit with benign images first")
        return self.reader_

    def _read(self, X: Any) -> Iterator[NDArray[np.float32]]:
        reader = self._fitted()
        images = as_dataset(X)
        reader.backbone.check_takes(images)
        return self._blocks(reader, Inputs(images, reader.backbone.preprocessing, memory=0), show=False)

    def _blocks(self, reader: PatchReader, inputs: Inputs, show: bool) -> Iterator[NDArray[np.float32]]:
        with track(total=len(inputs), desc="patches", unit="image", show=show, leave=False) as bar, torch.no_grad():
            for rows in torch.split(torch.arange(len(inputs)), self.batch_size):
                found: NDArray[np.float32] = reader(inputs[rows]).cpu().numpy()
                if not np.isfinite(found).all():
                    raise InputError(f"{reader.backbone.name} must give finite numbers, got a nan or an inf; mend it")
                yield found
                bar.update(len(rows))


def check_memory(memory: Any) -> None:
    """Raise an InputError unless `memory` is a positive number of GiB."""
    if isinstance(memory, bool) or not isinstance(memory, int | float) or not memory > 0:
        raise InputError(f"memory must be a positive number of GiB, got {memory!r}")
