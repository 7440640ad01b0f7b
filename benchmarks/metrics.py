"""How fast and how exact `reprq.metrics` is, beside its peers and the floor, in one run on this machine.

    python benchmarks/metrics.py              # speed: spectral metrics, CKA
    python benchmarks/metrics.py --accuracy   # against a float64 SVD, for every decay, dtype and mean
    python benchmarks/metrics.py --stream     # a matrix larger than memory would like, from a float16 file

Peers that are not installed are skipped with a line that says so: pip install reptrix effdim ckatorch pytorch-cka.
"""

import argparse
import importlib
import itertools
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from recording import Record, add_option, peer, timed_in_turn

from reprq import metrics


def report(record: Record, case: str, rows: list[tuple[str, Callable[[], object]]], repeats: int) -> None:
    """Time each call and print it beside the first, the floor or reprq: wall and processor seconds, and both ratios."""
    print(f"\n{case}")
    print(f"  {'':<58} {'wall s':>9} {'cpu s':>9} {'times':>8} {'in cpu':>8}")
    timings = timed_in_turn(dict(rows), repeats)
    base = timings[rows[0][0]]
    for name, found in timings.items():
        record.add(case, name, found)
        ratios = f"{found.wall / base.wall:8.2f} {found.cpu / base.cpu:8.2f}"
        print(f"  {name:<58} {found.wall:9.2f} {found.cpu:9.2f} {ratios}", flush=True)


def floor(x: NDArray[np.float32]) -> NDArray[np.float64]:
    """One Gram pass accumulated in float64 blocks, and one eigvalsh: the least that this accuracy costs."""
    total = np.zeros((x.shape[1], x.shape[1]))
    for start in range(0, len(x), 4096):
        block = x[start : start + 4096].astype(np.float64)
        total += block.T @ block
    return np.linalg.eigvalsh(total)


def floor_single(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same in float32, which loses the digits that the accuracy table shows."""
    return np.linalg.eigvalsh(x.T @ x)


def spectral(record: Record, n: int, d: int, repeats: int) -> None:
    """Time all spectral metrics of one matrix."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, d), dtype=np.float32) * np.arange(1, d + 1, dtype=np.float32) ** -0.5
    metrics.measure(x[:64], intervals=True)  # what is imported on first use is none of the first row's time
    case = f"spectral metrics of {n:,} x {d:,} float32; times the floor"
    rows: list[tuple[str, Callable[[], object]]] = [
        ("floor: float64 blocks of X.T @ X, one eigvalsh", lambda: floor(x)),
        ("floor in float32, inexact", lambda: floor_single(x)),
        ("reprq.measure, every metric", lambda: metrics.measure(x)),
        ("reprq.measure, every definition", lambda: metrics.measure(x, definitions="all")),
        ("reprq.metrics.alpha_req + rankme, called apart", lambda: (metrics.alpha_req(x), metrics.rankme(x))),
        ("reprq.measure with intervals", lambda: metrics.measure(x, intervals=True)),
        ("numpy: one float32 SVD of X", lambda: np.linalg.svd(x, compute_uv=False)),
    ]
    if torch := peer("torch"):
        t = torch.from_numpy(x)
        rows.append(("torch: one float32 svdvals of X", lambda: torch.linalg.svdvals(t)))
        if peer("reptrix"):
            alpha, rankme = importlib.import_module("reptrix.alpha"), importlib.import_module("reptrix.rankme")
            rows.append(("reptrix 0.1.0: alpha + RankMe", lambda: (alpha.get_alpha(t), rankme.get_rankme(t))))
    report(record, case, rows, repeats)


def against_effdim(record: Record, n: int, d: int, repeats: int) -> None:
    """Time what effdim computes in one call, on a matrix that its neighbour search can bear."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, d), dtype=np.float32) * np.arange(1, d + 1, dtype=np.float32) ** -0.5
    case = f"dimensions of {n:,} x {d:,} float32"
    rows: list[tuple[str, Callable[[], object]]] = [
        ("reprq.measure, every metric", lambda: metrics.measure(x)),
        ("reprq.measure, every metric and TwoNN", lambda: metrics.measure(x, [*metrics.names(), "twonn"])),
    ]
    if effdim := peer("effdim"):
        exact = x.astype(np.float64)  # it refuses float32
        rows.append(("effdim 0.1.1: compute_dim (TwoNN, MLE and boxes too)", lambda: effdim.compute_dim(exact)))
    report(record, case, rows, repeats)


def kernels(record: Record, n: int, d: int, repeats: int) -> None:
    """Time CKA of one pair."""
    rng = np.random.default_rng(0)
    x, y = (rng.standard_normal((n, d), dtype=np.float32) for _ in range(2))
    exact_x, exact_y = x.astype(np.float64), y.astype(np.float64)
    case = f"linear CKA of a pair of {n:,} x {d:,} float32; times reprq"
    rows: list[tuple[str, Callable[[], object]]] = [
        ("reprq.metrics.cka, debiased", lambda: metrics.cka(x, y, debiased=True)),
        ("reprq.metrics.cka, debiased, float64 input", lambda: metrics.cka(exact_x, exact_y, debiased=True)),
        ("reprq.metrics.cka", lambda: metrics.cka(x, y)),
    ]
    if torch := peer("torch"):
        a, b = torch.from_numpy(x), torch.from_numpy(y)
        if peer("ckatorch"):
            core = importlib.import_module("ckatorch.core")  # its method="hsic" ignores `unbiased`
            rows.append(("ckatorch 1.0.3: cka_base, unbiased", lambda: core.cka_base(a, b, unbiased=True)))
        if torch_cka := peer("cka"):
            rows.append(("pytorch-cka 1.1.3: cka_from_features", lambda: torch_cka.cka_from_features(a, b)))
    report(record, case, rows, repeats)


def networks(record: Record, n: int, widths: tuple[int, ...], repeats: int) -> None:
    """Time CKA of every layer of one network with every layer of another."""
    rng = np.random.default_rng(0)
    left, right = ([rng.standard_normal((n, width), dtype=np.float32) for width in widths] for _ in range(2))
    case = f"linear CKA of two networks of {len(widths)} layers, {n:,} rows, up to {max(widths):,} columns; times reprq"
    rows: list[tuple[str, Callable[[], object]]] = [
        ("reprq.metrics.cka_matrix", lambda: metrics.cka_matrix(left, right)),
        ("reprq.metrics.cka_matrix, one network with itself", lambda: metrics.cka_matrix(left)),
        ("reprq.metrics.cka, pair by pair", lambda: [metrics.cka(x, y) for x in left for y in right]),
    ]
    torch, torch_cka = peer("torch"), peer("cka")
    if torch and torch_cka:
        a, b = ([torch.from_numpy(x) for x in layers] for layers in (left, right))
        pairs = lambda: [torch_cka.cka_from_features(x, y) for x in a for y in b]  # noqa: E731
        rows.append(("pytorch-cka 1.1.3: cka_from_features, pair by pair", pairs))
    report(record, case, rows, repeats)


def power_law(n: int, d: int, a: float, mean: float) -> NDArray[np.float64]:
    """Return U diag(j^(-a/2)) V^T with column means `mean` times the deviation of their column."""
    rng = np.random.default_rng(0)
    left = rng.standard_normal((n, d))
    u, _ = np.linalg.qr(left - left.mean(axis=0))
    v, _ = np.linalg.qr(rng.standard_normal((d, d)))
    x = (u * np.arange(1, d + 1) ** (-a / 2)) @ v.T
    return (x + mean * x.std(axis=0)) / x.std()


def accuracy(record: Record, n: int, d: int) -> None:
    """Print the relative error of each metric against a float64 SVD of the same rounded matrix."""
    columns = ("alpha_req", "rankme", "aucev", "participation_ratio", "effective_rank", "condition_number")
    print(f"relative error of {n:,} x {d:,} against a float64 SVD")
    print(f"{'a':>4} {'mean/dev':>8} {'dtype':>8} " + " ".join(f"{name[:13]:>13}" for name in columns))
    worst = 0.0
    for a, mean in itertools.product((0.5, 1.0, 2.0, 3.0), (0.0, 1000.0)):
        for dtype in (np.float16, np.float32, np.float64):
            x = power_law(n, d, a, mean).astype(dtype)
            exact = reference(x.astype(np.float64))
            found = metrics.measure(x)
            errors = [abs(found[name].value / exact[name] - 1) for name in columns]
            worst = max(worst, *errors)
            case = f"{n:,} x {d:,} {dtype.__name__}, a = {a:g}, mean {mean:g}"
            record.add(case, "relative error", **dict(zip(columns, errors, strict=True)))
            print(f"{a:4} {mean:8.0f} {dtype.__name__:>8} " + " ".join(f"{e:13.1e}" for e in errors), flush=True)
    print(f"largest: {worst:.1e}")


def reference(x: NDArray[np.float64]) -> dict[str, float]:
    """Return the metrics from two full SVDs, straight from their equations."""
    deviations = x - x.mean(axis=0)
    sigma = np.linalg.svd(deviations - deviations.mean(axis=0), compute_uv=False)
    plain = np.linalg.svd(x, compute_uv=False)
    values = sigma**2
    p, q, ranks = plain / plain.sum() + 1e-7, values / values.sum(), np.arange(11, 101)
    weights = np.sqrt(1 / ranks)
    design = np.stack([-np.log(ranks), np.ones(len(ranks))], axis=1) * weights[:, None]
    return {
        "alpha_req": float(np.linalg.lstsq(design, np.log(values[10:100]) * weights)[0][0]),
        "rankme": min(float(np.exp(-(p * np.log(p)).sum())), float(len(p))),
        "aucev": float(np.cumsum(sigma / sigma.sum()).mean()),
        "participation_ratio": float(values.sum() ** 2 / (values**2).sum()),
        "effective_rank": float(np.exp(-(q * np.log(q)).sum())),
        "condition_number": float(values[0] / values[-1]),
    }


def stream(record: Record, n: int, d: int) -> None:
    """Measure a float16 file block by block, and print the time and the peak memory of the process."""
    rng = np.random.default_rng(0)
    block = (rng.standard_normal((4096, d)) * np.arange(1, d + 1) ** -0.5).astype(np.float16)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "embeddings.f16"
        with path.open("wb") as file:
            for start in range(0, n, len(block)):
                np.roll(block, start // len(block), axis=1)[: n - start].tofile(file)

        def blocks() -> Iterator[NDArray[np.float16]]:
            with path.open("rb") as file:
                while data := file.read(2 * d * len(block)):
                    yield np.frombuffer(data, dtype=np.float16).reshape(-1, d)

        start_time = time.perf_counter()
        metrics.measure(blocks())
        took = time.perf_counter() - start_time
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    record.add(f"{n:,} x {d:,} from a float16 file", "reprq.measure", seconds=took, peak_gib=peak)
    print(f"{n:,} x {d:,} from a float16 file: {took:.1f} s, peak memory {peak:.2f} GiB")


def main() -> None:
    """Run the benchmark that the arguments ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accuracy", action="store_true", help="print the accuracy table")
    parser.add_argument("--stream", action="store_true", help="measure a large file")
    parser.add_argument("--n", type=int, help="rows (10,000 for the speed, 3,000 for the accuracy, 1,000,000 streamed)")
    parser.add_argument("--d", type=int, default=2048, help="columns")
    parser.add_argument("--repeats", type=int, default=3, help="runs of which the shortest counts")
    add_option(parser)
    options = parser.parse_args()
    what = "-accuracy" if options.accuracy else "-stream" if options.stream else ""
    record = Record(f"metrics{what}", {"n": options.n, "d": options.d, "repeats": options.repeats})
    if options.accuracy:
        accuracy(record, options.n or 3000, options.d)
    elif options.stream:
        stream(record, options.n or 1_000_000, options.d)
    else:
        spectral(record, options.n or 10_000, options.d, options.repeats)
        kernels(record, options.n or 10_000, options.d // 2, options.repeats)
        networks(record, (options.n or 10_000) // 10, (64, 128, 256, 512, 512), options.repeats)
        against_effdim(record, (options.n or 10_000) // 4, options.d // 2, options.repeats)
    if options.save:
        record.save()


if __name__ == "__main__":
    main()
