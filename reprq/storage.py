"""Files and folders: written whole or not at all, readable by whom the umask lets read, and named after anything."""

import hashlib
import os
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from reprq.errors import ReprqError, one_line

_PLAIN = re.compile(r"[a-z0-9_]([a-z0-9_.@#+=-]*[a-z0-9_@#+=-])?")
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?")  # of Windows, whatever follows the dot
_LONGEST = 100  # characters; file systems take 255 bytes, and callers add to the name
_LETTERS = 60


def exact_floats() -> dict[str, Any]:
    """Return the option with which `pandas.read_csv` reads a number to its last digit; from 3.1 on it does unasked."""
    old = tuple(map(int, version("pandas").split(".")[:2])) < (3, 1)
    return {"float_precision": "round_trip"} if old else {}


def write_whole(
    path: Path, write: Callable[[Path], object], *, error: type[ReprqError] = ReprqError, hint: str = ""
) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it, so that the file is never seen half-written.

    The file gets the permissions that the umask gives a new file, whatever the library that writes it prefers.

    Args:
        path: The file.
        write: Called with the temporary path.
        error: What to raise.
        hint: What the message ends with.

    Raises:
        ReprqError: the file cannot be written, and nothing is left behind.
    """
    temporary = path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}.partial")
    try:
        temporary.touch()
        mode = temporary.stat().st_mode
        write(temporary)
        temporary.chmod(mode)  # safetensors makes files of its own, for their owner alone
        temporary.replace(path)
    except (OSError, RuntimeError, SafetensorError) as caught:  # torch tells a full disk as a RuntimeError
        reason = getattr(caught, "strerror", None) or one_line(caught).replace(temporary.name, path.name)
        raise error(f"{path} cannot be written: {reason}{hint and '; '}{hint}") from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    r"""Write a text as UTF-8, whole or not at all.

    What UTF-8 cannot hold, such as the undecodable bytes of a file's name, is written as an escape (`\udcff`), which
    inside JSON reads back as it was.

    Args:
        path: The file.
        text: Its content.

    Raises:
        ReprqError: the file cannot be written.
    """
    write_whole(path, lambda temporary: temporary.write_bytes(readable(text).encode()))


def readable(text: str) -> str:
    r"""Return a text that UTF-8 can hold: undecodable bytes, as in names of files, are written as escapes.

    Example:
        >>> print(readable("caf\udce9"))
        caf\udce9
    """
    return text.encode(errors="backslashreplace").decode()


def make_folder(path: Path) -> None:
    """Make a folder of results, and its parents.

    Args:
        path: The folder; it may be there already.

    Raises:
        ReprqError: a file stands there, or the folder cannot be written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = (
            "a file stands in its way" if isinstance(error, FileExistsError | NotADirectoryError) else error.strerror
        )
        raise ReprqError(f"the folder {path} cannot be made: {reason}; give another --out") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise ReprqError(f"the folder {path} cannot be written to; give another --out")


def file_name(name: str) -> str:
    """Return what to call a file or folder that stands for a name, which may be any text.

    A short name of small letters, digits and `_.@#+=-` stays as it is. Of any other only letters and digits are kept,
    with a digest behind them, so that no two names share a file, on systems that ignore case neither, and no name is
    hidden, too long, or leads to another folder.

    Args:
        name: Any text.

    Example:
        >>> file_name("layer1.0.conv2"), file_name("../Block 7")
        ('layer1.0.conv2', 'Block-7~a5f332cf5f8f')
    """
    if len(name) <= _LONGEST and _PLAIN.fullmatch(name) and not _RESERVED.fullmatch(name):
        return name
    letters = re.sub(r"[^A-Za-z0-9_]+", "-", name)[:_LETTERS].strip("-")
    return f"{letters}~{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:12]}"
