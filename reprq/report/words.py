"""What the metrics measure, in one line each, for a reader who was not there."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Word:
    """What a reader needs to know of a metric.

    Attributes:
        measures: What it computes.
        reads: How to read its value.
        paper: Where it comes from.
    """

    measures: str
    reads: str
    paper: str


WORDS = {
    "alpha_req": Word(
        "minus the slope of log eigenvalue of the covariance on log rank",
        "near 1 is the paper's sweet spot; larger is a faster decay",
        "Agrawal et al. 2022; fit of Stringer et al. 2019",
    ),
    "rankme": Word(
        "exponential of the entropy of the singular values", "higher is less collapsed", "Garrido et al. 2023"
    ),
    "aucev": Word(
        "area under the cumulative share of the singular values", "0.5 is no collapse, 1 is collapse", "Li et al. 2022"
    ),
    "cosine_compactness": Word("mean cosine over all pairs of rows", "higher is tighter", ""),
    "participation_ratio": Word(
        "(sum of the eigenvalues)² over the sum of their squares",
        "how many directions carry the variance; higher is less collapsed",
        "Gao et al. 2017",
    ),
    "effective_rank": Word(
        "exponential of the entropy of the eigenvalues", "higher is less collapsed", "Roy & Vetterli 2007"
    ),
    "stable_rank": Word(
        "squared Frobenius norm over squared spectral norm, uncentred",
        "higher is less collapsed",
        "Tsitsulin et al. 2023",
    ),
    "nesum": Word("sum of the eigenvalues over the largest", "higher is less collapsed", "He & Ozay 2022"),
    "condition_number": Word(
        "largest over smallest eigenvalue of the covariance",
        "1 is isotropic; higher is closer to collapse",
        "classical",
    ),
    "isoscore": Word("how evenly variance fills the space", "0 is one direction, 1 is isotropic", "Rudman et al. 2022"),
    "trace": Word("sum of the variances of all columns", "the scale of the embeddings, squared", "classical"),
    "uniformity": Word(
        "log mean of exp(-2 squared distance) on the unit sphere", "lower is more even", "Wang & Isola 2020"
    ),
    "twonn": Word(
        "intrinsic dimension from the two nearest neighbours", "how many dimensions, locally", "Facco et al. 2017"
    ),
    "mean_knn_distance": Word(
        "mean distance to the nearest rows", "higher is sparser, in units of the rows", "classical"
    ),
    "self_cluster": Word(
        "how far squared cosines exceed chance", "0 is spread, 1 is one cluster", "Tsitsulin et al. 2023"
    ),
    "coherence": Word("largest leverage of a row", "1 is even; higher leans on single rows", "Tsitsulin et al. 2023"),
}


def definition_of(metric: str) -> Word:
    """Return what a metric measures, by name or identifier; empty words for one that is unknown here.

    Example:
        >>> definition_of("rankme[eigen,centred,eps=1e-7]").reads
        'higher is less collapsed'
    """
    return WORDS.get(metric.partition("[")[0], Word("", "", ""))
