"""What does `reprq score` cost beside decoding and the bare forward pass? Run `python benchmarks/scoring.py`.

A folder of JPEG photos is made. The bare loop is what a person writes: Pillow opens a photo, torchvision resizes, crops
and normalizes it, and the network runs on batches. reprq lists the folder, reads the sizes of the photos, decodes,
pools the last layer, finds nearest neighbors among benign photos in five folds, and judges; with `--out` it hashes the
files too and writes the table. Rounds alternate between them, and a ratio is the median over rounds of the processor's
time against the bare loop of the same round; that of the time on the clock stands beside.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from recording import Record, add_option, timed_in_turn
from torchvision import transforms

import reprq
from reprq.backbones import Backbone, load_backbone
from reprq.data.image.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from reprq.models import Model
from reprq.models.scores import ScoreFile

BATCH = 32
CASES = (("resnet18", 224), ("resnet18", 96), ("mobilenet_v2", 224))


def photos(folder: Path, count: int, seed: int) -> Path:
    """Write photos of 640 x 480 pixels, of which most is smooth."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    for i in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((640, 480))
        pixels = np.asarray(coarse, np.int16) + rng.integers(-12, 13, (480, 640, 3), dtype=np.int16)
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{i:04d}.jpg", quality=90)
    return folder


def bare(backbone: Backbone, size: int, folder: Path) -> None:
    """Decoding and the network's own forward pass."""
    steps = [transforms.Resize(size), transforms.CenterCrop(size), transforms.ToTensor()]
    transform = transforms.Compose([*steps, transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD)])
    files = sorted(folder.iterdir())
    with torch.inference_mode():
        for start in range(0, len(files), BATCH):
            opened = [Image.open(file).convert("RGB") for file in files[start : start + BATCH]]
            backbone.network(torch.stack([transform(image) for image in opened]))


def score(model: Model, folder: Path) -> None:
    """Scores in memory."""
    model.score(f"folder:{folder}")


def score_to_file(model: Model, folder: Path) -> None:
    """Scores in a file, by a run that could go on."""
    with tempfile.TemporaryDirectory() as place:
        ScoreFile(Path(place) / "scores.csv").write(model, model.check(f"folder:{folder}"), "model")


def main() -> None:
    """Print one row a network and way."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=int, default=256)
    parser.add_argument("--benign", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    add_option(parser)
    asked = parser.parse_args()
    settings = {key: value for key, value in vars(asked).items() if key != "save"}
    record = Record("scoring", {**settings, "threads": torch.get_num_threads()})
    print(f"{torch.get_num_threads()} threads, {asked.photos} photos, {asked.benign} benign ones")
    print("network       side  way                       ratio  lowest  highest  by clock  photos/s")
    with tempfile.TemporaryDirectory() as place:
        benign, new = (photos(Path(place) / name, getattr(asked, name), 0) for name in ("benign", "photos"))
        for name, size in CASES:
            backbone = load_backbone(name, "random", preprocessing={"size": size})
            how = {"batch_size": BATCH, "cache_dir": Path(place) / "cache", "progress": False}
            model = reprq.fit(backbone, f"folder:{benign}", -1, false_alarms=0.02, **how)
            ways: dict[str, Callable[[], object]] = {
                "decoding, bare forward": partial(bare, backbone, size, new),
                "Model.score": partial(score, model, new),
                "reprq score --out": partial(score_to_file, model, new),
            }
            found = timed_in_turn(ways, asked.rounds)
            base = found["decoding, bare forward"]
            for way, taken in found.items():
                used = [t / b for t, b in zip(taken.cpus, base.cpus, strict=True)]
                clock = statistics.median(t / b for t, b in zip(taken.walls, base.walls, strict=True))
                middle, rate = statistics.median(used), asked.photos / statistics.median(taken.walls)
                record.add(f"{name}, {size}", way, taken, ratio=middle, ratio_of_walls=clock)
                numbers = f"{middle:5.2f}  {min(used):6.2f}  {max(used):7.2f}  {clock:8.2f}  {rate:8.1f}"
                print(f"{name:12}  {size:4}  {way:24}  {numbers}", flush=True)
    if asked.save:
        record.save()


if __name__ == "__main__":
    main()
