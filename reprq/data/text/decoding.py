"""From the bytes of a file to a text, in whichever encoding it is."""

import codecs
from pathlib import Path

from reprq.data.failures import FileError

VERSION = 1  # joins the digest of every file: embeddings of texts that were read otherwise must not be found again
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_UNMARKED = ("utf-8", "cp1252", "latin-1")  # the last takes any bytes
_STARTS = (
    (b"%PDF", "it is a PDF"),
    (b"PK\x03\x04", "it is an archive"),
    (b"\x1f\x8b", "it is packed"),
)


class DocumentError(FileError):
    """A document that cannot be used."""

    def __init__(self, path: Path | str, reason: str, hint: str = "") -> None:
        super().__init__("the document", path, reason, hint)


def read_bytes(path: Path) -> bytes:
    """Return what a file holds; raises a `DocumentError` where it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise DocumentError(path, f"cannot be read: {error.strerror or error}") from error


def decoded(content: bytes, path: Path) -> tuple[str, str]:
    r"""Return the text and its encoding: what a byte order mark says, else UTF-8, else Windows-1252, else Latin-1.

    Raises:
        DocumentError: The file is empty, or no text.

    Example:
        >>> decoded("caf\u00e9".encode("latin-1"), Path("a.txt"))
        ('café', 'cp1252')
    """
    encodings = [encoding for mark, encoding in _MARKS if content.startswith(mark)][:1] or list(_UNMARKED)
    if len(encodings) > 1 and (b"\0" in content or content.startswith(tuple(start for start, _ in _STARTS))):
        known = (what for start, what in _STARTS if content.startswith(start))
        raise DocumentError(path, f"is no text: {next(known, 'it holds zero bytes')}")
    for encoding in encodings:
        try:
            return checked(content.decode(encoding), path), encoding
        except UnicodeDecodeError:
            continue
    raise DocumentError(path, f"is no text in {encodings[0]}, as its first bytes say")


def checked(text: str, path: Path | str) -> str:
    """Return a text; raises a `DocumentError` where there is nothing in it, or what no tokenizer takes."""
    if not text.strip():
        raise DocumentError(path, "is empty")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DocumentError(path, f"is no text: character {error.start} is half of one, a lone surrogate") from error
    return text
