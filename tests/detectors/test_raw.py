"""Detectors of rows on pixels, without a network."""

import numpy as np
import pytest
from click.testing import CliRunner

from reprq.cli import cli
from reprq.data import load_dataset
from reprq.detectors import KNN, create
from reprq.errors import InputError


def test_it_is_the_array_detector_on_pixels():
    zeros, test = load_dataset("digits").restrict(["0"]), load_dataset("digits", "test").select(range(20))
    rows = [
        np.stack([np.asarray(d.item(i), dtype=np.float32).ravel() for i in range(len(d))]) / 255 for d in (zeros, test)
    ]
    expected = KNN(k=2).fit(rows[0]).anomaly_score(rows[1])
    assert np.array_equal(create({"name": "raw:knn", "k": 2}).fit(zeros).anomaly_score(test), expected)


@pytest.mark.parametrize("name", ["raw:raw", "raw:distillation"])
def test_only_detectors_of_rows(name):
    with pytest.raises(InputError, match="raw must name a detector of rows"):
        create(name)


def test_detect_runs_without_a_backbone():
    done = CliRunner().invoke(
        cli, ["detect", "--data", "digits", "--detector", "raw:knn", "--task", "unimodal:3", "--csv"]
    )
    assert done.exit_code == 0, done.output
    assert "raw:knn" in done.stdout


def test_a_detector_of_rows_still_asks_for_a_backbone():
    done = CliRunner().invoke(cli, ["detect", "--data", "digits", "--detector", "knn"])
    assert done.exit_code == 2
    assert "give either --backbone NAME or --embeddings FILE" in done.output
