"""Files that cannot be used, said together."""

from collections import defaultdict
from collections.abc import Mapping

from reprq.data.image.decoding import ImageFileError
from reprq.errors import DataError

_MOST_NAMED = 6  # in a sentence; where there are more, the details name all


class ImageFilesError(DataError):
    """Several image files that cannot be used.

    Attributes:
        details: A line for each, with its reason, where the sentence cannot name all.
    """

    def __init__(self, message: str, details: tuple[str, ...]) -> None:
        super().__init__(message)
        self.details = details


def one_error(failures: Mapping[str, DataError], total: int, where: str) -> DataError:
    """Return one error that stands for all.

    Args:
        failures: Why each image cannot be used, by its id; at least one.
        total: How many images there are.
        where: The data set.
    """
    distinct = list(dict.fromkeys(str(error) for error in failures.values()))
    hints = {error.hint for error in failures.values() if isinstance(error, ImageFileError) and not error.broken}
    if broken := any(is_broken(error) for error in failures.values()):
        hints.add("repair or remove what is broken, or leave it out with --skip-broken (skip_broken=True)")
    if len(distinct) == 1:
        return DataError(distinct[0] + (", or leave it out with --skip-broken (skip_broken=True)" if broken else ""))
    few = len(failures) <= _MOST_NAMED
    reasons = "; ".join([in_words(failures, None if few else 1), *sorted(hints)[:2]])
    message = f"{len(failures)} of {total} images of {where} cannot be used: {reasons}"
    return ImageFilesError(message, () if few else tuple(distinct))


def none_left(failures: Mapping[str, DataError], where: str) -> DataError:
    """Return the error that leaving out what is broken leaves nothing; the arguments are those of `one_error`."""
    which = "the only image" if len(failures) == 1 else f"none of the {len(failures)} images"
    verb = "does not decode" if len(failures) == 1 else "decodes"
    return DataError(f"{which} of {where} {verb}: {in_words(failures, _MOST_NAMED)}; repair them, or give other images")


def in_words(failures: Mapping[str, DataError], most: int | None = None) -> str:
    """Return the ids by their reasons: "a.png, b.png (it is empty); c.png (it is truncated)".

    Args:
        failures: Why each image cannot be used, by its id.
        most: How many of a reason are named; all by default.
    """
    by_reason: dict[str, list[str]] = defaultdict(list)
    for name, error in failures.items():
        by_reason[error.reason if isinstance(error, ImageFileError) else str(error)].append(name)
    groups = []
    for reason, names in by_reason.items():
        shown = names[:most]
        more = f" and {len(names) - len(shown)} more" if len(shown) < len(names) else ""
        groups.append(f"{', '.join(shown)}{more} ({reason})")
    return "; ".join(groups)


def is_broken(error: DataError) -> bool:
    """Whether the file is at fault, and not an option that it needs."""
    return isinstance(error, ImageFileError) and error.broken
