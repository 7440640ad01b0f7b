"""Detectors of patches on magnetic tiles beside a plain prototype and anomalib's, over draws of few tiles, paired.

Every draw takes 160 good tiles to fit on and scores 40 others and 14 each of blowhole, crack and fray. All detectors
read `features.10` and `features.13` of one MobileNetV2, on the same pixels. `draws.csv` has a row a draw, a size and a
detector, `draws_compared.csv` their means and paired differences, with intervals of t over draws, whose rows overlap.
Settings are the papers': a neighborhood of 3 x 3 (PatchCore), all channels with a ridge of .01 (PaDiM), a tenth of the
patches (PatchCore), and maps smoothed by 4 pixels (both); no label chose them. Finished draws are not computed again.

    python figures/magnetic_tiles_draws.py TILES WEIGHTS --out figures/magnetic_tiles

TILES holds good/, a folder for each defect and ground_truth/, WEIGHTS the files of the networks. A pair is compared on
the draws that both have.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from patch_prototype import features, gaussians, maps, nearest
from scipy.stats import t as students

from reprq.backbones import Backbone, load_backbone
from reprq.data import Dataset, load_dataset
from reprq.detectors import create
from reprq.evaluation import auroc
from reprq.evaluation.pixels import pixel_auroc
from reprq.progress import track
from reprq.provenance import digest
from reprq.study.cells import CellStore
from reprq.training import Inputs

BENIGN, DEFECTS = "good", ("blowhole", "crack", "fray")
FIT, GOOD, EACH = 160, 40, 14
SIZES = (160, 224)
TAPS, LAYERS = ("features.10", "features.13"), [4, 5]
WEIGHTS = "mobilenet_v2-imagenet_torchvision.safetensors"
OWN: dict[str, dict[str, Any]] = {
    "padim": {"name": "padim", "channels": None},
    "patchcore": {"name": "patchcore", "coreset": 0.1, "neighbors": 1},
    "patchcore, normalized": {"name": "patchcore", "coreset": 0.1, "neighbors": 1, "normalize": True},
}
PROTOTYPE = {"nearest": nearest, "Gaussians": gaussians}
PEERS = {  # whose peer a detector is
    "padim": ("prototype, Gaussians", "anomalib, PaDiM"),
    "patchcore": ("prototype, nearest", "anomalib, PatchCore"),
    "patchcore, normalized": ("prototype, nearest", "anomalib, PatchCore"),
}
Way = Callable[[Dataset, Dataset], Any]
Found = tuple[np.ndarray, np.ndarray]  # image scores, and maps as large as the input


def main() -> None:
    """Run the draws that are missing, and write both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tiles", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "magnetic_tiles")
    parser.add_argument("--cells", type=Path, help="the file of finished draws; by default in --out")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--anomalib", action="store_true", help="run its detectors too; it must be installed")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    store = CellStore(options.cells or options.out / "draws.jsonl")
    data = load_dataset(f"folder:{options.tiles}", whole=True)
    rows: list[dict[str, Any]] = []
    cells = [(seed, size) for seed in range(options.draws) for size in SIZES]
    for seed, size in track(cells, desc="draws", unit="draw"):
        network = load_backbone("mobilenet_v2", options.weights / WEIGHTS, preprocessing={"size": size, "squash": True})
        ways = detectors(network)
        keys = {name: digest({"seed": seed, "size": size, "name": name, **OWN.get(name, {})}) for name in ways}
        able = {name: way for name, way in ways.items() if options.anomalib or not name.startswith("anomalib")}
        if missing := {name: way for name, way in able.items() if keys[name] not in store}:
            for row in judged(data, network, seed, missing):
                store.add(keys[row["detector"]], [row])
        rows += [row for key in keys.values() if key in store for row in store[key]]
        table = pd.DataFrame(rows)
        table.to_csv(options.out / "draws.csv", index=False, float_format="%.4f")
        compared(table).to_csv(options.out / "draws_compared.csv", index=False, float_format="%.4f")


def drawn(data: Dataset, seed: int) -> tuple[Dataset, Dataset]:
    """The tiles to fit on and those to score."""
    rng = np.random.default_rng(seed)
    good, *defects = (
        rng.permutation(np.flatnonzero(data.labels == data.classes.index(name))) for name in (BENIGN, *DEFECTS)
    )
    return data.select(good[:FIT]), data.select(
        np.concatenate([good[FIT : FIT + GOOD], *(kind[:EACH] for kind in defects)])
    )


def detectors(network: Backbone) -> dict[str, Way]:
    """Every detector: from what is fitted on and what is scored to image scores and maps."""
    ways: dict[str, Way] = {name: partial(own, spec, network) for name, spec in OWN.items()}
    ways |= {f"prototype, {name}": partial(prototype, score, network) for name, score in PROTOTYPE.items()}
    return ways | {"anomalib, PaDiM": partial(padim, network), "anomalib, PatchCore": partial(patchcore, network)}


def judged(data: Dataset, network: Backbone, seed: int, ways: dict[str, Way]) -> Iterator[dict[str, Any]]:
    """A row of every detector on one draw."""
    benign, new = drawn(data, seed)
    labels = (new.labels != data.classes.index(BENIGN)).astype(int)
    size = network.input_shape[1]
    assert new.masks is not None
    masks = [new.masks.over(i, network.preprocessing, (size, size)) if y else None for i, y in enumerate(labels)]
    for name, way in ways.items():
        torch.manual_seed(seed)
        start = time.process_time()
        scores, found = way(benign, new)
        seconds = time.process_time() - start
        pixel = pixel_auroc(masks, found.astype(np.float64), resamples=1).pooled.value
        image = auroc(labels, scores.astype(np.float64)).value
        yield {"draw": seed, "size": size, "detector": name, "auroc": image, "pixel_auroc": pixel, "seconds": seconds}


def pixels(data: Dataset, network: Backbone) -> torch.Tensor:
    """The network's input, (n, 3, size, size)."""
    return Inputs(data, network.preprocessing)[range(len(data))].contiguous()


def own(spec: dict[str, Any], network: Backbone, benign: Dataset, new: Dataset) -> Found:
    """A detector of reprq."""
    detector = create({**spec, "layers": LAYERS}).set_params(backbone=network).fit(benign)
    return detector.anomaly_score(new), detector.anomaly_map(new)


def prototype(score: Callable[..., torch.Tensor], network: Backbone, benign: Dataset, new: Dataset) -> Found:
    """A detector of the prototype, whose image score is the largest of its patches."""
    found = score(*(features(network.network, pixels(each, network), TAPS) for each in (benign, new)))
    return found.max(dim=1).values.numpy(), maps(found, network.input_shape[1]).numpy()


def padim(network: Backbone, benign: Dataset, new: Dataset) -> Found:
    """The PaDiM of anomalib, with all channels."""
    from anomalib.models.image.padim.torch_model import PadimModel

    model: Any = PadimModel(backbone=network.network, layers=list(TAPS), pre_trained=False, n_features=160)
    return _of_anomalib(model, model.fit, pixels(benign, network), pixels(new, network))


def patchcore(network: Backbone, benign: Dataset, new: Dataset) -> Found:
    """The PatchCore of anomalib, with a tenth of the patches and its own re-weighting."""
    from anomalib.models.image.patchcore.torch_model import PatchcoreModel

    model: Any = PatchcoreModel(backbone=network.network, layers=list(TAPS), pre_trained=False)
    return _of_anomalib(model, lambda: model.subsample_embedding(0.1), pixels(benign, network), pixels(new, network))


def _of_anomalib(model: Any, learn: Callable[[], None], x: torch.Tensor, z: torch.Tensor) -> Found:
    model.train()
    model.feature_extractor.eval()
    for part in x.split(32):
        model(part)
    learn()
    model.eval()
    with torch.no_grad():
        found = [model(part) for part in z.split(32)]
    scores, spread = (torch.cat([getattr(each, name) for each in found]) for name in ("pred_score", "anomaly_map"))
    return scores.flatten().numpy(), spread.reshape(len(z), *z.shape[-2:]).numpy()


def compared(table: pd.DataFrame) -> pd.DataFrame:
    """Means over draws, and how much a detector is above each of its peers in the same draws."""
    rows = []
    for size, part in table.groupby("size"):
        figures = ("auroc", "pixel_auroc", "seconds")
        wide = {figure: part.pivot(index="draw", columns="detector", values=figure) for figure in figures}
        for name in wide["auroc"]:
            found = mean({figure: values[name] for figure, values in wide.items()})
            rows.append({"size": size, "detector": name, "above": "", **found})
        for name, peer in [(name, peer) for name, peers in PEERS.items() for peer in peers if peer in wide["auroc"]]:
            found = mean({figure: wide[figure][name] - wide[figure][peer] for figure in figures[:2]})
            rows.append({"size": size, "detector": name, "above": peer, **found})
    return pd.DataFrame(rows)


def mean(values: dict[str, pd.Series]) -> dict[str, float]:
    """The mean of figures over the draws that have them, with its interval of t but for seconds."""
    found: dict[str, float] = {"draws": len(values["auroc"].dropna())}
    for figure, series in values.items():
        known = series.dropna().to_numpy()
        found[figure] = known.mean()
        if figure != "seconds":
            t = students.ppf(0.975, len(known) - 1) if len(known) > 1 else np.nan
            margin = t * known.std(ddof=1 if len(known) > 1 else 0) / len(known) ** 0.5
            found |= {f"{figure}_low": known.mean() - margin, f"{figure}_high": known.mean() + margin}
    return found


if __name__ == "__main__":
    main()
