"""The autoencoder, VAE and DAGMM on tables beside PyOD's, and DAGMM by the protocol of its paper.

    python benchmarks/generative.py --table cardio.npz thyroid.npz          # X (n, d) and y (1 is anomalous)
    python benchmarks/generative.py --dagmm thyroid.npz --runs 20 --epochs 2000

A seed draws the split and the weights: three fifths of the benign rows train, the others and all anomalies are judged.
All train 50 epochs in batches of 64, with the other defaults of each; "64-32" is our network with the widths of PyOD's
autoencoder, "128-64-32-2" that of its VAE. The squared distance to the mean of z-scores stands beside them and learns
nothing else. Neither PyOD 3.6.7 nor DeepOD 0.4.1 has a DAGMM.

The protocol of DAGMM (Zong et al. 2018, section 4): a random half of all rows, of which the benign ones train; in the
other half a share as large as that of anomalies in the data (2.5 % of Thyroid) has the highest energy and is called
anomalous; precision, recall and F1 of these, over the runs. The network, its two components and lambdas are those of
the paper for Thyroid (12-4-1; tanh; 0.1 and 0.005), as are the learning rate of 1e-4 and batches of 1,024; the paper
has 20,000 epochs. That share is known from labels, so the figures are of a threshold that one would not have.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from recording import Record, add_option, peer, timed, timed_in_turn

from reprq.detectors import DAGMM, VAE, Autoencoder, DeepDetector
from reprq.evaluation import auroc

PUBLISHED = {"precision": 0.4766, "recall": 0.4834, "F1": 0.4782}  # Table 2 of the paper, means of 20 runs
OF_ROWS: dict[str, Callable[..., DeepDetector]] = {
    "autoencoder": Autoencoder,
    "autoencoder, 64-32": partial(Autoencoder, network="mlp:64-32"),
    "vae": VAE,
    "vae, reconstruction": partial(VAE, score="reconstruction"),
    "vae, 128-64-32-2": partial(VAE, network="mlp:128-64-32-2"),
    "dagmm": DAGMM,
}
PEERS = {"AutoEncoder": "pyod.models.auto_encoder", "VAE": "pyod.models.vae"}
_EPOCHS, _BATCH = 50, 64

Rows = NDArray[np.float64]
Labels = NDArray[np.int64]


def split(y: Labels, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Three fifths of the benign rows, and all others."""
    benign = np.random.default_rng(seed).permutation(np.flatnonzero(y == 0))
    kept = benign[: round(0.6 * len(benign))]
    return kept, np.concatenate([benign[len(kept) :], np.flatnonzero(y == 1)])


def ours(kind: Callable[..., DeepDetector], benign: Rows, judged: Rows, seed: int) -> Rows:
    """Scores by a detector of reprq."""
    return kind(epochs=_EPOCHS, batch_size=_BATCH, seed=seed).fit(benign).anomaly_score(judged)


def theirs(kind: Callable[..., Any], benign: Rows, judged: Rows, seed: int) -> Rows:
    """Scores by a detector of PyOD."""
    detector = kind(epoch_num=_EPOCHS, batch_size=_BATCH, random_state=seed, verbose=0)
    return np.asarray(detector.fit(benign).decision_function(judged))


def untrained(benign: Rows, judged: Rows, seed: int) -> Rows:
    """The squared distance to the mean of z-scores."""
    mean, scale = benign.mean(0), benign.std(0)
    squared: Rows = (((judged - mean) / np.where(scale > 0, scale, 1)) ** 2).sum(1)
    return squared


def beside(record: Record, x: Rows, y: Labels, name: str, seeds: int) -> None:
    """AUROC and seconds of all on one table."""
    case = f"{name}, n = {len(x):,}, d = {x.shape[1]}, {_EPOCHS} epochs"
    print(case)
    scored = {f"reprq {word}": partial(ours, kind) for word, kind in OF_ROWS.items()}
    for kind, module in PEERS.items():
        if found := peer(module):
            scored[f"pyod {kind}"] = partial(theirs, getattr(found, kind))
    scored["distance to the mean"] = untrained
    values: dict[str, list[float]] = {who: [] for who in scored}

    def run(who: str) -> None:
        seed = len(values[who])
        kept, judged = split(y, seed)
        values[who].append(auroc(y[judged], scored[who](x[kept], x[judged], seed)).value)

    for who, timing in timed_in_turn({who: partial(run, who) for who in scored}, seeds).items():
        mean, sd = np.mean(values[who]), np.std(values[who])
        record.add(case, who, timing, auroc=float(mean), sd=float(sd))
        print(f"  {who:<28} {timing.wall:8.2f} s {timing.cpu:8.2f} CPU s   AUROC {mean:.3f}, sd {sd:.3f}", flush=True)


def at_the_share(y: Labels, scores: Rows, share: float) -> dict[str, float]:
    """Precision, recall and F1 where a share of the rows has the highest scores."""
    count = round(share * len(y))
    hits = int(y[np.argsort(-scores, kind="stable")[:count]].sum())
    return {"precision": hits / count, "recall": hits / y.sum(), "F1": 2 * hits / (count + y.sum())}


def protocol(record: Record, x: Rows, y: Labels, name: str, runs: int, epochs: int) -> None:
    """Precision, recall and F1 of DAGMM, each run beside the published means."""
    case = f"DAGMM's protocol: {name}, {epochs:,} epochs"
    print(case)
    found: list[dict[str, float]] = []
    for seed in range(runs):
        train, test = np.array_split(np.random.default_rng(seed).permutation(len(x)), 2)
        settings: dict[str, Any] = {"network": "mlp:12-4-1", "lr": 1e-4, "milestones": (), "held_out": 0.0}
        made = DAGMM(components=2, preprocessing="min-max", epochs=epochs, seed=seed, **settings)
        timing = timed(lambda made=made, train=train: made.fit(x[train][y[train] == 0]), 1)
        scores = made.anomaly_score(x[test])
        figures = at_the_share(y[test], scores, float(y.mean())) | {"AUROC": auroc(y[test], scores).value}
        weights = made.mixture_.weights
        figures |= {"smaller weight": float(weights.min())}
        record.add(case, f"seed {seed}", timing, **figures)
        print(f"  seed {seed:<3} " + ", ".join(f"{key} {value:.3f}" for key, value in figures.items()), flush=True)
        found.append(figures)
    for key in found[0]:
        values = [figures[key] for figures in found]
        said = f", published {PUBLISHED[key]:.3f}" if key in PUBLISHED else ""
        print(f"  {key}: mean {np.mean(values):.3f}, sd {np.std(values):.3f}{said}")
    means = {key: float(np.mean([figures[key] for figures in found])) for key in found[0]}
    record.add(case, f"mean of {runs} runs", **means)
    record.add(case, "published", **PUBLISHED)


def read(path: str) -> tuple[Rows, Labels]:
    """X and y of a file."""
    with np.load(path) as file:
        return file["X"].astype(float), file["y"].astype(int).ravel()


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--table", nargs="+", default=[], help=".npz files with X and y, to compare on")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--dagmm", help="an .npz file for the protocol of DAGMM")
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=20_000)
    add_option(parser)
    asked = parser.parse_args()
    tables = Record("generative", {"seeds": asked.seeds})
    for path in asked.table:
        beside(tables, *read(path), Path(path).name, asked.seeds)
    runs = Record("generative-dagmm", {"runs": asked.runs, "epochs": asked.epochs})
    if asked.dagmm:
        protocol(runs, *read(asked.dagmm), Path(asked.dagmm).name, asked.runs, asked.epochs)
    if asked.save:
        for record in (tables, runs):
            if record.rows:
                record.save()


if __name__ == "__main__":
    main()
