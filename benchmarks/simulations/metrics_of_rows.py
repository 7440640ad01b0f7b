"""The jackknife interval of metrics under heavy tails, and alpha on a corrected spectrum."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from reprq.metrics import corrected_spectrum, fit_alpha, measure, replicates, spectrum
from simulations.measured import Measured, Section, measured

Rows = NDArray[np.float64]

COLUMNS = 24
WANTED = ("trace", "effective_rank", "participation_ratio", "rankme", "aucev", "stable_rank", "cosine_compactness")
SHAPES = ((130, 64), (500, 64), (2000, 64), (500, 256), (1000, 256))
QUANTILE = 2.2621571628  # of Student's t with nine degrees of freedom
LEAST_TRIALS, SHARE = 20, 20  # a trial is eleven eigendecompositions, or 36


def whole_rows(freedom: int) -> Callable[[np.random.Generator, int], Rows]:
    """Return draws of rows that are t distributed as a whole: one divisor a row."""

    def draw(rng: np.random.Generator, n: int) -> Rows:
        return rng.standard_normal((n, COLUMNS)) / np.sqrt(rng.chisquare(freedom, (n, 1)) / freedom)

    return draw


DRAWS: dict[str, Callable[[np.random.Generator, int], Rows]] = {
    "normal": lambda rng, n: rng.standard_normal((n, COLUMNS)),
    "exponential columns": lambda rng, n: rng.exponential(size=(n, COLUMNS)),
    "t5 rows": whole_rows(5),
    "t3 columns": lambda rng, n: rng.standard_t(3, (n, COLUMNS)),
    "t3 rows": whole_rows(3),
}


def metric_intervals(trials: int, seed: int) -> Iterator[Measured]:
    """The jackknife interval covers the mean value at its n, nominal 95 %, or a note says that tails are heavy."""
    trials = max(LEAST_TRIALS, trials // SHARE)
    for name, draw in DRAWS.items():
        for n in (200, 1000):
            rng = np.random.default_rng(seed)
            scale = np.linspace(1, 4, COLUMNS)
            found = [measure(draw(rng, n) * scale, WANTED, intervals=True) for _ in range(trials)]
            for metric in WANTED:
                expected = np.mean([each[metric].value for each in found])
                covered = [each[metric].low <= expected <= each[metric].high for each in found]
                yield measured(f"{metric}, {n} rows, {name}", "covered", 0.95, covered)
            noted = ["heavy tails" in "; ".join(each["trace"].notes) for each in found]
            yield measured(f"{n} rows, {name}", "noted as heavy", None, noted)


def alpha_of_a_power_law(trials: int, seed: int) -> Iterator[Measured]:
    """Alpha of normal rows with eigenvalues 1 / j, on the sample's spectrum and on the corrected one."""
    for n, d in SHAPES:
        truth = 1.0 / np.arange(1, d + 1)
        rng = np.random.default_rng(seed)
        raw, corrected = [], []
        for _ in range(max(LEAST_TRIALS, trials // SHARE)):
            x = rng.standard_normal((n, d)) * np.sqrt(truth)
            raw.append(fit_alpha(spectrum(x)).alpha)
            corrected.append(fit_alpha(corrected_spectrum(x)).alpha)
        yield measured(f"{n} rows of {d}", "alpha of the sample", None, raw)
        yield measured(f"{n} rows of {d}", "alpha, corrected", 1.0, corrected)


def first_order(trials: int, seed: int) -> Iterator[Measured]:
    """Replicates to first order and with rows left out: their spread over the true one, and the coverage."""
    wanted = ("alpha_req", "rankme", "aucev", "participation_ratio", "effective_rank", "nesum", "condition_number")
    usual, d = replicates.ROWS_A_COLUMN, 48
    for decay in (0.0, 1.0, 2.0):
        for times in (2, 3, 5, 10):
            for method, least in (("first order", 1), ("rows left out", np.inf)):
                replicates.ROWS_A_COLUMN = least
                rng = np.random.default_rng(seed)
                scale = np.arange(1, d + 1) ** (-decay / 2)
                draws = (rng.standard_normal((times * d, d)) * scale + 0.3 for _ in range(max(60, trials // SHARE)))
                found = [measure(x, wanted, intervals=True) for x in draws]
                for metric in wanted:
                    values = np.array([each[metric].value for each in found])
                    ends = np.array([(each[metric].low, each[metric].high) for each in found])
                    reach = np.maximum(values - ends[:, 0], ends[:, 1] - values)  # one end may be cut off
                    ratio = np.sqrt(np.mean(np.square(reach / QUANTILE))) / values.std(ddof=1)
                    setting = f"{metric}, n = {times} d, decay {decay:g}, {method}"
                    yield Measured(setting, "spread over the true one", 1.0, float(ratio), 0.1, len(found))
                    covered = (ends[:, 0] <= values.mean()) & (values.mean() <= ends[:, 1])
                    yield measured(setting, "covered", 0.95, covered)
    replicates.ROWS_A_COLUMN = usual


SECTIONS: dict[str, Section] = {
    "metric_intervals": metric_intervals,
    "first_order": first_order,
    "alpha_of_a_power_law": alpha_of_a_power_law,
}
