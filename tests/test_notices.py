"""A notice says which fit of many it is about: in a study, a paper and an evaluation."""

import logging

import numpy as np
import pytest

from reprq.data import Split
from reprq.evaluation.detection import evaluate
from reprq.notices import about, notice
from reprq.papers.engine import Experiment as PaperExperiment
from reprq.papers.engine import PaperCell, PaperRun


def test_the_outermost_words_are_said_and_are_gone_after_an_error(caplog):
    with caplog.at_level(logging.WARNING, "reprq"):
        with pytest.raises(KeyError), about("mnist, 100 %"), about("3"):
            raise KeyError(notice("%s is %.2g", "it", 0.123))
        notice("100 % as it stands")
    assert caplog.messages == ["mnist, 100 %: it is 0.12", "100 % as it stands"]


def test_an_evaluation_says_its_task_and_seed(caplog):
    x = np.ones((20, 3))
    spec = {"name": "dagmm", "epochs": 1, "progress": False}
    with caplog.at_level(logging.WARNING, "reprq"):
        evaluate(spec, Split("3 of mnist", np.arange(16), np.arange(20), np.repeat([0, 1], [16, 4])), x, x, seed=5)
    assert caplog.messages
    assert all(each.startswith("3 of mnist, seed 5: dagmm ") for each in caplog.messages)


def test_a_cell_of_a_paper_says_what_it_is(caplog, tmp_path):
    def compute():
        with about("unimodal:3, seed 0"):
            notice("vae has collapsed")
        return []

    cell = PaperCell({"a": 1}, compute, {"set": "mnist", "digit": 0, "without": "", "method": "VAE"})
    with caplog.at_level(logging.WARNING, "reprq"):
        PaperRun("quick", tmp_path, progress=False).finish(PaperExperiment(name="some", cells=[cell], record=""))
    assert caplog.messages == ["set mnist, digit 0, method VAE: vae has collapsed"]
