"""Quality metrics of embeddings: (n, d) arrays in, numbers with their definition and caveats out.

Brittleness alone needs torch, which is imported when it is first asked for.
"""

from typing import TYPE_CHECKING

from reprq.lazy import from_modules
from reprq.metrics.compactness import cosine_compactness
from reprq.metrics.correction import corrected_spectrum
from reprq.metrics.deconfounded import deconfounded_cka
from reprq.metrics.dimension import local_dimension
from reprq.metrics.discriminant import coherence, lidar
from reprq.metrics.disentanglement import DCI, completeness_by_factor, dci, disentanglement_by_code
from reprq.metrics.hubs import hubness
from reprq.metrics.intervals import interval
from reprq.metrics.kernels import cka, cka_matrix
from reprq.metrics.layers import SIMILARITIES, chance_similarity, layer_similarity
from reprq.metrics.measurement import Measurement, Metric, measure
from reprq.metrics.neighbours import mean_knn_distance, twonn
from reprq.metrics.powerlaw import AlphaFit, alpha_all_ranks, alpha_req, fit_alpha
from reprq.metrics.reference import relative_rank
from reprq.metrics.registry import METRICS
from reprq.metrics.selection import identifiers, names
from reprq.metrics.similarity import mutual_knn, procrustes_distance, pwcca, svcca
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
from reprq.metrics.sphere import alignment, self_cluster, uniformity
from reprq.metrics.stability import score_stability, view_stability
from reprq.metrics.subsampling import at_common_size, curve
from reprq.metrics.transferability import h_score, logme, probe_auroc
from reprq.numerics.moments import Moments
from reprq.numerics.spectra import spectrum

if TYPE_CHECKING:
    from reprq.metrics.gradients import brittleness, gradient_norms

__all__ = [
    "DCI",
    "METRICS",
    "SIMILARITIES",
    "AlphaFit",
    "Measurement",
    "Metric",
    "Moments",
    "alignment",
    "alpha_all_ranks",
    "alpha_req",
    "at_common_size",
    "aucev",
    "brittleness",
    "chance_similarity",
    "cka",
    "cka_matrix",
    "coherence",
    "completeness_by_factor",
    "condition_number",
    "corrected_spectrum",
    "cosine_compactness",
    "curve",
    "dci",
    "deconfounded_cka",
    "disentanglement_by_code",
    "effective_rank",
    "fit_alpha",
    "gradient_norms",
    "h_score",
    "hubness",
    "identifiers",
    "interval",
    "isoscore",
    "layer_similarity",
    "lidar",
    "local_dimension",
    "logme",
    "mean_knn_distance",
    "measure",
    "mutual_knn",
    "names",
    "nesum",
    "participation_ratio",
    "probe_auroc",
    "procrustes_distance",
    "pwcca",
    "rankme",
    "relative_rank",
    "score_stability",
    "self_cluster",
    "spectrum",
    "stable_rank",
    "svcca",
    "trace",
    "twonn",
    "uniformity",
    "view_stability",
]


__getattr__ = from_modules(
    __name__, {"brittleness": "reprq.metrics.gradients", "gradient_norms": "reprq.metrics.gradients"}
)
