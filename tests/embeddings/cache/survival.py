"""A process that forks before it computes anything, and whose children extract and are killed on the way.

Run as `python survival.py FOLDER [POINT ...]`: for each kill point k the child is killed with SIGKILL at its k-th step
of writing (a step is just before or just after a file gets its final name), a second child resumes, and one line of
JSON says how many images each of them put through the network. Without points, prints how many steps there are.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from reprq.backbones import Backbone, Layer, default_preprocessing
from reprq.data import load_dataset
from reprq.embeddings import extract
from reprq.embeddings.cache import filling

BATCH = 128
IMAGES = load_dataset("digits").sample(530, seed=0)  # two blocks, the last one short


def small() -> Backbone:
    """Two small convolutions, so that a kill costs little."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 5, stride=4), nn.Conv2d(4, 8, 3)).eval()
    layers = (Layer(0, "first", "0"), Layer(1, "second", "1"))
    return Backbone("small", network, default_preprocessing("lenet"), layers, "random", "0")


def run(cache: Path, kill_at: int | None = None) -> dict[str, int]:
    """Extract in a forked child that counts its steps and images, and dies at a step if told to."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)
        filling.KEEP_SECONDS = 0.0  # as if every batch took long
        counts = {"steps": 0, "images": 0}
        original = Path.replace

        def step() -> None:
            counts["steps"] += 1
            if counts["steps"] == kill_at:
                os.write(writer, json.dumps(counts).encode())
                os.kill(os.getpid(), signal.SIGKILL)

        def replace(self: Path, target: Any) -> Path:
            step()
            moved = original(self, target)
            step()
            return moved

        Path.replace = replace  # type: ignore[method-assign, assignment]
        backbone = small()
        backbone.network.register_forward_pre_hook(
            lambda module, inputs: counts.update(images=counts["images"] + len(inputs[0]) * (len(inputs[0]) > 4))
        )
        extract(backbone, IMAGES, cache_dir=cache, progress=False, batch_size=BATCH)
        os.write(writer, json.dumps(counts).encode())
        os._exit(0)
    os.close(writer)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reader) as pipe:
        counts = json.loads(pipe.read())
    return {**counts, "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0}


if __name__ == "__main__":
    folder, points = Path(sys.argv[1]), [int(point) for point in sys.argv[2:]]
    if not points:
        print(json.dumps(run(folder)))
    for point in points:
        killed = run(folder / str(point), kill_at=point)
        print(json.dumps({"point": point, "killed": killed, "resumed": run(folder / str(point))}), flush=True)
