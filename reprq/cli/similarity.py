"""How alike the layers of a network are: every pair with its chance level, and the picture of CKA."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

_ORDERS = 5


def pairs(measured: Sequence[Any], similarity: str, seed: int, *, progress: bool) -> list[dict[str, Any]]:
    """Return one row a pair of layers: the similarity, and by chance, the mean over rows in random order.

    Raises:
        InputError: There is one layer, and so no pair.
    """
    from reprq.errors import InputError
    from reprq.metrics import chance_similarity, layer_similarity
    from reprq.metrics.layers import similarity_named
    from reprq.progress import track

    if len(measured) < 2:
        raise InputError(f"--similarity compares layers, got {measured[0].layer} alone; give more, as in --layer all")
    found = layer_similarity({x.layer: x.array for x in measured}, measure=similarity)
    both = list(combinations(measured, 2))
    if not similarity_named(similarity).facts.get("symmetric", False):
        both += [(other, x) for x, other in both]
    table = []
    for x, other in track(both, desc="chance", unit="pair", show=progress):
        chance = chance_similarity(x.array, other.array, measure=similarity, permutations=_ORDERS, seed=seed)
        value = float(found.loc[x.layer, other.layer])
        pair = {"layer": x.layer, "other": other.layer, "value": value, "by_chance": chance, "n": len(x)}
        table.append({**pair, "definition": found.attrs["definition"]})
    return table


def heatmap(measured: Sequence[Any], picture: Path, title: str) -> list[dict[str, Any]]:
    """Debiased linear CKA of every layer with every other: one row a layer, and the heatmap."""
    import matplotlib.pyplot as plt
    import pandas as pd

    from reprq.metrics import cka_matrix
    from reprq.plots import save, similarity_heatmap

    names = [x.layer for x in measured]
    values = cka_matrix([x.array for x in measured], debiased=True)
    frame = pd.DataFrame(values, index=names, columns=names)
    figure = similarity_heatmap(frame).get_figure(root=True)
    assert figure is not None
    figure.suptitle(f"Debiased linear CKA\n{title}", fontsize=9)
    save(figure, picture.with_suffix(""))
    plt.close(figure)
    return [{"layer": name, **dict(zip(names, row, strict=True))} for name, row in zip(names, values, strict=True)]
