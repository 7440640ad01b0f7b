"""How a large cache is written, verified and measured, and in how much memory. Run `python benchmarks/cache.py`.

Writes random float16 rows block by block as an extraction does, reads every block back against its checksum, and
measures the whole layer block by block. Says the time and the peak memory of the process after each.
"""

import argparse
import resource
import tempfile
import time
from pathlib import Path

import numpy as np
from recording import Record, Timing, add_option

from reprq.data import ArraySource, Dataset
from reprq.embeddings.cache.cache import EmbeddingCache
from reprq.embeddings.cache.writing import CacheWriter
from reprq.metrics import measure


def report(record: Record, what: str, start: float, n_bytes: int) -> None:
    """Print one row: what, seconds, MB/s, peak memory so far."""
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    record.add("cache", what, Timing([seconds], []), peak_gib=round(peak, 2))
    print(f"{what:28}  {seconds:7.1f} s  {n_bytes / seconds / 1e6:7.0f} MB/s  peak {peak:.2f} GiB", flush=True)


def main() -> None:
    """Write, verify and measure one cache."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--width", type=int, default=512)
    add_option(parser)
    arguments = parser.parse_args()
    record = Record("cache", {key: value for key, value in vars(arguments).items() if key != "save"})
    n, d = arguments.rows, arguments.width
    size = n * d * 2
    print(f"{n:,} x {d} float16, {size / 2**30:.2f} GiB")
    rows = np.arange(n)
    ids, source = np.char.add("train/", rows.astype(np.str_)), ArraySource(np.zeros((n, 1, 1), np.uint8))
    data = Dataset("rows", "train", ("none",), np.zeros(n, np.int64), ids, source, rows)
    rng = np.random.default_rng(0)
    identity = {"backbone": "random", "data": "rows", "split": "train", "dtype": "float16"}
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        with CacheWriter(Path(folder), identity, {}, data) as writer:
            for block in range(writer.blocks):
                values = rng.standard_normal((len(writer.rows_of(block)), d), dtype=np.float32)
                writer.write("layer", 0, block, values.astype(np.float16))
        report(record, "made and written", start, size)
        cache = EmbeddingCache(writer.path)
        start = time.perf_counter()
        array = cache.array("layer")
        for block in range(writer.blocks):
            span = writer.rows_of(block)
            assert np.isfinite(array[span.start : span.stop]).all()
        report(record, "read, checksums verified", start, size)
        start = time.perf_counter()
        measured = measure(array)
        report(record, "measured, block by block", start, size)
        print(f"rankme {measured['rankme'].value:.1f}, alpha_req {measured['alpha_req'].value:.3f}")
    if arguments.save:
        record.save()


if __name__ == "__main__":
    main()
