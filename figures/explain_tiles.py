"""Where kNN on one layer of MobileNetV2 says that magnetic tiles are anomalous, by five explanations and two detectors.

Tiles squashed to 160 pixels: 160 good ones to fit on, 10 others and 4 each of blowhole, crack and fray to score, of
those that magnetic_tiles_draws.py draws first. Explanations are raw and blurred by a Gaussian; finished maps are kept.

    python figures/explain_tiles.py TILES WEIGHTS --out figures/explain_tiles
"""

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from magnetic_tiles_draws import BENIGN, OWN, WEIGHTS, drawn, own
from matplotlib import pyplot as plt
from scipy.ndimage import gaussian_filter

import reprq
from reprq.backbones import load_backbone
from reprq.data import load_dataset
from reprq.evaluation import auroc, pixel_auroc
from reprq.explain.methods import METHODS
from reprq.explain.pictures import explanation, score_of
from reprq.training import Inputs

SIZE, LAYER, SIGMA, BATCH = 160, 5, 4.0, 8
GOOD, EACH = 10, 4  # occlusion and integrated gradients take dozens of passes a tile


def main() -> None:
    """Explain, judge and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tiles", type=Path)
    parser.add_argument("weights", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "explain_tiles")
    parser.add_argument("--kept", type=Path, required=True, help="a folder for finished maps")
    options = parser.parse_args()
    for folder in (options.kept, options.out):
        folder.mkdir(parents=True, exist_ok=True)
    network = load_backbone("mobilenet_v2", options.weights / WEIGHTS, preprocessing={"size": SIZE, "squash": True})
    benign, new = drawn(load_dataset(f"folder:{options.tiles}", whole=True), 0)
    new = new.select(some(new))
    labels = (new.labels != new.classes.index(BENIGN)).astype(int)
    assert new.masks is not None
    masks = [new.masks.over(i, network.preprocessing, (SIZE, SIZE)) if y else None for i, y in enumerate(labels)]
    model = reprq.fit(network, benign, LAYER, detector="knn", progress=False)
    image = auroc(labels, model.score(new, any_kind=True)["score"].to_numpy())
    print(f"kNN on {model.record['layers']}: image AUROC {image.value:.3f} [{image.low:.3f}, {image.high:.3f}]")
    found, seconds = {}, {}
    for name in ("patchcore", *METHODS):
        found[name], seconds[name] = kept(options.kept / f"{name}.npz", name, model, network, benign, new)
    cells = [(name, sigma) for name in found for sigma in blurs(name)]
    table = pd.DataFrame([judged(name, sigma, found[name], masks, seconds[name]) for name, sigma in cells])
    table.to_csv(options.out / "pixels.csv", index=False, float_format="%.4f")
    print(table.to_string(index=False, float_format="%.3f"))
    draw(found, masks, new, labels, options.out / "maps.png")


def some(new: Any) -> np.ndarray:
    """The first GOOD good tiles and EACH of each defect, in order."""
    rows = [np.flatnonzero(new.labels == kind) for kind in np.unique(new.labels)]
    good = new.classes.index(BENIGN)
    return np.sort(np.concatenate([each[: GOOD if new.labels[each[0]] == good else EACH] for each in rows]))


def blurs(name: str) -> tuple[float, ...]:
    """PatchCore blurs its maps itself."""
    return (0.0,) if name == "patchcore" else (0.0, SIGMA)


def kept(file: Path, name: str, model: Any, network: Any, benign: Any, new: Any) -> tuple[np.ndarray, float]:
    """The maps of a method, (n, SIZE, SIZE), and what they took, read where they are there."""
    if not file.exists():
        start = time.process_time()
        if name == "patchcore":
            maps = own(OWN["patchcore"], network, benign, new)[1]
        else:
            by, inputs = explanation(score_of(model), name), Inputs(new, network.preprocessing)
            batches = [range(i, min(i + BATCH, len(new))) for i in range(0, len(new), BATCH)]
            maps = np.concatenate([by(inputs[rows].contiguous()).detach().double().numpy() for rows in batches])
        np.savez(file, maps=maps.astype(np.float32), seconds=time.process_time() - start)
    read = np.load(file)
    return read["maps"].astype(np.float64), float(read["seconds"])


def judged(name: str, sigma: float, maps: np.ndarray, masks: list[Any], seconds: float) -> dict[str, Any]:
    """A row of the table."""
    seen = blurred(maps, sigma)
    pooled = pixel_auroc(masks, seen, resamples=500).pooled
    figures = {"pixel_auroc": pooled.value, "low": pooled.low, "high": pooled.high}
    return {"method": name, "sigma": sigma, **figures, "seconds": round(seconds, 1)}


def blurred(maps: np.ndarray, sigma: float) -> np.ndarray:
    """Maps after a Gaussian."""
    return np.asarray(gaussian_filter(maps, (0, sigma, sigma)) if sigma else maps)


def draw(found: dict[str, np.ndarray], masks: list[Any], new: Any, labels: np.ndarray, file: Path) -> None:
    """Two tiles of each defect, the mask, and every blurred map; one scale of colors a method."""
    defects = [np.flatnonzero(new.labels == kind)[:2] for kind in np.unique(new.labels[labels == 1])]
    shown = np.concatenate([*defects, np.flatnonzero(labels == 0)[:1]])
    size = (1.5 * (2 + len(found)), 1.6 * len(shown))
    figure, axes = plt.subplots(len(shown), 2 + len(found), figsize=size, layout="constrained")
    for row, i in zip(axes, shown, strict=True):
        tile = new.item(int(i)).convert("L").resize((SIZE, SIZE))
        row[0].imshow(tile, cmap="gray")
        row[0].set_ylabel(new.classes[new.labels[i]])
        mask = np.zeros((SIZE, SIZE)) if masks[i] is None else np.asarray(masks[i]) > 0
        row[1].imshow(mask, cmap="gray", vmin=0, vmax=1)
        for ax, (name, maps) in zip(row[2:], found.items(), strict=True):
            seen = blurred(maps, max(blurs(name)))
            ax.imshow(seen[i], cmap="magma", vmin=np.quantile(seen[shown], 0.01), vmax=np.quantile(seen[shown], 0.999))
    for ax, name in zip(axes[0], ["tile", "mask", *found], strict=True):
        ax.set_title(name.replace("_", "\n", 1), fontsize=9)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
    figure.savefig(file, dpi=80)


if __name__ == "__main__":
    main()
