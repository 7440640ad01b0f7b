"""The errors that reprq raises, all of them one plain sentence.

::

    ReprqError
    |-- UnknownNameError      a backbone, layer, data set, task, metric or detector that does not exist; lists what does
    |-- InputError            an array or argument that cannot be used: nan, wrong shape, k > n (also a ValueError)
    |-- DataError             a data set that is missing, empty, too small or holds a sample that cannot be read
    |-- WeightsError          a weights file that is missing, truncated, foreign or of another architecture
    |   `-- DownloadError     weights that would have to be downloaded and cannot be
    |-- CacheError            an embedding cache that is missing, foreign, damaged or cannot be written
    |-- ConfigError           a study file with a wrong key or value
    `-- OutputExistsError     an output that is there already and that nobody asked to replace

The command line prints the sentence and exits with 1.
"""

import difflib
from collections.abc import Iterable

__all__ = [
    "CacheError",
    "ConfigError",
    "DataError",
    "DownloadError",
    "InputError",
    "OutputExistsError",
    "ReprqError",
    "UnknownNameError",
    "WeightsError",
]

_MOST_LISTED, _NEAREST = 30, 10
_ALIKE = 0.6  # of difflib; below it a short name is like almost any other
_LONGEST, _END = 900, 250  # characters of a message, and of its end, which says what to do


class ReprqError(Exception):
    """Anything that reprq refuses to do, said in one plain sentence of at most 900 characters.

    Attributes:
        details: Lines that do not fit in a sentence, such as the names of many files; the command line prints them too.
    """

    details: tuple[str, ...] = ()

    def __init__(self, message: object = "") -> None:
        super().__init__(bounded(str(message)))


class InputError(ReprqError, ValueError):
    """An array or argument that cannot be used; names it, what was expected, what was got and what to do."""


class DataError(ReprqError):
    """A data set that is missing, empty, too small, or that holds a sample that cannot be read."""


class WeightsError(ReprqError):
    """A weights file that is missing, truncated, foreign, or of another architecture."""


class DownloadError(WeightsError):
    """Weights that are not on this machine and could not be downloaded."""


class CacheError(ReprqError):
    """An embedding cache that is missing, foreign, damaged, or that cannot be written."""


class ConfigError(ReprqError):
    """A study file with an unknown key, a wrong type or a wrong value."""


class OutputExistsError(ReprqError):
    """An output that exists already and that nobody asked to replace."""


def bounded(message: str) -> str:
    """Return a message without the middle of what would be longer than a person reads.

    Example:
        >>> len(bounded("long " * 1000))
        900
    """
    if len(message) <= _LONGEST:
        return message
    return f"{message[: _LONGEST - _END - 5]} ... {message[-_END:]}"


def one_line(error: object, most: int | None = None, *, kind: bool = False) -> str:
    """Return what an error of other people's code says, on one line; its name where it says nothing.

    Args:
        error: The error, or what it gives as its reason.
        most: The most characters to return; all by default.
        kind: Whether to put the error's name before what it says.

    Example:
        >>> one_line(ValueError("no such   file")), one_line(KeyError()), one_line(ValueError("x"), kind=True)
        ('no such file', 'KeyError', 'ValueError: x')
    """
    name, said = type(error).__name__, " ".join(str(error).split())
    return (f"{name}: {said}" if kind and said else said or name)[:most]


def first_line(error: BaseException) -> str:
    """Return the first line of what an error says, without a full stop, where more lines are advice or a trace."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")


def counted(n: int, noun: str) -> str:
    """Return a number with its noun, in the plural but for one.

    Example:
        >>> counted(1, "image"), counted(2, "image")
        ('1 image', '2 images')
    """
    return f"{n} {noun}{'' if n == 1 else 's'}"


def listed(names: Iterable[object], most: int = 8) -> str:
    """Return the first names with commas between, and how many more there are.

    Example:
        >>> listed(range(100), 3)
        '0, 1, 2 and 97 more'
    """
    texts = [bounded(str(name)) for name in names]
    more = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + more


class UnknownNameError(ReprqError, KeyError):
    """A name that is not among the valid ones; the message suggests the nearest and lists the valid.

    Of more than 30 it lists the ten nearest, and says how many more there are.

    Args:
        kind: What was looked up, in the singular ("backbone", "layer of resnet50").
        name: The name that was asked for.
        valid: The names that exist.
        forms: What a name may look like besides ("timm:NAME"); always listed.
        among: Where it was looked up ("the classes of digits"), if that is not part of the kind.

    Example:
        >>> print(UnknownNameError("detector", "knm", ["centroid", "knn"]))
        unknown detector 'knm': did you mean 'knn'? Valid: centroid, knn
    """

    def __init__(self, kind: str, name: str, valid: Iterable[str], forms: Iterable[str] = (), among: str = "") -> None:
        self.kind, self.name, self.valid = kind, name, tuple(valid)
        in_lower_case = {known.lower(): known for known in reversed(self.valid)}
        near = [known for known in in_lower_case if name and known.endswith(f"_{name.lower()}")]
        near = near or difflib.get_close_matches(name.lower(), in_lower_case, n=1, cutoff=_ALIKE)
        near = near or [known for known in in_lower_case if name and known.startswith(name.lower())]
        hint = f": did you mean {in_lower_case[near[0]]!r}?" if near else "."
        where = f" among {among}" if among else ""
        valid_names = ", ".join([*self._listed(), *forms]) or "(none)"
        super().__init__(f"unknown {kind} {name!r}{where}{hint} Valid: {valid_names}")

    def _listed(self) -> tuple[str, ...]:
        if len(self.valid) <= _MOST_LISTED:
            return self.valid
        nearest = difflib.get_close_matches(self.name, self.valid, n=_NEAREST, cutoff=0.0)
        return (*nearest, f"{len(self.valid) - len(nearest)} more")

    def __str__(self) -> str:  # KeyError would show the repr
        return str(self.args[0])
