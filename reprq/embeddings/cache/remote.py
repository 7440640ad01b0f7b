"""Caches and files on remote stores, found by URL: S3, Google Cloud Storage, HTTP, whatever fsspec reads.

Caches are copied there whole (`aws s3 sync`, `gsutil rsync`, `fsspec.filesystem(...).put`) and read; extraction writes
to folders, where it can rename a block that is whole.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import zarr

from reprq.errors import CacheError, one_line
from reprq.optional import require


def is_url(path: Path | str) -> bool:
    """Return whether a cache is named by a URL.

    Example:
        >>> is_url("s3://bucket/cache"), is_url("runs/cache"), is_url("memory://cache")
        (True, False, True)
    """
    return isinstance(path, str) and "://" in path


def open_remote(url: str) -> zarr.Group:
    """Open the group of a cache for reading.

    Raises:
        CacheError: there is none, or its store cannot be reached.
        InputError: fsspec is not installed.
    """
    require("fsspec", "remote", f"the cache {url}")
    from zarr.storage import FsspecStore

    try:
        store = FsspecStore.from_url(url, read_only=True)
        return zarr.open_group(store, mode="r", zarr_format=3)
    except FileNotFoundError:
        raise CacheError(f"there is no embedding cache at {url}; check the URL, or copy the cache there") from None
    except Exception as error:  # whatever the library of the store raises: no package, no network, no permission
        raise CacheError(f"the cache {url} cannot be opened ({one_line(error, 200)}); check the URL") from None


@contextmanager
def local_copy(url: str) -> Iterator[Path]:
    """Copy the file or folder at a URL, for as long as the context lasts.

    Raises:
        CacheError: there is none, or its store cannot be reached.
        InputError: fsspec is not installed.
    """
    fsspec: Any = require("fsspec", "remote", f"the embeddings {url}")
    with TemporaryDirectory() as folder:
        try:
            store, place = fsspec.core.url_to_fs(url)
            copy = Path(folder, place.rstrip("/").rpartition("/")[2])
            store.get(place, str(copy), recursive=store.isdir(place))
        except FileNotFoundError:
            raise CacheError(f"there are no embeddings at {url}; check the URL") from None
        except Exception as error:  # whatever the library of the store raises: no package, no network, no permission
            raise CacheError(f"the embeddings {url} cannot be read ({one_line(error, 200)}); check the URL") from None
        yield copy


def remote_arrays(group: zarr.Group, folder: str) -> list[str]:
    """Return the names of the arrays in a folder of a cache, sorted; none where there is no such folder."""
    inside: Any = group.get(folder)
    return sorted(inside.array_keys()) if isinstance(inside, zarr.Group) else []
