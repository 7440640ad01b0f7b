"""Where a layer lies in its network."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def layer_places(table: "pd.DataFrame") -> "pd.Series[int]":
    """Return the place of each layer: its `layer_number`, which counts all layers of the network, named or not.

    Where layers of one backbone share a number, as a stage and a block inside it do, or lack one, the places of that
    backbone are 0, 1, 2, ... in the order of the numbers, then of the rows.

    Args:
        table: One row a (backbone, layer): backbone, layer_number.

    Example:
        >>> import pandas as pd
        >>> layer_places(pd.DataFrame({"backbone": list("aabbb"), "layer_number": [2, 4, 0, 3, 3]})).tolist()
        [2, 4, 0, 1, 2]
    """
    import pandas as pd

    backbones = np.unique(table["backbone"].to_numpy().astype(str), return_inverse=True)[1]
    numbers = table["layer_number"].to_numpy(dtype=np.float64, na_value=np.nan)
    order = np.lexsort((numbers, backbones))  # a nan comes last
    sizes = np.bincount(backbones, minlength=len(table))
    places = np.empty(len(table))
    places[order] = np.arange(len(table)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    repeated = (np.diff(numbers[order]) == 0) & (np.diff(backbones[order]) == 0)
    unclear = np.bincount(backbones, np.isnan(numbers), len(table)) > 0
    unclear[backbones[order][1:][repeated]] = True
    return pd.Series(np.where(unclear[backbones], places, numbers).astype(int), index=table.index)


def relative_depth(table: "pd.DataFrame") -> "pd.Series[float]":
    """Return the depth of each layer: its place over the largest place of its backbone in the table, in [0, 1].

    Args:
        table: As for `layer_places`; the deepest layer that it has of a backbone is at 1.

    Example:
        >>> import pandas as pd
        >>> relative_depth(pd.DataFrame({"backbone": list("aab"), "layer_number": [2, 4, 0]})).tolist()
        [0.5, 1.0, 0.0]
    """
    places = layer_places(table)
    backbones = np.unique(table["backbone"].to_numpy().astype(str), return_inverse=True)[1]
    most = np.ones(len(places))
    np.maximum.at(most, backbones, places.to_numpy())
    depth: pd.Series[float] = places / most[backbones]
    return depth
