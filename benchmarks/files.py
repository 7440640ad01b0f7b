"""From JPEG files to features: reprq beside a bare loop of torchvision. Run `python benchmarks/files.py [FOLDER]`.

FOLDER has a folder of images a class; without it photos of 640 x 480 pixels are made. The bare loop is torchvision's
ImageFolder under a DataLoader, with as many worker processes as reprq has threads, the network's own forward pass, and
five layers averaged and kept in memory. reprq lists and hashes the files, sees that all of them decode, reads what the
crop leaves out, tries the network, and writes a cache. Both see the same files at the same size, and their features are
compared. Rounds alternate; times are the shortest, those of the processor with a DataLoader's workers. The last line
says how many times as fast as one process reprq is with several workers, the median over rounds on the clock: run it
where nothing else does.
"""

import argparse
import shutil
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from recording import Record, Timing, add_option, timed_in_turn
from scoring import photos
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder
from torchvision.models.feature_extraction import create_feature_extractor

import reprq
from reprq.backbones import Backbone, load_backbone
from reprq.data import load_dataset
from reprq.data.image.preprocessing import IMAGENET_MEAN, IMAGENET_STD

LAYERS, BATCH = "1-5", 32
CLASSES = 2  # of photos that are made


def taken(folder: Path, images: int, where: Path) -> int:
    """Copy the first images of every class, as many of each, and return how many."""
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    count = 0
    for path in classes:
        (where / path.name).mkdir(parents=True)
        for file in sorted(path.glob("*.jp*g"))[: -(-images // len(classes))]:
            shutil.copy(file, where / path.name)
            count += 1
    return count


def made(images: int, where: Path) -> int:
    """Make so many photos, in a folder a class, and return how many."""
    where.mkdir()
    for number in range(CLASSES):
        photos(where / f"class{number}", -(-images // CLASSES), number)
    return CLASSES * -(-images // CLASSES)


def bare(backbone: Backbone, size: int, folder: Path, workers: int) -> NDArray[np.float32]:
    """The loop that a person would write; returns the features of the last layer."""
    steps = [transforms.Resize(size), transforms.CenterCrop(size), transforms.ToTensor()]
    images = ImageFolder(str(folder), transforms.Compose([*steps, transforms.Normalize(IMAGENET_MEAN, IMAGENET_STD)]))
    nodes = [layer.module if layer.where == "output" else "flatten" for layer in backbone.select_layers(LAYERS)]
    network = create_feature_extractor(backbone.network, nodes).eval()
    kept: list[list[torch.Tensor]] = []
    with torch.inference_mode():
        for batch, _ in DataLoader(images, batch_size=BATCH, num_workers=workers):
            kept.append([x.mean(dim=(2, 3)) if x.ndim == 4 else x for x in network(batch).values()])
    return [torch.cat(layer).numpy() for layer in zip(*kept, strict=True)][-1]


def ours(backbone: Backbone, folder: Path, workers: int) -> NDArray[np.float32]:
    """The same by `reprq.extract`, into a cache that was not there."""
    with tempfile.TemporaryDirectory() as caches:
        data = load_dataset(f"folder:{folder}", whole=True)
        cache = reprq.extract(
            backbone, data, LAYERS, workers=workers, batch_size=BATCH, cache_dir=caches, progress=False
        )
        return np.asarray(cache[list(cache)[-1]].array)


def main() -> None:
    """Print one row a way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="images, a folder a class; photos are made without it")
    parser.add_argument("--network", default="resnet18")
    parser.add_argument("--size", type=int, default=32, help="pixels that the network sees")
    parser.add_argument("--images", type=int, default=1_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    add_option(parser)
    asked = parser.parse_args()
    backbone = load_backbone(asked.network, "random", preprocessing={"size": asked.size})
    with tempfile.TemporaryDirectory() as place:
        files = Path(place) / "files"
        count = taken(asked.folder, asked.images, files) if asked.folder else made(asked.images, files)
        named = f"JPEG files of {asked.folder.name}" if asked.folder else "JPEG photos of 640 x 480"
        case = f"{count:,} {named} at {asked.size} px, {asked.network}"
        settings = {"case": case, "workers": asked.workers, "rounds": asked.rounds, "threads": torch.get_num_threads()}
        record = Record("files", settings)
        single, several = "reprq.extract, workers=1", f"reprq.extract, workers={asked.workers}"
        alone = "torchvision ImageFolder, DataLoader, one process"
        calls: dict[str, Callable[[], object]] = {
            f"torchvision ImageFolder, DataLoader, {asked.workers} workers": partial(
                bare, backbone, asked.size, files, asked.workers
            ),
            alone: partial(bare, backbone, asked.size, files, 0),
            several: partial(ours, backbone, files, asked.workers),
            single: partial(ours, backbone, files, 1),
        }
        theirs, found = bare(backbone, asked.size, files, 0), ours(backbone, files, asked.workers)
        apart = float(np.abs(theirs - found).max() / np.abs(theirs).max())
        print(f"{case}; {torch.get_num_threads()} threads; features differ by {apart:.1e} of the largest")
        timings = timed_in_turn(calls, asked.rounds)
        base = next(iter(timings.values())).wall
        for name, timing in timings.items():
            record.add(case, name, timing, ratio=timing.wall / base, difference=apart)
            print(f"  {name:<52} {timing.wall:8.2f} s {timing.cpu:8.2f} CPU s {timing.wall / base:6.2f} x", flush=True)
        gains = {name: _faster(timings[several], timings[name]) for name in (single, alone)}
        record.add(case, f"{several}: times as fast", over_own=gains[single], over_torchvision=gains[alone])
        print(f"{several} is {gains[single]:.2f} times as fast as one process, {gains[alone]:.2f} times torchvision's")
    if asked.save:
        record.save()


def _faster(ours: Timing, theirs: Timing) -> float:
    """How many times as fast one is as the other on the clock, the median over rounds."""
    return statistics.median(theirs / ours for ours, theirs in zip(ours.walls, theirs.walls, strict=True))


if __name__ == "__main__":
    main()
