"""A model as an ONNX file, kept only where it gives the scores that the model gives."""

import json
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from reprq.data import Dataset, load_dataset
from reprq.data.registry import UNNAMED
from reprq.embeddings.forward import batches
from reprq.errors import InputError, OutputExistsError, ReprqError, counted, one_line
from reprq.models.graph import Graph, backbone_of
from reprq.models.model import Model
from reprq.optional import require
from reprq.storage import write_whole

TOLERANCE = 1e-4
_OPSET = 17  # what the oldest torch and onnxruntime allowed know, and all since
_BATCH = 8
_OUTPUTS = ("score", "p_value", "anomalous")


@dataclass(frozen=True)
class Exported:
    """What an ONNX file gave beside its model.

    Attributes:
        path: The file.
        samples: On how many samples both were run.
        difference: The largest difference of a score, relative to the score or to the median score of the held-out
            benign samples of the fitting, whatever is more.
    """

    path: Path
    samples: int
    difference: float

    def __str__(self) -> str:
        said = counted(self.samples, "sample")
        return f"{self.path}: scores of {said} differ by at most {self.difference:.2g} from the model's"


def to_onnx(
    model: Model, path: str | Path, data: Any = None, *, split: str = "test", samples: int = 64, force: bool = False
) -> Exported:
    """Write a model as one ONNX graph, and run both on samples; where they disagree no file is left.

    The input `pixels` is (n, C, H, W) float32 in [0, 1], what the preprocessing cuts out of n images; mean and standard
    deviation are in the graph. The outputs are `score` and `p_value`, (n,) float64, and `anomalous`, (n,) of booleans.
    The metadata `reprq` holds, as JSON, the preprocessing, the threshold and how the model was made.

    Args:
        model: A model of images whose detector is a kNN with an exact index, a Mahalanobis or centroid detector, a
            PatchCore, a PaDiM or a SPADE.
        path: The file, which ends in ".onnx".
        data: On what to compare, as for `Model.score`; by default what the model was fitted on, by its name.
        split: "train" or "test"; for data with a split.
        samples: How many are compared, a seeded sample.
        force: Whether to replace a file that is there.

    Raises:
        InputError: A model that has no such graph, an extra that is not installed, or data of another kind.
        OutputExistsError: The file is there and `force` is False.
        ReprqError: The file's scores differ by more than 1e-4, relative, or it cannot be written.
    """
    path = Path(path)
    if path.suffix != ".onnx":
        raise InputError(f"path must end in .onnx, got {path.name}")
    if path.exists() and not force:
        raise OutputExistsError(f"{path} exists; give another path, or force=True (--force) to replace it")
    onnx, runtime = (require(name, "onnx", path, error=ReprqError) for name in ("onnx", "onnxruntime"))
    graph = Graph(model).eval()
    given = model.check(_of_fitting(model) if data is None else data, split=split, any_kind=True)
    given = given.sample(samples, seed=0) if samples < len(given) else given
    found: list[Exported] = []

    def fill(temporary: Path) -> None:
        _trace(graph, _pixels(model, given.select([0])), temporary)
        _annotate(onnx, temporary, model)
        session = runtime.InferenceSession(temporary.read_bytes(), providers=["CPUExecutionProvider"])
        found.append(Exported(path, len(given), _difference(model, session, given)))
        if not found[0].difference <= TOLERANCE:
            raise ReprqError(
                f"the ONNX graph must give the scores of the model to {TOLERANCE:g}, got a difference of"
                f" {found[0].difference:.2g} on {counted(len(given), given.noun)}; no file is left"
            )

    write_whole(path, fill)
    return found[0]


def _of_fitting(model: Model) -> Dataset:
    """What the model was fitted on, and the classes that were left out."""
    trained, reading = model.record["trained_on"], dict(model.record["inputs"]["reading"])
    if trained["data"].startswith(UNNAMED):
        raise InputError("data must be given for a model that was fitted on what a program held, got none; give some")
    skip = bool(reading.pop("skipped", None))
    return load_dataset(
        trained["data"], trained["split"], seed=model.record["seed"], whole=True, skip_broken=skip, **reading
    )


def _trace(graph: Graph, pixels: NDArray[np.float32], path: Path) -> None:
    """Write the graph by torch's tracing exporter, which every torch has that is allowed."""
    axes = {name: {0: "n"} for name in ("pixels", *_OUTPUTS)}
    how: dict[str, Any] = {"input_names": ["pixels"], "output_names": list(_OUTPUTS), "dynamic_axes": axes}
    fast = torch.backends.mha.get_fastpath_enabled()  # one operation, which ONNX does not have
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with warnings.catch_warnings(), _nothing_printed(), torch.no_grad():
            warnings.simplefilter("ignore")  # of checks of shapes, which hold for any batch, and of the exporter's age
            torch.onnx.export(graph, (torch.from_numpy(pixels),), str(path), opset_version=_OPSET, dynamo=False, **how)
    except Exception as error:  # whatever of a network the exporter does not know
        raise InputError(
            f"the network must be made of operations that ONNX has, got {one_line(error, 200, kind=True)}; choose"
            " another backbone, layer or pooling"
        ) from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


@contextmanager
def _nothing_printed() -> Iterator[None]:
    """Drop what is written to standard output: of a network that cannot be exported torch prints the whole graph."""
    sys.stdout.flush()
    kept, nowhere = os.dup(1), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _annotate(onnx: Any, path: Path, model: Model) -> None:
    """Put what a user of the file must know into its metadata."""
    made = onnx.load(str(path))
    known = {"preprocessing": model.record["backbone"]["preprocessing"], "threshold": model.threshold}
    known |= {"input": "pixels in [0, 1] after resizing and cropping", "model": dict(model.record)}
    entry = made.metadata_props.add()
    entry.key, entry.value = "reprq", json.dumps(known)
    onnx.save(made, str(path))


def _pixels(model: Model, data: Dataset) -> NDArray[np.float32]:
    """The graph's input for some samples."""
    transform: Any = backbone_of(model).preprocessing
    (portion,) = batches(transform, data, [range(len(data))], len(data))
    pixels: NDArray[np.float32] = transform.to_pixels(portion.inputs).numpy()
    return pixels


def _difference(model: Model, session: Any, data: Dataset) -> float:
    """The largest relative difference between the scores of the graph and those of the model."""
    expected = model.score(data)["score"].to_numpy()
    parts = [data.select(np.arange(start, min(start + _BATCH, len(data)))) for start in range(0, len(data), _BATCH)]
    scores = np.concatenate([session.run(["score"], {"pixels": _pixels(model, part)})[0] for part in parts])
    usual = abs(float(np.median(np.concatenate([held for _, held in model.calibration.folds]))))
    return float(np.max(np.abs(scores - expected) / np.maximum(np.abs(expected), usual)))
