"""Files that cannot be used, said together."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from reprq.errors import DataError

if TYPE_CHECKING:
    from reprq.data.dataset import Dataset

Read = TypeVar("Read")

_LEFT_OUT = "or leave it out with --skip-broken (skip_broken=True)"
_MOST_NAMED = 6  # in a sentence; where there are more, the details name all


class FileError(DataError):
    """A file of a data set that cannot be used.

    Args:
        what: What it should be, "the image".

    Attributes:
        path: The file.
        reason: What is the matter, to follow the path.
        hint: What to do.
        broken: Whether the file is at fault, and not an option that it needs.
    """

    def __init__(self, what: str, path: Path | str, reason: str, hint: str = "") -> None:
        self.path, self.reason, self.broken = path, reason, not hint
        self.hint = hint or f"repair or remove it, {_LEFT_OUT}"
        super().__init__(f"{what} {path} {reason}; {self.hint}")


class FilesError(DataError):
    """Several files of a data set that cannot be used.

    Attributes:
        details: A line for each, with its reason, where the sentence cannot name all.
    """

    def __init__(self, message: str, details: tuple[str, ...]) -> None:
        super().__init__(message)
        self.details = details


def one_error(failures: Mapping[str, DataError], total: int, where: str, noun: str) -> DataError:
    """Return one error that stands for all.

    Args:
        failures: Why each row cannot be used, by its id; at least one.
        total: How many rows there are.
        where: The data set.
        noun: What a row is: "image".
    """
    if len(failures) == total and all(is_broken(error) for error in failures.values()):
        return none_left(failures, where, noun)
    distinct = list(dict.fromkeys(str(error) for error in failures.values()))
    hints = {error.hint for error in failures.values() if isinstance(error, FileError) and not error.broken}
    if any(is_broken(error) for error in failures.values()):
        hints.add(f"repair or remove what is broken, {_LEFT_OUT}")
    if len(distinct) == 1:
        return DataError(distinct[0])
    few = len(failures) <= _MOST_NAMED
    reasons = "; ".join([in_words(failures, None if few else 1), *sorted(hints)[:2]])
    message = f"{len(failures)} of {total} {noun}s of {where} cannot be used: {reasons}"
    return FilesError(message, () if few else tuple(distinct))


def of_each(data: "Dataset", read: Callable[[int], Read]) -> list[Read]:
    """Return what `read` says of every row of a data set.

    Args:
        data: The data set.
        read: Of the number of a row.

    Raises:
        DataError: Rows that cannot be read; the message names all, with the reasons.
    """
    found, failures = [], {}
    for i in range(len(data)):
        try:
            found.append(read(i))
        except DataError as error:
            failures[str(data.ids[i])] = error
    if failures:
        raise one_error(failures, len(data), f"{data.name} {data.split}", data.noun)
    return found


def none_left(failures: Mapping[str, DataError], where: str, noun: str) -> DataError:
    """Return the error that leaving out what is broken leaves nothing; the arguments are those of `one_error`."""
    one = len(failures) == 1
    which, verb = (
        (f"the only {noun}", "does not decode") if one else (f"none of the {len(failures)} {noun}s", "decodes")
    )
    said = f"{which} of {where} {verb}: {in_words(failures, _MOST_NAMED)}"
    return DataError(f"{said}; repair {'it' if one else 'them'}, or give other {noun}s")


def in_words(failures: Mapping[str, DataError], most: int | None = None) -> str:
    """Return the ids by their reasons: "a.png, b.png (it is empty); c.png (it is truncated)".

    Args:
        failures: Why each row cannot be used, by its id.
        most: How many of a reason are named; all by default.
    """
    by_reason: dict[str, list[str]] = defaultdict(list)
    for name, error in failures.items():
        by_reason[error.reason if isinstance(error, FileError) else str(error)].append(name)
    groups = []
    for reason, names in by_reason.items():
        shown = names[:most]
        more = f" and {len(names) - len(shown)} more" if len(shown) < len(names) else ""
        groups.append(f"{', '.join(shown)}{more} ({reason})")
    return "; ".join(groups)


def is_broken(error: DataError) -> bool:
    """Whether the file is at fault, and not an option that it needs."""
    return isinstance(error, FileError) and error.broken
