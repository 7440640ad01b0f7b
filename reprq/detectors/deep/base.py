"""What the deep detectors share: samples in, a seeded network, training, scores in batches, and a file."""

import json
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from sklearn.base import BaseEstimator
from torch import Tensor, nn

from reprq.backbones.batch import mapped
from reprq.data import Batch, Dataset, Transform
from reprq.detectors.calibration import FALSE_ALARM_RATE
from reprq.detectors.conformal import threshold as conformal_threshold
from reprq.detectors.deep.collapse import warn_of_constant
from reprq.detectors.deep.samples import Samples, as_inputs, as_samples, check_alike, noun_of, reading
from reprq.detectors.registry import name_of
from reprq.detectors.rows.base import NotFittedError
from reprq.errors import DataError, InputError, OutputExistsError, ReprqError
from reprq.numerics.rows import Scores
from reprq.seeding import seeded
from reprq.storage import write_whole
from reprq.training import Epoch, Examples, Inputs, Schedule, Step, split_rows, train

LEAST_SAMPLES = 4
_BATCH = 256
_HELD_OUT = "held_out_scores"
_UNSAID = ("seed", "epochs", "lr")


class DeepDetector(BaseEstimator):  # type: ignore[misc]
    """A detector that trains a network on benign samples and scores samples.

    As in the array detectors the constructor only stores, `fit` forgets the past, and what was learned ends in an
    underscore. A subclass writes its networks (`_open`, `_build`), its step (`_step`) and its scores (`_scores`,
    `_embedding`), beside `check_parameters`, `describe` and `schedule`. Seeds, batches, the hold-out, checkpoints,
    progress, files and thresholds are written here. The parameters below are those of
    `reprq.detectors.deep.scheduled.TrainedDetector`, which is the base of reprq's own.

    A score does not depend on the samples beside it, up to the rounding of float32: a relative 1e-5.

    Attributes:
        takes_rows: Whether (n, d) arrays do as samples.
        uses: What `fit` can learn from besides, of "labelled", "auxiliary" and "masks" (of labelled images).
        network_: All that was trained.
        transform_: From an item to the network's input; None where it was fitted on rows.
        inputs_: The benign samples that it was fitted on, as the network takes them; not in a file.
        history_: One row an epoch: epoch, loss, held_out_loss.
        held_out_scores_: Scores of the benign samples that were held out of the training.
    """

    takes_rows: ClassVar[bool] = False
    uses: ClassVar[frozenset[str]] = frozenset()
    _key: ClassVar[str] = "reprq.deep"
    _not_saved: ClassVar[tuple[str, ...]] = ("device", "checkpoint", "progress", "on_epoch")

    network_: nn.Module
    transform_: Transform | None
    inputs_: Inputs | Tensor
    history_: list[Epoch]
    held_out_scores_: Scores
    seed: int
    device: str
    checkpoint: str | Path | None
    progress: bool
    on_epoch: Callable[[Self, Epoch], object] | None
    epochs: int
    lr: float

    def fit(self, X: Any, y: Any = None, *, labelled: Any = None, auxiliary: Any = None) -> Self:
        """Learn the benign samples; forgets any earlier fit.

        Args:
            X: Benign samples, 4 or more: a `Dataset`, what else `reprq.data.as_dataset` takes, and where `takes_rows`
                says so an (n, d) array, table or `Embeddings`.
            y: Ignored.
            labelled: Known anomalies, in any form of `X`; for detectors whose `uses` has it.
            auxiliary: A corpus of other samples, likewise.

        Raises:
            InputError: `X` is nothing of that kind, a parameter cannot be used, or the detector does not learn from
                what it was given besides.
            DataError: Too few samples.
        """
        self.check_parameters()
        besides = {name: x for name, x in (("labelled", labelled), ("auxiliary", auxiliary)) if x is not None}
        if unused := sorted(set(besides) - self.uses):
            known = " and ".join(["benign", *sorted(self.uses)])
            raise InputError(f"{type(self).__name__} learns from {known} samples alone, got {unused[0]}; leave it out")
        samples = as_samples(X, rows=self.takes_rows)
        others = {name: as_samples(x, rows=self.takes_rows, name=name) for name, x in besides.items()}
        for name, other in others.items():
            check_alike(other, samples, name)
        if len(samples) < LEAST_SAMPLES:
            noun = noun_of(samples)
            raise DataError(
                f"{type(self).__name__} needs at least {LEAST_SAMPLES} benign {noun}s, got {len(samples)}; give more"
            )
        if hasattr(self, "held_out_scores_"):
            del self.held_out_scores_  # until the end it is not fitted
        schedule = self.schedule()
        self._open(samples)
        self.inputs_ = self._inputs(samples)
        kept, held_out = split_rows(len(samples), schedule.seed, schedule.held_out)
        with seeded(schedule.seed):
            self.network_ = self._build().to(torch.device(self.device))
        besides_inputs = {name: self._inputs(each) for name, each in others.items()}
        self.history_ = self._learn(schedule, kept, besides_inputs)
        self.held_out_scores_ = self._in_batches(self._scores, self.inputs_, held_out).double().numpy()
        warn_of_constant(name_of(self), self.held_out_scores_)
        return self

    def anomaly_score(self, X: Any) -> Scores:
        """Score samples: (m,) float64, higher is more anomalous.

        Args:
            X: Samples, in any form that `fit` takes.

        Raises:
            NotFittedError: `fit` has not been called.
            InputError: `X` is not of the kind that it was fitted on, or has values too large to score.
        """
        scores = self._of_samples(self._scores, X).double().numpy()
        if not np.isfinite(scores).all():
            raise InputError(
                f"X has values too large to score (row {int(np.argmin(np.isfinite(scores)))}, counted from 0);"
                " rescale it"
            )
        return scores

    def embed(self, X: Any) -> NDArray[np.float32]:
        """Return what the detector makes of samples: (m, d) float32, which `reprq.measure` and array detectors take.

        Raises:
            NotFittedError: `fit` has not been called.
            InputError: As `anomaly_score`.
        """
        return self._of_samples(self._embedding, X).float().numpy()

    def predict(self, X: Any, threshold: float | None = None) -> NDArray[np.int64]:
        """Scikit-learn's labels at a threshold: -1 for anomalous samples (score above it), 1 for benign ones.

        Args:
            X: Samples, as for `fit`.
            threshold: The largest benign score. Default: that of 5 % false alarms on the samples held out, which is a
                little low where an early stop looked at them.

        Raises:
            InputError: No threshold is given, and no sample was held out.
        """
        scores = self.anomaly_score(X)
        if threshold is None:
            if not len(self.held_out_scores_):
                raise InputError("predict needs a threshold, because no sample was held out; give one")
            rate = max(FALSE_ALARM_RATE, 1.0 / (len(self.held_out_scores_) + 1))
            threshold = conformal_threshold(self.held_out_scores_, rate).value
        return np.where(scores > threshold, -1, 1)

    def check_fitted(self) -> None:
        """Raise a NotFittedError before the first `fit`."""
        if not hasattr(self, "held_out_scores_"):
            raise NotFittedError(f"{type(self).__name__} is not fitted; call fit with benign samples first")

    def save(self, path: str | Path, *, force: bool = False) -> None:
        """Write what was learned to a safetensors file, with parameters and history as JSON; no code, no samples.

        Raises:
            NotFittedError: `fit` has not been called.
            OutputExistsError: The file is there and `force` is False.
            ReprqError: The file cannot be written.
        """
        self.check_fitted()
        path = Path(path)
        if path.exists() and not force:
            raise OutputExistsError(f"{path} exists already; give another path or force=True")
        parameters = {name: value for name, value in self.get_params().items() if name not in self._not_saved}
        made = {"detector": name_of(self), "parameters": parameters, **self._known(), "history": self.history_}
        if self.transform_ is not None:
            made["modality"] = self.transform_.modality
        state = {name: value.detach().cpu().contiguous() for name, value in self.network_.state_dict().items()}
        state[_HELD_OUT] = torch.from_numpy(self.held_out_scores_)
        write_whole(path, lambda temporary: save_file(state, temporary, {self._key: json.dumps(made)}))

    @classmethod
    def load(cls, path: str | Path, *, device: str = "cpu", **given: Any) -> Self:
        """Read a fitted detector that `save` wrote.

        Args:
            path: The file.
            device: A torch device.
            **given: Parameters that a file does not hold, such as a teacher.

        Raises:
            InputError: The file is missing, damaged or foreign.
        """
        try:
            with safe_open(path, framework="pt") as file:
                made = json.loads((file.metadata() or {})[cls._key])
                state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            detector = cls(**given, **made["parameters"], device=device)
            detector.check_parameters()
            held_out, history = state.pop(_HELD_OUT).numpy(), made["history"]
            detector._reopen(made, path)
            if detector.transform_ is not None:  # files of older versions do not say what they read
                taken, drawing = detector.transform_.modality, made["parameters"].get("drawing")
                if made.get("modality", taken) != taken:
                    detector.transform_ = reading(detector.transform_, made["modality"], drawing)
            with seeded(0):
                detector.network_ = detector._build().to(torch.device(device))
        except ReprqError:
            raise
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{path} must be {cls._what()} that reprq saved, got {error!r}; save it again") from error
        try:
            detector.network_.load_state_dict(state)
        except RuntimeError as error:
            said = " ".join(str(error).split())[:200]
            raise InputError(f"{path} must be {cls._what()} as its parameters say, got {said}; save it again") from None
        detector.network_.eval().to(memory_format=torch.channels_last)  # as it was trained: the same sums, to the bit
        detector.history_, detector.held_out_scores_ = history, held_out
        return detector

    @abstractmethod
    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""

    @abstractmethod
    def describe(self) -> str:
        """A stable identifier of the method and its settings."""

    @abstractmethod
    def schedule(self) -> Schedule:
        """Return how long and how fast it trains."""

    @abstractmethod
    def _open(self, samples: Samples) -> None:
        """Look at the samples and set `transform_`, and whatever else `_build` needs."""

    @abstractmethod
    def _build(self) -> nn.Module:
        """Return the networks with their first weights, which torch's global generator draws."""

    @abstractmethod
    def _step(self, schedule: Schedule) -> Step:
        """Return how `network_` learns."""

    @abstractmethod
    def _scores(self, x: Batch) -> Tensor:
        """Score a batch on the device: (m,)."""

    @abstractmethod
    def _embedding(self, x: Batch) -> Tensor:
        """Embed a batch on the device: (m, d)."""

    @abstractmethod
    def _known(self) -> dict[str, Any]:
        """Return what `_reopen` needs to know, in values of JSON."""

    @abstractmethod
    def _reopen(self, made: dict[str, Any], path: str | Path) -> None:
        """Do as `_open` did, by what `_known` returned then."""

    @classmethod
    def _what(cls) -> str:
        return f"a file of {cls.__name__}"

    def _described(self, *first: str) -> str:
        """The name, some parameters, epochs and lr, and whatever else is not at its default."""
        plain = type(self)()
        said = [str(getattr(self, name)) for name in first]
        said += [f"epochs={self.epochs}", f"lr={self.lr:g}"]
        for name, value in self.get_params().items():
            value = tuple(value) if isinstance(value, list) else value
            if name not in (*_UNSAID, *self._not_saved, *first) and value != getattr(plain, name):
                said.append(f"{name}={self._word(name, value)}")
        return f"{name_of(self)}[{','.join(said)}]"

    def _word(self, name: str, value: Any) -> str:
        """How a parameter that is not at its default stands in the identifier."""
        if isinstance(value, dict):
            value = tuple(f"{key}:{value[key]}" for key in sorted(value))
        return "-".join(map(str, value)) if isinstance(value, tuple) else str(value)

    def _examples(self) -> Examples:
        return Examples(self.inputs_)

    def _learn(self, schedule: Schedule, kept: NDArray[np.int64], besides: dict[str, Inputs | Tensor]) -> list[Epoch]:
        """Train; `kept` are the rows of `inputs_` that are not held out, and `besides` is for those that use it."""
        checkpoint = self._checkpoint()
        anew = checkpoint is None or not checkpoint.exists()
        if anew:
            self._prepare(schedule, kept)
        other = self._other(besides)
        bar = {"desc": name_of(self), "show": self.progress, "leave": False}
        step, look = self._step(schedule), None
        if self.on_epoch is not None:
            _, held_out = split_rows(len(self.inputs_), schedule.seed, schedule.held_out)
            look = partial(self._look, held_out)
            if anew:
                with seeded(schedule.seed, step.device):
                    look(step, {"epoch": 0, "loss": None})
        return train(step, self._examples(), other=other, checkpoint=checkpoint, bar=bar, on_epoch=look)

    def _look(self, held_out: NDArray[np.int64], step: Step, epoch: Epoch) -> None:
        """Call `on_epoch` with the detector fitted as far as it is."""
        assert self.on_epoch is not None
        self.held_out_scores_ = self._in_batches(self._scores, self.inputs_, held_out).double().numpy()
        try:
            self.on_epoch(self, epoch)
        finally:
            del self.held_out_scores_

    def _prepare(self, schedule: Schedule, kept: NDArray[np.int64]) -> None:
        """Set what `network_` must know before the first epoch; a training that goes on has it in its checkpoint."""

    def _other(self, besides: dict[str, Inputs | Tensor]) -> Examples | None:
        """The second source of the training, if there is one."""
        return next((Examples(inputs) for inputs in besides.values()), None)

    def _checkpoint(self, stage: str = "") -> Path | None:
        """The file for the state between epochs, of a stage of training that has several."""
        if self.checkpoint is None:
            return None
        path = Path(self.checkpoint)
        return path.with_name(f"{path.name}.{stage}") if stage else path

    def _inputs(self, samples: Samples) -> Inputs | Tensor:
        """Samples as the network takes them, which must be of the kind that it was fitted on."""
        if (self.transform_ is None) == isinstance(samples, Dataset):
            wanted = "rows of numbers" if self.transform_ is None else f"{self.transform_.modality} samples"
            raise InputError(f"X must be {wanted}, as those it was fitted on, got {noun_of(samples)}s; give such")
        if isinstance(samples, Dataset):
            assert self.transform_ is not None
            samples.check_modality(self.transform_.modality)
        return as_inputs(samples, self.transform_)

    def _of_samples(self, part: Callable[[Batch], Tensor], X: Any) -> Tensor:
        self.check_fitted()
        inputs = self._inputs(as_samples(X, rows=self.takes_rows))
        return self._in_batches(part, inputs, np.arange(len(inputs)))

    def _in_batches(self, part: Callable[[Batch], Tensor], inputs: Inputs | Tensor, rows: NDArray[Any]) -> Tensor:
        """Apply a function of a batch to rows, in evaluation mode and without gradients; the result is on the CPU."""
        self.network_.eval()
        with torch.no_grad():
            batches = torch.split(torch.as_tensor(rows), _BATCH)
            found = [part(self._here(inputs[each])).cpu() for each in batches if len(each)]
        return torch.cat(found) if found else torch.empty(0)

    def _here(self, inputs: Batch) -> Batch:
        return mapped(inputs, lambda tensor: tensor.to(self.device))
