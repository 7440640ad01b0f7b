"""What choosing a layer by a rule gains and loses, in worlds whose truth is known."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from reprq.analysis.chance import chance_scores
from reprq.analysis.left_out import predictions
from reprq.analysis.regret import regret_table, regrets, scored
from reprq.analysis.rules import COMBINATION, StudyArrays, picks, scaled_ranks
from simulations.measured import Measured, Section, measured

Floats = NDArray[np.float64]
CLASSES, LAYERS = 10, 7
SHIPPED = (6, 2, 2, 2, 2, 2)  # networks an architecture of the study of JPEG CIFAR-10
RESAMPLES = 100


def world(
    rng: np.random.Generator,
    sizes: tuple[int, ...],
    *,
    shared: float = 0.0,
    signal: float = 0.0,
    trend: float = 0.0,
    noise: float = 0.0,
    spread: float = 0.06,
) -> tuple[StudyArrays, Floats]:
    """Draw a study of three metrics, and the true score of each layer in each task, (P, T).

    Args:
        rng: Draws it.
        sizes: How many networks each architecture has.
        shared: The share of the effects of networks and layers, on scores and on metrics, that architectures carry.
        signal: The share of the first metric that is the score.
        trend: How much of all metrics and scores goes with depth, in units of their spread.
        noise: The standard deviation of the score of either half of the test rows.
        spread: The standard deviation of the true scores between networks; layers have a half, tasks a third of it.
    """
    architectures = np.repeat(np.arange(len(sizes)), sizes)
    networks = np.repeat(np.arange(len(architectures)), LAYERS)
    depth = np.tile(np.linspace(-1, 1, LAYERS), len(architectures))
    targets = np.tile(np.arange(CLASSES), 2)
    shape = (len(networks), len(targets))

    def effects() -> Floats:
        parts = np.sqrt(shared) * rng.normal(size=len(sizes))[architectures]
        parts = parts + np.sqrt(1 - shared) * rng.normal(size=len(architectures))
        layers = np.sqrt(shared) * rng.normal(size=(len(sizes), LAYERS))[architectures]
        layers = layers + np.sqrt(1 - shared) * rng.normal(size=(len(architectures), LAYERS))
        layer = parts[networks] + 0.5 * layers.ravel() + trend * depth
        return layer[:, None] + rng.normal(size=shape) / 3

    score = effects()
    values = [effects() for _ in range(3)]
    values[0] = signal * score + np.sqrt(1 - signal**2) * values[0]
    truth = 0.7 + spread * score
    halves = truth + noise * rng.normal(size=(2, *shape))
    points = pd.DataFrame({"backbone": [f"net {n:02d}" for n in networks], "layer": "l"})
    points["layer_number"] = np.tile(np.arange(LAYERS), len(architectures))
    names = architectures[networks].astype(str)
    study = StudyArrays(
        dataset="one",
        points=points.assign(network=names),
        tasks=np.array([f"{kind}:{k}" for kind in ("unimodal", "multimodal") for k in range(CLASSES)]),
        targets=targets.astype(str),
        clusters=names,
        metrics=("one", "two", "three"),
        ranks=np.stack([scaled_ranks(each) for each in values], axis=-1),
        scores=halves.mean(0),
        folds=np.stack([halves, halves[::-1]]),
        hindsight="half of the rows",
    )
    return study, truth


ALONE = (1,) * 16
WORLDS = {
    "16 unrelated networks": (ALONE, {}),
    "the same, all trending with depth": (ALONE, {"trend": 1.0}),
    "architectures (6, 2, 2, 2, 2, 2) carry all": (SHIPPED, {"shared": 1.0}),
    "architectures (6, 2, 2, 2, 2, 2) carry half": (SHIPPED, {"shared": 0.5}),
    "16 unrelated networks, the metric is .5 of the score": (ALONE, {"signal": 0.5}),
    "16 unrelated networks, the metric is .9 of the score": (ALONE, {"signal": 0.9}),
    "the architectures carry half, the metric is .9 of the score": (SHIPPED, {"shared": 0.5, "signal": 0.9}),
}


def gains(trials: int, seed: int) -> Iterator[Measured]:
    """Without a signal p <= .05 in no more than 5 %; intervals of a gain hold its mean over worlds."""
    for setting, (sizes, how) in WORLDS.items():
        rng = np.random.default_rng(seed)
        tables = []
        for _ in range(max(1, trials // 5)):
            study, _ = world(rng, sizes, **how)
            said, moved = predictions([study]), chance_scores([study], RESAMPLES, seed)
            tables.append(regret_table([study], said, moved, "auroc").set_index("rule"))
        for rule in ("one", COMBINATION, "last layer"):
            rows = pd.DataFrame([table.loc[rule] for table in tables])
            if rule != "last layer":
                wanted = None if "signal" in how else 0.05
                yield measured(setting, f"p <= .05, {rule}", wanted, rows["p_value"] <= 0.05)
            for name in ("over_random", "over_last"):
                truth = rows[name].mean()
                for kind, wanted in (("", 0.95), ("_classes", None)):
                    held = (rows[f"{name}{kind}_low"] <= truth) & (truth <= rows[f"{name}{kind}_high"])
                    yield measured(setting, f"{name}{kind}, {rule}", wanted, held)


def siblings(trials: int, seed: int) -> Iterator[Measured]:
    """Where nothing but the architecture is shared, a rule gains nothing on a network whose siblings are left out."""
    found: dict[str, list[float]] = {"architecture": [], "backbone": []}
    rng = np.random.default_rng(seed)
    for _ in range(trials):
        study, truth = world(rng, SHIPPED, shared=0.9)
        for unit, values in found.items():
            left_out = study.clusters if unit == "architecture" else study.backbones.astype(str)
            said = predictions([replace(study, clusters=left_out)])[0][COMBINATION]
            values.append(float(scored(picks(said), truth).mean() - truth.mean()))
    for unit, values in found.items():
        yield measured("nothing but the architecture is shared", f"gain, {unit} left out", 0.0, values)


def maximum(trials: int, seed: int) -> Iterator[Measured]:
    """The regret that is reported less the true one, by what chose the best layer in hindsight."""
    for setting, how in (
        ("112 layers of one true AUROC", {"spread": 0.0}),
        ("112 layers, true AUROCs spread by .02", {"spread": 0.02}),
        ("112 layers, true AUROCs spread by .06", {"spread": 0.06, "signal": 0.8}),
    ):
        for noise in (0.01, 0.03):
            rng, true, reported = np.random.default_rng(seed), [], {"same rows": [], "half of the rows": []}
            for _ in range(trials):
                study, truth = world(rng, (1,) * 16, noise=noise, **how)
                chosen = picks(predictions([study])[0]["one"])
                same = replace(study, folds=np.stack([study.scores] * 2)[None])
                true.append(float((truth.max(0) - scored(chosen, truth)).mean()))
                for name, each in (("same rows", same), ("half of the rows", study)):
                    reported[name].append(float(regrets(each, chosen).mean()))
            named = f"{setting}, noise of a half {noise:g}"
            yield measured(named, "true regret", None, true)
            for name, values in reported.items():
                wanted = float(np.mean(true)) if name == "half of the rows" else None
                yield measured(named, f"regret, {name}", wanted, values)


SECTIONS: dict[str, Section] = {"gains": gains, "siblings": siblings, "maximum": maximum}
