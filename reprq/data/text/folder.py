"""Data sets of documents: a folder of files, or a table with a column of texts."""

from collections import Counter
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from reprq.data.dataset import Dataset
from reprq.data.folders.listing import FileKind
from reprq.data.folders.loading import load_files
from reprq.data.image.folder import EXTENSIONS, UNREAD_IMAGES
from reprq.data.text.decoding import DocumentError
from reprq.data.text.sources import TextFiles
from reprq.data.text.table import load_table
from reprq.errors import DataError

PREFIX = "text:"
_OFFICE = frozenset({".pdf", ".doc", ".docx", ".rtf", ".odt", ".ppt", ".pptx", ".epub", ".msg", ".pages"})
_FOREIGN = {".zip", ".gz", ".bz2", ".xz", ".tar", ".7z", ".rar", ".exe", ".dll", ".so", ".pyc", ".bin", ".pkl", ".npz"}
_FOREIGN |= {".wav", ".mp3", ".ogg", ".flac", ".xlsx", ".xls", ".parquet", ".safetensors", ".pt", ".db", ".sqlite"}
_FOREIGN |= {*EXTENSIONS, *UNREAD_IMAGES}
_DOCUMENTS = FileKind(
    "text",
    PREFIX,
    "*.txt",
    "are files of plain text, whatever they end in",
    foreign=frozenset(_FOREIGN),
    unread=_OFFICE,
)


def load_text(path: str | Path, split: str, seed: int, *, whole: bool = False) -> Dataset:
    """Return one split of a folder of documents, as of images (see `load_files`), or of a table (see `load_table`).

    A folder is what scikit-learn's `load_files` reads, a folder a class with a file a document, with or without a split
    above it. Every file is a document, whatever it is called, but for what is known to be something else.
    """
    if str(path) and Path(path).expanduser().is_file():
        return load_table(Path(path).expanduser(), split, seed, name=f"{PREFIX}{path}", whole=whole)
    if Path(path).suffix and not Path(path).expanduser().exists():
        raise DataError(f"there is no file or folder {path}; give the path of a table or of a folder of documents")
    data = load_files(path, _DOCUMENTS, lambda root, files, _: TextFiles(root, files), split, seed, whole=whole)
    return replace(data, notes=(*data.notes, *_encodings(data)))


def _encodings(data: Dataset) -> list[str]:
    """How many files are in which encoding, where not all are UTF-8; each is read once."""
    assert isinstance(data.source, TextFiles)
    found: Counter[str] = Counter()
    for row in data.rows:
        with suppress(DocumentError):  # told with all others when the rows are verified
            found[data.source.encoding(int(row))] += 1
    others = ", ".join(f"{count} as {name}" for name, count in sorted(found.items()) if not name.startswith("utf"))
    return [f"not all documents of {data.name} {data.split} are UTF-8: {others} were read so"] if others else []
