"""The tables of Deecke et al. 2021 in small, each beside what was printed, and Figure 5."""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from reprq.papers.beside import LEGEND, beside
from reprq.papers.deecke2021 import published
from reprq.papers.deecke2021.cells import DIGITS, NONE, TINY
from reprq.papers.deecke2021.presets import FROZEN, OWN_NETWORK, SAID, DeeckePreset, Start
from reprq.papers.ruff2021.deep import CLASSES
from reprq.study.cells import Row

_STANDS_FOR = {NONE: "none", DIGITS: "SVHN", TINY: "CIFAR-100"}


def pretraining(rows: list[Row], how: DeeckePreset) -> str:
    """Return how ResNet26 was trained, and its accuracy on images that did not train."""
    asked = how.pretraining
    lines = [["epoch", "loss", "held-out loss", "held-out accuracy"]]
    names = ("loss", "held_out_loss", "held_out_accuracy")
    lines += [[str(row["epoch"]), *(_number(row.get(name)) for name in names)] for row in rows[:-1]]
    last = rows[-1]
    said = (
        f"ResNet26 learns {'all' if asked.samples is None else asked.samples} training images of tiny ImageNet without"
        f" the synsets in `left-out.tsv` at {asked.size} pixels, at most {asked.epochs} epochs, batch"
        f" {asked.batch_size}."
        f" On {last['n']} images of the test side it is right on {100 * last['accuracy']:.1f} %, by chance on"
        f" {100 * last['chance']:.1f} %."
    )
    return f"# Pre-training\n\n{said}\n\n{_markdown(lines)}"


def paradigms(rows: list[Row], how: DeeckePreset) -> str:
    """Return Table 1: OC-SVM on LeNet's convolutions, over chance in points and relative to it."""
    layers = list(dict.fromkeys(row["layer"] for row in rows))
    lines = [["paradigm", *(f"{layer} {what}" for layer in layers for what in ("points", "%", "published"))]]
    for name, printed in published.PARADIGMS.items():
        values = []
        for layer, value in zip(layers, printed, strict=True):
            part = [100 * row["auroc"] - 50 for row in rows if (row["paradigm"], row["layer"]) == (name, layer)]
            over = float(np.mean(part))
            values += [f"{over:.2f}", f"{2 * over:.2f}", f"{value:.2f}"]
        lines.append([name, *values])
    asked, epochs = how.paradigms, how.paradigm_epochs[0]
    said = (
        f"One class against the rest, mean of {', '.join(how.limited(how.classes))}; {how.images[0] or 'all'} training"
        f" images, {how.images[3] or 'all'} test images a class, {how.seeds} seed(s). LeNet of 32 pixels, {epochs}"
        f" epochs: GT+ without a corpus; binary cross-entropy against {how.images[2] or 'all'} images of tiny ImageNet,"
        f" from scratch; and the same from weights that learned {asked.samples or 'all'} images of tiny ImageNet with"
        f" their labels, at most {asked.epochs} epochs. OC-SVM (Gaussian kernel, this library's defaults) on each"
        " convolution, averaged over places. The paper does not say whether its improvement over chance is in points"
        " (AUROC - 50) or in per cent of chance ((AUROC - 50) / 50): both are here."
    )
    return f"# Table 1: what the layers hold\n\n{said}\n\n{_markdown(lines)}"


def against_rest(rows: list[Row], how: DeeckePreset, start: Start | None = None) -> str:
    """Return Table 5: one class against the rest, AUROC; from the first network by default."""
    printed: dict[str, dict[str, float]] = {
        name: {task: published.ONE_VS_REST[name][task] for task in how.classes} for name in (FROZEN, "ADRA", "ADIB")
    }
    printed = {FROZEN: printed[FROZEN], "HSC": dict.fromkeys(how.classes, math.nan), **printed}
    return (
        f"# Table 5: one class of CIFAR-10 against the rest\n\n{_scale(how, start)} {LEGEND} Of HSC the paper's mean"
        f" over ten classes is {published.MEAN_ONE_VS_REST['HSC']}.\n\n{beside(rows, printed)}\n"
    )


def semantic(rows: list[Row], how: DeeckePreset) -> str:
    """Return Table 2: nine classes benign, mean AUROC and mean AP."""
    lines = [["method", "AUROC", "published", "AP", "published"]]
    names = {**{name: name for name in (*OWN_NETWORK, FROZEN)}, "a6": "ADRA", "a7": "ADIB"}
    for row, name in names.items():
        part = [each for each in rows if each["row"] == row]
        auroc, ap = published.SEMANTIC.get(name, (math.nan, math.nan))
        lines.append([name, _percent(part, "auroc"), _printed(auroc), _percent(part, "ap"), _printed(ap)])
    said = (
        f"{_semantic(rows, how)} {', '.join(OWN_NETWORK)} learn turns and moves of the benign images alone, from"
        f" scratch, {how.turning[0]} epochs on the network `exposure` at 32 pixels, the paper's on ResNet26; they were"
        f" run with {', '.join(how.limited(how.semantic))} anomalous."
    )
    return f"# Table 2: the tenth class is anomalous\n\n{said}\n\n{_markdown(lines)}"


def ablation(rows: list[Row], how: DeeckePreset) -> str:
    """Return Table 4: losses, regularizers and a random start, mean AP."""
    lines = [["", "loss, regularizer", "AUROC", "AP", "AP published"]]
    for row in (FROZEN, *SAID):
        part = [each for each in rows if each["row"] == row]
        values = [_percent(part, "auroc"), _percent(part, "ap")]
        title = [row, SAID[row]] if row in SAID else ["", f"{row} on the frozen network"]
        lines.append([*title, *values, _printed(published.ABLATION.get(row, math.nan))])
    said = f"{_semantic(rows, how)} a1 starts as the library initializes, not by Xavier's rule."
    return f"# Table 4: the ablation\n\n{said}\n\n{_markdown(lines, 2)}"


def corpora(rows: list[Row], how: DeeckePreset) -> str:
    """Return Table 6: the choice of the corpus, mean AUROC."""
    lines = [["corpus (published: its stand-in)", "method", "AUROC", "published"]]
    pairs = dict.fromkeys((row["corpus"], row["method"]) for row in rows)
    for corpus, method in pairs:
        part = [row for row in rows if (row["corpus"], row["method"]) == (corpus, method)]
        printed = published.CORPUS.get((_STANDS_FOR[corpus], method), math.nan)
        if method == FROZEN:
            printed = published.MEAN_ONE_VS_REST[FROZEN]
        there = corpus if corpus == NONE else f"{corpus} ({_STANDS_FOR[corpus]})"
        lines.append([there, method, _percent(part, "auroc"), _printed(printed)])
    return (
        f"# Table 6: the corpus\n\n{_scale(how)} Mean over {', '.join(how.limited(how.classes))}, one against the"
        f" rest; the published means are over ten classes.\n\n{_markdown(lines, 2)}"
    )


def small_modes(rows: list[Row], how: DeeckePreset) -> tuple[list[Row], str]:
    """Return the points of Figure 5, and what is said of them: relative AUROC is AUROC over that with r = 1."""
    points = [point for row in rows for point in _points(row)]
    whole = {_key(point): point["auroc"] for point in points if point["share"] == 1}
    points = [{**point, "relative": point["auroc"] / whole[_key(point)]} for point in points]
    lines = [["large", "small", "method", "judged on", *(f"r = {share:g}" for share in how.shares)]]
    for key in dict.fromkeys(map(_key, points)):
        large, small, method, _, mode = key
        seeds = [point for point in points if _key(point) == key]
        values = [next(p for p in seeds if p["share"] == share) for share in how.shares]
        shown = [f"{100 * p['auroc']:.1f} [{100 * p['low']:.1f}, {100 * p['high']:.1f}]" for p in values]
        lines.append([large, small, method, mode, *shown])
    text = (
        f"# Figure 5: a small mode\n\n{_scale(how)} All of the large mode trains and a share r of the small one; the"
        " anomalies are the eight other classes. AUROC in per cent with DeLong's 95 % interval over test images.\n\n"
        f"{_markdown(lines, 4)}"
    )
    return points, text


def figure_5(rows: list[Row], how: DeeckePreset) -> Any:
    """Draw the relative AUROC over r, a panel a pair; the large mode dashed, the small one solid."""
    from matplotlib.figure import Figure

    points = small_modes(rows, how)[0]
    fig = Figure(figsize=(4.2 * len(how.pairs) + 1.6, 3.4), layout="constrained")
    axes = fig.subplots(1, len(how.pairs), sharey=True, squeeze=False)[0]
    places = {share: place for place, share in enumerate(how.shares)}
    for ax, (large, small) in zip(axes, how.pairs, strict=True):
        here = [point for point in points if (point["large"], point["small"]) == (large, small)]
        for number, method in enumerate(dict.fromkeys(point["method"] for point in here)):
            for mode, style in (("large", "--"), ("small", "-")):
                means = [_relative(here, method, mode, share) for share in how.shares]
                label = f"{method}, {mode} mode"
                ax.plot(
                    [places[s] for s in how.shares], means, style, marker="o", ms=4, color=f"C{number}", label=label
                )
        ax.set_xticks(range(len(places)), [f"{share:g}" for share in how.shares])
        ax.set_xlabel("r, the share of the small mode that trains", fontsize=8)
        ax.set_title(f"large: {large}, small: {small}", fontsize=9)
    axes[0].set_ylabel("AUROC over that with r = 1", fontsize=8)
    axes[-1].legend(fontsize=7, handlelength=4, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return fig


def starts(rows: list[Row], how: DeeckePreset) -> str:
    """Return one against the rest by the network that fine-tuning starts from, mean AUROC."""
    few = how.limited(how.classes)
    there = [row for row in rows if (row["protocol"], row["corpus"]) == ("unimodal", TINY) and row["task"] in few]
    names = (FROZEN, "HSC", "ADRA", "ADIB")
    lines = [["theta0", *names]]
    for title in dict.fromkeys(row["start"] for row in there):
        parts = [[row for row in there if (row["start"], row["method"]) == (title, name)] for name in names]
        lines.append([title, *(_percent(unique(part), "auroc") for part in parts)])
    said = f"{_scale(how)} Mean over {', '.join(few)}. A ceiling learned the ten classes with their labels."
    return f"# The network that fine-tuning starts from\n\n{said}\n\n{_markdown(lines)}"


def unique(rows: Iterable[Row]) -> list[Row]:
    """Return rows without those that an earlier table has too."""
    names = ("protocol", "task", "method", "corpus", "start", "seed", "row")
    return list({tuple(row.get(name) for name in names): row for row in rows}.values())


def _points(row: Row) -> list[Row]:
    kept = {name: row[name] for name in ("large", "small", "share", "method", "seed")}
    values = {mode: row[f"mode_{CLASSES['cifar10'].index(row[mode])}"] for mode in ("large", "small")}
    return [
        {**kept, "mode": mode, "auroc": value, "low": low, "high": high} for mode, (value, low, high) in values.items()
    ]


def _key(point: Row) -> tuple[Any, ...]:
    return tuple(point[name] for name in ("large", "small", "method", "seed", "mode"))


def _relative(points: list[Row], method: str, mode: str, share: float) -> float:
    wanted = (method, mode, share)
    found = [point["relative"] for point in points if (point["method"], point["mode"], point["share"]) == wanted]
    return float(np.mean(found))


def _scale(how: DeeckePreset, start: Start | None = None) -> str:
    start = start or how.starts[0]
    n_class, _, n_corpus, n_test = ("all" if n is None else n for n in how.images)
    epochs, milestones = how.epochs
    precision = "" if start.precision == "float32" else f" in {start.precision}"
    return (
        f"{start.title}{precision}; {n_class} training images of a class, {n_corpus} of the corpus, {n_test} test"
        f" images a class, {epochs} epochs, rate a tenth after {', '.join(map(str, milestones)) or 'none'}, {how.seeds}"
        " seed(s)."
    )


def _semantic(rows: list[Row], how: DeeckePreset) -> str:
    share = rows[0]["n_anomalies"] / rows[0]["n_test"]
    of_nine = "all" if how.images[1] is None else how.images[1]
    return (
        f"{_scale(how)} Here {of_nine} training images of each benign class; {', '.join(how.semantic)} anomalous in"
        f" turn, {100 * share:.0f} % of what is scored, which is the AP of chance. In per cent; the published means are"
        " over ten classes."
    )


def _percent(rows: list[Row], name: str) -> str:
    """The mean over tasks and seeds, with the standard deviation over tasks' means."""
    if not rows:
        return "not run"
    tasks = dict.fromkeys(row["task"] for row in rows)
    means = [100 * float(np.mean([row[name] for row in rows if row["task"] == task])) for task in tasks]
    return f"{np.mean(means):.1f}" + (f" ± {np.std(means, ddof=1):.1f}" if len(means) > 1 else "")


def _printed(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1f}"


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.3f}"


def _markdown(lines: list[list[str]], titles: int = 1) -> str:
    ruled = [lines[0], ["---"] * titles + ["---:"] * (len(lines[0]) - titles), *lines[1:]]
    return "\n".join(f"| {' | '.join(line)} |" for line in ruled) + "\n"
