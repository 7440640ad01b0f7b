"""Known anomalies that are copies of what counts as benign are told in words, whichever detector learns from them."""

import logging

import numpy as np
import pytest

from reprq.data import load_dataset
from reprq.detectors import create

SAID = "2 of 3 known anomalies are copies, to the byte, of {}s without a label, which count as benign"
OF_ROWS = ["deep_sad", "supervised", "ss_dgm", "ssad"]


def spec(name):
    return {"name": name} if name == "ssad" else {"name": name, "epochs": 1, "batch_size": 16}


@pytest.mark.parametrize("name", OF_ROWS)
def test_copies_among_rows_are_told(name, caplog):
    rng = np.random.default_rng(0)
    benign, known = rng.normal(size=(20, 3)), rng.normal(4, 1, (3, 3))
    with caplog.at_level(logging.WARNING, "reprq"):
        create(spec(name)).fit(benign, labelled=known)
        assert "copies" not in caplog.text
        copied = np.concatenate([benign[[4, 9]], known[:1]])
        create(spec(name)).fit(benign, labelled=copied, labels=[0, 0, 1])  # known to be benign: nothing is wrong
        assert "copies" not in caplog.text
        create(spec(name)).fit(benign, labelled=copied)
    assert f"{name}: {SAID.format('row')}" in caplog.text


@pytest.mark.parametrize("name", OF_ROWS[:3])
def test_copies_among_images_are_told(name, caplog):
    digits = load_dataset("digits")
    zeros, ones = (digits.select(np.flatnonzero(digits.labels == label)[:12]) for label in (0, 1))
    rows = np.concatenate([np.flatnonzero(digits.labels == 0)[[2, 7]], np.flatnonzero(digits.labels == 1)[:1]])
    with caplog.at_level(logging.WARNING, "reprq"):
        create(spec(name)).fit(zeros, labelled=ones)
        assert "copies" not in caplog.text
        create(spec(name)).fit(zeros, labelled=digits.select(rows))
    assert f"{name}: {SAID.format('image')}" in caplog.text
