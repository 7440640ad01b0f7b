"""A package that brings an entry of each kind gets every command and study."""

import json
import os
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE
from typing import NamedTuple

import numpy as np
import pytest

MODULE = """
from reprq.registry import Entry

SPAN = Entry(name="span", target="extra_code:span", inputs="rows", label="span", about="largest entry", reads="wide")
NORM = Entry(name="norm", target="extra_code:Norm", inputs="rows", label="norm", about="length of a row")
TINY = Entry(name="tiny:NAME", target="extra_code:load_tiny", inputs="image", facts={"names": ("tiny:a", "tiny:b")})
LOWEST = Entry(name="lowest", target="extra_code:lowest", inputs="maps, tokens", about="smallest value")
LINES = Entry(name="lines:PATH", target="extra_code:load_lines", inputs="text", about="a text a line")
DOTS = Entry(name="dots", target="extra_code:load_dots", inputs="image", about="made up")
HALVES = Entry(name="halves", target="extra_code:halves", inputs="image", about="digits", facts={"layout": "nothing"})
FLIP = Entry(name="flip", target="extra_pretext:Flip", inputs="image", about="tell whether an image was flipped")
NOTE = Entry(name="note", target="extra_code:note", about="one file", facts={"presets": {"quick": "a second"}})
"""
CODE = """
import numpy as np
import torch
from torch import nn

from reprq.backbones import as_backbone
from reprq.data import as_dataset, load_dataset
from reprq.detectors import ArrayDetector


def span(rows):
    return float(np.abs(rows).max())


class Norm(ArrayDetector):
    def check_parameters(self):
        pass

    def describe(self):
        return "norm"

    def _fit(self, rows, labels):
        pass

    def _score(self, rows):
        return np.square(rows).sum(axis=1)


def load_tiny(name, weights, preprocessing, seed):
    if name == "tiny:none":
        raise KeyError("no such network")
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))
    return as_backbone(network, preprocessing={"size": 8}, name=name)


def load_dots(asked):
    return load_dataset("digits", asked.split, seed=asked.seed).sample(60, seed=0)


def load_lines(asked):
    with open(asked.path) as file:
        return as_dataset({"text": list(file)}, asked.split)


def halves(folder, seed):
    from reprq.data import one_class_split, select_tasks

    train, test = (load_dataset("digits", split, seed=seed) for split in ("train", "test"))
    return [one_class_split(train, test, select_tasks(train.classes, "unimodal:1")[0], seed=seed)]


def note(preset, out, *, root, seed, device, force, progress):
    if root is not None:
        raise ValueError("reads nothing")
    out.mkdir(parents=True)
    (out / "note.txt").write_text(f"{preset} {seed}")
    return [out / "note.txt"]


def lowest(output):
    return output.positions.amin(dim=1)
"""
PRETEXT = """
import torch
from torch import nn

from reprq.pretext.classification import Classification


class Flip(Classification):
    def head(self, data):
        return nn.Linear(self.shapes.width, 2)

    def views(self, images, labels):
        both = torch.cat([images, images.flip(3)])
        return both, torch.arange(2, device=images.device).repeat_interleave(len(images))
"""
POINTS = """
[reprq.metrics]
span = extra_entries:SPAN
[reprq.detectors]
norm = extra_entries:NORM
[reprq.backbones]
tiny:NAME = extra_entries:TINY
[reprq.datasets]
dots = extra_entries:DOTS
lines:PATH = extra_entries:LINES
broken = extra_broken:DOTS
digits = extra_entries:DOTS
[reprq.poolings]
lowest = extra_entries:LOWEST
[reprq.protocols]
halves = extra_entries:HALVES
[reprq.pretext]
flip = extra_entries:FLIP
[reprq.papers]
note = extra_entries:NOTE
"""
STUDY = """
detectors = ["norm", "centroid"]
metrics = ["span", "rankme"]
tasks = ["unimodal:1"]
[data]
name = "dots"


[[backbones]]
name = "tiny:a"
layers = "-1"
pooling = "lowest"
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A folder that looks as an installer leaves it."""
    folder = tmp_path_factory.mktemp("site")
    info = folder / "extra-0.3.dist-info"
    info.mkdir()
    for path, text in {
        folder / "extra_entries.py": MODULE,
        folder / "extra_code.py": CODE,
        folder / "extra_pretext.py": PRETEXT,
        folder / "extra_broken.py": "1 / 0\n",
        info / "METADATA": "Metadata-Version: 2.1\nName: extra\nVersion: 0.3\n",
        info / "entry_points.txt": POINTS,
    }.items():
        path.write_text(text, encoding="utf-8")
    return folder


COMMANDS = """
import contextlib, io, json, os, sys

from reprq.cli import main

for line in sys.stdin:
    folder, arguments = json.loads(line)
    os.chdir(folder)
    os.environ["REPRQ_CACHE"] = os.path.join(folder, "cache")
    sys.argv, status = ["reprq", *arguments], 0
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as stop:
            status = stop.code or 0
    out.seek(0), err.seek(0)
    print(json.dumps([status, out.read(), err.read()]), flush=True)
"""


class Ran(NamedTuple):
    """What a command ended with and wrote."""

    status: int
    stdout: str
    stderr: str


@pytest.fixture(scope="module")
def process(site):
    """One process with the package installed, which runs one command after the other: torch is loaded once."""
    path = os.pathsep.join([str(site), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, "-c", COMMANDS]
    with subprocess.Popen(command, env=environment, stdin=PIPE, stdout=PIPE, stderr=PIPE, text=True) as process:
        yield process


@pytest.fixture
def run(process, tmp_path):
    """Run a command in an empty folder."""

    def run(*arguments: str, status: int = 0) -> Ran:
        process.stdin.write(json.dumps([str(tmp_path), arguments]) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, process.stderr.read()
        ran = Ran(*json.loads(line))
        assert ran.status == status, ran.stderr
        assert "Traceback" not in ran.stderr
        return ran

    return run


def test_its_names_are_listed_and_what_is_broken_is_said_once(run):
    networks = json.loads(run("backbones", "tiny", "--source", "tiny", "--json").stdout)
    assert [row["name"] for row in rows_of(networks)] == ["tiny:a", "tiny:b"]
    listed = run("datasets", "--json")
    assert "dots" in [row["name"] for row in rows_of(json.loads(listed.stdout))]
    said = listed.stderr.splitlines()
    assert "the package extra 0.3 brings a data set 'digits', which is built in; it is left out" in said
    sentence = "the data set 'broken' of the package extra 0.3 cannot be loaded: ZeroDivisionError: division by zero"
    assert said.count(sentence) == 1


def rows_of(found):
    (rows,) = (value for value in found.values() if isinstance(value, list) and value and isinstance(value[0], dict))
    return rows


def test_measure_and_detect_use_its_metric_detector_network_and_data(run):
    both = ("--backbone", "tiny:a", "--data", "dots", "--quiet", "--json")
    (row,) = rows_of(json.loads(run("measure", *both, "--metric", "span").stdout))
    assert row["metric"] == row["definition"] == "span"
    assert row["value"] > 0
    assert (row["n"], row["d"]) == (60, 4)
    (row,) = rows_of(json.loads(run("detect", *both, "--detector", "norm", "--task", "unimodal:1").stdout))
    assert row["detector"] == "norm"
    assert 0 <= row["auroc"] <= 1


def test_its_protocol_pretext_task_and_paper_are_listed_and_run(run, tmp_path):
    assert "halves" in [row["name"] for row in rows_of(json.loads(run("datasets", "--json").stdout))]
    asked = ("--data", "halves", "--detector", "raw:knn", "--quiet", "--json")
    (row,) = rows_of(json.loads(run("detect", *asked).stdout))
    assert row["auroc"] > 0.9
    assert "tell whether an image was flipped" in run("train", "--help").stdout
    teacher = ("flip", "--data", "digits", "--samples", "40", "--epochs", "1", "--out", "flip.safetensors", "--quiet")
    run("train", *teacher)
    found = run("measure", "--backbone", "teacher:flip.safetensors", "--data", "dots", "--metric", "rankme", "--json")
    assert rows_of(json.loads(found.stdout))[0]["value"] > 1
    run("figures", "note", "--out", "paper", "--seed", "3", "--quiet")
    assert (tmp_path / "paper" / "note.txt").read_text() == "quick 3"
    assert "note fails with ValueError: reads nothing" in run("figures", "note", "--root", ".", status=1).stderr


def test_extract_takes_its_network_and_data(run):
    found = run("extract", "--backbone", "tiny:b", "--data", "dots", "--samples", "20", "--quiet")
    assert found.stdout


def test_what_its_code_raises_is_one_sentence(run, tmp_path):
    both = ("--backbone", "tiny:none", "--data", "dots", "--quiet")
    assert "tiny:NAME fails with KeyError: 'no such network'" in run("measure", *both, status=1).stderr
    lacking = ("--backbone", "tiny:a", "--data", "lines:none.txt", "--quiet")
    assert "lines:PATH fails with FileNotFoundError" in run("measure", *lacking, status=1).stderr
    (tmp_path / "some.txt").write_text("a first text\na second one\n")
    found = run("measure", "--backbone", "tiny:a", "--data", "lines:some.txt", "--quiet", status=1).stderr
    assert "backbone tiny:a takes images, and lines:some.txt holds documents" in found


def test_a_study_takes_all_of_them(run, tmp_path):
    (tmp_path / "study.toml").write_text(STUDY, encoding="utf-8")
    run("study", "study.toml", "--out", "results", "--workers", "2", "--quiet")
    tables = {path.stem: path.read_text(encoding="utf-8") for path in (tmp_path / "results").rglob("*.csv")}
    assert ",span," in tables["metrics"]
    assert ",norm," in tables["detectors"]
    assert "tiny:a" in tables["detectors"]
    assert np.char.find(tables["metrics"], "dots") >= 0
