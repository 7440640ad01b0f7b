"""The figures and tables of "Brittle Features May Help Anomaly Detection": `reprq figures mai2021` by another name.

    python figures/mai2021.py cpu PATH_TO_CIFAR10
"""

import sys
from pathlib import Path

from reprq.papers import reproduce

if __name__ == "__main__":
    preset, root = [*sys.argv[1:], None, None][:2]
    for path in reproduce("mai2021", preset, root=None if root is None else Path(root)):
        print(path)
