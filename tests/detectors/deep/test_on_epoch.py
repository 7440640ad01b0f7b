"""Watching a training: the detector is fitted as far as it is, and what the watcher does changes nothing."""

import numpy as np
import pytest
import torch

from reprq.backbones import load_backbone
from reprq.data import load_dataset
from reprq.detectors import DeepSVDD, Transfer, create
from reprq.detectors.rows.base import NotFittedError
from reprq.errors import InputError

QUICK = {"epochs": 3, "batch_size": 8, "lr": 1e-3}


@pytest.fixture(scope="module")
def benign():
    return load_dataset("digits").restrict(["0"]).sample(20)


def test_the_watcher_sees_every_epoch_and_changes_none(benign):
    seen = []

    def watch(detector, epoch):
        torch.rand(7)
        seen.append((epoch["epoch"], epoch["loss"], detector.anomaly_score(benign), len(detector.held_out_scores_)))

    watched = DeepSVDD(**QUICK, network="mnist", on_epoch=watch).fit(benign)
    alone = DeepSVDD(**QUICK, network="mnist").fit(benign)
    assert [number for number, *_ in seen] == [0, 1, 2, 3]
    assert [loss for _, loss, *_ in seen] == [None, *(row["loss"] for row in watched.history_)]
    assert watched.history_ == alone.history_
    np.testing.assert_array_equal(seen[-1][2], alone.anomaly_score(benign))
    assert not np.array_equal(seen[0][2], seen[1][2])
    assert seen[0][3] == len(watched.held_out_scores_) == 2
    assert watched.describe() == alone.describe()


def test_a_watcher_that_fails_ends_the_fit_and_nothing_is_fitted(benign):
    def fail(detector, epoch):
        raise InputError("seen enough")

    detector = DeepSVDD(**QUICK, network="mnist", on_epoch=fail)
    with pytest.raises(InputError, match="seen enough"):
        detector.fit(benign)
    with pytest.raises(NotFittedError):
        detector.anomaly_score(benign)


def test_it_goes_on_without_the_epochs_that_are_done(benign, tmp_path):
    seen = []

    def stop(detector, epoch):
        seen.append(epoch["epoch"])
        if len(seen) == 2:
            raise KeyboardInterrupt

    detector = DeepSVDD(**QUICK, network="mnist", on_epoch=stop, checkpoint=tmp_path / "c.pt")
    with pytest.raises(KeyboardInterrupt):
        detector.fit(benign)
    detector.fit(benign)
    assert seen == [0, 1, 2, 3]


def test_what_is_no_function_is_said():
    with pytest.raises(InputError, match="on_epoch must be a function of the detector and an epoch's row, got 'x'"):
        create({"name": "deep_svdd", "on_epoch": "x"}).check_parameters()


def test_layers_are_those_of_the_backbone_at_the_start_and_move(benign):
    start, looks = load_backbone("lenet", "random", seed=3), []
    detector = Transfer(backbone=start, **QUICK, on_epoch=lambda d, epoch: looks.append(d.embed_layers(benign)))
    detector.fit(benign)
    x = torch.stack([detector.transform_(benign.item(i)) for i in range(len(benign))])
    with torch.no_grad():
        first = start.network.get_submodule(start.layers[0].module)
        taken = []
        hook = first.register_forward_hook(lambda module, inputs, outputs: taken.append(outputs.mean((2, 3))))
        start.network(x)
        hook.remove()
    assert list(looks[0]) == [layer.name for layer in start.layers]
    np.testing.assert_allclose(looks[0][start.layers[0].name], taken[0].numpy(), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(looks[-1][start.layers[-1].name], detector.embed(benign))
    assert all(np.abs(looks[-1][name] - looks[0][name]).max() > 1e-6 for name in looks[0])
