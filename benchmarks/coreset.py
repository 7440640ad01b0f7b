"""The greedy k-centre coreset beside the matrix products that it needs. Run `python benchmarks/coreset.py --save`.

A coreset of k of n rows compares every row with every center: one product of (n, d) and (d, k). That product is the
floor, and a loop of one center after another, as the released code of PatchCore has it, the ceiling: it compares as
often, but by products with vectors, which read all rows each time. Seconds are of the processor, on one thread.

Rows are independent Gaussians, or lie near a plane of 16 dimensions as those of a network do.
"""

import argparse
from functools import partial

import numpy as np
from numpy.typing import NDArray
from recording import Record, Timing, add_option, timed

from reprq.numerics.coreset import k_center_greedy, random_projection

Rows = NDArray[np.float32]


def rows_of(kind: str, n: int, d: int) -> Rows:
    """Rows of either kind."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((n, d), dtype=np.float32)
    if kind == "gaussian":
        return x
    plane = rng.standard_normal((n, 16), dtype=np.float32) @ rng.standard_normal((16, d), dtype=np.float32)
    found: Rows = plane + np.float32(0.1) * x
    return found


def products(x: Rows, k: int, step: int = 4096) -> None:
    """Multiply all rows with k of them, in blocks."""
    centers = np.ascontiguousarray(x[:k].T)
    for start in range(0, len(x), step):
        x[start : start + step] @ centers


def one_by_one(x: Rows, k: int) -> None:
    """Choose one center after another."""
    lengths = np.einsum("ij,ij->i", x, x)
    far, new = np.full(len(x), np.inf, dtype=np.float32), 0
    for _ in range(k):
        np.minimum(far, lengths + lengths[new] - 2.0 * (x @ x[new]), out=far)
        new = int(far.argmax())


def projected(x: Rows, k: int) -> None:
    """Choose as PatchCore does, in a random projection to 128."""
    k_center_greedy(x @ random_projection(x.shape[1], 128, seed=0), k)


def main() -> None:
    """Time all of them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--n", type=int, default=100_000)
    parser.add_argument("--d", type=int, default=384)
    parser.add_argument("--share", type=float, default=0.01)
    parser.add_argument("--repeats", type=int, default=3)
    add_option(parser)
    asked = parser.parse_args()
    k = round(asked.share * asked.n)
    record = Record("coreset", {"n": asked.n, "d": asked.d, "k": k, "repeats": asked.repeats})
    calls = {"products": products, "coreset": k_center_greedy, "coreset, projected": projected}
    for kind in ("gaussian", "near a plane"):
        x = rows_of(kind, asked.n, asked.d)
        found = {name: timed(partial(call, x, k), asked.repeats) for name, call in calls.items()}
        found["one center after another"] = timed(partial(one_by_one, x, k), 1)
        for name, timing in found.items():
            show(record, kind, name, timing, found["products"])
    if asked.save:
        record.save()


def show(record: Record, case: str, name: str, timing: Timing, floor: Timing) -> None:
    """Print and keep a row."""
    print(f"{case:14} {name:26} {timing.cpu:6.2f} s, {timing.cpu / floor.cpu:5.2f} times the products", flush=True)
    record.add(case, name, timing)


if __name__ == "__main__":
    main()
