"""Tables 2.1 (MNIST) and 2.3 (cardio, satellite, thyroid) of Ruff (2021), "Deep One-Class Learning", shallow methods.

Table 2.1: each digit is benign in turn, 6,000 images train, all 10,000 test images are scored; PCA keeps 95 % of the
variance of the benign rows. Twice, because Ruff et al. (2018, section 4.2), who printed these numbers first, describe
another preprocessing than pixels in [0, 1]: global contrast normalization with the L1 norm, rescaled to [0, 1] by the
minimum and maximum of the benign training rows ("GCN" here).

OC-SVM's gamma in {2^-10, ..., 2^-1} and nu in {0.1, 0.01} were chosen on a tenth of the test rows there, which is an
oracle and marked so (on pixels in [0, 1] alone); beside it stands OC-SVM with nu = 0.1 and gamma by the rule without
labels, 1 / (d variance). KDE's bandwidth is the likeliest (leave-one-out here, five folds there) of any, or of the
thesis' {2^0.5, ..., 2^5} alone.

Table 2.3: 60 % of the benign rows train, the others and 40 % of the anomalies are scored (Ruff et al. 2020), OC-SVM
alone. Features are standardized on the training rows, or taken to [0, 1] by their minimum and maximum; the released
code counts the other 60 % of the anomalies in, which a one-class method does not have ("min-max of all" here). Gamma
in {2^-7, ..., 2^2} and nu in {0.01, 0.05, 0.1, 0.2, 0.5} are the thesis' (appendix B.1.2), chosen by the oracle; "best
of the grid" is the best of all 50 in hindsight, above which no choice among them can come.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

from reprq.data import Dataset, Split, load_dataset
from reprq.errors import DataError
from reprq.evaluation import hold_out
from reprq.evaluation.detection import Detection, evaluate
from reprq.papers.engine import Experiment, PaperCell, PaperRun
from reprq.papers.ruff2021.tables import tables
from reprq.provenance import file_digest
from reprq.study.cells import Row

Array = NDArray[np.float64]

GAMMAS = {f"2^{j}": 2.0**j for j in range(-10, 0)}
BANDWIDTHS = {f"2^{j / 2:g}": 2.0 ** (j / 2) for j in range(1, 11)}
_SHOWN_BANDWIDTHS = 5  # what is wider is worse for every digit
TABULAR_GAMMAS = [2.0**j for j in range(-7, 3)]
TABULAR_NUS = [0.01, 0.05, 0.1, 0.2, 0.5]
SETS = {"cardio": "6_cardio", "satellite": "30_satellite", "thyroid": "38_thyroid"}


@dataclass(frozen=True)
class Shallow:
    """How much of the protocol to run.

    Attributes:
        name: What this is called in records.
        train: Training images a digit, a seeded sample; None is all.
        test: Test images a digit; None is all.
        seeds: How many seeds: of the forests, of the rows that an oracle sees, of the 60:40 splits.
        candidates: Whether nu = 0.01 is tried too, and bandwidths beside the chosen ones.
    """

    name: str
    train: int | None
    test: int | None
    seeds: int
    candidates: bool


def experiment(size: Shallow, folder: Path, run: PaperRun) -> Experiment:
    """Declare the cells, `table-2.1.md`, `table-2.3.md` and `cells.csv`.

    Args:
        size: How much of the protocol to run.
        folder: The folder with `MNIST/raw` (or `torchvision/MNIST/raw`) and `tabular/`, ADBench's files.
        run: What is asked.

    Raises:
        DataError: a file is missing.
    """
    inside = folder / "torchvision"
    sides = [load_dataset("mnist", split, root=inside if inside.is_dir() else folder) for split in ("train", "test")]
    train, test = (
        side if count is None else side.sample(per_class=count, seed=run.seed)
        for side, count in zip(sides, (size.train, size.test), strict=True)
    )
    files = {name: folder / "tabular" / f"{file}.npz" for name, file in SETS.items()}
    tabular = {name: tabular_rows(path) for name, path in files.items()}
    digests = {name: file_digest(path) for name, path in files.items()}
    seeds = list(range(run.seed, run.seed + size.seeds))
    made = {"preset": size.name, "seeds": seeds, "data": {side.split: side.fingerprint for side in (train, test)}}
    cells = []
    for preprocessing, digit in product(("[0, 1]", "GCN"), range(10)):
        decides: dict[str, Any] = {**made, "digit": digit, "preprocessing": preprocessing, "version": 1}
        cells.append(PaperCell(decides, partial(_digit, train, test, digit, preprocessing, size, seeds)))
    for (name, (x, y)), seed in product(tabular.items(), seeds):
        decides = {"set": name, "file": digests[name], "seed": seed, "version": 3}
        cells.append(PaperCell(decides, partial(_split_and_score, name, x, y, seed)))
    return Experiment(
        name="ruff2021", made={**made, "files": digests}, cells=cells, tables=lambda rows: tables(rows, made)
    )


def contrast_normalised(images: Array) -> Array:
    """Global contrast normalization with the L1 norm: each image less its mean, divided by its mean absolute value.

    Args:
        images: (n, d), no image of one gray value alone.

    Example:
        >>> contrast_normalised(np.array([[0.0, 4.0], [1.0, 2.0]]))
        array([[-1.,  1.],
               [-1.,  1.]])
    """
    centred = images - images.mean(axis=1, keepdims=True)
    scaled: Array = centred / np.abs(centred).mean(axis=1, keepdims=True)
    return scaled


def _pixels(images: Dataset) -> Array:
    return np.stack([np.asarray(images.item(i).convert("L")).ravel() for i in range(len(images))]) / 255.0


def _prepared(benign: Array, rows: Array, preprocessing: str) -> tuple[Array, Array]:
    """Both arrays after the preprocessing and PCA that keeps 95 % of the variance of the benign rows."""
    if preprocessing == "GCN":
        benign, rows = contrast_normalised(benign), contrast_normalised(rows)
        low, high = benign.min(), benign.max()
        benign, rows = (benign - low) / (high - low), (rows - low) / (high - low)
    solver = "covariance_eigh" if len(benign) > benign.shape[1] else "full"  # the same, each sooner on its side
    reduction = PCA(0.95, svd_solver=solver).fit(benign)
    return reduction.transform(benign), reduction.transform(rows)


def _digit(train: Dataset, test: Dataset, digit: int, preprocessing: str, size: Shallow, seeds: list[int]) -> list[Row]:
    labels = (test.labels != digit).astype(np.int64)
    benign, rows = _prepared(_pixels(train.select(np.flatnonzero(train.labels == digit))), _pixels(test), preprocessing)
    common = {"table": "2.1", "task": str(digit), "preprocessing": preprocessing, "d": benign.shape[1]}
    if preprocessing == "GCN":
        size = replace(size, candidates=False)
    found = [*_forests(benign, rows, labels, seeds), *_kernel_densities(benign, rows, labels, size)]
    found.append(_rule(benign, rows, labels))
    if preprocessing == "[0, 1]":
        found += _candidates_and_oracle(benign, rows, labels, size, seeds)
    return [{**common, **row} for row in found]


def _judged(spec: dict[str, Any], benign: Array, rows: Array, labels: Any) -> Detection:
    """A detector that is fitted on all of one array and judged on all of another, timed by the processor's clock."""
    return evaluate(spec, Split.whole(len(benign), labels), benign, rows, clock=time.process_time)


def _row(method: str, setting: str, seed: int, found: Detection, seconds: float | None = None) -> Row:
    values = {"auroc": found.auroc.value, "low": found.auroc.low, "high": found.auroc.high}
    spent = found.seconds if seconds is None else seconds
    return {"method": method, "setting": setting, "seed": seed, **values, "seconds": spent}


def _forests(benign: Array, rows: Array, labels: Any, seeds: list[int]) -> Iterator[Row]:
    for seed in seeds:
        yield _row("iForest", "t=100, psi=256", seed, _judged({"name": "iforest", "seed": seed}, benign, rows, labels))


def _kernel_densities(benign: Array, rows: Array, labels: Any, size: Shallow) -> Iterator[Row]:
    """The likeliest bandwidth; the likeliest of the thesis' grid, which is its end or lies next to it; and the grid.

    The likelihood rises to one maximum and falls, so of a grid that lies beyond it the first bandwidth is likeliest.
    """
    likeliest = _judged({"name": "kde"}, benign, rows, labels)
    yield _row("KDE", "likeliest", 0, likeliest)
    scale = likeliest.fitted.scale_
    h = likeliest.fitted.bandwidth_ * scale
    nearest = min(BANDWIDTHS, key=lambda name: abs(np.log(BANDWIDTHS[name] / h)))
    for name in list(BANDWIDTHS)[: _SHOWN_BANDWIDTHS if size.candidates else 0] or [nearest]:
        found = _judged({"name": "kde", "bandwidth": BANDWIDTHS[name] / scale}, benign, rows, labels)
        row = _row("KDE", f"h={name}", 0, found)
        yield row
        if name == nearest:
            yield {**row, "setting": "likeliest of the thesis' grid"}


def _rule(benign: Array, rows: Array, labels: Any, seed: int = 0) -> Row:
    """OC-SVM with the gamma that needs no label."""
    return _row("OC-SVM", "nu=0.1, gamma by rule", seed, _judged({"name": "ocsvm", "nu": 0.1}, benign, rows, labels))


def _candidates_and_oracle(benign: Array, rows: Array, labels: Any, size: Shallow, seeds: list[int]) -> list[Row]:
    """Every candidate of the thesis, and the one that a tenth of the test labels chooses."""
    found, scored = [], []
    variance = float(np.mean((benign - benign.mean(axis=0)) ** 2))  # OCSVM's gamma is in units of rows scaled to 1
    for nu in (0.1, 0.01) if size.candidates else (0.1,):
        for name, gamma in GAMMAS.items():
            spec = {"name": "ocsvm", "nu": nu, "gamma": gamma * variance}
            scored.append(_judged(spec, benign, rows, labels))
            found.append(_row("OC-SVM", f"nu={nu:g}, gamma={name}", 0, scored[-1]))
    return [*found, *(oracle_row(scored, seed) for seed in seeds)]


def tabular_rows(path: Path) -> tuple[Array, NDArray[np.int64]]:
    """Return rows and labels of one of ADBench's files.

    Raises:
        DataError: It is not such a file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return file["X"].astype(np.float64), file["y"].astype(np.int64)
    except (OSError, KeyError, ValueError) as error:
        raise DataError(f"{path} must be ADBench's file with X and y, got {error!r}; download it there") from None


def _split_and_score(name: str, x: Array, y: NDArray[np.int64], seed: int) -> list[Row]:
    rng = np.random.default_rng(seed)
    benign, anomalous = (rng.permutation(np.flatnonzero(y == label)) for label in (0, 1))
    fitted, left = np.split(benign, [round(0.6 * len(benign))])
    test = np.concatenate([left, anomalous[round(0.6 * len(anomalous)) :]])
    train, labels = x[fitted], y[test]
    leaked = np.concatenate([train, x[anomalous[: round(0.6 * len(anomalous))]]])
    found = []
    for preprocessing, shift, scale in (
        ("standardised", train.mean(axis=0), train.std(axis=0)),
        ("min-max", train.min(axis=0), np.ptp(train, axis=0)),
        ("min-max of all", leaked.min(axis=0), np.ptp(leaked, axis=0)),
    ):
        scale = np.where(scale == 0.0, 1.0, scale)
        common = {"table": "2.3", "task": name, "preprocessing": preprocessing, "d": x.shape[1]}
        rows = _rule_and_oracle((train - shift) / scale, (x[test] - shift) / scale, labels, seed)
        found += [{**common, **row} for row in rows]
    return found


def _rule_and_oracle(train: Array, rows: Array, labels: NDArray[np.int64], seed: int) -> Iterator[Row]:
    yield _rule(train, rows, labels, seed)
    variance = float(np.mean((train - train.mean(axis=0)) ** 2))  # OCSVM's gamma is in units of rows scaled to 1
    scored = [
        _judged({"name": "ocsvm", "nu": nu, "gamma": gamma * variance}, train, rows, labels)
        for nu, gamma in product(TABULAR_NUS, TABULAR_GAMMAS)
    ]
    yield oracle_row(scored, seed)
    best = max(scored, key=lambda found: found.auroc.value)
    yield _row("OC-SVM", "best of the grid", seed, best, sum(found.seconds for found in scored))


def oracle_row(scored: list[Detection], seed: int) -> Row:
    """The candidate that a tenth of the test labels chooses, judged on the other rows; the time is that of all."""
    labels = scored[0].labels
    held = hold_out(labels, seed=seed)
    left = np.setdiff1d(np.arange(len(labels)), held)
    best = max(scored, key=lambda found: found.on(held).auroc.value)
    return _row("OC-SVM", "oracle", seed, best.on(left), sum(found.seconds for found in scored))
