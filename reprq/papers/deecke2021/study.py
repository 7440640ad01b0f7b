"""Transfer-based semantic detection on CIFAR-10 (Deecke et al. 2021): its tables beside what we find.

The corpus and the set to pre-train on are tiny ImageNet without the synsets that name classes of CIFAR-10, in the place
of CIFAR-100 and ImageNet; MNIST stands for SVHN, the corpus that fits less.
"""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from reprq.data.image.named import data_root
from reprq.papers.deecke2021 import paradigms, tables
from reprq.papers.deecke2021.cells import DIGITS, NONE, ROWS, TINY, Cells
from reprq.papers.deecke2021.claims import claims_table
from reprq.papers.deecke2021.presets import FROZEN, PRESETS, STILL, DeeckePreset
from reprq.papers.deecke2021.starts import PRETRAIN
from reprq.papers.engine import Experiment, Paper, PaperRun
from reprq.papers.outcome import csv_text
from reprq.study.cells import Row

REST = (FROZEN, "HSC", "ADRA", "ADIB")


def experiments(how: DeeckePreset, run: PaperRun) -> Iterator[Experiment]:
    """Declare the tables and Figure 5.

    `root` has torchvision's CIFAR-10 or `images/cifar10_jpeg/`, `images/tiny_imagenet_32/`, a folder a synset with
    `classes.tsv`, MNIST, and `weights/`.
    """
    folder = data_root(run.root)
    made = Cells(how, folder, run)
    data = {"train": made.train.fingerprint, "test": made.test.fingerprint, "corpus": made.corpora[TINY].fingerprint}
    known: dict[str, Any] = {"made": {"preset": run.preset, "seed": run.seed, "data": data, "training": asdict(how)}}
    everything: list[Row] = []
    points: list[Row] = []

    def kept(rows: list[Row], text: str, name: str) -> dict[str, str]:
        (points if name == "figure-5" else everything).extend(rows)
        return {f"{name}.md": text, f"{name}.csv": csv_text(rows)}

    yield Experiment(
        name="one against the rest",
        cells=made.against_rest(REST, made.main),
        tables=lambda rows: kept(rows, tables.against_rest(rows, how), "table-5"),
        **known,
    )
    yield Experiment(
        name="semantic",
        cells=made.semantic(ROWS),
        tables=lambda rows: {
            **kept(rows, tables.ablation(rows, how), "table-4"),
            "table-2.md": tables.semantic(rows, how),
        },
        **known,
    )
    yield Experiment(
        name="corpora",
        cells=[
            *made.against_rest((FROZEN, "DSVDD", STILL), made.main, NONE, few=True),
            *made.against_rest(("HSC", "ADRA", "ADIB"), made.main, DIGITS, few=True),
            *made.against_rest(("HSC", "ADRA", "ADIB"), made.main, TINY, few=True),
        ],
        tables=lambda rows: kept(rows, tables.corpora(rows, how), "table-6"),
        **known,
    )
    yield Experiment(
        name="small modes",
        cells=made.small_modes((FROZEN, "ADIB")),
        tables=lambda rows: kept(*tables.small_modes(rows, how), "figure-5"),
        figures=lambda rows: {"figure-5": tables.figure_5(rows, how)},
        **known,
    )
    yield Experiment(
        name="paradigms",
        cells=paradigms.cells(made),
        tables=lambda rows: {"table-1.md": tables.paradigms(rows, how), "table-1.csv": csv_text(rows)},
        **known,
    )
    if any(start.file == PRETRAIN for start in how.starts):
        yield Experiment(
            name="pre-training",
            cells=[made.starts.cell()],
            tables=lambda rows: {"pretraining.md": tables.pretraining(rows, how), "left-out.tsv": made.starts.left_out},
            **known,
        )
    own = [start for start in how.starts[1:] if start.file == PRETRAIN]
    for start in own:
        name = start.network
        yield Experiment(
            name=f"one against the rest, from {name}",
            cells=made.against_rest(REST, start),
            tables=lambda rows: kept(rows, tables.against_rest(rows, how, start), f"table-5-{name}"),  # noqa: B023
            **known,
        )
    others = [start for start in how.starts[1:] if start not in own]
    yield Experiment(
        name="starts",
        cells=[cell for start in others for cell in made.against_rest((FROZEN, "ADIB"), start, few=True)],
        tables=lambda rows: {
            "starts.md": tables.starts([*everything, *rows], how),
            "starts.csv": csv_text(rows),
            "claims.md": claims_table(tables.unique([*everything, *rows]), points),
        },
        **known,
    )


PAPER = Paper(PRESETS, experiments)
