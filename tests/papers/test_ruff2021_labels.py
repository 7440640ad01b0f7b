import csv
import io
from pathlib import Path

import pytest

from reprq.errors import OutputExistsError
from reprq.papers import reproduce
from reprq.papers.ruff2021 import labels
from reprq.papers.ruff2021.labels import GAMMAS, KNOWN, UNKNOWN, LabelsPreset

TINY = LabelsPreset((("3", "5", "8"),), (2, 1), 0, 1e-2, 8, (0.0, 0.1), 1, (15, 6))


def test_every_share_is_judged_on_known_and_on_unnamed_digits(mnist_root: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(labels.PRESETS, "quick", TINY)
    monkeypatch.setattr(labels, "GAMMAS", (0.0, 0.2))
    out = tmp_path / "out"
    paths = reproduce("ruff2021-labels", "quick", out, root=mnist_root, progress=False)
    assert [path.name for path in paths] == ["labels.png", "labels.svg", "labels.md", "labels.csv", "made.json"]
    rows = list(csv.DictReader(io.StringIO((out / "labels.csv").read_text())))
    assert [(row["method"], row["pollution"], row["gamma"], row["n_labelled"]) for row in rows] == [
        ("Deep SAD", pollution, *rest) if method == "Deep SAD" else (method, pollution, *rest)
        for pollution, n in (("0", 15), ("0.1", 17))
        for method, *rest in (
            ("Deep SAD", "0", "0"),
            ("Deep SAD", "0.2", str(round(n / 4))),
            ("supervised", "0.2", str(round(n / 4))),
        )
    ]
    assert all(0 <= float(row[judged]) <= 1 for row in rows for judged in (KNOWN, UNKNOWN))
    before = (out / "cells.jsonl").read_bytes()
    reproduce("ruff2021-labels", "quick", out, root=mnist_root, progress=False)
    assert (out / "cells.jsonl").read_bytes() == before
    with pytest.raises(OutputExistsError, match="another run"):
        reproduce("ruff2021-labels", "quick", out, root=mnist_root, seed=1, progress=False)


def test_benign_known_and_polluting_digits_differ_in_every_case() -> None:
    for preset in labels.PRESETS.values():
        assert all(len(set(case)) == 3 for case in preset.cases)
    assert len({case[:2] for case in labels.PRESETS["full"].cases}) == 90
    assert GAMMAS[0] == 0
