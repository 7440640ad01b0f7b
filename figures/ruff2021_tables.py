"""Tables 2.1 and 2.3 of Ruff (2021) beside the published values: `reprq figures ruff2021`, with its options.

Usage: python figures/ruff2021_tables.py --preset full --root DATA --out figures/ruff2021
"""

import sys

from reprq.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["figures", "ruff2021"]
    main()
