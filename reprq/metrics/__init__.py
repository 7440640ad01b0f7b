"""Quality metrics of embeddings: (n, d) arrays in, numbers with their definition and doubt out."""

from reprq.metrics.alignment import cka
from reprq.metrics.compactness import cosine_compactness
from reprq.metrics.definitions import identifiers, names
from reprq.metrics.measurement import Measurement, Metric, measure
from reprq.metrics.moments import Moments
from reprq.metrics.powerlaw import AlphaFit, alpha_req, fit_alpha
from reprq.metrics.spectra import spectrum
from reprq.metrics.spectral import aucev, participation_ratio, rankme

__all__ = [
    "AlphaFit",
    "Measurement",
    "Metric",
    "Moments",
    "alpha_req",
    "aucev",
    "cka",
    "cosine_compactness",
    "fit_alpha",
    "identifiers",
    "measure",
    "names",
    "participation_ratio",
    "rankme",
    "spectrum",
]
