"""`reprq measure`: the quality of a layer's embeddings, on benign data alone."""

from pathlib import Path
from typing import Any

import click

from reprq.cli import options

DEFAULT_SAMPLES = 256


@click.command()
@options.network
@options.embeddings
@click.option("--layer", "layers", default="-1", show_default=True, metavar="3|layer3|-1|1-4|all", help="Which layers.")
@options.images
@click.option("--split", default="train", show_default=True, type=click.Choice(["train", "test"]), help="Which split.")
@click.option(
    "--samples",
    type=click.IntRange(min=1),
    help=f"Rows, a seeded stratified sample. [default: {DEFAULT_SAMPLES} of a backbone's images, all of a file's rows]",
)
@click.option("--pooling", default="avg", show_default=True, metavar="avg|max|cls|flatten", help="One row an image.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="Only this metric; may be repeated.")
@options.run
@options.output
def measure(
    backbone: str | None,
    weights: str,
    size: int | None,
    mean: Any,
    std: Any,
    channels: str | None,
    value_range: float | None,
    file: Path | None,
    key: str | None,
    labels: str | None,
    layers: str,
    data: str,
    root: Path | None,
    download: bool,
    split: str,
    samples: int | None,
    pooling: str,
    metrics: tuple[str, ...],
    seed: int,
    device: str,
    cache_dir: Path | None,
    quiet: bool,
    form: str | None,
) -> None:
    """Measure the quality of embeddings, on benign data alone: `reprq measure --backbone resnet50 --layer 3`."""
    options.one_source(backbone, file)
    from reprq.cli.output import emit
    from reprq.metrics import measure as measure_array
    from reprq.metrics.definitions import select

    select(metrics or None)
    if file is not None:
        measured = [_read(file, key, labels, samples, seed)]
        source = file.name
    else:
        import reprq

        assert backbone is not None
        options.check_device(device)
        images = reprq.load_dataset(data, split, root=root, download=download, seed=seed)
        rows = min(samples or DEFAULT_SAMPLES, len(images))
        cache = reprq.extract(
            backbone,
            images.sample(rows, seed=seed) if rows < len(images) else images,
            layers,
            weights=weights,
            preprocessing=options.preprocessing(size, mean, std, channels, value_range),
            pooling=pooling,
            device=device,
            seed=seed,
            cache_dir=cache_dir,
            progress=not quiet,
        )
        measured = list(cache.values())
        source = f"{backbone} ({cache.provenance['weights']}) on {rows} of {len(images)} images of {data} {split}"
    table = [
        {
            "layer": x.layer,
            "metric": metric.name,
            "value": metric.value,
            "low": metric.low,
            "high": metric.high,
            "n": metric.n,
            "d": metric.d,
            "definition": metric.definition,
            "notes": list(metric.notes),
        }
        for x in measured
        for metric in measure_array(x, metrics=list(metrics) or None).values()
    ]
    emit(form, "measure", table, {"source": source, "provenance": dict(measured[0].provenance)}, source)


def _read(file: Path, key: str | None, labels: str | None, samples: int | None, seed: int) -> Any:
    """The embeddings of a file, or a seeded sample of their rows."""
    import dataclasses

    import numpy as np

    from reprq.embeddings import load_embeddings

    x = load_embeddings(file, key, labels)
    if samples is None or samples >= len(x):
        return x
    rows = np.sort(np.random.default_rng(seed).choice(len(x), samples, replace=False))
    kept = x.labels[rows] if x.labels is not None else None
    return dataclasses.replace(x, array=x.array[rows], ids=x.ids[rows], labels=kept)
