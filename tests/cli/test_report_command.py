"""`reprq report` and `reprq completion` as a person types them."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Reprq = Callable[..., Any]

STUDY = """
title = "three LeNets"
metrics = ["rankme", "aucev"]
detectors = ["centroid"]
tasks = "unimodal"

[data]
name = "digits"
classes = ["0", "1"]
train_per_class = 20
test_per_class = 20
"""
BACKBONE = """
[[backbones]]
name = "lenet"
label = "lenet {n}"
weights = "random"
preprocessing = {{ resize = {n}, size = 32 }}
"""


def test_a_study_becomes_a_page_that_is_not_replaced_unasked(reprq: Reprq, tmp_path: Path) -> None:
    file = tmp_path / "three.toml"
    file.write_text(STUDY + "".join(BACKBONE.format(n=n) for n in (32, 36, 40)))
    assert reprq("study", file, "--out", tmp_path / "run", "--quiet").status == 0
    ran = reprq("report", tmp_path / "run")
    page = tmp_path / "run" / "report.html"
    assert (ran.status, ran.out, ran.err) == (0, f"{page}\n", "")
    assert "<h1>three LeNets</h1>" in page.read_text()
    again = reprq("report", tmp_path / "run")
    assert (again.status, again.out, again.err.count("\n")) == (1, "", 1)
    assert "--force to replace it" in again.err
    assert reprq("report", tmp_path / "run", "--force").status == 0
    assert reprq("report", tmp_path / "run", "--out", tmp_path / "new.html").out == f"{tmp_path / 'new.html'}\n"


def test_what_is_no_study_is_one_line(reprq: Reprq, tmp_path: Path) -> None:
    ran = reprq("report", tmp_path)
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert "run `reprq study` first" in ran.err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_shell(reprq: Reprq, shell: str) -> None:
    ran = reprq("completion", shell)
    assert (ran.status, ran.err) == (0, "")
    assert f"_REPRQ_COMPLETE={shell}_complete" in ran.out


def test_the_script_is_answered(reprq: Reprq, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_REPRQ_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "reprq me")
    monkeypatch.setenv("COMP_CWORD", "1")
    assert reprq().out == "plain,measure\n"


def test_bash_reads_the_script(reprq: Reprq) -> None:
    script = reprq("completion", "bash").out
    subprocess.run(["bash", "-n"], input=script, text=True, check=True)


@pytest.mark.parametrize("option", ["--gallery", "--points"])
def test_a_run_behind_an_option_that_takes_a_number_is_told_where_to_stand(
    option: str, reprq: Reprq, tmp_path: Path
) -> None:
    ran = reprq("report", option, tmp_path)
    assert ran.status == 2
    assert f"'{tmp_path}' is no number; if it is RUN, write it first: reprq report {tmp_path} {option}" in ran.err
    assert "is not in the range" in reprq("report", tmp_path, option, 99).err
