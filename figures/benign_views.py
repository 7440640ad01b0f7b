"""Benign samples of any modality seen otherwise, for `answer.py`: views that should still be benign, and raw inputs.

Images are shifted by up to 8 % of a side (what leaves comes back on the other side), made lighter or darker by up to
10 %, and get noise of standard deviation 5 of 255. A tenth of the words of a text is left out. Sounds start elsewhere,
by up to a tenth, and are up to 3 dB louder or softer. Columns of numbers get noise of a tenth of their spread.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image
from sklearn.feature_extraction.text import CountVectorizer

from reprq.data import Dataset, as_dataset
from reprq.data.audio.sources import Clips
from reprq.data.table.sources import TableRows

_SIDE, _BANDS = 16, 128  # of the raw inputs of images and sounds


def benign_views(benign: Dataset, count: int, seed: int) -> Dataset:
    """Return `count` views of each benign sample: first all samples in their first view, then in their second."""
    rng = np.random.default_rng(seed)
    items = [benign.source.item(int(row)) for _ in range(count) for row in benign.rows]
    if benign.modality == "image":
        return as_dataset([_of_image(item, rng) for item in items])
    if benign.modality == "text":
        return as_dataset([_of_text(item, rng) for item in items])
    rows = np.arange(len(items))
    known = replace(
        benign,
        rows=rows,
        ids=rows.astype(np.str_),
        name=f"views of {benign.name}",
        labels=np.tile(benign.labels, count),
    )
    if benign.modality == "audio":
        return replace(known, source=Clips([replace(clip, values=_of_sound(clip.values, rng)) for clip in items]))
    columns = {name: np.tile(column[benign.rows], count) for name, column in benign.source.columns.items()}
    return replace(known, source=TableRows({k: _of_column(v, rng) for k, v in columns.items()}, "views"))


def raw_inputs(benign: Dataset) -> np.ndarray:
    """Return what any network of the modality sees, (n, d): 16 x 16 pixels, counts of words, log bands, or columns."""
    if benign.modality == "table":
        columns = np.column_stack([np.asarray(c[benign.rows], dtype=float) for c in benign.source.columns.values()])
        return (columns - columns.mean(0)) / np.where(columns.std(0) > 0, columns.std(0), 1.0)
    items = [benign.source.item(int(row)) for row in benign.rows]
    if benign.modality == "text":
        return CountVectorizer().fit_transform(items).toarray().astype(float)
    of_one: dict[str, Callable[[Any], np.ndarray]] = {"image": _pixels, "audio": _bands}
    return np.stack([of_one[benign.modality](item) for item in items])


def _of_image(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    pixels = np.asarray(image.convert("RGB")).astype(float)
    height, width = pixels.shape[:2]
    shifts = [int(rng.integers(-round(0.08 * side), round(0.08 * side) + 1)) for side in (height, width)]
    pixels = np.roll(pixels, shifts, axis=(0, 1)) * rng.uniform(0.9, 1.1) + rng.normal(0, 5, pixels.shape)
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _of_text(text: str, rng: np.random.Generator) -> str:
    words = text.split()
    kept = [word for word in words if rng.random() > 0.1]
    return " ".join(kept or words[:1])


def _of_sound(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    reach = len(values) // 10
    return np.roll(values, int(rng.integers(-reach, reach + 1)), axis=0) * 10 ** (rng.uniform(-3, 3) / 20)


def _of_column(column: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    if column.dtype.kind != "f":
        return column
    return column + rng.normal(0, 0.1 * column.std() + 1e-12, len(column)).astype(column.dtype)


def _pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image.convert("RGB").resize((_SIDE, _SIDE)), dtype=float).ravel()


def _bands(clip: Any) -> np.ndarray:
    power = np.abs(np.fft.rfft(np.asarray(clip.values, dtype=float).ravel())) ** 2
    return np.log(np.array([part.mean() for part in np.array_split(power, _BANDS)]) + 1e-9)
