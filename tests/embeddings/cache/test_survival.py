"""Real processes: killed at every step of writing, two at once, two ranks, a disk that is full."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reprq.embeddings import EmbeddingCache

BATCH = 128  # of the script
SCRIPT = Path(__file__).with_name("survival.py")
REPRQ = [sys.executable, "-m", "reprq"]
EXTRACT = ["extract", "--backbone", "lenet", "--weights", "random", "--samples", "1100", "--quiet", "--json"]

pytestmark = pytest.mark.once


def files(folder: Path) -> dict[str, bytes]:
    """The bytes of the one cache in a folder."""
    (cache,) = folder.iterdir()
    return {
        str(path.relative_to(cache)): path.read_bytes()
        for path in sorted(cache.rglob("*"))
        if path.is_file() and path.parent.name != "unfinished"  # left where a kill came just after the last block
    }


def survival(*arguments: object) -> list[dict[str, dict[str, int]]]:
    ran = subprocess.run(
        [sys.executable, SCRIPT, *map(str, arguments)], capture_output=True, text=True, check=True, timeout=250
    )
    return [json.loads(line) for line in ran.stdout.splitlines()]


def environment(**more: str) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", **more}


def test_a_process_killed_at_any_step_resumes_to_the_same_bytes_and_redoes_at_most_one_batch(tmp_path: Path) -> None:
    (whole,) = survival(tmp_path / "whole")
    steps = int(whole["steps"])  # type: ignore[call-overload]
    assert steps >= 20
    expected = files(tmp_path / "whole")
    ran = survival(tmp_path / "cut", *range(1, steps + 1))
    assert len(ran) == steps
    for line in ran:
        killed, resumed = line["killed"], line["resumed"]
        assert killed["signal"] == 9
        assert resumed["signal"] == 0
        assert killed["images"] + resumed["images"] <= 530 + BATCH
        assert files(tmp_path / "cut" / str(line["point"])) == expected


def test_two_processes_that_extract_the_same_at_once_both_end_well(tmp_path: Path) -> None:
    command = [*REPRQ, *EXTRACT, "--cache", str(tmp_path)]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
        for _ in range(2)
    ]
    printed = [process.communicate(timeout=200) for process in both]
    assert [process.returncode for process in both] == [0, 0], printed
    assert printed[0][0] == printed[1][0]
    (cache,) = tmp_path.iterdir()
    assert len(EmbeddingCache(cache)) == 4
    assert not list(cache.rglob("*.partial"))


def test_two_ranks_fill_one_cache_identical_to_that_of_one_process(tmp_path: Path) -> None:
    subprocess.run(
        [*REPRQ, *EXTRACT, "--cache", str(tmp_path / "one")], check=True, capture_output=True, env=environment()
    )
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m", "reprq"]
    ran = subprocess.run(
        [*torchrun, *EXTRACT, "--cache", str(tmp_path / "two")],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=200,
    )
    assert ran.returncode == 0, ran.stderr
    assert len(json.loads(ran.stdout)["rows"]) == 4  # rank 0 alone prints
    assert files(tmp_path / "two") == files(tmp_path / "one")


def test_a_lost_rank_leaves_a_cache_that_resumes(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    subprocess.run(
        [*REPRQ, *EXTRACT, "--cache", str(tmp_path / "one")], check=True, capture_output=True, env=environment()
    )
    code = "import sys; sys.argv = ['reprq', *sys.argv[1:]]; from reprq.embeddings import extraction; "
    code += "from contextlib import nullcontext; extraction.together = lambda *_: nullcontext(); "
    code += "from reprq.cli import main; main()"
    command = [sys.executable, "-c", code, *EXTRACT, "--cache", str(tmp_path / "two")]
    lost = environment(RANK="0", WORLD_SIZE="2", LOCAL_RANK="0")  # rank 1 never starts, and nobody waits for it
    assert subprocess.run(command, capture_output=True, text=True, env=lost).returncode == 0
    (cache,) = (tmp_path / "two").iterdir()
    assert list(EmbeddingCache(cache)) == []
    assert len(list((cache / "layers" / "conv1" / "c").iterdir())) == 2
    subprocess.run(
        [*REPRQ, *EXTRACT, "--cache", str(tmp_path / "two")], check=True, capture_output=True, env=environment()
    )
    assert files(tmp_path / "two") == files(tmp_path / "one")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_full_disk_is_one_plain_line_and_what_was_written_stays_usable(tmp_path: Path) -> None:
    cache = str(tmp_path)
    assert subprocess.run([*REPRQ, *EXTRACT, "--layers", "0", "--cache", cache], env=environment()).returncode == 0
    limited = f"ulimit -f 40; exec {' '.join(REPRQ + EXTRACT)} --layers all --cache {cache}"
    ran = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, env=environment())
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert "cannot be written: File too large; what was written stays usable" in ran.stderr
    (folder,) = tmp_path.iterdir()
    assert "conv1" in EmbeddingCache(folder)
    assert subprocess.run([*REPRQ, *EXTRACT, "--cache", cache], env=environment()).returncode == 0
    assert len(EmbeddingCache(folder)) == 4
