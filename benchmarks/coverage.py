"""Does every interval cover and every test keep its level? Simulations against a known truth.

    python benchmarks/coverage.py                         # every section
    python benchmarks/coverage.py small_classes roc_band  # these
    python benchmarks/coverage.py --trials 200            # fewer draws a setting: wider Monte Carlo errors
    python benchmarks/coverage.py --list                  # what there is

A section is an entry of `SECTIONS` in a module of `benchmarks/simulations`; a new module there is found by itself.
"""

import argparse
import importlib
import pkgutil
import time

import simulations
from recording import Record, add_option
from simulations.measured import Section


def sections() -> dict[str, Section]:
    """Return the sections of all modules in `simulations`, by name."""
    found: dict[str, Section] = {}
    for module in pkgutil.iter_modules(simulations.__path__):
        loaded = importlib.import_module(f"simulations.{module.name}")
        found |= getattr(loaded, "SECTIONS", {})
    return found


def show(record: Record, name: str, section: Section, trials: int, seed: int) -> None:
    """Run one section and print each share or mean as soon as it is measured, with its Monte Carlo error."""
    start = time.perf_counter()
    print(f"\n{name}: {(section.__doc__ or '').splitlines()[0]}")
    print(f"  {'setting':<68} {'what':<30} {'wanted':>7} {'found':>7} {'error':>7} {'trials':>7}")
    for row in section(trials, seed):
        wanted = "" if row.wanted is None else f"{row.wanted:.3f}"
        record.add(f"{name}: {row.setting}", row.what, found=row.found, error=row.error)
        numbers = f"{wanted:>7} {row.found:7.3f} {row.error:7.3f} {row.trials:7,}"
        print(f"  {row.setting:<68} {row.what:<30} {numbers}", flush=True)
    print(f"  ({time.perf_counter() - start:.0f} s)")


def main() -> None:
    """Run the sections that were named."""
    known = sections()
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="SECTION", help=f"of {', '.join(known)}; all by default")
    parser.add_argument("--trials", type=int, default=2000, help="draws a setting (default 2000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--list", action="store_true", help="list the sections and stop")
    add_option(parser)
    asked = parser.parse_args()
    record = Record("coverage", {"names": asked.names, "trials": asked.trials, "seed": asked.seed})
    if unknown := [name for name in asked.names if name not in known]:
        parser.error(f"no section {', '.join(unknown)}; there are {', '.join(known)}")
    if asked.trials < 1:
        parser.error(f"--trials must be at least 1, got {asked.trials}")
    for name in asked.names or known:
        if asked.list:
            print(f"{name:<28} {(known[name].__doc__ or '').splitlines()[0]}")
        else:
            show(record, name, known[name], asked.trials, asked.seed)
    if asked.save and not asked.list:
        record.save()


if __name__ == "__main__":
    main()
