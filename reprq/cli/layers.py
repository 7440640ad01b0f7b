"""`reprq layers NAME`: the layers of a network."""

from typing import Any

import click

from reprq.cli import options
from reprq.cli.groups import Command


@click.command(cls=Command)
@click.argument("name")
@click.option(
    "--weights",
    metavar="default|random|PATH[#PART]",
    help="The weights.  [default: random; of teacher:PATH and words:PATH their own]",
)
@click.option("--size", type=click.IntRange(min=1), help="Side of the input in pixels; the network's own by default.")
@click.option("--layers", default="all", show_default=True, metavar="3|layer3|layer1.*|all", help="Which layers.")
@options.output
def layers(name: str, weights: str | None, size: int | None, layers: str, form: str | None) -> None:
    """List the layers of the network NAME: number, name, output shape of one sample, and width once pooled.

    "width" is that of the poolings avg, max, gem and cls; "cls+avg" and "flattened" are those of cls+avg and flatten.
    "same as" names a deeper layer of the same rows under avg, with these weights; commands then use the deeper.
    """
    from dataclasses import replace

    from reprq.backbones import layer_shapes, load_backbone
    from reprq.backbones.entries import brings_weights, learns
    from reprq.cli.output import emit
    from reprq.embeddings.repeats import repeated_on_noise

    if weights is None:
        weights = "default" if brings_weights(name) or learns(name) else "random"
    backbone = load_backbone(name, weights, preprocessing={"size": size} if size else None)
    backbone = replace(backbone, layers=tuple(backbone.select_layers(layers)))
    shapes = layer_shapes(backbone) if backbone.is_fitted else [None] * len(backbone.layers)
    rows = [_row(layer, shape) for layer, shape in zip(backbone.layers, shapes, strict=True)]
    averaged = [layer for layer, row in zip(backbone.layers, rows, strict=True) if row["width"] is not None]
    repeats = repeated_on_noise(replace(backbone, layers=tuple(averaged))) if averaged else {}
    rows = [{**row, "same as": repeats.get(row["name"])} for row in rows]
    size = backbone.preprocessing.to_dict().get("size")
    shown = f"{name}: {backbone.preprocessing.describe()}"
    notes = list(backbone.notes)
    if not backbone.is_fitted:
        notes.append("shapes follow from the benign training samples that it learns from")
    emit(form, "layers", rows, {"backbone": name, "size": size, "notes": notes}, shown)
    for note in notes:
        click.echo(f"note: {note}", err=True)


def _row(layer: Any, shape: tuple[int, ...] | None) -> dict[str, Any]:
    """What is said of a layer; its shape is None where it follows from samples."""
    from reprq.embeddings.pooling import pooled_width

    widths = {"width": "avg", "cls+avg": "cls+avg", "flattened": "flatten"}
    return {
        "number": layer.number,
        "name": layer.name,
        "shape": None if shape is None else " x ".join(map(str, _axes(layer, shape))),
        **{said: None if shape is None else pooled_width(layer, shape, how) for said, how in widths.items()},
        "module": f"{layer.module or '(the network)'} ({layer.where})",
    }


def _axes(layer: Any, shape: tuple[int, ...]) -> list[int | str]:
    """The axes of one item; how many tokens a text has depends on the text."""
    axes: list[int | str] = list(shape)
    if layer.varying:
        axes[layer.layout.replace("N", "").index("L")] = "tokens"
    return axes
