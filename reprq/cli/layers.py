"""`reprq layers NAME`: the layers of a network."""

import click

from reprq.cli import options


@click.command()
@click.argument("name")
@click.option("--weights", default="random", show_default=True, metavar="default|random|PATH", help="The weights.")
@click.option("--size", type=click.IntRange(min=1), help="Side of the input in pixels; the network's own by default.")
@options.output
def layers(name: str, weights: str, size: int | None, form: str | None) -> None:
    """List the layers of the network NAME: number, name, output shape of one image, and width once pooled."""
    import math

    from reprq.backbones import layer_shapes, load_backbone
    from reprq.cli.output import emit

    backbone = load_backbone(name, weights, preprocessing={"size": size} if size else None)
    rows = []
    for layer, shape in zip(backbone.layers, layer_shapes(backbone), strict=True):
        channels = shape[0] if layer.layout == "NCHW" else shape[-1]
        rows.append(
            {
                "number": layer.number,
                "name": layer.name,
                "shape": " x ".join(map(str, shape)),
                "width": channels,
                "flattened": math.prod(shape),
                "module": f"{layer.module} ({layer.where})",
            }
        )
    size = backbone.preprocessing.size
    notes = list(backbone.notes)
    emit(form, "layers", rows, {"backbone": name, "size": size, "notes": notes}, f"{name} at {size} x {size} pixels")
    for note in notes:
        click.echo(f"note: {note}", err=True)
