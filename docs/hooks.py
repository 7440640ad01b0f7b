"""Figures that are no files of docs: the first page shows the study's, and the packages are drawn from the code."""

import sys
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from reprq.plots import method_map
from reprq.plots.save import render

sys.path.insert(0, str(Path(__file__).parent))
import packages

_FIGURES = Path(__file__).parent.parent / "figures" / "jpeg_cifar10"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the study's figure and the matrix of imports to the site."""
    name = "metric-vs-auroc-all.png"
    files.append(File.generated(config, f"figures/{name}", abs_src_path=str(_FIGURES / name)))
    drawn = method_map().get_figure(root=True)
    files.append(File.generated(config, "figures/methods.png", content=render(drawn, "png")))
    files.append(File.generated(config, "figures/packages.png", content=render(packages.draw(), "png")))
    return files
