"""What metrics, neighbours, extraction and training take on a GPU, beside the card's own matrix product.

    python benchmarks/gpu.py --save                      # on CUDA, at the sizes of the documentation
    python benchmarks/gpu.py --device cpu                # the same code on the CPU's device, small: that it runs

Metrics and detectors are set against one product of the same shapes on the same card: X.T @ X in float64 for what sums
squares, queries @ X.T in float32 for neighbors; NumPy's time for the same call stands beside. Extraction is set against
the bare forward pass of the same precision, a training step against the loop that a person would write. Every call
ends with a synchronization. A row is the shortest of some runs in turn.
"""

import argparse
import tempfile
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from extraction import batches_of, ours
from recording import Record, add_option, timed_in_turn
from training import steps

import reprq
from reprq.backbones import Backbone, load_backbone
from reprq.backbones.batch import sent
from reprq.detectors import KNN, Centroid, Mahalanobis
from reprq.embeddings.forward import Portion
from reprq.numerics import tensors

SIZES = {"cuda": (50_000, 2_048, 10_000, 4_096), "cpu": (2_000, 128, 500, 64)}


class Card:
    """A device, timed to the end of what it was given.

    Args:
        device: Where the tensors are.
        record: Where rows go.
        repeats: Runs of every call.
    """

    def __init__(self, device: torch.device, record: Record, repeats: int) -> None:
        self.device, self.record, self.repeats = device, record, repeats

    def finished(self, call: Callable[[], object]) -> None:
        """Run a call, and wait for the card."""
        call()
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def compare(self, case: str, calls: dict[str, Callable[[], object]]) -> None:
        """Time calls in turn, and show each beside the first."""
        for call in calls.values():
            self.finished(call)
        found = timed_in_turn({name: partial(self.finished, call) for name, call in calls.items()}, self.repeats)
        base = next(iter(found.values())).wall
        print(case)
        for name, timing in found.items():
            self.record.add(case, name, timing, ratio=timing.wall / base)
            print(f"  {name:<46} {1e3 * timing.wall:10.2f} ms {timing.wall / base:8.2f} x", flush=True)


def metrics(card: Card, n: int, d: int) -> None:
    """All spectral metrics and CKA beside one product in float64."""
    rng = np.random.default_rng(0)
    x = (rng.standard_normal((n, d)) * np.arange(1, d + 1) ** -0.5 + 1).astype(np.float32)
    there = torch.from_numpy(x).to(card.device)
    double = there.double()
    other = there.flip(0)
    card.compare(
        f"metrics of {n:,} x {d:,} float32; times the float64 product",
        {
            "X.T @ X, float64": lambda: double.T @ double,
            "X.T @ X, float32": lambda: there.T @ there,
            "reprq.measure, every metric": lambda: reprq.measure(there),
            "reprq.measure, with intervals": lambda: reprq.measure(there, intervals=True),
            "reprq.metrics.cka": lambda: reprq.metrics.cka(there, other),
            "reprq.measure, NumPy": lambda: reprq.measure(x),
        },
    )


def detectors(card: Card, n: int, d: int, queries: int) -> None:
    """Exact neighbours, Mahalanobis and centroid beside one product of queries with rows in float32."""
    rng = np.random.default_rng(0)
    x, new = (rng.standard_normal((count, d)).astype(np.float32) for count in (n, queries))
    there, asked = (torch.from_numpy(rows).to(card.device) for rows in (x, new))
    kinds = {"KNN(k=5)": KNN(5), "Mahalanobis()": Mahalanobis(), "Centroid()": Centroid()}
    calls: dict[str, Callable[[], object]] = {"queries @ X.T, float32": lambda: asked @ there.T}
    for name, detector in kinds.items():
        fitted = type(detector)(**detector.get_params()).fit(there)
        calls[f"{name}.anomaly_score"] = partial(fitted.anomaly_score, asked)
        calls[f"{name}.fit"] = partial(detector.fit, there)
    calls["KNN(k=5).anomaly_score, NumPy"] = partial(KNN(5).fit(x).anomaly_score, new)
    card.compare(f"detectors: n = {n:,}, d = {d:,}, {queries:,} queries; times the float32 product", calls)


def bare(backbone: Backbone, batches: list[Portion], device: torch.device, precision: str) -> None:
    """The network's own forward pass, the last batch's outputs waited for."""
    half = None if precision == "float32" else getattr(torch, precision)
    with torch.inference_mode(), torch.autocast(device.type, half, enabled=half is not None):
        for batch in batches:
            assert isinstance(batch.inputs, torch.Tensor)
            backbone.network(sent(batch.inputs, device, torch.channels_last if device.type == "cuda" else None))


def extraction(card: Card, images: int, size: int) -> None:
    """Five layers pooled and written, beside the bare forward pass of the same precision."""
    backbone = load_backbone("resnet50" if card.device.type == "cuda" else "resnet18", "random")
    backbone.network.to(card.device)
    if card.device.type == "cuda":
        backbone.network.to(memory_format=torch.channels_last)
    batches = batches_of(size, images, min(256, images))
    for precision in ("float32", "bfloat16"):
        with tempfile.TemporaryDirectory() as folder:
            write = partial(ours, backbone, batches, "1-5", folder, device=card.device, precision=precision)
            card.compare(
                f"extraction: {backbone.name}, {images:,} images of {size} px, {precision}; times the bare pass",
                {
                    "bare forward pass": partial(bare, backbone, batches, card.device, precision),
                    "reprq, written": write,
                },
            )


def main() -> None:
    """Run everything on one device."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1 or cpu")
    parser.add_argument("--repeats", type=int, default=5)
    for name in ("rows", "columns", "queries", "images"):
        parser.add_argument(f"--{name}", type=int, help="by default large on a GPU and small on the CPU")
    add_option(parser)
    asked = parser.parse_args()
    device = torch.device(asked.device)
    if device.type == "cuda" and not torch.cuda.is_available():
        parser.error("torch sees no CUDA device here; --device cpu runs the same code small")
    sizes = SIZES["cuda" if device.type == "cuda" else "cpu"]
    given = (asked.rows, asked.columns, asked.queries, asked.images)
    n, d, queries, images = (size if one is None else one for one, size in zip(given, sizes, strict=True))
    tensors.RESIDENT.add(device.type)  # on the CPU too, so that the tensors take the way that they take on a GPU
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    settings = {"device": name, "rows": n, "columns": d, "queries": queries, "images": images}
    record = Record("gpu", settings | {"repeats": asked.repeats, "torch": torch.__version__})
    card = Card(device, record, asked.repeats)
    print(f"{name}, float32 products in precision {torch.get_float32_matmul_precision()!r}")
    with torch.inference_mode():
        metrics(card, n, d)
        detectors(card, n, d, queries)
    extraction(card, images, 224 if device.type == "cuda" else 64)
    pixels = np.random.default_rng(0).integers(0, 256, (max(images, 200), 32, 32, 3), dtype=np.uint8)
    steps(record, "cifar10", pixels, 1, asked.repeats, device=str(device))
    if asked.save:
        record.save()


if __name__ == "__main__":
    main()
