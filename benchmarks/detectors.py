"""How fast and how exact `reprq.detectors` is, beside its peers and the floor, in one run on this machine.

    python benchmarks/detectors.py                 # kNN and Mahalanobis at a fifth of the rows (about a minute)
    python benchmarks/detectors.py --share 1       # the sizes of the targets; the peers take many minutes
    python benchmarks/detectors.py --study         # one fit and score at the size of a study's largest task

Times are the shortest of some runs in turn, fit and score together, on the clock and of the processor; the ratio is
that of processor times to the first line of a block, which a busy machine disturbs less. OMP_NUM_THREADS sets the
threads of all, and OPENBLAS_CORETYPE the kernels that NumPy and FAISS multiply with. The error is the largest relative
one against float64 differences, on 200 of the queries. Peers that are not installed are skipped with a line that says
so: pip install pyod pytorch-ood.
"""

import argparse
import importlib
from collections.abc import Callable
from functools import partial
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray
from recording import Record, add_option, peer, timed, timed_in_turn
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestNeighbors

from reprq import detectors
from reprq.numerics.engines import ENGINES, Engine, faster_engine
from reprq.numerics.nearest import ExactNeighbours

Array = NDArray[np.float32]
Scores = NDArray[np.float64]
Call = Callable[[], Scores]

KNN_SIZES = ((5_000, 2_048, 10_000, 2), (50_000, 512, 10_000, 50))


def report(record: Record, case: str, rows: list[tuple[str, Call]], truth: Callable[[], Scores], repeats: int) -> None:
    """Time the calls in turn and print each beside the first, with its error on the first queries."""
    expected = truth()
    scores: dict[str, Scores] = {}

    def run(name: str, call: Call) -> None:
        scores[name] = call()

    found = timed_in_turn({name: partial(run, name, call) for name, call in rows}, repeats)
    base = found[rows[0][0]].cpu
    for name, timing in found.items():
        error = np.max(np.abs(scores[name][: len(expected)] / expected - 1.0))
        record.add(case, name, timing, error=error)
        numbers = f"{timing.wall:8.2f} s {timing.cpu:8.2f} CPU s {timing.cpu / base:7.2f} x   error {error:.1e}"
        print(f"  {name:<40} {numbers}", flush=True)


def raw_faiss(x: Array, z: Array, k: int) -> Scores:
    """The floor: what IndexFlatL2 gives, with its own precision."""
    index = faiss.IndexFlatL2(x.shape[1])
    index.add(x)
    return np.sqrt(index.search(z, k)[0][:, -1].astype(np.float64))


def forced(engine: Engine, x: Array, z: Array, k: int) -> Scores:
    """Return reprq's scores by an engine of one's own choice."""
    return np.sqrt(ExactNeighbours(x, engine=engine).search(z, k)[0][:, -1])


def scikit_learn_knn(x: Array, z: Array, k: int) -> Scores:
    """Brute force on one float32 matrix product, as raw FAISS."""
    nearest = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(x)
    return nearest.kneighbors(z)[0][:, -1].astype(np.float64)


def knn(record: Record, n: int, d: int, m: int, k: int, offset: float, repeats: int) -> None:
    """Exact neighbours at one size."""
    rng = np.random.default_rng(0)
    x = rng.normal(offset, 1.0, size=(n, d)).astype(np.float32)
    z = rng.normal(offset, 1.0, size=(m, d)).astype(np.float32)
    case = f"kNN: n = {n:,}, d = {d:,}, {m:,} queries, k = {k}, mean {offset:g}"
    print(case)

    def truth() -> Scores:
        squares = [np.partition(np.sum((x - row.astype(np.float64)) ** 2, axis=1), k - 1)[k - 1] for row in z[:200]]
        return np.sqrt(squares)

    print(f"  (the engine that reprq takes here: {faster_engine(n * m, d)})")
    rows: list[tuple[str, Call]] = [
        ("raw faiss IndexFlatL2", lambda: raw_faiss(x, z, k)),
        ("reprq KNN", lambda: detectors.KNN(k).fit(x).anomaly_score(z)),
        *((f"reprq KNN, {engine} forced", partial(forced, engine, x, z, k)) for engine in ENGINES),
        ("scikit-learn NearestNeighbors, brute", lambda: scikit_learn_knn(x, z, k)),
    ]
    if module := peer("pyod.models.knn"):
        rows.append(
            ("pyod KNN (its fit scores the rows too)", lambda: module.KNN(n_neighbors=k).fit(x).decision_function(z))
        )
    report(record, case, rows, truth, repeats)


def mahalanobis(record: Record, n: int, d: int, m: int, repeats: int) -> None:
    """Ledoit-Wolf and empirical Mahalanobis distances at one size."""
    rng = np.random.default_rng(0)
    x, z = (rng.normal(3.0, 1.0, size=(rows, d)) * np.arange(1, d + 1) ** -0.5 for rows in (n, m))
    case = f"Mahalanobis: n = {n:,}, d = {d:,}, {m:,} queries"
    print(case)

    def truth() -> Scores:
        return np.sqrt(LedoitWolf().fit(x).mahalanobis(z[:200]))

    rows: list[tuple[str, Call]] = [
        ("reprq Mahalanobis(ledoit_wolf)", lambda: np.sqrt(detectors.Mahalanobis().fit(x).anomaly_score(z))),
        ("scikit-learn LedoitWolf", lambda: np.sqrt(LedoitWolf().fit(x).mahalanobis(z))),
    ]
    report(record, case, rows, truth, repeats)
    rows = [("reprq Mahalanobis(empirical)", lambda: detectors.Mahalanobis("empirical").fit(x).anomaly_score(z))]
    if module := peer("pytorch_ood.detector"):
        rows.append(("pytorch-ood Mahalanobis", lambda: pytorch_ood(module, x, z)))
    report(record, case, rows, lambda: detectors.Mahalanobis("empirical").fit(x).anomaly_score(z[:200]), repeats)


def pytorch_ood(module: Any, x: NDArray[np.float64], z: NDArray[np.float64]) -> Scores:
    """Its class-conditional form with one class, on float32 features: its own precision."""
    torch = importlib.import_module("torch")
    fitted = module.Mahalanobis(encoder=None).fit_features(
        torch.as_tensor(x).float(), torch.zeros(len(x), dtype=torch.long)
    )
    halves = fitted.predict_features(torch.as_tensor(z).float()).numpy().astype(np.float64)
    return 2.0 * len(x) * halves  # it halves distances and does not divide the covariance by n


def study(record: Record, repeats: int) -> None:
    """The largest task of a CIFAR-10 study with 500 images a class: fit and score."""
    rng = np.random.default_rng(0)
    x, z = (rng.gamma(1.0, size=(rows, 1280)).astype(np.float32) for rows in (4_500, 2_000))
    case = "study: n = 4,500, d = 1,280, 2,000 queries"
    print(case)
    for spec in ("centroid", "knn", "mahalanobis"):
        made = detectors.create(spec)
        found = timed(lambda made=made: made.fit(x).anomaly_score(z), repeats)
        record.add(case, detectors.describe(made), found)
        print(f"  {detectors.describe(made):<44} {found.wall:8.2f} s", flush=True)


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=int, default=5, help="divides the rows; 1 is the size of the targets")
    parser.add_argument("--study", action="store_true", help="only a study's largest task")
    parser.add_argument("--repeats", type=int, default=2)
    add_option(parser)
    asked = parser.parse_args()
    name = "detectors-study" if asked.study else "detectors"
    record = Record(name, {"share": asked.share, "repeats": asked.repeats})
    if asked.study:
        study(record, asked.repeats)
        if asked.save:
            record.save()
        return
    share = asked.share
    for n, d, m, k in KNN_SIZES:
        knn(record, n // share, d, m // share, k, 0.0, asked.repeats)
    knn(record, KNN_SIZES[0][0] // share, 512, 10_000 // share, 5, 100.0, asked.repeats)
    mahalanobis(record, 10_000 // share, 1_024, 10_000 // share, asked.repeats)
    if asked.save:
        record.save()


if __name__ == "__main__":
    main()
