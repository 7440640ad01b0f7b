"""From the options of a command to embeddings: a network's layers on images, or a file."""

from pathlib import Path
from typing import Any, NamedTuple

from reprq.cli import options


class Extracted(NamedTuple):
    """The embeddings of one split.

    Attributes:
        cache: Every layer asked for.
        total: How many images the split has, of which the cache may hold a sample.
    """

    cache: Any
    total: int


def load_network(asked: dict[str, Any]) -> Any:
    """Return the backbone that the options name, once the device is known to be there."""
    from reprq.backbones import load_backbone

    options.check_device(asked["device"])
    changed = options.preprocessing(*(asked[name] for name in ("size", "mean", "std", "channels", "value_range")))
    return load_backbone(asked["backbone"], asked["weights"], preprocessing=changed, seed=asked["seed"])


def load_images(asked: dict[str, Any], split: str) -> Any:
    """Return a split of the images that the options name."""
    from reprq.data import load_dataset

    return load_dataset(asked["data"], split, root=asked["root"], download=asked["download"], seed=asked["seed"])


def extract_split(asked: dict[str, Any], network: Any, images: Any, samples: int | None, **how: Any) -> Extracted:
    """Return the embeddings of a split, or of a seeded sample of it where it has more images than asked for.

    `how` goes to `reprq.extract`: dtype, precision, workers, batch_size.
    """
    from reprq.embeddings import extract

    total = len(images)
    cache = extract(
        network,
        images.sample(samples, seed=asked["seed"]) if samples is not None and samples < total else images,
        asked["layers"],
        pooling=asked["pooling"],
        device=asked["device"],
        seed=asked["seed"],
        cache_dir=asked["cache_dir"],
        progress=not asked["quiet"],
        **how,
    )
    return Extracted(cache, total)


def load_file(file: Path, key: str | None, labels: str | None, samples: int | None, seed: int) -> Any:
    """Return the embeddings of a file, or of a seeded sample of its rows."""
    import dataclasses

    import numpy as np

    from reprq.embeddings import load_embeddings

    x = load_embeddings(file, key, labels)
    if samples is None or samples >= len(x):
        return x
    rows = np.sort(np.random.default_rng(seed).choice(len(x), samples, replace=False))
    kept = x.labels[rows] if x.labels is not None else None
    return dataclasses.replace(x, array=x.array[rows], ids=x.ids[rows], labels=kept)
