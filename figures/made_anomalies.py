"""Anomalies made of benign samples of any modality, for `answer.py`: what a layer that detects them promises.

Images: a third each has a rectangle of itself pasted elsewhere (CutPaste, Li et al., CVPR 2021: 2 to 15 % of the area,
aspect ratio 0.3 to 3.3, no jitter of colors), noise of standard deviation 50 of 255 all over, or is blended half and
half with another benign image. Texts: the words in random order. Sounds: backwards in time. Rows of tables: every
column shuffled by itself.
"""

from dataclasses import replace

import numpy as np
from PIL import Image

from reprq.data import Dataset, as_dataset
from reprq.data.audio.sources import Clips
from reprq.data.table.sources import TableRows

_NOISE = 50.0


def made_anomalies(benign: Dataset, seed: int) -> Dataset:
    """Return one made anomaly for each benign sample."""
    rng = np.random.default_rng(seed)
    items = [benign.source.item(int(row)) for row in benign.rows]
    if benign.modality == "image":
        images = [np.asarray(item.convert("RGB")) for item in items]
        kinds = (_cut_paste, _noisy, _blended)
        return as_dataset([Image.fromarray(kinds[i % 3](i, images, rng)) for i in range(len(images))])
    if benign.modality == "text":
        return as_dataset([" ".join(rng.permutation(text.split())) for text in items])
    rows = np.arange(len(items))
    known = replace(benign, rows=rows, ids=rows.astype(np.str_), name=f"made of {benign.name}")
    if benign.modality == "audio":
        return replace(known, source=Clips([replace(clip, values=clip.values[::-1].copy()) for clip in items]))
    columns = {name: rng.permutation(column[benign.rows]) for name, column in benign.source.columns.items()}
    return replace(known, source=TableRows(columns, "made"))


def _cut_paste(i: int, images: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    image = images[i].copy()
    height, width = image.shape[:2]
    area, ratio = rng.uniform(0.02, 0.15) * height * width, np.exp(rng.uniform(np.log(0.3), np.log(3.3)))
    h, w = (
        int(np.clip(side, 1, most - 1))
        for side, most in ((np.sqrt(area * ratio), height), (np.sqrt(area / ratio), width))
    )
    (y, y2), (x, x2) = (rng.integers(0, most - side + 1, 2) for side, most in ((h, height), (w, width)))
    image[y2 : y2 + h, x2 : x2 + w] = images[i][y : y + h, x : x + w]
    return image


def _noisy(i: int, images: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    noise = rng.normal(0, _NOISE, images[i].shape)
    return np.clip(images[i] + noise, 0, 255).astype(np.uint8)


def _blended(i: int, images: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    height, width = images[i].shape[:2]
    other = Image.fromarray(images[int(rng.integers(len(images)))]).resize((width, height))
    return ((images[i].astype(np.uint16) + np.asarray(other)) // 2).astype(np.uint8)
