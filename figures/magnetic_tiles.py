"""Patch detectors on magnetic tiles: image and pixel figures with intervals, by defect, time and memory.

A fifth of the tiles without defect is held out (seed 0), and all tiles with defects are scored; --train, --good and
--defects take seeded samples of these. Every cell runs in a process of its own, so that its memory is known; finished
cells are kept and not computed again.

    python figures/magnetic_tiles.py TILES WEIGHTS --out figures/magnetic_tiles

TILES holds good/, a folder for each defect and ground_truth/, WEIGHTS the files of the networks.
"""

import argparse
import resource
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from reprq.backbones import load_backbone
from reprq.data import Dataset, Split, load_dataset, to_photo
from reprq.detectors import create
from reprq.evaluation.detection import Detection, evaluate
from reprq.papers.outcome import record_text
from reprq.plots import overlay_gallery
from reprq.progress import track
from reprq.provenance import digest
from reprq.study.cells import CellStore

BENIGN = "good"
DRAWN = ("blowhole", "crack", "fray", BENIGN)
NETWORKS = {
    "MobileNetV2, ImageNet": ("mobilenet_v2", "mobilenet_v2-imagenet_torchvision", [3, 4, 5]),
    "EfficientNet-Lite0, ImageNet": ("timm:tf_efficientnet_lite0", "tf_efficientnet_lite0-imagenet", [2, 3]),
}
DETECTORS: list[dict[str, Any]] = [
    {"name": "padim", "channels": None},
    {"name": "patchcore", "normalize": True, "coreset": 0.1, "neighbors": 1},
    {"name": "patchcore", "normalize": True},
    {"name": "patchcore"},
    {"name": "spade", "normalize": True, "grid": 14},
]


def main() -> None:
    """Run what is missing, and write the tables and a picture of maps."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tiles", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "magnetic_tiles")
    parser.add_argument("--cells", type=Path, help="the file of finished cells; by default in --out")
    parser.add_argument("--size", type=int, default=224, help="side of the input in pixels")
    parser.add_argument("--train", type=int, help="tiles without defect to fit on; all by default")
    parser.add_argument("--good", type=int, help="tiles without defect to score; all by default")
    parser.add_argument("--defects", type=int, help="tiles of each defect to score; all by default")
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS), choices=list(NETWORKS))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    store = CellStore(options.cells or options.out / "cells.jsonl")
    cells = [(label, spec) for label in options.networks for spec in DETECTORS]
    rows: list[dict[str, Any]] = []
    for label, spec in track(cells, desc="tiles", unit="cell"):
        key = digest({"network": label, "detector": spec, "size": options.size, "counts": counts(options)})
        if key not in store:
            with ProcessPoolExecutor(1) as alone:
                store.add(key, alone.submit(judged, options, label, spec).result())
        rows += store[key]
        write(rows, options)
    picture(options)


def picture(options: argparse.Namespace) -> None:
    """Draw tiles of the test side beside their maps by the first detector on the first network."""
    label, spec = options.networks[0], DETECTORS[0]
    data, split = held_out(options.tiles, *counts(options))
    detector = create({**spec, "layers": NETWORKS[label][2]})
    detector.set_params(backbone=network(options.weights, label, options.size)).fit(data.select(split.train))
    shown = np.concatenate([split.test[data.labels[split.test] == data.classes.index(kind)][:3] for kind in DRAWN])
    tiles = data.select(shown)
    sizes = [tiles.item(i).size for i in range(len(tiles))]
    seen = zip(detector.anomaly_map(tiles), sizes, strict=True)
    maps = [to_photo(values, detector.transform_, *size) for values, size in seen]
    masks = None if tiles.masks is None else [tiles.masks[i] for i in range(len(tiles))]
    figure = overlay_gallery(tiles, maps, masks=masks, titles=[str(name) for name in tiles.ids])
    figure.savefig(options.out / "maps.png", dpi=100, bbox_inches="tight")


def counts(options: argparse.Namespace) -> list[int | None]:
    """How many tiles are used."""
    return [options.train, options.good, options.defects]


def judged(options: argparse.Namespace, label: str, spec: dict[str, Any]) -> list[dict[str, Any]]:
    """Fit and judge a detector; a row of all defects, then one of each."""
    torch.set_num_threads(1)
    data, split = held_out(options.tiles, *counts(options))
    found = evaluate(
        {**spec, "layers": NETWORKS[label][2]},
        split,
        data,
        data,
        given={"backbone": network(options.weights, label, options.size)},
        pixels=True,
        clock=time.process_time,
    )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    first = {"network": label, "detector": found.detector}
    last = {"n_train": found.n_train, "seconds": round(found.seconds, 1), "peak_mib": round(peak)}
    return [{**first, "defect": "all", **figures(found), **last}, *by_defect(found, data, first)]


def held_out(
    tiles: Path, train_on: int | None, good: int | None, defects: int | None, seed: int = 0
) -> tuple[Dataset, Split]:
    """Return the tiles, and the split that scores a fifth of the good ones and all others, or samples of these."""
    data = load_dataset(f"folder:{tiles}", whole=True)
    rng = np.random.default_rng(seed)
    kinds = {name: rng.permutation(np.flatnonzero(data.labels == i)) for i, name in enumerate(data.classes)}
    benign = kinds.pop(BENIGN)
    count = round(0.8 * len(benign))
    train = np.sort(benign[:count][:train_on])
    test = np.sort(np.concatenate([benign[count:][:good], *(rows[:defects] for rows in kinds.values())]))
    split = Split.whole(1, data.labels[test] != data.classes.index(BENIGN), name="tiles")
    return data, replace(split, train=train, test=test, classes=data.labels[test], masks=data.select(test).masks)


def network(weights: Path, label: str, size: int) -> Any:
    """Load a network that sees whole tiles, squashed to a square."""
    name, file, _ = NETWORKS[label]
    return load_backbone(name, weights / f"{file}.safetensors", preprocessing={"size": size, "squash": True})


def figures(found: Detection) -> dict[str, Any]:
    """The figures of a detector in all."""
    image = {"auroc": found.auroc.value, "auroc_low": found.auroc.low, "auroc_high": found.auroc.high}
    assert found.pixels is not None
    return {**image, **found.pixels.columns(), "n_test": len(found.labels), "n_anomalies": int(found.labels.sum())}


def by_defect(found: Detection, data: Dataset, first: dict[str, Any]) -> list[dict[str, Any]]:
    """A row of each defect beside all good tiles."""
    assert found.pixels is not None
    assert found.classes is not None
    rows = []
    for number, figures_of_maps in found.pixels.by_class.items():
        part = found.on((found.labels == 0) | (found.classes == number))
        rows.append({**first, "defect": data.classes[number], **figures(replace(part, pixels=figures_of_maps))})
    return rows


def write(rows: Sequence[dict[str, Any]], options: argparse.Namespace) -> None:
    """Write both tables and how they were made."""
    table = pd.DataFrame(rows)
    whole = table["defect"] == "all"
    how = {"index": False, "float_format": "%.4f"}
    table[whole].drop(columns="defect").to_csv(options.out / "detectors.csv", **how)
    table[~whole].drop(columns=["n_train", "seconds", "peak_mib"]).to_csv(options.out / "defects.csv", **how)
    made = {"size": options.size, "held_out": 0.2, "seed": 0, "networks": options.networks}
    made |= dict(zip(("train", "good", "defects"), counts(options), strict=True))
    (options.out / "made.json").write_text(record_text(made), encoding="utf-8")


if __name__ == "__main__":
    main()
