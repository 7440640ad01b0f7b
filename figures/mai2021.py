"""The figures and tables of "Brittle Features May Help Anomaly Detection", as `reprq figures mai2021` draws them.

Usage: python figures/mai2021.py [PRESET [PATH_TO_DATA]]
"""

import sys
from pathlib import Path

from reprq.papers import reproduce

if __name__ == "__main__":
    preset, root = [*sys.argv[1:], None, None][:2]
    for path in reproduce("mai2021", preset, root=None if root is None else Path(root)):
        print(path)
