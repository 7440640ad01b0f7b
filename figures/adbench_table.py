"""AUROC and time of every array detector on ADBench's embeddings; the same as `reprq figures adbench`.

    python figures/adbench_table.py --root DATA --preset full --out figures/adbench

DATA holds `CV_by_ResNet18/`, `NLP_by_BERT/` and `NLP_by_RoBERTa/`, or `embeddings/` with them in it.
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
    parser.add_argument("--out", type=Path, help="the folder of the table; runs/adbench-PRESET by default")
    parser.add_argument("--force", action="store_true", help="replace the table of another configuration")
    asked = parser.parse_args()
    for path in reproduce("adbench", asked.preset, asked.out, root=asked.root, force=asked.force):
        print(path)


if __name__ == "__main__":
    try:
        main()
    except ReprqError as error:
        raise SystemExit(f"adbench_table.py: {error}") from None
