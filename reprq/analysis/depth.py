"""Where a layer lies in its network."""

from typing import TYPE_CHECKING

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
    numbers = table["layer_number"].astype(float)
    order = numbers.groupby(table["backbone"]).rank(method="first", na_option="bottom") - 1
    unclear = numbers.isna() | table.duplicated(["backbone", "layer_number"])
    return numbers.mask(unclear.groupby(table["backbone"]).transform("any"), order).astype(int)


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
    depth: pd.Series[float] = places / places.groupby(table["backbone"]).transform("max").clip(lower=1)
    return depth
