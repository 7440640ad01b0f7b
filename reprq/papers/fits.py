"""One fit of a detector, judged once, as a cell of a paper."""

import hashlib
import time
from collections.abc import Mapping
from typing import Any

from reprq.data import Split
from reprq.evaluation.detection import Detection, evaluate
from reprq.papers.engine import PaperCell, PaperRun
from reprq.study.cells import Row

VERSION = 2  # of the rows; another number is another cell


def fit_cell(
    run: PaperRun,
    spec: Mapping[str, Any],
    split: Split,
    train: Any,
    test: Any,
    *,
    data: list[str],
    seed: int,
    known: Row,
    auxiliary: Any = None,
    corpus: str = "",
) -> PaperCell:
    """Return the cell of one fit: its row has the AUROC with its interval, by class too, and what it took.

    A fit that was interrupted goes on from its checkpoint.

    Args:
        run: On which device, and where checkpoints stand.
        spec: Name and parameters of the detector.
        split: Which rows train, are known and are scored.
        train: The training side.
        test: The test side.
        data: Fingerprints of both sides.
        seed: Of what the detector draws.
        known: Columns of the row.
        auxiliary: A corpus.
        corpus: Its fingerprint.
    """
    decides = {"detector": spec, "seed": seed, "data": data, "rows": rows_digest(split), "corpus": corpus}
    decides["version"] = VERSION

    def compute() -> list[Row]:
        given = {"device": run.device, "progress": False, "checkpoint": run.file(decides, "pt")}
        found = evaluate(spec, split, train, test, auxiliary=auxiliary, given=given, seed=seed, clock=time.process_time)
        names = getattr(test, "classes", None)
        by_class = {names[number]: each.value for number, each in found.by_class().items()} if names else {}
        return [{**row_of(found, seed), "n_labelled": len(split.labelled), "by_class": by_class}]

    return PaperCell(decides, compute, known)


def rows_digest(split: Split) -> str:
    """Return what tells the rows of a split from others."""
    return hashlib.sha256(b"|".join(split.rows)).hexdigest()


def row_of(found: Detection, seed: int) -> Row:
    """Return what was found: identifier, AUROC with its interval, processor seconds and how many rows."""
    values = {"auroc": found.auroc.value, "low": found.auroc.low, "high": found.auroc.high}
    return {"detector": found.detector, "seed": seed, **values, "seconds": found.seconds, **found.counts()}
