"""What is fitted once and asked often: how a sample becomes a row, the detector, and its threshold."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reprq.data import Dataset, as_dataset, load_dataset
from reprq.data.kinds import kinds_of
from reprq.detectors.calibration import Calibration, Judged
from reprq.embeddings import Embeddings
from reprq.embeddings.origin import check_origin
from reprq.errors import InputError
from reprq.models.drift import Drift, drift_between
from reprq.models.embedder import BLOCK, Embedder
from reprq.progress import track

if TYPE_CHECKING:
    from reprq.models.export import Exported

COLUMNS = ("id", "score", "p_value", "anomalous")


@dataclass(frozen=True, eq=False)
class Model:
    """A detector, fitted on benign samples, with all that it takes to score new ones.

    Attributes:
        detector: The fitted detector.
        calibration: Held-out benign samples, by which a score becomes a p-value and a decision.
        embedder: From samples to the detector's rows; None where it reads the samples itself, or rows alone.
        record: How the model was made, in values of JSON: what a model's file keeps and `reprq score --json` prints.
        reads_rows: Whether it scores rows of numbers, not samples.
    """

    detector: Any
    calibration: Calibration
    embedder: Embedder | None
    record: Mapping[str, Any] = field(default_factory=dict)
    reads_rows: bool = False

    @property
    def threshold(self) -> float:
        """The score above which a sample is called anomalous."""
        return self.calibration.threshold

    def describe(self) -> str:
        """Say on what it was fitted and what its threshold promises, in one sentence."""
        low, high = self.calibration.interval
        trained = self.record["trained_on"]
        on = f" on {', '.join(self.record['layers'])} of {self.record['backbone']['name']}" if self.embedder else ""
        return (
            f"{self.record['method']}{on}, fitted on {trained['rows']} benign {trained['noun']}s of {trained['data']};"
            f" anomalous above {self.threshold:.6g}: {_percent(self.calibration.rate)} false alarms"
            f" [{_percent(low)}, {_percent(high)}], by {self.calibration.n} held-out {trained['noun']}s"
        )

    def save(self, path: str | Path, *, with_weights: bool = False, force: bool = False) -> None:
        """Write the model to a folder of JSON and safetensors, which `reprq.load_model` and `reprq score` read.

        Args:
            path: The folder, which is made.
            with_weights: Whether the backbone's weights are written too, so that nothing else is needed.
            force: Whether to replace a model that is there.

        Raises:
            OutputExistsError: Something is there and `force` is False, or what is there is no model.
            InputError: The backbone came as an object and its weights are not written.
            ReprqError: The folder cannot be written.
        """
        from reprq.models.files import save_model

        save_model(self, path, with_weights=with_weights, force=force)

    def score(
        self, data: Any, *, split: str = "test", workers: int = 1, any_kind: bool = False, progress: bool = False
    ) -> pd.DataFrame:
        """Score samples.

        Args:
            data: A data set's name or what else `reprq.data.as_dataset` takes; all of a folder without a split. For a
                model of rows an (n, d) array or `Embeddings`.
            split: "train" or "test"; for data with a split.
            workers: Threads that read samples while the network runs.
            any_kind: Whether samples may be of another size or color than all those of the fitting were.
            progress: Whether to show progress on stderr.

        Returns:
            A row per sample, under the index of a DataFrame or Series that came in: `id`, `score` (higher is more
            anomalous), `p_value` among benign samples, in (0, 1], and `anomalous`, whether the score is above the
            threshold. Where benign samples were held out in several folds, a p-value counts those of all folds and a
            score is the excess over the most extreme: their orders agree at the threshold, and not everywhere else.

        Raises:
            InputError: Data of another modality, width, backbone, size or color than the model was fitted on.
            DataError: A sample cannot be read.
        """
        given = self.check(data, split=split, any_kind=any_kind)
        parts = list(self.stream(given, workers=workers, progress=progress))
        table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))
        return table.set_axis(data.index) if isinstance(data, pd.DataFrame | pd.Series) else table

    def monitor(self, data: Any, *, split: str = "test", any_kind: bool = False, progress: bool = False) -> Drift:
        """Compare the scores of new samples that are benign with those of the held-out samples of the fitting.

        Args:
            data: As for `score`.
            split: As for `score`.
            any_kind: As for `score`.
            progress: As for `score`.
        """
        given = self.check(data, split=split, any_kind=any_kind)
        found = [judged.of_first for _, judged in self.judge(given, progress=progress)]
        return self.drift(np.concatenate(found))

    def drift(self, of_first: Any) -> Drift:
        """Compare what the detector of the first fold gave new samples (`Judged.of_first`) with its held-out ones."""
        return drift_between(self.calibration.folds[0][1], np.asarray(of_first, np.float64))

    def to_onnx(
        self, path: str | Path, data: Any = None, *, split: str = "test", samples: int = 64, force: bool = False
    ) -> "Exported":
        """Write the model as an ONNX graph that gives the same scores; see `reprq.models.export.to_onnx`.

        Args:
            path: The file, which ends in ".onnx".
            data: On what both are compared, as for `score`; by default what the model was fitted on.
            split: As for `score`.
            samples: How many samples are compared, a seeded sample.
            force: Whether to replace a file that is there.
        """
        from reprq.models.export import to_onnx

        return to_onnx(self, path, data, split=split, samples=samples, force=force)

    def maps(
        self,
        data: Any,
        *,
        method: str | None = None,
        split: str = "test",
        any_kind: bool = False,
        progress: bool = False,
    ) -> Iterator[tuple[str, NDArray[np.float64]]]:
        """Yield the id of every photo or text and where it is anomalous.

        Of a photo it is (height, width) in its own pixels.

        Of a detector with an `anomaly_map` it is that. Of a detector of rows it is what the detector says of single
        positions of the layers' maps, though it was fitted on pooled ones, on the scale of the scores: the median and
        the quartiles of held-out benign positions are brought to those of held-out benign photos. Either is
        interpolated bilinearly. What a crop leaves out is nan; see `reprq.data.to_photo`.

        Of a text it is (L,), a value for each of its L tokens, as the `words_of` of the transform counts them. Of a
        detector with an `anomaly_map` of texts it is that: what each token adds to the score. Of all others it is by
        how much a token raises the score: the score less that of the text without it, which takes L forward passes.

        Args:
            data: As for `score`.
            method: Of `reprq.explain.maps`, which says where the score comes from instead: "relevance", "gradient",
                "gradient_x_input", "integrated_gradients" or "occlusion".
            split: As for `score`.
            any_kind: As for `score`.
            progress: Whether to show progress on stderr.

        Raises:
            UnknownNameError: No such method.
            InputError: As of `score`; a model that has no maps (says why).
        """
        from reprq.models.maps import maps_of

        given = self.check(data, split=split, any_kind=any_kind)
        return maps_of(self, given, method=method, progress=progress)

    def check(self, data: Any, *, split: str = "test", any_kind: bool = False) -> Any:
        """Return the data as the model reads it, once it is known to be of the kind that it was fitted on.

        Raises:
            InputError: It is not.
        """
        made = self.record["inputs"]
        if self.reads_rows:
            return _rows(data, made)
        samples = load_dataset(data, split, whole=True) if isinstance(data, str | Path) else as_dataset(data, split)
        if samples.modality != made["modality"]:
            raise InputError(
                f"data must hold {made['noun']}s, which the model was fitted on, got {samples.noun}s; give such"
            )
        if not any_kind:
            _check_kinds(samples, made["kinds"])
        return samples

    def notes(self, data: Any) -> tuple[str, ...]:
        """Return what of the data does not reach the detector as it is: cut, filled in, passed over, unknown.

        Args:
            data: What `check` returned. Of images and sounds only the headers are read, of texts and tables all.
        """
        if self.reads_rows:
            return ()
        own = getattr(self.detector, "transform_", None)  # raw detectors of images have none: they read all pixels
        transform = own if self.embedder is None else self.embedder.backbone.preprocessing
        return () if transform is None else tuple(transform.seen(data).notes)

    def stream(self, data: Any, *, start: int = 0, workers: int = 1, progress: bool = False) -> Iterator[pd.DataFrame]:
        """Yield the table of `score` in parts, as it is computed.

        Args:
            data: What `check` returned.
            start: The first sample, a multiple of `reprq.models.embedder.BLOCK`.
            workers: As for `score`.
            progress: As for `score`.
        """
        for ids, judged in self.judge(data, start=start, workers=workers, progress=progress):
            columns = (ids, judged.scores, judged.p_values, judged.scores > self.threshold)
            yield pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))

    def judge(
        self, data: Any, *, start: int = 0, workers: int = 1, progress: bool = False
    ) -> Iterator[tuple[Any, Judged]]:
        """Yield the ids and what the calibration says of them, part by part; as `stream`."""
        noun = "row" if self.reads_rows else data.noun
        with track(total=len(data), initial=start, desc="scoring", unit=noun, show=progress) as bar:
            at = start
            for x in self._parts(data, start, workers):
                ids = data.ids[at : at + len(x)]
                yield ids, self.calibration.judge(x)
                at += len(x)
                bar.update(len(x))

    def _parts(self, data: Any, start: int, workers: int) -> Iterator[Any]:
        """What the detector reads of `BLOCK` samples after another."""
        if self.embedder is not None:
            yield from self.embedder.blocks(data, start, workers)
            return
        for first in range(start, len(data), BLOCK):
            stop = min(first + BLOCK, len(data))
            yield data.array[first:stop] if self.reads_rows else data.select(np.arange(first, stop))


def _rows(data: Any, made: Mapping[str, Any]) -> Embeddings:
    """Rows as wide as those of the fitting, and where both say so from the same place."""
    if isinstance(data, Dataset | str | Path):
        raise InputError(
            "data must be rows of numbers, which the model was fitted on, got samples; give an array or embeddings"
        )
    x = data if isinstance(data, Embeddings) else Embeddings(data)
    if x.width != made["width"]:
        raise InputError(f"data must have {made['width']} columns as the rows of the fitting, got {x.width}; give such")
    check_origin(made["origin"], x, "model", "data")
    return x


def _check_kinds(samples: Dataset, made: Mapping[str, list[str]]) -> None:
    """Raise an InputError for a value that the fitting never saw, where all its samples shared one."""
    for aspect, values in kinds_of(samples).items():
        known = made.get(aspect, values)
        if len(known) == 1 and (other := [value for value in values if value not in known]):
            raise InputError(
                f"all {samples.noun}s of the fitting were of one {aspect}, {known[0]}, and {samples.name} has some of"
                f" {other[0]}; give such as those of the fitting, or say that any may come (any_kind, --any-kind)"
            )


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
