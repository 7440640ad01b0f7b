"""The candidates among which papers chose on test labels; `reprq.evaluation.oracle_search` chooses, and marks it."""

from collections.abc import Mapping
from itertools import product
from typing import Any

from reprq.detectors.registry import create


def oracle_grid(spec: str | Mapping[str, Any], d: int) -> list[Any]:
    """The unfitted candidates of a detector whose hyper-parameters Ruff (2021) chose on test labels.

    OC-SVM: nu in {0.1, 0.01} and ten gammas a factor of 2 apart, 2^-4 / d to 2^5 / d: as many as the thesis' 2^-10 to
    2^-1, in units that fit any data; with a cosine kernel, nu in {0.05, 0.1, 0.2, 0.5} as for texts (3.2.3). KDE:
    bandwidths 2^-3, 2^-2.5, ..., 2^5 in units of the scaled rows, which hold the thesis' 2^0.5 to 2^5. Nothing was
    chosen for the other detectors: the one candidate is the detector as it is.

    Args:
        spec: A name, or a mapping of a name and parameters; a parameter given is not chosen.
        d: Width of the rows.

    Example:
        >>> len(oracle_grid("ocsvm", 64)), len(oracle_grid({"name": "ocsvm", "nu": 0.5}, 64))
        (20, 10)
        >>> oracle_grid("centroid", 9)
        [Centroid()]
    """
    given = {"name": spec} if isinstance(spec, str) else dict(spec)
    grids: dict[str, dict[str, list[float]]] = {
        "ocsvm": {"nu": [0.1, 0.01], "gamma": [2.0**j / d for j in range(-4, 6)]},
        "ocsvm:cosine": {"nu": [0.05, 0.1, 0.2, 0.5]},
        "kde": {"bandwidth": [2.0 ** (j / 2) for j in range(-6, 11)]},
    }
    kind = f":{given['kernel']}" if given.get("kernel", "gaussian") != "gaussian" else ""
    free = {name: values for name, values in grids.get(f"{given['name']}{kind}", {}).items() if name not in given}
    return [create({**given, **dict(zip(free, values, strict=True))}) for values in product(*free.values())]
