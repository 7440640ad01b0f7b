"""A figure on disk, twice: to look at, and to print."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure


def save(fig: Figure, path_stem: Path | str) -> tuple[Path, Path]:
    """Write a figure as PNG and as SVG; the same figure gives the same bytes.

    Args:
        fig: The figure.
        path_stem: The path without its ending; folders are created.

    Returns:
        The paths of the PNG (200 dots per inch) and of the SVG.
    """
    stem = Path(path_stem)
    stem.parent.mkdir(parents=True, exist_ok=True)
    png, svg = (stem.with_name(f"{stem.name}.{ending}") for ending in ("png", "svg"))
    fig.savefig(png, dpi=200, bbox_inches="tight")
    with mpl.rc_context({"svg.hashsalt": "reprq"}):
        fig.savefig(svg, bbox_inches="tight", metadata={"Date": None})
    return png, svg
