"""Papers regenerated: a paper declares presets, cells, published values, tables and figures, and one engine runs it."""

from typing import TYPE_CHECKING

from reprq.lazy import from_modules
from reprq.papers.registry import PAPERS, Reproduction, available, names, reproduce

if TYPE_CHECKING:
    from reprq.papers.engine import Experiment, Paper, PaperCell, PaperRun
    from reprq.papers.fits import fit_cell

__all__ = [
    "PAPERS",
    "Experiment",
    "Paper",
    "PaperCell",
    "PaperRun",
    "Reproduction",
    "available",
    "fit_cell",
    "names",
    "reproduce",
]

_ENGINE = dict.fromkeys(("Experiment", "Paper", "PaperCell", "PaperRun"), "reprq.papers.engine")
__getattr__ = from_modules(__name__, {**_ENGINE, "fit_cell": "reprq.papers.fits"})
