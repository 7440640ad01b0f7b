"""What training by `reprq.training` costs beside the same steps in bare PyTorch, and Deep SVDD beside its peers.

    python benchmarks/training.py                            # steps of Deep SVDD and the autoencoder, and made rows
    python benchmarks/training.py --table cardio.npz ...     # rows of files with X (n, d) and y (1 is anomalous)

Both sides of a pair train the same network, from the same weights, on the same batches: in float32, channels last, by
Adam. The bare loop shuffles, gathers a batch, and takes the step; nothing is held out. Times are the shortest of some
runs in turn, a step; the ratio is that of processor times. The AUROC of rows is that of the benign rows that were not
trained on (two fifths of them) and of all anomalies, for a number of seeds; beside it stands that of the squared
distance to the mean of z-scores, which learns nothing else. All train 50 epochs in batches of 64, with the other
defaults of each; "64-32" is our network with the widths of PyOD's. PyOD and DeepOD are skipped where they are not
installed: pip install pyod deepod.
"""

import argparse
import copy
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from recording import Record, Timing, add_option, peer, timed_in_turn

from reprq.data import as_dataset
from reprq.detectors import Autoencoder, DeepDetector, DeepSVDD
from reprq.evaluation import auroc
from reprq.training import Examples, train

BATCH = 200
METHODS: dict[str, Callable[..., DeepDetector]] = {"deep_svdd": DeepSVDD, "autoencoder": Autoencoder}
OF_ROWS = {**METHODS, "deep_svdd 64-32": partial(DeepSVDD, network="mlp:64-32")}


def bare(model: torch.nn.Module, x: torch.Tensor, epochs: int, device: str) -> None:
    """The loop that a person would write."""
    model.train()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, weight_decay=1e-6)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(BATCH):
            batch = x[rows].to(device)
            loss = model(batch.contiguous(memory_format=torch.channels_last) if batch.ndim == 4 else batch).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    _wait(device)


def _wait(device: str) -> None:
    """Wait for what a GPU was given."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)


def steps(
    record: Record, network: str, samples: NDArray[Any], epochs: int, repeats: int, *, device: str = "cpu"
) -> None:
    """Time the steps of both detectors with one network, on images or rows."""
    case = f"a step: {network}, batch {BATCH}, {len(samples):,} {'rows' if samples.ndim == 2 else 'images'}"
    print(case)
    for name, kind in METHODS.items():
        settings = {"epochs": 1, "batch_size": BATCH, "held_out": 0.0, "device": device}
        fitted = kind(network=network, **settings).fit(samples if samples.ndim == 2 else as_dataset(samples))
        model, inputs = fitted.network_, fitted.inputs_
        x = inputs[torch.arange(len(samples))].contiguous()

        def ours(fitted: DeepDetector = fitted, model: torch.nn.Module = model) -> None:
            fitted.network_ = copy.deepcopy(model)
            fitted.epochs = epochs
            train(fitted._step(fitted.schedule()), Examples(fitted.inputs_))
            _wait(device)

        calls = {"bare PyTorch": lambda m=model, x=x: bare(copy.deepcopy(m), x, epochs, device), "reprq": ours}
        found = timed_in_turn(calls, repeats)
        base = found["bare PyTorch"]
        for who, timing in found.items():
            count = epochs * math.ceil(len(samples) / BATCH)
            one = Timing([wall / count for wall in timing.walls], [cpu / count for cpu in timing.cpus])
            ratio = timing.cpu / base.cpu if device == "cpu" else timing.wall / base.wall
            record.add(case, f"{name}, {who}", one, ratio=ratio)
            numbers = f"{1e3 * one.wall:8.2f} ms {1e3 * one.cpu:8.2f} CPU ms {ratio:6.2f} x"
            print(f"  {name + ', ' + who:<40} {numbers}", flush=True)


def made_rows() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Benign rows near a plane, and anomalies off it."""
    rng = np.random.default_rng(0)
    near = rng.normal(size=(2_000, 4)) @ rng.normal(size=(4, 16)) + 0.1 * rng.normal(size=(2_000, 16))
    return np.concatenate([near, near[:200] + rng.normal(size=(200, 16))]), np.repeat([0, 1], [2_000, 200])


def rows_and_peer(
    record: Record, x: NDArray[np.float64], y: NDArray[np.int64], name: str, epochs: int, seeds: int
) -> None:
    """AUROC and seconds of Deep SVDD on rows, and of its peers: same rows, epochs and batch, each with its defaults."""
    case = f"rows: {name}, n = {len(x):,}, d = {x.shape[1]}, {epochs} epochs"
    print(case)
    benign = np.random.default_rng(0).permutation(np.flatnonzero(y == 0))
    kept = benign[: round(0.6 * len(benign))]
    judged = np.concatenate([benign[len(kept) :], np.flatnonzero(y == 1)])
    scores: dict[str, list[float]] = {}

    def run(who: str, scored: Callable[[int], NDArray[np.float64]]) -> None:
        found = scores.setdefault(who, [])
        found.append(auroc(y[judged], scored(len(found))).value)

    def ours(kind: Callable[..., DeepDetector], seed: int) -> NDArray[np.float64]:
        return kind(epochs=epochs, batch_size=64, seed=seed).fit(x[kept]).anomaly_score(x[judged])

    def untrained(seed: int) -> NDArray[np.float64]:
        mean, scale = x[kept].mean(0), x[kept].std(0)
        squared: NDArray[np.float64] = (((x[judged] - mean) / np.where(scale > 0, scale, 1)) ** 2).sum(1)
        return squared

    calls = {f"reprq {name}": partial(run, f"reprq {name}", partial(ours, kind)) for name, kind in OF_ROWS.items()}
    calls["distance to the mean"] = partial(run, "distance to the mean", untrained)
    if module := peer("pyod.models.deep_svdd"):

        def theirs(seed: int) -> NDArray[np.float64]:
            settings: dict[str, Any] = {"epochs": epochs, "batch_size": 64, "verbose": 0, "random_state": seed}
            scored: NDArray[np.float64] = (
                module.DeepSVDD(n_features=x.shape[1], **settings).fit(x[kept]).decision_function(x[judged])
            )
            return scored

        calls["pyod DeepSVDD"] = partial(run, "pyod DeepSVDD", theirs)
    if tabular := peer("deepod.models.tabular"):

        def deepod(seed: int) -> NDArray[np.float64]:
            settings: dict[str, Any] = {"epochs": epochs, "batch_size": 64, "device": "cpu", "verbose": 0}
            detector = tabular.DeepSVDD(random_state=seed, **settings)
            detector.fit(x[kept])
            return np.asarray(detector.decision_function(x[judged]))

        calls["deepod DeepSVDD"] = partial(run, "deepod DeepSVDD", deepod)
    for who, timing in timed_in_turn(calls, seeds).items():
        mean, sd = np.mean(scores[who]), np.std(scores[who])
        record.add(case, who, timing, auroc=float(mean), sd=float(sd))
        print(f"  {who:<40} {timing.wall:8.2f} s {timing.cpu:8.2f} CPU s   AUROC {mean:.3f}, sd {sd:.3f}", flush=True)


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", nargs="+", default=[], help=".npz files with X and y")
    parser.add_argument("--images", type=int, default=2_000)
    parser.add_argument("--epochs", type=int, default=2, help="of the steps that are timed")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=3)
    add_option(parser)
    asked = parser.parse_args()
    record = Record("training", {key: value for key, value in vars(asked).items() if key not in ("save", "table")})
    rng = np.random.default_rng(0)
    for network, shape in (("mnist", (28, 28)), ("cifar10", (32, 32, 3))):
        images = rng.integers(0, 256, (asked.images, *shape), dtype=np.uint8)
        steps(record, network, images, asked.epochs, asked.repeats)
    steps(record, "mlp", rng.normal(size=(asked.images, 21)), 10 * asked.epochs, asked.repeats)
    if not asked.table:
        rows_and_peer(record, *made_rows(), "made", 50, asked.seeds)
    for path in asked.table:
        with np.load(path) as file:
            x, y = file["X"].astype(float), file["y"].astype(int).ravel()
        rows_and_peer(record, x, y, Path(path).name, 50, asked.seeds)
    if asked.save:
        record.save()


if __name__ == "__main__":
    main()
