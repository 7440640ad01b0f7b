"""One fit of a detector, judged once, as a cell of a paper."""

import hashlib
import time
from collections.abc import Callable, Mapping
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
    given: Mapping[str, Any] | None = None,
    also: Callable[[Detection], Row] | None = None,
    keep: bool = False,
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
        given: Parameters that are no JSON values, such as an opened backbone, whose digest must be in `data`.
        also: Gives further columns of the row; a named function, whose name decides the rows too.
        keep: Whether the fitted detector stays, in `run.file(cell.decides, "safetensors")`.
    """
    decides = {"detector": spec, "seed": seed, "data": data, "rows": rows_digest(split), "corpus": corpus}
    decides["version"] = VERSION
    if also is not None:
        decides["also"] = also.__name__

    def compute() -> list[Row]:
        made = {"device": run.device, "progress": False, "checkpoint": run.file(decides, "pt"), **(given or {})}
        found = evaluate(spec, split, train, test, auxiliary=auxiliary, given=made, seed=seed, clock=time.process_time)
        if keep:
            found.fitted.save(run.file(decides, "safetensors"), force=True)
        names = getattr(test, "classes", None)
        by_class = {names[number]: each.value for number, each in found.by_class().items()} if names else {}
        more = {} if also is None else also(found)
        return [{**row_of(found, seed), "n_labelled": len(split.labelled), "by_class": by_class, **more}]

    return PaperCell(decides, compute, known)


def rows_digest(split: Split) -> str:
    """Return what tells the rows of a split from others."""
    return hashlib.sha256(b"|".join(split.rows)).hexdigest()


def row_of(found: Detection, seed: int) -> Row:
    """Return what was found: identifier, AUROC with its interval, processor seconds and how many rows."""
    values = {"auroc": found.auroc.value, "low": found.auroc.low, "high": found.auroc.high}
    return {"detector": found.detector, "seed": seed, **values, "seconds": found.seconds, **found.counts()}
