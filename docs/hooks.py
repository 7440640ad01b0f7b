"""The figure of the first page is that of the study, not a copy of it."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_FIGURES = Path(__file__).parent.parent / "figures" / "jpeg_cifar10"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the study's figure to the site."""
    name = "metric-vs-auroc-all.png"
    files.append(File.generated(config, f"figures/{name}", abs_src_path=str(_FIGURES / name)))
    return files
