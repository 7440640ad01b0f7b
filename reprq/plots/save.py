"""A figure on disk, twice: to look at, and to print; or as bytes."""

import io
from pathlib import Path
from typing import Literal

import matplotlib as mpl
from matplotlib.figure import Figure

from reprq.storage import make_folder, write_whole


def save(fig: Figure, path_stem: Path | str, *, tight: bool = True) -> tuple[Path, Path]:
    """Write a figure as PNG and as SVG; the same figure gives the same bytes.

    Args:
        fig: The figure.
        path_stem: The path without its ending; folders are created.
        tight: As for `render`.

    Returns:
        The paths of the PNG (200 dots per inch) and of the SVG.

    Raises:
        ReprqError: a file cannot be written.
    """
    stem = Path(path_stem)
    make_folder(stem.parent)
    png, svg = (stem.with_name(f"{stem.name}.{ending}") for ending in ("png", "svg"))
    write_whole(png, lambda temporary: temporary.write_bytes(render(fig, "png", tight=tight)))
    write_whole(svg, lambda temporary: temporary.write_bytes(render(fig, "svg", tight=tight)))
    return png, svg


def render(fig: Figure, form: Literal["png", "svg"], *, tight: bool = True) -> bytes:
    """Return a figure as the bytes of a PNG (200 dots per inch) or SVG file, the same for the same figure.

    Args:
        fig: The figure.
        form: "png" or "svg"; the letters of an SVG are outlines, so it looks the same without fonts.
        tight: Whether it is cut to what is drawn; `correlation_grid` fills its figure, and to measure it would take as
            long as to write it.
    """
    file = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "reprq"}):
        metadata = {"Date": None} if form == "svg" else None
        fig.savefig(file, format=form, dpi=200, bbox_inches="tight" if tight else None, metadata=metadata)
    return file.getvalue()
