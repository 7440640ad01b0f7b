"""What does reading five layers cost beside the bare forward pass? Run `python benchmarks/extraction.py`.

In one run on this machine, over the same preloaded batches: the network's own forward pass; reprq (five layers pooled,
rounded and written to a cache); torchvision's `create_feature_extractor` with the same layers averaged over positions
and kept in memory, not written; and one pass a layer. Rounds alternate between them, and a ratio is the median over
rounds of the processor's time against the bare pass of the same round; that of the time on the clock stands beside.
"""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from recording import Record, add_option, timed_in_turn
from torchvision.models.feature_extraction import create_feature_extractor

from reprq.backbones import Backbone, load_backbone
from reprq.data import ArraySource, Dataset
from reprq.embeddings.cache.cache import BLOCK_ROWS
from reprq.embeddings.cache.filling import Filler
from reprq.embeddings.cache.writing import CacheWriter
from reprq.embeddings.forward import Forward, Portion, pooled_layers

CPU = torch.device("cpu")
CASES = (("resnet18", 32, "1-5"), ("resnet50", 32, "1-5"), ("mobilenet_v2", 96, "1,3,5,7,9"))


def batches_of(size: int, images: int, batch_size: int) -> list[Portion]:
    """Preloaded random images, cut as `reprq.extract` cuts them."""
    pixels = torch.randn(images, 3, size, size, generator=torch.Generator().manual_seed(0))
    cut = []
    for start in range(0, images, batch_size):
        block = start // BLOCK_ROWS * BLOCK_ROWS
        rows = range(start, min(start + batch_size, images))
        cut.append(Portion(rows, range(block, min(block + BLOCK_ROWS, images)), pixels[start : rows.stop]))
    return cut


def bare(backbone: Backbone, batches: list[Portion]) -> None:
    """The network's own forward pass."""
    with torch.inference_mode():
        for batch in batches:
            backbone.network(batch.inputs)


def ours(
    backbone: Backbone,
    batches: list[Portion],
    layers: str,
    folder: str,
    *,
    device: torch.device = CPU,
    precision: str = "float32",
) -> None:
    """Five layers in one pass, pooled and written."""
    n = batches[-1].rows.stop
    source, rows = ArraySource(np.zeros((n, 1, 1), np.uint8)), np.arange(n)
    data = Dataset("random", "train", ("none",), np.zeros(n, np.int64), rows.astype(np.str_), source, rows)
    identity = {"backbone": backbone.name, "data": "random", "split": "train", "dtype": "float32", "t": time.time_ns()}
    with (
        CacheWriter(Path(folder), identity, {}, data) as writer,
        Forward(backbone.network, pooled_layers(backbone.select_layers(layers), ["avg"]), device, precision) as forward,
    ):
        filler = Filler(writer, [(layer.name, layer.number) for layer in forward.layers], data.ids)
        forward.fill(filler, data.ids, batches, n)


def one_pass_a_layer(backbone: Backbone, batches: list[Portion], layers: str, folder: str) -> None:
    """The same, a pass for each layer."""
    for layer in backbone.select_layers(layers):
        ours(backbone, batches, layer.name, folder)


def torchvision_extractor(backbone: Backbone, layers: str) -> Callable[[list[Portion]], None]:
    """Torchvision's graph of the same layers; the pooled layer is read from the module before the head."""
    chosen = backbone.select_layers(layers)
    nodes = [layer.module if layer.where == "output" else "flatten" for layer in chosen]
    network = create_feature_extractor(backbone.network, nodes).eval()

    def run(batches: list[Portion]) -> None:
        kept: list[list[torch.Tensor]] = []
        with torch.inference_mode():
            for batch in batches:
                outputs = network(batch.inputs)
                kept.append([x.mean(dim=(2, 3)) if x.ndim == 4 else x for x in outputs.values()])
        for layer in zip(*kept, strict=True):
            torch.cat(layer).numpy()

    return run


def main() -> None:
    """Print one row a network and way."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    add_option(parser)
    arguments = parser.parse_args()
    record = Record("extraction", {key: value for key, value in vars(arguments).items() if key != "save"})
    print(f"{torch.get_num_threads()} threads, {arguments.images} images, batches of {arguments.batch_size}")
    print("network       side  way                        ratio   lowest  highest  by clock  images/s")
    for name, size, layers in CASES:
        backbone = load_backbone(name, "random", preprocessing={"size": size})
        batches = batches_of(size, arguments.images, arguments.batch_size)
        with tempfile.TemporaryDirectory() as folder:
            graph = torchvision_extractor(backbone, layers)
            ways: dict[str, Callable[[], None]] = {
                "bare forward pass": lambda b=backbone, x=batches: bare(b, x),
                "reprq, written": lambda b=backbone, x=batches, s=layers, f=folder: ours(b, x, s, f),
                "torchvision, kept in memory": lambda x=batches, g=graph: g(x),
                "one pass a layer, written": lambda b=backbone, x=batches, s=layers, f=folder: one_pass_a_layer(
                    b, x, s, f
                ),
            }
            for run in ways.values():
                run()
            found = timed_in_turn(ways, arguments.rounds)
            base = found["bare forward pass"]
            for way, taken in found.items():
                used = [t / b for t, b in zip(taken.cpus, base.cpus, strict=True)]
                middle, low, high = statistics.median(used), min(used), max(used)
                clock = statistics.median(t / b for t, b in zip(taken.walls, base.walls, strict=True))
                record.add(f"{name}, {size}", way, taken, ratio=middle, ratio_of_walls=clock)
                rate = arguments.images / statistics.median(taken.walls)
                numbers = f"{middle:5.2f}   {low:6.2f}  {high:7.2f}  {clock:8.2f}  {rate:8.0f}"
                print(f"{name:12}  {size:4}  {way:26}  {numbers}", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"peak memory of the process: {peak:.2f} GiB")
    if arguments.save:
        record.save()


if __name__ == "__main__":
    main()
