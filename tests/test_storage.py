import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reprq import detectors, plots, pretext
from reprq.backbones import load_backbone
from reprq.data import load_dataset
from reprq.embeddings import Embeddings, export, extract
from reprq.errors import CacheError, ReprqError
from reprq.storage import file_name, make_folder, readable, write_text, write_whole
from reprq.study.tables import write_table
from reprq.training.checkpoint import Checkpoint

HARD_NAMES = (
    "",
    ".",
    "..",
    ".hidden",
    "a/b",
    "../up",
    "a\\b",
    "a,b",
    "block 7",
    "Layer",
    "layer",
    "LAYER",
    "aux",
    "aux.1",
    "nul",
    "tab\tline\nbell\a\0",
    "x" * 300,
    "x" * 299 + "y",
    "\N{LATIN SMALL LETTER E WITH ACUTE}" * 200,
    "e\N{COMBINING ACUTE ACCENT}",
    "\N{LATIN SMALL LETTER E WITH ACUTE}",
    os.fsdecode(b"caf\xe9"),
    "\ud800",
    "grid:2x2",
    "trailing.",
    "trailing ",
    "*?[a]",
    "~",
)


def test_a_plain_name_stays_as_it_is() -> None:
    for name in ("layer3", "layer1.0.conv2", "layer3@max", "encoder#1", "_orig_mod.conv"):
        assert file_name(name) == name


def test_hard_names_are_files_of_their_own_in_the_folder_even_where_case_is_ignored(tmp_path: Path) -> None:
    assert len({file_name(name).lower() for name in HARD_NAMES}) == len(HARD_NAMES)
    for name in HARD_NAMES:
        (tmp_path / file_name(name)).write_text(name, encoding="utf-8", errors="surrogatepass", newline="")
    found = [path.read_bytes().decode(errors="surrogatepass") for path in tmp_path.iterdir()]
    assert sorted(found) == sorted(HARD_NAMES)


@given(st.text(st.characters(), max_size=300))
def test_any_text_becomes_a_short_visible_name_without_separators(name: str) -> None:
    made = file_name(name)
    assert 0 < len(made.encode("ascii")) <= 100
    assert not made.startswith(".")
    assert not set(made) & set('/\\:*?"<>|') | {c for c in made if ord(c) < 32}
    assert made == name or "~" in made


def _detector(path: Path) -> None:
    detectors.save(detectors.KNN(k=1).fit(np.eye(4)), path)


def _distillation(path: Path) -> None:
    few = load_dataset("digits").select(range(8))
    detectors.Distillation(load_backbone("lenet", "random"), epochs=1, batch_size=4).fit(few).save(path)


def _teacher(path: Path) -> None:
    pretext.train_teacher(
        "random", load_dataset("digits").select(range(8)), out=path, architecture="lenet", progress=False
    )


WRITERS: dict[str, Callable[[Path], object]] = {
    "embeddings.npy": lambda path: export(Embeddings(np.eye(3)), path),
    "embeddings.npz": lambda path: export(Embeddings(np.eye(3)), path),
    "embeddings.safetensors": lambda path: export(Embeddings(np.eye(3)), path),
    "embeddings.parquet": lambda path: export(Embeddings(np.eye(3)), path),
    "detector.safetensors": _detector,
    "distillation.safetensors": _distillation,
    "teacher.safetensors": _teacher,
    "table.csv": lambda path: write_table(pd.DataFrame({"a": [1]}), path),
    "text.json": lambda path: write_text(path, "{}"),
    "checkpoint.pt": lambda path: Checkpoint(path).save({"model": torch.zeros(1)}),
    "figure.png": lambda path: plots.save(plt.figure(), path.with_suffix("")),
}


@pytest.fixture(params=[0o022, 0o027, 0o002, 0o077])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


@pytest.mark.skipif(os.name == "nt", reason="no umask")
def test_every_written_file_has_the_permissions_of_the_umask(umask: int, tmp_path: Path) -> None:
    for name, write in WRITERS.items():
        if name.startswith(("distillation", "teacher")) and umask != 0o022:
            continue  # once is enough for what trains
        write(tmp_path / name)
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o666 & ~umask, name
    plt.close("all")
    assert not list(tmp_path.glob(".*"))


@pytest.mark.skipif(os.name == "nt", reason="no umask")
def test_a_cache_has_the_permissions_of_the_umask(umask: int, tmp_path: Path) -> None:
    few = load_dataset("digits").select(range(4))
    extract("lenet", few, weights="random", cache_dir=tmp_path / "caches", progress=False)
    for path in tmp_path.rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o777 if path.is_dir() else 0o666) & ~umask, path


def test_a_failed_write_keeps_what_was_there_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def half(temporary: Path) -> None:
        temporary.write_text("ne")
        raise OSError(28, "No space left on device")

    with pytest.raises(CacheError, match=r"a\.txt cannot be written: No space left on device; try elsewhere$"):
        write_whole(path, half, error=CacheError, hint="try elsewhere")
    with pytest.raises(KeyboardInterrupt):
        write_whole(path, lambda temporary: (_ for _ in ()).throw(KeyboardInterrupt))
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.txt"]


def test_a_library_that_names_the_temporary_file_is_told_in_the_name_of_the_file(tmp_path: Path) -> None:
    def refuse(temporary: Path) -> None:
        raise RuntimeError(f"no space for {temporary}")

    with pytest.raises(ReprqError, match=f"a.txt cannot be written: no space for {tmp_path / 'a.txt'}$"):
        write_whole(tmp_path / "a.txt", refuse)


@pytest.mark.parametrize("name", ["missing/a.txt", "file/a.txt", "x" * 300])
def test_a_path_that_cannot_be_is_one_sentence(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ReprqError, match="cannot be written"):
        write_text(tmp_path / name, "")
    with pytest.raises(ReprqError, match="cannot be made: a file stands in its way"):
        make_folder(tmp_path / "file" / "folder")


def test_a_name_as_long_as_the_system_allows_can_be_written(tmp_path: Path) -> None:
    write_text(tmp_path / ("x" * 255), "whole")
    assert (tmp_path / ("x" * 255)).read_text() == "whole"


def test_threads_that_write_one_file_leave_one_of_their_versions(tmp_path: Path) -> None:
    texts = [str(i) * 1000 for i in range(8)]
    threads = [threading.Thread(target=write_text, args=(tmp_path / "a", text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "a").read_text() in texts
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("name", [os.fsdecode(b"caf\xe9"), "\ud800"])
def test_undecodable_names_are_written_and_json_reads_them_back(name: str, tmp_path: Path) -> None:
    write_text(tmp_path / "a.json", json.dumps({"id": name}, ensure_ascii=False))
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"id": name}
    write_text(tmp_path / "a.csv", f"id\n{name}\n")
    table: Any = pd.read_csv(tmp_path / "a.csv")
    assert table["id"].item() == readable(name)
