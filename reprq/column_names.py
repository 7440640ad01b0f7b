"""What the name of an array or a column says about it: labels, ids, bookkeeping, or one of a numbered family."""

import re
from collections.abc import Iterable, Sequence

from reprq.errors import InputError, UnknownNameError, listed

_LABELS = re.compile(
    r"(y|y_true|labels?|class|category|targets?|(is_)?(anomaly|anomalous|outlier|defect|defective|fraud)|anomalies|outliers"
    r"|(anomaly|outlier|defect)_label|ground_truth|gt)"
)
_BENIGN = re.compile(r"(is_)?(normal|benign|inlier|good|ok)")
_IDS = ("id", "ids", "", "unnamed:_0", "__index_level_0__", "index", "image_id", "sample_id", "filename", "path")
_BOOKKEEPING = re.compile(
    r"|unnamed:_\d+(_level_\d+)?|unnamed:_0(\.\d+)*|level_\d+|__index_level_\d+__"  # where pandas writes its index
    r"|ids?|idx|index|rows?|row_(id|number)|number|no|nr|folds?|split|subset|partition|width|height"
    r"|(image_)?paths?|(image_)?files?|file_?(name|path)|ur[li]|[ug]uid|hash|key|timestamp|date"
    r"|.*_(ids?|idx|index|path|url|[ug]uid)"
)
_FAMILY = 4  # the fewest columns whose names count


def normalized(name: str) -> str:
    """Return a name in lower case with underscores: `imageId`, `Image-ID` and `image id` are one name.

    Example:
        >>> [normalized(name) for name in ("imageId", "Image ID", "Is-Anomaly", "__index_level_0__")]
        ['image_id', 'image_id', 'is_anomaly', '__index_level_0__']
    """
    return re.sub(r"[\s\-]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.strip())).lower()


def label_name(where: str, names: Sequence[str], asked: str | None) -> str | None:
    """Return the name of the labels: the one asked for, or the only one that says so, or None.

    Args:
        where: What holds the names, for the messages ("column of a.csv").
        names: All names.
        asked: The one asked for.

    Raises:
        UnknownNameError: the one asked for is not there.
        InputError: several say that they are labels.
    """
    if asked is not None:
        if asked not in names:
            raise UnknownNameError(where, asked, names)
        return asked
    found = [name for name in names if _LABELS.fullmatch(normalized(re.split(r"[./]", name)[-1]))]
    if len(found) > 1:
        raise InputError(f"one {where} must be the labels, got {listed(found)}; name one as labels (--labels)")
    return found[0] if found else None


def says_benign(name: str) -> bool:
    """Whether a label of this name is 1 for what is benign, as `is_normal` is."""
    return _BENIGN.fullmatch(normalized(name)) is not None


def id_name(names: Iterable[str]) -> str | None:
    """Return the name of the ids, or None: `id`, the index that pandas writes, the path of an image."""
    found = {normalized(name): name for name in reversed(list(names))}
    return next((found[name] for name in _IDS if name in found), None)


def is_bookkeeping(name: str) -> bool:
    """Whether a column of this name numbers or places its rows, and says nothing of what they show.

    Example:
        >>> [is_bookkeeping(name) for name in ("Unnamed: 0", "image_id", "fold", "emb_0")]
        [True, True, True, False]
    """
    return _BOOKKEEPING.fullmatch(normalized(name)) is not None


def families(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the names that are numbered after one stem, four or more of each: `emb_0, ...` or `x[0], ...`.

    Example:
        >>> families(["id", "v1", "v2", "v3", "v4", "x1"])
        {'v': ['v1', 'v2', 'v3', 'v4']}
    """
    found: dict[str, list[str]] = {}
    for name in names:
        if parts := re.fullmatch(r"(.*?)[\s_.\-]*[\[(]?(\d+)[\])]?", name.strip()):
            found.setdefault(parts[1].lower(), []).append(name)
    return {stem: members for stem, members in found.items() if len(members) >= _FAMILY}
