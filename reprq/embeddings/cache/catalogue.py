"""The caches in a folder: which there are, finding one, and removing what is not wanted any more."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG
from typing import Any

import zarr
from zarr.storage import LocalStore

from reprq.embeddings.cache.cache import Array, EmbeddingCache, layer_arrays, missing_blocks
from reprq.embeddings.embeddings import Embeddings
from reprq.errors import CacheError, InputError, ReprqError, UnknownNameError, one_line

_HEADER = "zarr.json"
_MEMBERS = (_HEADER, "labels", "ids", "content", "layers", "unfinished", ".lock")  # what a cache may hold at its top


@dataclass(frozen=True)
class CacheInfo:
    """One folder under the root.

    Attributes:
        name: The folder's name.
        path: The folder.
        backbone: The network's name; like `data`, `split`, `rows`, `weights`, `input` and `precision` None where the
            folder cannot be read.
        data: The data set's name.
        split: "train" or "test".
        rows: How many samples.
        complete_layers: How many layers have all their blocks.
        layers: How many layers were begun.
        bytes: The size of all its files.
        modified: When the newest of its files was written, in seconds since 1970.
        problem: Why the folder cannot be used as a cache, or None.
        weights: What the weights are called and, in brackets, how their digest begins.
        input: What the network got of an item: "224 x 224 pixels", "at most 128 tokens".
        preprocessing: All of how it got that, as the transform of the network states it.
        precision: Of the rows on disk and, in brackets, of the forward pass where that is another.
        shared_bytes: How much of `bytes` other caches have too, as links to the same files.
    """

    name: str
    path: Path
    backbone: str | None
    data: str | None
    split: str | None
    rows: int | None
    complete_layers: int
    layers: int
    bytes: int
    modified: float
    problem: str | None
    weights: str | None
    input: str | None
    preprocessing: dict[str, Any]
    precision: str | None
    shared_bytes: int

    @property
    def complete(self) -> bool:
        """Whether the cache can be used, has a layer, and lacks no block of any."""
        return self.problem is None and 0 < self.layers == self.complete_layers


def list_caches(root: Path | str) -> list[CacheInfo]:
    """Return what the folders under a root hold, the newest first; a broken or foreign one with its problem.

    Args:
        root: The folder of the caches.

    Raises:
        CacheError: the root is not a folder.
    """
    return sorted((_info(folder) for folder in _folders(Path(root))), key=lambda info: info.modified, reverse=True)


def find_cache(name: str, root: Path | str) -> Path:
    """Return the path of a cache that is given by its name under the root or by its path.

    Args:
        name: The folder's name, or a path.
        root: The folder of the caches.

    Raises:
        UnknownNameError: neither is a folder; the message suggests the nearest name.

    Note:
        That the folder is there says nothing about what is in it.
    """
    root = Path(root)
    names = [folder.name for folder in _folders(root)] if root.is_dir() else []
    if name in names:
        return root / name
    if Path(name).is_dir():
        return Path(name)
    raise UnknownNameError(f"cache in {root}", name, names)


def open_cache(path: Path) -> tuple[EmbeddingCache, dict[str, Array]]:
    """Return a cache and all its layers in the order of their numbers, the incomplete ones too.

    Raises:
        CacheError: the folder is no cache, is of another format, or cannot be read.
    """
    try:
        cache = EmbeddingCache(path)
        group = zarr.open_group(LocalStore(path, read_only=True), mode="r", zarr_format=3)
        found = layer_arrays(group)
        cache.provenance.get("backbone")
        len(cache.ids)  # which are read when they are asked for
    except ReprqError:
        raise
    except Exception as error:  # a header that was tampered with fails anywhere, even by a division by zero
        reason = one_line(error, kind=True)
        raise CacheError(f"the cache {path} is damaged ({reason}); delete the folder and extract again") from None
    return cache, dict(sorted(found.items(), key=lambda item: layer_number(item[1])))


def layer_number(array: Array) -> int:
    """Return the number that orders a layer among those of its network."""
    number = array.attrs.get("number")
    return number if isinstance(number, int) else -1


def pick_layer(path: Path | str, layer: str | int | None = None) -> Embeddings:
    """Read one layer of a cache.

    Args:
        path: The folder of the cache.
        layer: Its name; its number, where the plain average stands before other poolings; -1 for the last; may be
            left out if there is only one.

    Raises:
        UnknownNameError: no such layer, or several with this number; the message lists them.
        InputError: no layer is given and there is not exactly one.
        CacheError: the folder is no cache, or is damaged.
    """
    cache, layers = open_cache(Path(path))
    names = list(cache)
    if layer is None:
        if len(names) != 1:
            raise InputError(f"{path} must have one complete layer, got {', '.join(names) or 'none'}; name a layer")
        layer = names[0]
    if layer in cache:
        return cache[str(layer)]
    numbers = {name: layer_number(layers[name]) for name in names}
    wanted = str(layer)
    if wanted.lstrip("-").isdigit():
        number = int(wanted) if int(wanted) >= 0 else max(numbers.values(), default=-1) + 1 + int(wanted)
        matching = [name for name in names if numbers[name] == number]
        if len(plain := [name for name in matching if "@" not in name] or matching) == 1:
            return cache[plain[0]]
    raise UnknownNameError(f"layer of {Path(path).name}", wanted, [f"{numbers[name]} {name}" for name in names])


def remove_cache(path: Path | str, root: Path | str) -> None:
    """Delete a cache, and nothing that is not one.

    The header goes last, so a removal that was interrupted can be repeated.

    Args:
        path: The folder of the cache.
        root: The folder of the caches: a path under it that a symbolic link leads out of it is refused.

    Raises:
        CacheError: the path is a symbolic link or leads out of the root by one, is no cache, holds files that are no
            part of a cache, is being written, or cannot be deleted.
    """
    path, root = Path(path), Path(root)
    check_removable(path, root)
    try:
        with _alone(path):
            for member in sorted(path.iterdir(), key=lambda member: member.name == _HEADER):
                if member.is_dir() and not member.is_symlink():
                    shutil.rmtree(member)
                else:
                    member.unlink()
            path.rmdir()
    except OSError as error:
        raise CacheError(f"the cache {path} cannot be removed: {error.strerror or error}; remove it again") from None


def check_removable(path: Path, root: Path) -> None:
    """Raise the `CacheError` of `remove_cache` if the folder may not be removed."""
    if path.is_symlink():
        raise CacheError(f"{path} is a symbolic link, which removal never follows; name the folder itself")
    inside, real = path.absolute().is_relative_to(root.absolute()), path.resolve()
    if inside and not real.is_relative_to(root.resolve()):
        raise CacheError(f"{path} leads out of {root} to {real} by a symbolic link; name the folder itself")
    if not is_cache(path):
        raise CacheError(f"{path} is not an embedding cache, so it stays; remove it by hand if you mean to")
    foreign = [e.name for e in path.iterdir() if e.name not in _MEMBERS and not e.name.endswith(".partial")]
    if foreign:
        raise CacheError(f"{path} holds {foreign[0]!r}, which is no part of a cache, so it stays; move that away")


def is_cache(path: Path) -> bool:
    """Whether the folder says that it is a cache, of whatever format."""
    header = path / _HEADER
    try:
        said = json.loads(header.read_bytes()) if header.is_file() and not header.is_symlink() else None
    except (OSError, ValueError):
        return False
    return isinstance(said, dict) and "reprq_format" in (said.get("attributes") or {})


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the lock of a cache as its only user; every writer holds it while it writes."""
    try:
        import fcntl
    except ImportError:  # Windows refuses to delete a file in use
        yield
        return
    with (path / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CacheError(f"the cache {path} is being written, so it is not removed; wait or stop that") from None
        yield


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        reason = "is a file; give its folder" if root.exists() else "does not exist; check the path"
        raise CacheError(f"the folder of the caches {root} {reason}")
    return sorted(entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _info(folder: Path) -> CacheInfo:
    files = [folder.lstat()]
    for file in folder.rglob("*") if not folder.is_symlink() else ():
        with suppress(FileNotFoundError):  # another process renamed it
            files.append(file.lstat())
    regular = [status for status in files if S_ISREG(status.st_mode)]
    size, modified = sum(status.st_size for status in regular), max(status.st_mtime for status in files)
    shared = sum(status.st_size for status in regular if status.st_nlink > 1)
    on_disk: dict[str, Any] = {"bytes": size, "shared_bytes": shared, "modified": modified}
    try:
        cache, layers = open_cache(folder)
    except ReprqError as error:
        unknown = dict.fromkeys(("backbone", "weights", "input", "precision", "data", "split", "rows"))
        unknown["preprocessing"] = {}
        found: dict[str, Any] = {**unknown, "complete_layers": 0, "layers": 0, **on_disk, "problem": str(error)}
        return CacheInfo(name=folder.name, path=folder, **found)
    whole = sum(not missing_blocks(array) for array in layers.values())
    made = {**_made(cache.provenance), "rows": len(cache.labels), "complete_layers": whole, "layers": len(layers)}
    return CacheInfo(name=folder.name, path=folder, **made, **on_disk, problem=None)


def _made(provenance: dict[str, Any]) -> dict[str, Any]:
    """What tells a cache from others of the same backbone and samples."""
    backbone, weights, data, split, dtype = (
        str(provenance.get(name, "?")) for name in ("backbone", "weights", "data", "split", "dtype")
    )
    forward = str(provenance.get("precision", "float32"))
    preprocessing = dict(provenance.get("preprocessing") or {})
    return {
        "backbone": backbone,
        "weights": f"{weights} ({str(provenance.get('weights_digest', '?'))[:8]})",
        "input": str(provenance.get("input") or _numbers(preprocessing)),
        "preprocessing": preprocessing,
        "precision": dtype if forward == "float32" else f"{dtype} ({forward})",
        "data": data,
        "split": split,
    }


def _numbers(preprocessing: dict[str, Any]) -> str:
    """What the provenance of older caches says of their input: every whole number, by its key."""
    return ", ".join(f"{key} {value}" for key, value in preprocessing.items() if type(value) is int)
