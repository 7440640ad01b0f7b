"""AUROC and time of every array detector on ADBench's embeddings: `reprq figures adbench`, with its options.

Usage: python figures/adbench_table.py --preset full --root DATA --out figures/adbench
"""

import sys

from reprq.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["figures", "adbench"]
    main()
