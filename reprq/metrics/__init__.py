"""Quality metrics of embeddings: (n, d) arrays in, numbers with their definition and doubt out."""

from reprq.metrics.alignment import cka
from reprq.metrics.compactness import cosine_compactness
from reprq.metrics.definitions import identifiers, names
from reprq.metrics.measurement import Measurement, Metric, measure
from reprq.metrics.moments import Moments
from reprq.metrics.powerlaw import AlphaFit, alpha_req, fit_alpha
from reprq.metrics.spectra import spectrum
from reprq.metrics.spectral import (
    aucev,
    condition_number,
    effective_rank,
    isoscore,
    nesum,
    participation_ratio,
    rankme,
    stable_rank,
    trace,
)
from reprq.metrics.subsampling import curve

__all__ = [
    "AlphaFit",
    "Measurement",
    "Metric",
    "Moments",
    "alpha_req",
    "aucev",
    "cka",
    "condition_number",
    "cosine_compactness",
    "curve",
    "effective_rank",
    "fit_alpha",
    "identifiers",
    "isoscore",
    "measure",
    "names",
    "nesum",
    "participation_ratio",
    "rankme",
    "spectrum",
    "stable_rank",
    "trace",
]
