"""Where texts come from: files on disk, or what is in memory, one row a document."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from reprq.data.text.decoding import VERSION, checked, decoded, read_bytes


class TextFiles:
    """Files of text, read when they are asked for (see `reprq.data.text.decoding`).

    Args:
        root: The folder that `files` are relative to.
        files: Relative paths, one a row.
    """

    def __init__(self, root: Path, files: Sequence[str]) -> None:
        self.root, self.files = root, tuple(files)

    def path(self, i: int) -> Path:
        """Return the file of document `i`."""
        return self.root / self.files[i]

    def item(self, i: int) -> str:
        """Return document `i`; a `DocumentError` names the file that is none."""
        return self._read(i)[0]

    def encoding(self, i: int) -> str:
        """Return the encoding of document `i`."""
        return self._read(i)[1]

    def digest(self, i: int) -> bytes:
        """Return a SHA-256 of the bytes of file `i` and of how they are read."""
        content = hashlib.sha256(read_bytes(self.root / self.files[i])).digest()
        return hashlib.sha256(content + f"text {VERSION}".encode()).digest()

    def verify(self, i: int) -> None:
        """Read document `i`, and raise a `DocumentError` that names it if that fails."""
        self._read(i)

    def _read(self, i: int) -> tuple[str, str]:
        path = self.root / self.files[i]
        return decoded(read_bytes(path), path)


class Texts:
    """Texts that are in memory.

    Args:
        texts: One a row.
        where: What to call a row in an error, with its number after it: "item", "mails.csv row".
    """

    def __init__(self, texts: Sequence[str], where: str = "item") -> None:
        self.texts, self.where = tuple(texts), where

    def item(self, i: int) -> str:
        """Return document `i`; a `DocumentError` where it is empty."""
        return checked(self.texts[i], f"{self.where} {i}")

    def digest(self, i: int) -> bytes:
        """Return the SHA-256 of document `i`."""
        return hashlib.sha256(self.texts[i].encode("utf-8", "surrogatepass")).digest()

    def verify(self, i: int) -> None:
        """Raise a `DocumentError` if document `i` is empty."""
        self.item(i)
