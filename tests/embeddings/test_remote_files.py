"""Embedding files on a remote store, by URL; fsspec's memory stands for it."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reprq.embeddings import load_embeddings
from reprq.errors import CacheError, InputError, UnknownNameError

fsspec: Any = pytest.importorskip("fsspec", reason="fsspec is an optional extra")
ROWS = np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Any]:
    np.savez(tmp_path / "rows.npz", X=ROWS, y=np.repeat([0, 1], 10))
    np.save(tmp_path / "rows.npy", ROWS)
    (tmp_path / "img_emb").mkdir()
    for number, part in enumerate(np.split(ROWS, 2)):
        np.save(tmp_path / "img_emb" / f"img_emb_{number}.npy", part)
    memory = fsspec.filesystem("memory")
    memory.put(str(tmp_path), "/files", recursive=True)
    yield memory
    memory.rm("/files", recursive=True)


@pytest.mark.parametrize("name", ["rows.npz", "rows.npy", "img_emb", "img_emb/"])
def test_files_and_folders_are_read_by_url(name: str, store: Any) -> None:
    found = load_embeddings(f"memory://files/{name}")
    np.testing.assert_array_equal(found.array, ROWS)
    assert not isinstance(found.array, np.memmap)
    assert (found.labels is not None) == (name == "rows.npz")


def test_what_is_wrong_is_one_sentence_that_names_the_url(store: Any) -> None:
    with pytest.raises(CacheError, match="there are no embeddings at memory://files/none.npy; check the URL"):
        load_embeddings("memory://files/none.npy")
    with pytest.raises(CacheError, match=r"the embeddings nostore://x\.npy cannot be read"):
        load_embeddings("nostore://x.npy")
    with pytest.raises(UnknownNameError, match="memory://files/rows.npz"):
        load_embeddings("memory://files/rows.npz", key="Z")
    store.pipe("/files/broken.npz", b"PK\x03\x04")
    with pytest.raises(CacheError, match="memory://files/broken.npz"):
        load_embeddings("memory://files/broken.npz")


def test_without_fsspec_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(InputError, match=r"the embeddings memory://x\.npy needs fsspec, .*reprq\[remote\]"):
        load_embeddings("memory://x.npy")
