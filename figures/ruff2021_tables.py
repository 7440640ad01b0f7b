"""Tables 2.1 and 2.3 of Ruff (2021) beside the published values; the same as `reprq figures ruff2021`.

    python figures/ruff2021_tables.py --root DATA --preset full --out figures/ruff2021

DATA holds `MNIST/raw` (or `torchvision/MNIST/raw`) and ADBench's `tabular/`.
"""

import argparse
from pathlib import Path

from reprq.errors import ReprqError
from reprq.papers import reproduce


def main() -> None:
    """Run a preset and print what was written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", type=Path, help="the folder of the data")
    parser.add_argument("--preset", default="quick", choices=["quick", "full"])
    parser.add_argument("--out", type=Path, help="the folder of the tables; runs/ruff2021-PRESET by default")
    parser.add_argument("--force", action="store_true", help="replace the tables of another configuration")
    asked = parser.parse_args()
    for path in reproduce("ruff2021", asked.preset, asked.out, root=asked.root, force=asked.force):
        print(path)


if __name__ == "__main__":
    try:
        main()
    except ReprqError as error:
        raise SystemExit(f"ruff2021_tables.py: {error}") from None
