import dataclasses
import io
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reprq.backbones import load_backbone
from reprq.cli.cache import _age, _size
from reprq.data import load_dataset
from reprq.embeddings import extract
from reprq.embeddings.cache.cache import BLOCK_ROWS

Reprq = Callable[..., Any]
ROWS = BLOCK_ROWS + 40  # two blocks


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pristine")
    return extract(
        "lenet", "digits", ["conv1", "conv2"], weights="random", samples=ROWS, cache_dir=root, progress=False
    ).path


@pytest.fixture
def root(pristine: Path, tmp_path: Path) -> Path:
    """A root with one whole cache, one that lacks a block and is older, and a foreign folder that is the oldest."""
    root = tmp_path / "root"
    shutil.copytree(pristine, root / "whole")
    shutil.copytree(pristine, root / "partly")
    (root / "partly" / "layers" / "conv1" / "c" / "1" / "0").unlink()
    (root / "foreign").mkdir()
    for name, seconds in (("partly", 7200), ("foreign", 3 * 86_400)):
        for file in (root / name, *(root / name).rglob("*")):
            os.utime(file, ((root / "whole").stat().st_mtime - seconds,) * 2)
    return root


def flip(cache: Path) -> None:
    file = cache / "layers" / "conv2" / "c" / "0" / "0"
    content = bytearray(file.read_bytes())
    content[50] ^= 1
    file.write_bytes(content)


def test_every_subcommand_has_help(reprq: Reprq) -> None:
    assert all(f"  {name} " in reprq("cache", "--help").out for name in ("ls", "verify", "rm", "export"))
    for name in ("ls", "verify", "rm", "export"):
        assert reprq("cache", name, "--help").out.startswith("Usage: ")


def test_ls_is_a_table_newest_first_with_the_state_of_each(reprq: Reprq, root: Path) -> None:
    ran = reprq("cache", "ls", "--cache", root)
    assert ran.status == 0
    heading, columns, whole, partly, foreign = ran.out.splitlines()
    assert heading == str(root)
    shown = ["name", "backbone", "weights", "input", "precision", "data", "split", "rows", "layers", "size", "age"]
    assert columns.split() == [*shown, "state"]
    assert "lenet" in whole
    assert "2 of 2" in whole
    assert whole.endswith("complete")
    assert "1 of 2" in partly
    assert "2 hours" in partly
    assert partly.endswith("incomplete")
    assert foreign.split()[:9] == ["foreign", *"--------"]
    assert "3 days" in foreign
    assert "is not an embedding cache" in foreign


def test_ls_tells_caches_of_five_weights_files_apart(reprq: Reprq, tmp_path: Path) -> None:
    images = load_dataset("digits").select(range(3))
    for seed in range(5):
        backbone = load_backbone("lenet", "random", seed=seed)
        backbone = dataclasses.replace(backbone, weights="file:model.pth")  # of one name in five folders
        extract(backbone, images, 0, cache_dir=tmp_path, progress=False)
    half = load_backbone("lenet", "random")
    extract(half, images, 0, cache_dir=tmp_path, progress=False, dtype="float16", precision="bfloat16")
    lines = reprq("cache", "ls", "--cache", tmp_path).out.splitlines()[2:]
    seen = {" ".join(line.split()[1:6]) for line in lines}  # without the name
    assert len(seen) == 6
    assert sum("file:model.pth (" in line for line in lines) == 5
    assert sum("float16 (bfloat16)" in line for line in lines) == 1


def test_ls_tells_caches_of_texts_by_the_tokens_that_count(reprq: Reprq, bert: Path, tmp_path: Path) -> None:
    for length in (8, 12):
        how: Any = {"preprocessing": {"max_length": length}, "cache_dir": tmp_path, "progress": False}
        extract(f"hf:{bert}", ["ba be", "da de di"], 0, **how)
    lines = reprq("cache", "ls", "--cache", tmp_path).out.splitlines()[2:]
    assert sorted(line[line.index("at most") :].split(" tokens")[0] for line in lines) == ["at most 12", "at most 8"]


def test_ls_says_of_an_older_cache_what_its_preprocessing_states(reprq: Reprq, root: Path) -> None:
    header = root / "whole" / "zarr.json"
    stored = json.loads(header.read_text())
    del stored["attributes"]["provenance"]["input"]
    header.write_text(json.dumps(stored))
    whole, *_ = json.loads(reprq("cache", "ls", "--cache", root, "--json").out)["rows"]
    assert whole["input"] == "size 32, resize 32"


def test_ls_for_programs(reprq: Reprq, root: Path) -> None:
    body = json.loads(reprq("cache", "ls", "--cache", root, "--json").out)
    assert (body["command"], body["root"]) == ("cache ls", str(root))
    whole, partly, foreign = body["rows"]
    assert (whole["name"], whole["rows"], whole["complete_layers"], whole["layers"]) == ("whole", ROWS, 2, 2)
    assert [row["complete"] for row in body["rows"]] == [True, False, False]
    assert whole["bytes"] > partly["bytes"] > foreign["bytes"] == 0
    assert (whole["input"], whole["pixels"], foreign["input"]) == ("32 x 32 pixels", 32, None)
    assert foreign["problem"].startswith(str(root / "foreign"))
    table = reprq("cache", "ls", "--cache", root, "--csv").out.splitlines()
    assert table[0].startswith("name,path,backbone,data,split,rows,complete_layers,layers,bytes,modified,problem")
    assert len(table) == 4


def test_ls_without_any_cache(reprq: Reprq, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REPRQ_CACHE", str(tmp_path / "fresh"))
    assert reprq("cache", "ls").out == f"{tmp_path / 'fresh'}\n(none)\n"
    ran = reprq("cache", "ls", "--cache", tmp_path / "none")
    assert (ran.status, ran.out) == (1, "")
    assert "none does not exist; check the path" in ran.err


def test_ls_lists_what_extract_wrote_in_the_default_folder(
    reprq: Reprq, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRQ_CACHE", str(tmp_path))
    written = json.loads(
        reprq("extract", "--backbone", "lenet", "--weights", "random", "--samples", 20, "--quiet", "--json").out
    )
    (row,) = json.loads(reprq("cache", "ls", "--json").out)["rows"]
    assert row["path"] == written["path"]
    assert row["complete"]


def test_verify_names_each_problem_and_exits_1(reprq: Reprq, root: Path) -> None:
    ran = reprq("cache", "verify", "whole", "--cache", root, "--quiet")
    assert (ran.status, ran.out, ran.err) == (0, "no problems in whole\n", "")
    flip(root / "whole")
    ran = reprq("cache", "verify", "--cache", root, "--quiet")
    assert ran.status == 1
    whole, partly, foreign = ran.out.splitlines()
    assert whole.startswith("whole: conv2 block 0 is damaged (")
    assert partly == "partly: conv1 lacks 1 of 2 blocks (1); run the extraction again"
    assert foreign.startswith("foreign: ")
    assert ran.err.startswith("reprq: 3 of 3 caches must be extracted again or removed")


def test_verify_for_programs_and_by_path(reprq: Reprq, root: Path) -> None:
    ran = reprq("cache", "verify", root / "partly", root / "whole", "--json", "--quiet")
    assert ran.status == 1
    body = json.loads(ran.out)
    assert body["verified"] == [str(root / "partly"), str(root / "whole")]
    assert [row["name"] for row in body["rows"]] == ["partly"]
    assert "1 of 2 caches" in ran.err
    assert json.loads(reprq("cache", "verify", root / "whole", "--json", "--quiet").out)["rows"] == []


def test_verify_shows_progress_unless_quiet(reprq: Reprq, root: Path) -> None:
    assert "block" in reprq("cache", "verify", "whole", "--cache", root).err


@pytest.mark.parametrize("subcommand", [["verify"], ["rm", "--yes"], ["export", "--to", "x.npy"]])
def test_an_unknown_cache_is_one_line_with_a_suggestion(subcommand: list[str], reprq: Reprq, root: Path) -> None:
    ran = reprq("cache", *subcommand, "whol", "--cache", root)
    assert (ran.status, ran.out) == (1, "")
    assert ran.err == f"reprq: unknown cache in {root} 'whol': did you mean 'whole'? Valid: foreign, partly, whole\n"


def test_rm_asks_and_goes_only_by_yes(reprq: Reprq, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for answer in ("n\n", "\n", ""):
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        ran = reprq("cache", "rm", "whole", "--cache", root)
        assert ran.status == 1
        assert ran.out.strip() == ""
        assert "Remove this cache?" in ran.err
        assert "nothing was removed" in ran.err
        assert (root / "whole").is_dir()
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert reprq("cache", "rm", "whole", "--cache", root).out == f"removed {root / 'whole'}\n"
    assert not (root / "whole").exists()
    assert (root / "partly").is_dir()


def test_rm_of_several_removes_none_if_one_is_no_cache(reprq: Reprq, root: Path) -> None:
    ran = reprq("cache", "rm", "whole", "foreign", "--yes", "--cache", root)
    assert (ran.status, ran.out) == (1, "")
    assert "foreign is not an embedding cache, so it stays" in ran.err
    assert sorted(p.name for p in root.iterdir()) == ["foreign", "partly", "whole"]


def test_rm_incomplete_leaves_whole_and_foreign_folders(reprq: Reprq, root: Path) -> None:
    assert reprq("cache", "rm", "--incomplete", "--yes", "--cache", root).out == f"removed {root / 'partly'}\n"
    assert sorted(p.name for p in root.iterdir()) == ["foreign", "whole"]
    ran = reprq("cache", "rm", "--incomplete", "--yes", "--cache", root)
    assert (ran.status, ran.out, ran.err) == (0, "", "nothing to remove\n")


def test_rm_refuses_a_link_out_of_the_root(reprq: Reprq, root: Path, tmp_path: Path) -> None:
    (root / "whole").rename(tmp_path / "elsewhere")
    (root / "link").symlink_to(tmp_path / "elsewhere")
    ran = reprq("cache", "rm", "link", "--yes", "--cache", root)
    assert ran.status == 1
    assert "is a symbolic link" in ran.err
    assert (tmp_path / "elsewhere" / "zarr.json").exists()


@pytest.mark.parametrize("arguments", [("rm",), ("rm", "x", "--incomplete"), ("export", "x"), ("lss",)])
def test_wrong_usage_is_status_2(reprq: Reprq, arguments: tuple[str, ...]) -> None:
    ran = reprq("cache", *arguments)
    assert (ran.status, ran.out) == (2, "")
    assert "Error: " in ran.err


@pytest.mark.parametrize("layer", ["conv2", 1, -1])
def test_export_writes_what_measure_reads(reprq: Reprq, root: Path, tmp_path: Path, layer: object) -> None:
    out = tmp_path / "x.npz"
    command = ("cache", "export", "whole", "--layer", layer, "--to", out, "--cache", root)
    assert reprq(*command).out == f"{out}\n"
    how = ("--metric", "rankme", "--benign", "*")
    measured = [
        json.loads(reprq("measure", "--embeddings", *source, *how, "--json").out)["rows"][0]["value"]
        for source in ([out], [root / "whole", "--key", "conv2"])
    ]
    assert measured[0] == measured[1]
    again = reprq(*command)
    assert again.status == 1
    assert "x.npz exists already" in again.err
    assert reprq(*command, "--force").status == 0


def test_export_of_an_unknown_layer_lists_the_layers(reprq: Reprq, root: Path, tmp_path: Path) -> None:
    ran = reprq("cache", "export", "whole", "--layer", "conv3", "--to", tmp_path / "x.npy", "--cache", root)
    assert ran.status == 1
    assert "unknown layer of whole 'conv3'" in ran.err
    assert "Valid: 0 conv1, 1 conv2" in ran.err
    assert not (tmp_path / "x.npy").exists()


# Other people's embeddings in the commands that read them


@pytest.fixture
def labelled(tmp_path: Path) -> dict[str, np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.normal(size=(60, 4)), rng.normal(6, 1, size=(10, 4))])
    return {"emb": x, "other": x[:, :2], "truth": np.repeat([0, 1], [60, 10])}


def test_key_and_labels_name_the_arrays(reprq: Reprq, tmp_path: Path, labelled: dict[str, Any]) -> None:
    np.savez(tmp_path / "x.npz", **labelled)
    command = ("detect", "--embeddings", tmp_path / "x.npz", "--detector", "knn", "--json")
    rows = json.loads(reprq(*command, "--key", "emb", "--labels", "truth").out)["rows"]
    assert rows[0]["auroc"] > 0.9
    assert rows[0]["n_anomalies"] == 10
    ran = reprq(*command, "--labels", "truth")
    assert "x.npz must hold one (n, d) array, got emb (70, 4), other (70, 2), truth (70)" in ran.err
    ran = reprq(*command, "--key", "emb")
    assert "must hold labels (n,) with 1 for anomalous; name their array or column with --labels" in ran.err
    ran = reprq("measure", "--embeddings", tmp_path / "x.npz", "--key", "emb", "--labels", "truht")
    assert "unknown array of" in ran.err
    assert "did you mean 'truth'?" in ran.err


def test_detect_refuses_labels_that_are_names(reprq: Reprq, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("a,b,label\n1,2,normal\n2,1,normal\n9,9,anomaly\n")
    ran = reprq("detect", "--embeddings", tmp_path / "x.csv", "--detector", "knn:k=1")
    assert ran.status == 1
    assert "must be 0 (benign) or 1 (anomalous), got anomaly, normal; name those that are benign" in ran.err
    assert reprq("measure", "--embeddings", tmp_path / "x.csv", "--metric", "trace").status == 1


@pytest.mark.shared_data
def test_the_adbench_files_go_straight_in(reprq: Reprq, shared_data: Path) -> None:
    for file in ("CV_by_ResNet18/MVTec-AD_bottle.npz", "CV_by_ResNet18/MVTec-AD_grid.npz"):
        path = shared_data / "embeddings" / file
        (row,) = json.loads(reprq("detect", "--embeddings", path, "--detector", "centroid", "--json").out)["rows"]
        assert 0.5 < row["auroc"] <= 1
        assert reprq("measure", "--embeddings", path, "--metric", "rankme").status == 0


def test_sizes_and_ages_for_a_person() -> None:
    assert [_size(n) for n in (0, 999, 1000, 999_499, 2_340_000, 5e9, 7e13)] == [
        "0 B", "999 B", "1 kB", "999 kB", "2.34 MB", "5 GB", "70 TB",
    ]  # fmt: skip
    assert [_age(s) for s in (-3, 0.2, 1, 59, 60, 3600, 90_000, 900_000)] == [
        "0 seconds", "0 seconds", "1 second", "59 seconds", "1 minute", "1 hour", "1 day", "10 days",
    ]  # fmt: skip
