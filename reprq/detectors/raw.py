"""Array detectors on what samples themselves hold, without a network: the plainest baseline."""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from reprq.data import Dataset, as_dataset
from reprq.data.image.preprocessing import Preprocessing
from reprq.detectors.byname import ByName, check_of_rows
from reprq.detectors.deep.samples import check_drawing, reading
from reprq.detectors.registry import create
from reprq.errors import InputError


class Raw(ByName):
    """An array detector on the pixels of images, divided by 255; of sounds those of their log-Mel spectrograms.

    Args:
        model: The name of the array detector: "knn".
        **parameters: What its constructor takes; and `drawing`, how sounds are drawn, as of the deep detectors.

    Attributes:
        transform_: What draws items that are no images; None of images.

    Raises:
        InputError: from `fit` and `anomaly_score`, samples that are neither images nor drawn as
            such, or images of several sizes.

    Example:
        >>> from reprq.data import load_dataset
        >>> zeros = load_dataset("digits").restrict(["0"])
        >>> detector = Raw("knn", k=1).fit(zeros)
        >>> detector.describe(), detector.anomaly_score(zeros).max().item()
        ('raw:knn[k=1,kth,euclidean]', 0.0)
    """

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the detector's name and all its parameters."""
        return {**self._made().get_params(), "model": self.model, "drawing": self._drawing}

    def describe(self) -> str:
        """Return for example "raw:knn[k=5,kth,euclidean]"."""
        drawn = "-".join(f"{key}:{value}" for key, value in sorted((self._drawing or {}).items()))
        return f"raw:{self._made().describe()}" + (f"[drawing={drawn}]" if drawn else "")

    def fit(self, X: Any, y: Any = None) -> Self:
        """Learn benign samples; forgets any earlier fit."""
        check_drawing(self._drawing)
        samples = as_dataset(X)
        return self.fit_pixels(self._pixels(samples), samples.modality)

    def fit_pixels(self, rows: NDArray[np.floating], modality: str = "image") -> Self:
        """Learn benign samples, given as the (n, d) rows of their pixels in [0, 1]; forgets any earlier fit."""
        self.detector_ = self._made().fit(rows)
        self.transform_ = None if modality == "image" else reading(Preprocessing(), modality, self._drawing)
        return self

    def anomaly_score(self, X: Any) -> NDArray[np.float64]:
        """Score samples: (m,) float64, higher is more anomalous."""
        fitted = getattr(self, "detector_", None) or self._made()  # an unfitted one says so itself
        scores: NDArray[np.float64] = fitted.anomaly_score(self._pixels(as_dataset(X)))
        return scores

    def _made(self) -> Any:
        check_of_rows("raw", self.model)
        return create({"name": self.model, **{k: v for k, v in self.parameters.items() if k != "drawing"}})

    @property
    def _drawing(self) -> Any:
        return self.parameters.get("drawing")

    def _pixels(self, samples: Dataset) -> NDArray[np.float32]:
        drawn = reading(Preprocessing(), samples.modality, self._drawing)
        if not isinstance(drawn, Preprocessing):
            by = {"table": " identity, which reads rows as they are", "text": " tfidf"}.get(samples.modality, "")
            raise InputError(f"raw detectors read the pixels of images, got {samples.noun}s; give --backbone{by}")
        pictures = (drawn.picture(samples.item(i)) for i in range(len(samples)))
        rows = [np.asarray(picture, dtype=np.float32).ravel() / 255.0 for picture in pictures]
        if sizes := {len(row) for row in rows} - {len(rows[0])} if rows else set():
            raise InputError(f"images must have one size, got {len(rows[0])} and {min(sizes)} values; give --backbone")
        return np.stack(rows)
