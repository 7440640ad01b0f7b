"""`reprq train TASK`: trains a teacher on a pretext task."""

import csv
from pathlib import Path
from typing import Any

import click

from reprq.cli import options
from reprq.cli.groups import Naming
from reprq.cli.sources import say
from reprq.errors import InputError
from reprq.pretext.registry import TASKS


@click.command(cls=Naming, registry=TASKS)
@click.argument("task")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The teacher's file (.safetensors).")
@click.option("--architecture", metavar="NAME", help="The network to train. [default: lenet, of a table mlp]")
@click.option(
    "--weights",
    default="random",
    show_default=True,
    metavar="FILE",
    help="What the network starts from: random, default (those of its source), or a file.",
)
@click.option("--size", type=click.IntRange(min=1), help="Side of the input in pixels; the network's own by default.")
@click.option("--channels", type=click.Choice(["rgb", "bgr", "gray"]), help="Those that the network sees.")
@options.whole_images
@click.option("--max-length", type=click.IntRange(min=1), help="Tokens of a text that count; the network's by default.")
@options.rows
@options.data
@click.option("--classes", metavar="A,B", help="Only these classes of the data set; quote a name with a comma.")
@click.option(
    "--without",
    metavar="A,B",
    help="Leave out the classes that name one of these, which may be another data set's: golden retriever names dog.",
)
@click.option(
    "--task", "one_class", metavar="NAME", help="Only the benign samples of this one-class task: unimodal:cat."
)
@click.option("--samples", type=click.IntRange(min=1), help="So many samples, drawn by the seed.")
@click.option("--epochs", default=8, show_default=True, help="The most epochs.")
@click.option("--batch-size", default=32, show_default=True, help="Images a step.")
@click.option("--lr", default=1e-3, show_default=True, help="Learning rate of Adam.")
@click.option("--patience", default=5, show_default=True, help="Epochs without a better loss on a hold-out.")
@click.option("--precision", default="float32", show_default=True, type=click.Choice(["float32", "bfloat16"]))
@click.option(
    "--augment",
    metavar="A,B",
    help="Of the images that train: flip, crop (moves by up to an eighth), jitter (of colors), noise.",
)
@click.option("--cosine", is_flag=True, help="Let the rate fall to 0 along half a cosine over all epochs.")
@click.option("--warm-up", default=0, show_default=True, help="Steps over which the rate rises at the start.")
@click.option("--weight-decay", default=0.0, show_default=True, help="Lambda of (lambda / 2) ||W||^2.")
@click.option(
    "--balance-sets",
    is_flag=True,
    help="Of merged data (joint_digits): resample smaller sets to the largest of each class; all in every batch.",
)
@options.seed("Seeds weights, hold-out, order and views.")
@click.option("--device", default="cpu", show_default=True, help="A torch device: cpu, cuda, cuda:1, mps.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
def train(
    task: str,
    out: Path,
    architecture: str | None,
    weights: str,
    size: int | None,
    channels: str | None,
    crop: str | None,
    squash: bool | None,
    max_length: int | None,
    scaler: str | None,
    impute: str | None,
    data: str,
    root: Path | None,
    download: bool,
    intensity_range: tuple[float, float] | None,
    skip_broken: bool,
    classes: str | None,
    without: str | None,
    one_class: str | None,
    samples: int | None,
    epochs: int,
    batch_size: int,
    lr: float,
    patience: int,
    precision: str,
    augment: str | None,
    cosine: bool,
    warm_up: int,
    weight_decay: float,
    balance_sets: bool,
    seed: int,
    device: str,
    force: bool,
    quiet: bool,
) -> None:
    """Train a teacher on the pretext TASK, and write it to a file that --backbone teacher:PATH reads.

    A teacher should see benign samples only: name the one-class task with --task. supervised alone is taught benign
    against anomalous, and needs it. What is interrupted goes on with the same command.
    """
    from reprq import pretext
    from reprq.data import load_dataset, select_tasks
    from reprq.data.corpus import without_classes

    options.check_device(device)
    TASKS.find(task)
    reading: dict[str, Any] = {"intensity_range": intensity_range, "skip_broken": skip_broken}
    images = load_dataset(data, root=root, download=download, seed=seed, **reading)
    say(*images.notes)
    if classes is not None:
        images = images.restrict([classes] if classes in images.classes else next(csv.reader([classes])))
    if without is not None:
        left = without_classes(images, next(csv.reader([without])))
        say(*left.notes[len(images.notes) :])
        images = left.restrict([left.classes[i] for i in sorted(set(left.labels.tolist()))])
    if one_class is not None:
        (chosen, *more) = select_tasks(images.classes, one_class)
        if more:
            raise InputError(f"--task must name one one-class task, got {one_class!r}; for example {chosen.name}")
        if task == "supervised":
            images = pretext.as_benign_or_anomalous(images, chosen)
        else:
            images = images.select(chosen.benign_rows(images.labels))
    changed = {"size": size, "channels": channels, "crop": crop, "squash": squash, "max_length": max_length}
    changed |= {"scaler": scaler, "impute": impute}
    path = pretext.train_teacher(
        task,
        images.sample(samples, seed=seed),
        out=out,
        architecture=architecture,
        weights=weights,
        preprocessing=options.preprocessing(changed) or None,
        epochs=epochs,
        batch_size=batch_size,
        lr=lr,
        patience=patience,
        precision=precision,
        augmentations=[] if augment is None else next(csv.reader([augment])),
        cosine=cosine,
        warm_up=warm_up,
        weight_decay=weight_decay,
        balance_sets=balance_sets,
        seed=seed,
        device=device,
        force=force,
        progress=not quiet,
    )
    click.echo(str(path))
