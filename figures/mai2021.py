"""The figures and tables of "Brittle Features May Help Anomaly Detection": `reprq figures mai2021`, with its options.

Usage: python figures/mai2021.py --preset cpu --root CIFAR10
"""

import sys

from reprq.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["figures", "mai2021"]
    main()
