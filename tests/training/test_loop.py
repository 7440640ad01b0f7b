"""The training loop: what a step is asked, early stop, best epoch, two sources, and a kill that changes nothing."""

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
from reprq.training import Examples, Inputs, Schedule, Step, split_rows, train
from reprq.training.loop import _batches


class Scripted(Step):
    """Its held-out loss follows a script, while every step moves the model on."""

    def __init__(self, model, schedule, held_out):
        super().__init__(model, schedule)
        self.losses = iter(held_out)

    def loss(self, batch, other):
        return self.model(batch.inputs).mean()

    def judge(self, batch):
        return {"loss": next(self.losses)}


def run_script(script, model=None, **changes):
    schedule = Schedule(**{"epochs": 50, "batch_size": 100, "lr": 0.1, "seed": 0, **changes})
    return train(Scripted(model or nn.Linear(1, 1), schedule, script), Examples(torch.zeros(20, 1)))


def test_training_stops_early_and_returns_to_the_best_epoch():
    model = nn.Linear(1, 1)
    start = model.bias.item()
    script = [3.0, 2.0, 2.5, 2.5, 2.5, 2.5, 2.5]
    assert [row["held_out_loss"] for row in run_script(script, model)] == script
    assert model.bias.item() == pytest.approx(start - 2 * 0.1, abs=1e-5)  # Adam moves the bias by lr a step
    assert not model.training


def test_patience_is_the_number_of_epochs_without_a_better_one():
    assert len(run_script([3.0, 2.0, 2.5, 1.0, 1.0, 1.0], patience=2)) == 6


def test_without_patience_the_last_epoch_is_kept():
    model = nn.Linear(1, 1)
    start = model.bias.item()
    assert len(run_script([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], model, patience=None, epochs=7)) == 7
    assert model.bias.item() == pytest.approx(start - 7 * 0.1, abs=1e-5)


def test_without_a_hold_out_every_row_trains_and_nothing_is_judged():
    history = run_script([], patience=None, held_out=0.0, epochs=2)
    assert [set(row) for row in history] == [{"epoch", "loss"}] * 2
    assert sorted(split_rows(7, 0, 0.0)[0]) == list(range(7))


def test_a_loss_that_is_not_finite_stops_training():
    with pytest.raises(InputError, match="the loss is not finite in epoch 1; give an lr below 0.5"):
        run_script([math.nan], lr=0.5)


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
        ({"clip": 0.0}, "clip must be a positive number or None, got 0.0"),
        ({"weight_decay": -1}, "weight_decay must be a number of at least 0, got -1"),
        ({"milestones": (0,)}, "milestones must be a whole number of at least 1, got 0"),
        ({"gamma": 2.0}, r"gamma must be in \(0, 1\], got 2.0"),
        ({"cosine": 1}, "cosine must be True or False, got 1"),
        ({"warm_up": -1}, "warm_up must be a whole number of at least 0, got -1"),
        ({"held_out": 0.0}, "patience looks at the samples held out, and held_out is 0; give patience=None"),
        ({"held_out": 1.0}, r"held_out must be a share in \[0, 1\), got 1.0"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(change, message):
    with pytest.raises(InputError, match=message):
        Schedule(**{"epochs": 1, "batch_size": 2, "lr": 0.1, "seed": 0, **change})


class Regression(Step):
    """A model with batch normalisation and dropout, so that every kind of state matters."""

    def __init__(self, schedule, seed=0, stop_at=None):
        torch.manual_seed(seed)
        super().__init__(nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 1)), schedule)
        self.stop_at = stop_at

    def loss(self, batch, other):
        loss = (self.model(batch.inputs) - batch.targets).square().mean()
        if other is not None:
            loss = loss + (self.model(other.inputs) + other.targets).abs().mean()
        return loss

    def start(self, epoch):
        if epoch == self.stop_at:
            raise _StopError


class _StopError(Exception):
    pass


X = torch.from_numpy(np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32))
REGRESSION = Examples(X, X.sum(1, keepdim=True))
OTHER = Examples(X[:7] + 3, X[:7, :1])
SCHEDULES = {
    "plain": {},
    "rates": {"milestones": (2, 4), "epoch_decay": 0.9, "step_decay": 0.99, "warm_up": 7, "weight_decay": 0.1},
    "last": {"patience": None, "clip": 0.1, "cosine": True},
}


def schedule_of(name="plain", **changes):
    return Schedule(**{"epochs": 6, "batch_size": 8, "lr": 0.01, "seed": 4, **SCHEDULES[name], **changes})


@pytest.mark.parametrize("stop_at", [2, 4, 6])
@pytest.mark.parametrize("name", SCHEDULES)
def test_an_interrupted_training_ends_where_the_whole_one_does(tmp_path, stop_at, name):
    whole = Regression(schedule_of(name))
    history = train(whole, REGRESSION, other=OTHER)
    file = tmp_path / "state"
    with pytest.raises(_StopError):
        train(Regression(schedule_of(name), stop_at=stop_at), REGRESSION, other=OTHER, checkpoint=file)
    again = Regression(schedule_of(name), seed=9)  # its weights come from the checkpoint
    assert train(again, REGRESSION, other=OTHER, checkpoint=file) == history
    for key, value in whole.model.state_dict().items():
        assert torch.equal(value, again.model.state_dict()[key]), key
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_the_first_release_goes_on(tmp_path):
    whole = Regression(schedule_of())
    history = train(whole, REGRESSION)
    file = tmp_path / "state"
    with pytest.raises(_StopError):
        train(Regression(schedule_of(), stop_at=4), REGRESSION, checkpoint=file)
    state = torch.load(file, weights_only=True)
    torch.save({**state, "optimizer": state["optimizer"][0]}, file)  # it had one optimizer, and no list
    assert train(Regression(schedule_of(), seed=9), REGRESSION, checkpoint=file) == history


def test_a_checkpoint_of_another_network_is_refused(tmp_path):
    with pytest.raises(_StopError):
        train(Regression(schedule_of(), stop_at=2), REGRESSION, checkpoint=tmp_path / "state")
    with pytest.raises(InputError, match=r"the checkpoint is of another training: .*; delete it to train anew"):
        train(Scripted(nn.Linear(1, 1), schedule_of(), []), Examples(X), checkpoint=tmp_path / "state")


def rates_of(schedule, n=20):
    """The learning rate of every step."""
    seen = []
    step = Scripted(nn.Linear(1, 1), schedule, iter(lambda: 1.0, None))
    train(
        step,
        Examples(torch.zeros(n, 1)),
        on_batch=lambda step, _: seen.append(step.optimizers[0].param_groups[0]["lr"]),
    )
    return seen


def test_the_learning_rate_follows_its_formula():
    plain = {"epochs": 4, "batch_size": 10, "lr": 0.5, "seed": 0, "patience": None, "held_out": 0.0}
    assert rates_of(Schedule(**plain)) == [0.5] * 8  # two steps an epoch
    assert rates_of(Schedule(**plain, milestones=(1, 3))) == pytest.approx([0.5] * 2 + [0.05] * 4 + [0.005] * 2)
    assert rates_of(Schedule(**plain, epoch_decay=0.5)) == [0.5, 0.5, 0.25, 0.25, 0.125, 0.125, 0.0625, 0.0625]
    assert rates_of(Schedule(**plain, step_decay=0.9)) == pytest.approx([0.5 * 0.9**i for i in range(8)])
    assert rates_of(Schedule(**plain, warm_up=4)) == [0.125, 0.25, 0.375] + [0.5] * 5
    half = [0.25 * (1 + math.cos(math.pi * step / 8)) for step in range(8)]
    assert rates_of(Schedule(**plain, cosine=True)) == pytest.approx(half)
    assert rates_of(Schedule(**plain, cosine=True, warm_up=2)) == pytest.approx([0.25, *half[1:]])


def test_clipping_and_weight_decay_are_torch_s():
    torch.manual_seed(0)
    step = Regression(schedule_of(clip=1e-3, weight_decay=0.0))
    step.update(REGRESSION, None)
    norm = torch.cat([weight.grad.flatten() for weight in step.model.parameters()]).norm()
    assert float(norm) == pytest.approx(1e-3, rel=1e-3)
    assert Regression(schedule_of(weight_decay=0.3)).optimizers[0].param_groups[0]["weight_decay"] == 0.3


class Watching(Scripted):
    """Keeps which rows of either source a step was given."""

    def __init__(self, schedule):
        super().__init__(nn.Linear(1, 1), schedule, iter(lambda: 1.0, None))
        self.seen = []

    def loss(self, batch, other):
        self.seen.append((batch.targets.tolist(), None if other is None else other.targets.tolist()))
        return super().loss(batch, other)


@pytest.mark.parametrize(("n_other", "size"), [(5, 3), (1, 4), (100, None)])
def test_every_step_gets_a_batch_of_both_sources(n_other, size):
    schedule = Schedule(2, 8, 0.1, 0, patience=None, held_out=0.0, other_batch_size=size)
    step = Watching(schedule)
    other = Examples(torch.zeros(n_other, 1), torch.arange(n_other))
    train(step, Examples(torch.zeros(24, 1), torch.arange(24)), other=other)
    assert len(step.seen) == 6
    assert sorted(row for first, _ in step.seen[:3] for row in first) == list(range(24))
    drawn = [row for _, second in step.seen[:3] for row in second]
    assert {len(second) for _, second in step.seen} == {size or 8}
    counts = [drawn.count(row) for row in range(n_other)]
    assert max(counts) - min(counts) <= 1  # all of it before any of it again


class TwoOptimizers(Step):
    """Two networks that take turns, as adversarial ones do."""

    def __init__(self, schedule, seed=0):
        torch.manual_seed(seed)
        super().__init__(nn.ModuleList([nn.Linear(3, 1), nn.Linear(3, 1)]), schedule)
        self.optimizers = [
            torch.optim.Adam(part.parameters(), lr=schedule.lr * 2**i) for i, part in enumerate(self.model)
        ]

    def loss(self, batch, other):
        return sum((part(batch.inputs) - batch.targets).square().mean() for part in self.model)

    def update(self, batch, other):
        for optimizer in self.optimizers:
            loss = self.loss(batch, other)
            self.descend(loss, optimizer)
        return loss.detach()


def test_several_optimizers_keep_their_own_rates_and_state(tmp_path):
    schedule = Schedule(3, 8, 0.01, 0, milestones=(1,), gamma=0.5)
    whole, file = TwoOptimizers(schedule), tmp_path / "state"
    history = train(whole, REGRESSION)
    assert [optimizer.param_groups[0]["lr"] for optimizer in whole.optimizers] == [0.005, 0.01]

    def stop(step, row):
        if row["epoch"] == 2:
            raise _StopError

    with pytest.raises(_StopError):
        train(TwoOptimizers(schedule), REGRESSION, checkpoint=file, on_epoch=stop)
    assert train(TwoOptimizers(schedule, seed=5), REGRESSION, checkpoint=file) == history


def test_all_of_the_model_trains_from_the_first_step_on():
    step, modes = Regression(schedule_of()), []
    for part in step.model.children():
        part.eval()  # as a backbone inside a module that is new
    train(step, REGRESSION, on_batch=lambda step, loss: modes.append([each.training for each in step.model.modules()]))
    assert modes
    assert all(map(all, modes))


def test_hooks_see_every_step_and_epoch_and_change_nothing():
    plain, losses, rows = train(Regression(schedule_of()), REGRESSION), [], []

    def draw(step, loss):
        torch.rand(3)
        losses.append(float(loss))

    watched = train(Regression(schedule_of()), REGRESSION, on_batch=draw, on_epoch=lambda step, row: rows.append(row))
    assert watched == plain == rows
    assert np.mean(losses[:5]) == pytest.approx(plain[0]["loss"])


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 truncated"])
def test_a_damaged_checkpoint_is_an_error_that_names_it(tmp_path, content):
    (tmp_path / "state").write_bytes(content)
    with pytest.raises(ReprqError, match=r"the checkpoint .*state is damaged; delete it to train anew"):
        train(Regression(schedule_of()), REGRESSION, checkpoint=tmp_path / "state")


def test_a_checkpoint_runs_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    torch.save({"model": Evil(), "optimizer": 1, "history": [], "best": {}}, tmp_path / "state")
    with pytest.raises(ReprqError, match="is damaged"):
        train(Regression(schedule_of()), REGRESSION, checkpoint=tmp_path / "state")
    assert not (tmp_path / "ran").exists()


TEACHER = """
import sys
from reprq import pretext
from reprq.data import load_dataset
pretext.train_teacher("simclr", load_dataset("digits").sample(60), out=sys.argv[1], epochs=6, batch_size=8)
"""


@pytest.mark.once
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
