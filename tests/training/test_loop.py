"""The training loop: early stop, best epoch, and a kill that changes nothing."""

import math
import os
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest
import torch
from torch import nn

from reprq.backbones import load_backbone
from reprq.data import load_dataset
from reprq.errors import InputError, ReprqError
from reprq.training import Inputs, Schedule, split_rows, train
from reprq.training.loop import _batches


def scripted(held_out):
    """An objective whose held-out loss follows a script, while every step moves the model on."""
    losses = iter(held_out)

    def objective(model, images, targets):
        loss = model(images).mean() if model.training else torch.tensor(next(losses))
        return loss, None

    return objective


def test_training_stops_early_and_returns_to_the_best_epoch():
    model = nn.Linear(1, 1)
    start = model.bias.item()
    schedule = Schedule(epochs=50, batch_size=100, lr=0.1, seed=0)
    script = [3.0, 2.0, 2.5, 2.5, 2.5, 2.5, 2.5]
    history = train(
        model, scripted(script), torch.zeros(20, 1), torch.zeros(20), schedule, bar={"desc": "training", "show": False}
    )
    assert [row["held_out_loss"] for row in history] == script
    assert model.bias.item() == pytest.approx(start - 2 * 0.1, abs=1e-5)  # Adam moves the bias by lr a step
    assert not model.training


def test_patience_is_the_number_of_epochs_without_a_better_one():
    schedule = Schedule(epochs=50, batch_size=100, lr=0.1, seed=0, patience=2)
    script = [3.0, 2.0, 2.5, 1.0, 1.0, 1.0]
    history = train(
        nn.Linear(1, 1),
        scripted(script),
        torch.zeros(20, 1),
        torch.zeros(20),
        schedule,
        bar={"desc": "training", "show": False},
    )
    assert len(history) == 6


def test_a_loss_that_is_not_finite_stops_training():
    schedule = Schedule(epochs=2, batch_size=4, lr=0.5, seed=0)
    with pytest.raises(InputError, match="the loss is not finite in epoch 1; give an lr below 0.5"):
        train(nn.Linear(1, 1), scripted([math.nan]), torch.zeros(20, 1), torch.zeros(20), schedule)


@pytest.mark.parametrize(("n", "size"), [(2, 2), (3, 2), (33, 32), (64, 32), (5, 100)])
def test_no_batch_of_one_image(n, size):
    batches = _batches(np.arange(n), size)
    assert np.concatenate(batches).tolist() == list(range(n))
    assert min(map(len, batches)) >= 2


@pytest.mark.parametrize("n", [4, 10, 57])
def test_every_row_trains_or_is_held_out(n):
    kept, held_out = split_rows(n, seed=3)
    assert sorted([*kept, *held_out]) == list(range(n))
    assert len(held_out) == max(2, round(n / 10))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs must be a whole number of at least 1, got 0"),
        ({"patience": True}, "patience must be a whole number of at least 1, got True"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got -1"),
        ({"lr": math.inf}, "lr must be a positive number, got inf"),
        ({"precision": "float64"}, "precision must be float32 or bfloat16, got 'float64'"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        Schedule(**{"epochs": 1, "batch_size": 2, "lr": 0.1, "seed": 0, **change})


def regression(seed=0):
    """A model with batch normalisation and dropout, so that every kind of state matters."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1))
    x = torch.randn(40, 3)
    return model, x, x.sum(1, keepdim=True)


def squared_error(model, x, y):
    return (model(x) - y).square().mean(), None


class _StopError(Exception):
    pass


@pytest.mark.parametrize("stop_at", [1, 3, 5])
def test_an_interrupted_training_ends_where_the_whole_one_does(tmp_path, stop_at):
    schedule = Schedule(epochs=6, batch_size=8, lr=0.01, seed=4)
    whole, x, y = regression()
    history = train(whole, squared_error, x, y, schedule, bar={"desc": "training", "show": False})

    file = tmp_path / "state"
    epochs = iter(range(1, 100))

    def interrupted(model, x, y):
        if not model.training and next(epochs) > stop_at:
            raise _StopError
        return squared_error(model, x, y)

    with pytest.raises(_StopError):
        train(regression()[0], interrupted, x, y, schedule, checkpoint=file, bar={"desc": "training", "show": False})
    again = regression(seed=9)[0]  # its weights come from the checkpoint
    assert (
        train(again, squared_error, x, y, schedule, checkpoint=file, bar={"desc": "training", "show": False}) == history
    )
    for name, value in whole.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 truncated"])
def test_a_damaged_checkpoint_is_an_error_that_names_it(tmp_path, content):
    (tmp_path / "state").write_bytes(content)
    model, x, y = regression()
    with pytest.raises(ReprqError, match=r"the checkpoint .*state is damaged; delete it to train anew"):
        train(model, squared_error, x, y, Schedule(1, 8, 0.01, 0), checkpoint=tmp_path / "state")


def test_a_checkpoint_runs_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    torch.save({"model": Evil(), "optimizer": 1, "history": [], "best": {}}, tmp_path / "state")
    model, x, y = regression()
    with pytest.raises(ReprqError, match="is damaged"):
        train(model, squared_error, x, y, Schedule(1, 8, 0.01, 0), checkpoint=tmp_path / "state")
    assert not (tmp_path / "ran").exists()


TEACHER = """
import sys
from reprq import pretext
from reprq.data import load_dataset
pretext.train_teacher("simclr", load_dataset("digits").sample(60), out=sys.argv[1], epochs=6, batch_size=8)
"""


def test_a_killed_process_goes_on_to_the_same_bytes(tmp_path):
    def start(name):
        command = [sys.executable, "-c", textwrap.dedent(TEACHER), str(tmp_path / name / "t.safetensors")]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    def finish(name):
        process = start(name)
        _, log = process.communicate(timeout=200)
        assert process.returncode == 0, log
        return (tmp_path / name / "t.safetensors").read_bytes(), log

    whole, _ = finish("whole")
    killed = start("killed")
    while killed.poll() is None and not list((tmp_path / "killed").glob(".*.checkpoint")):
        time.sleep(0.01)
    assert killed.poll() is None, "it ended before it could be killed"
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    assert not (tmp_path / "killed" / "t.safetensors").exists()
    again, log = finish("killed")
    assert again == whole
    assert "0/6" not in log  # it did not start anew
    assert [path.name for path in (tmp_path / "killed").iterdir()] == ["t.safetensors"]


def test_images_that_do_not_fit_are_decoded_when_asked_for():
    data, preprocess = load_dataset("digits").sample(10), load_backbone("lenet", "random").preprocessing
    kept, streamed = Inputs(data, preprocess), Inputs(data, preprocess, memory=1000)
    assert (len(kept), len(streamed)) == (10, 10)
    assert torch.equal(kept[[7, 2]], streamed[torch.tensor([7, 2])])
    assert torch.equal(kept[[7]][0], preprocess(data.item(7)))
