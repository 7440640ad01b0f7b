"""Benign data with a small mode: all of one class, and a share of another that is benign too (Deecke et al. 2021)."""

import math
from dataclasses import replace

import numpy as np

from reprq.data.dataset import Dataset
from reprq.data.splits import Split
from reprq.errors import DataError, InputError, UnknownNameError, listed


def small_mode_split(train: Dataset, test: Dataset, large: str, small: str, share: float, *, seed: int = 0) -> Split:
    """Train on all of one class and round(r m) of the m samples of another; both are benign (Figure 5).

    With as many samples of either class this draws from S_n ~ 1 / (r + 1) P_large + r / (r + 1) P_small. The anomalies
    are the other classes alone: the small mode is never one, not even where r = 0 and none of it trains. Fewer samples
    of it are among more, under one seed. `judged_on` gives the split on which one mode alone is judged.

    Args:
        train: The training side.
        test: The test side, all of which is scored.
        large: The class that trains whole.
        small: The other benign class.
        share: r, in [0, 1].
        seed: Of the draw.

    Raises:
        UnknownNameError: The data have no such class.
        InputError: The same class twice, sides of different classes, or a share outside [0, 1] or of no sample.
        DataError: A side has no sample of a class that it needs.

    Example:
        >>> from reprq.data import load_dataset
        >>> split = small_mode_split(load_dataset("digits"), load_dataset("digits", "test"), "8", "3", 0.1)
        >>> split.name, len(split.train), int(split.labels[split.classes == 3].max())
        ('benign:8 with 10 % of 3', 135, 0)
    """
    for name in (large, small):
        if name not in train.classes:
            raise UnknownNameError(f"class of {train.name}", name, train.classes)
    if large == small:
        raise InputError(f"small must be another class than large, got {small!r} twice; name two")
    if train.classes != test.classes:
        raise InputError(
            f"train and test must have the same classes, got {listed(train.classes)} and {listed(test.classes)}"
        )
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1 or math.isnan(share):
        raise InputError(f"share must be a number from 0 to 1, got {share!r}; 1 trains on all of {small}")
    numbers = [train.classes.index(name) for name in (large, small)]
    whole, other = (np.flatnonzero(train.labels == number) for number in numbers)
    labels = (~np.isin(test.labels, numbers)).astype(np.int64)
    counts = [len(whole), len(other), *((test.labels == number).sum() for number in numbers), labels.sum()]
    if not all(counts):
        raise DataError(
            f"{train.name} must have training and test {train.noun}s of {large} and {small}, and others to score; got"
            f" {counts[0]} and {counts[1]}, {counts[2]} and {counts[3]}, and {counts[4]} others"
        )
    count = round(share * len(other))
    if share and not count:
        raise InputError(
            f"share must leave a training {train.noun} of {small}, got {share:g} of {len(other)}; give more, or 0"
        )
    drawn = np.random.default_rng(seed).permutation(other)[:count]
    scenario = f"with {100 * share:g} % of {small}"
    return Split(
        name=f"benign:{large} {scenario}",
        train=np.sort(np.concatenate([whole, drawn])),
        test=np.arange(len(test)),
        labels=labels,
        classes=test.labels,
        dataset=train.name,
        task=f"benign:{large},{small}",
        kind="multimodal",
        scenario=scenario,
        made={"large": large, "small": small, "share": share, "seed": seed},
    )


def judged_on(split: Split, mode: str, number: int) -> Split:
    """Return a split of `small_mode_split` on which one mode alone stands against the anomalies.

    Args:
        split: The split of both.
        mode: The name of the class.
        number: Its number in `split.classes`.

    Example:
        >>> from reprq.data import load_dataset
        >>> sides = load_dataset("digits"), load_dataset("digits", "test")
        >>> split = small_mode_split(*sides, "8", "3", 0.1)
        >>> alone = judged_on(split, "3", 3)
        >>> alone.scenario, set(alone.classes[alone.labels == 0].tolist())
        ('with 10 % of 3, judged on 3', {3})
    """
    assert split.classes is not None
    kept = (split.labels == 1) | (split.classes == number)
    said = f", judged on {mode}"
    return replace(
        split,
        name=split.name + said,
        kind="unimodal",
        scenario=split.scenario + said,
        test=split.test[kept],
        labels=split.labels[kept],
        classes=split.classes[kept],
        made={**split.made, "judged on": mode},
    )
