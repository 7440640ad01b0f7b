"""A backbone as a step of scikit-learn's pipelines: images, texts or their files in, rows of numbers out."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin

from reprq.backbones import Backbone, load_backbone
from reprq.data import Dataset, as_dataset
from reprq.detectors.rows.base import NotFittedError
from reprq.embeddings import extract
from reprq.embeddings.learning import fitted
from reprq.errors import InputError
from reprq.models.embedder import Embedder, Rows, layer_names, scales_of, side_by_side


class Embed(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Some layers of a backbone, as a transformer of scikit-learn.

    `transform` turns n samples into (n, d) float32 rows, the pooled outputs of the layers side by side. Of several
    layers each is divided by the root mean squared distance of the rows of `fit` to their mean, as `reprq.fit` does;
    of one layer `fit` learns nothing, and loads the network. `set_output(transform="pandas")` gives a DataFrame, with
    the index of a DataFrame that came in.

    Args:
        backbone: A name (`reprq backbones` lists them) or a loaded `Backbone`.
        layer: A number, a name, a range, or a sequence of these; see `reprq.extract`.
        pooling: How a layer becomes one row per sample.
        weights: "default", "random" or a file; for a backbone given by name.
        preprocessing: What to change in the backbone's own; for a backbone given by name.
        batch_size: Samples a forward pass.
        workers: Threads that read samples while the network runs.
        device: A torch device.
        seed: Of random weights.
        cache_dir: A folder in which rows are kept, so that samples that were seen before, as in the folds of a
            cross-validation, are not computed again; None writes nothing.

    Attributes:
        embedder_: The network, its layers, and what each is divided by.
        widths_: How many columns each layer has.

    Example:
        >>> from sklearn.pipeline import make_pipeline
        >>> from reprq.data import load_dataset
        >>> from reprq.detectors import KNN
        >>> ones = load_dataset("digits").restrict(["1"])
        >>> images = np.stack([np.asarray(ones.item(i)) for i in range(40)])
        >>> detector = make_pipeline(Embed("lenet", layer=2, weights="random"), KNN(k=1)).fit(images)
        >>> detector.predict(np.zeros_like(images[:2])).tolist()
        [-1, -1]
    """

    embedder_: Embedder
    widths_: tuple[int, ...]

    def __init__(
        self,
        backbone: str | Backbone = "resnet18",
        layer: str | int | Sequence[str | int] = -1,
        *,
        pooling: str = "avg",
        weights: str | Path = "default",
        preprocessing: Mapping[str, Any] | None = None,
        batch_size: int = 32,
        workers: int = 1,
        device: str = "cpu",
        seed: int = 0,
        cache_dir: str | Path | None = None,
    ) -> None:
        self.backbone = backbone
        self.layer = layer
        self.pooling = pooling
        self.weights = weights
        self.preprocessing = preprocessing
        self.batch_size = batch_size
        self.workers = workers
        self.device = device
        self.seed = seed
        self.cache_dir = cache_dir

    def fit(self, X: Any, y: Any = None) -> Self:
        """Load the network and, for several layers, find how large each is.

        Args:
            X: Samples, in any form that `reprq.data.as_dataset` takes: paths, PIL images, a uint8 array, texts, a
                DataFrame with a column of paths, a data set's name, ...
            y: Ignored.

        Raises:
            InputError: Samples of another modality than the network takes, or a wrong parameter.
            UnknownNameError: A backbone, layer or pooling that does not exist.
            DataError, WeightsError: Samples or weights that are missing or cannot be read.
        """
        data = self._open(X)
        several = len(self.embedder_.layers) > 1
        self._learn(self._layers(data if several else data.select([0])))
        return self

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> Rows:
        """Fit, and return the rows of the same samples, for one forward pass.

        Args:
            X: As for `fit`.
            y: Ignored.
            **fit_params: None is known.
        """
        if fit_params:
            raise InputError(f"fit takes no parameters besides X and y, got {', '.join(fit_params)}; leave them out")
        parts = self._layers(self._open(X))
        self._learn(parts)
        return side_by_side(parts, self.embedder_.scales)

    def transform(self, X: Any) -> Rows:
        """Return the rows of samples: (n, d) float32. A sample's row does not depend on the samples beside it.

        Args:
            X: As for `fit`.

        Raises:
            NotFittedError: `fit` has not been called.
            InputError, DataError: As for `fit`; or the network gives a nan or an inf.
        """
        self._check_fitted()
        data = as_dataset(X)
        self.embedder_.backbone.check_takes(data)
        return side_by_side(self._layers(data), self.embedder_.scales)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return the names of the columns: the layer and the number of the column in it, as in "layer3_17".

        Args:
            input_features: Ignored: samples have no features.
        """
        self._check_fitted()
        pairs = zip(self.embedder_.layers, self.widths_, strict=True)
        return np.array([f"{name}_{i}" for name, width in pairs for i in range(width)], dtype=object)

    def _open(self, samples: Any) -> Dataset:
        """Load the network, and return the samples as a data set that it takes."""
        data = as_dataset(samples)
        given = self.backbone
        if not isinstance(given, Backbone):
            given = load_backbone(given, self.weights, preprocessing=self.preprocessing, seed=self.seed)
        given = given.taking(data)
        names = tuple(layer_names(given, self.layer, self.pooling))
        given = fitted(given, self.pooling, data)
        ones = (1.0,) * len(names)
        self.embedder_ = Embedder(given, names, self.pooling, ones, self.device, self.batch_size)
        return data

    def _layers(self, data: Dataset) -> list[Rows]:
        """The rows of each layer, not scaled."""
        made = self.embedder_
        if self.cache_dir is None:
            blocks = list(made.layerwise(data, workers=self.workers))
            return [np.concatenate(parts) for parts in zip(*blocks, strict=True)]
        how: dict[str, Any] = {"batch_size": self.batch_size, "workers": self.workers, "device": self.device}
        how |= {"pooling": self.pooling, "cache_dir": self.cache_dir, "progress": False}
        cache = extract(made.backbone, data, list(made.layers), **how)
        return [np.asarray(cache[name].array, np.float32) for name in cache]

    def _learn(self, parts: list[Rows]) -> None:
        self.embedder_ = replace(self.embedder_, scales=scales_of(parts))
        self.widths_ = tuple(x.shape[1] for x in parts)

    def _check_fitted(self) -> None:
        if not hasattr(self, "widths_"):
            raise NotFittedError(f"{type(self).__name__} is not fitted; call fit with samples first")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.three_d_array = True
        tags.no_validation = True
        return tags
