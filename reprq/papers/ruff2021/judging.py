"""One fit, judged once: a row that is kept under a digest of everything that decides it."""

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reprq.data import Split
from reprq.evaluation.detection import Detection, evaluate
from reprq.provenance import digest
from reprq.storage import make_folder
from reprq.study.cells import CellStore, Row

_VERSION = 1


@dataclass(frozen=True)
class Bench:
    """Where fits are kept and run.

    Attributes:
        store: Finished ones.
        device: A torch device.
        progress: Whether a fit shows its epochs.
    """

    store: CellStore
    device: str = "cpu"
    progress: bool = False

    def judge(
        self,
        spec: Mapping[str, Any],
        split: Split,
        train: Any,
        test: Any,
        *,
        data: list[str],
        seed: int,
        auxiliary: Any = None,
        corpus: str = "",
    ) -> Row:
        """Fit and judge a detector, or find what that gave: AUROC with its interval, by class too, and what it took.

        A fit that was interrupted goes on from its checkpoint beside the store.

        Args:
            spec: Name and parameters of the detector.
            split: Which rows train, are known and are scored.
            train: The training side.
            test: The test side.
            data: Fingerprints of both sides.
            seed: Of what the detector draws.
            auxiliary: A corpus.
            corpus: Its fingerprint.
        """
        decides = {"detector": spec, "seed": seed, "data": data, "rows": rows_digest(split), "corpus": corpus}

        def judged(checkpoint: Path) -> list[Row]:
            given = {"device": self.device, "progress": self.progress, "checkpoint": checkpoint}
            found = evaluate(
                spec, split, train, test, auxiliary=auxiliary, given=given, seed=seed, clock=time.process_time
            )
            names = getattr(test, "classes", None)
            by_class = {names[number]: each.value for number, each in found.by_class().items()} if names else {}
            return [{**row_of(found, seed), "n_labelled": len(split.labelled), "by_class": by_class}]

        return self.kept(decides, judged)[0]

    def kept(self, decides: Mapping[str, Any], made: Callable[[Path], list[Row]]) -> list[Row]:
        """Return the rows that something gave, or make them now.

        Args:
            decides: All that decides them, of JSON values.
            made: Makes them; it is given a file for a checkpoint.
        """
        key = self._key(decides)
        if key not in self.store:
            self.store.add(key, made(self.file(decides, "pt")))
        return self.store[key]

    def file(self, decides: Mapping[str, Any], kind: str) -> Path:
        """Return a file beside the store for what something leaves, such as a network; its folder is made."""
        folder = self.store.path.with_name("networks")
        make_folder(folder)
        return folder / f"{self._key(decides)[:16]}.{kind}"

    @staticmethod
    def _key(decides: Mapping[str, Any]) -> str:
        return digest({**decides, "version": _VERSION})


def rows_digest(split: Split) -> str:
    """Return what tells the rows of a split from others."""
    return hashlib.sha256(b"|".join(split.rows)).hexdigest()


def row_of(found: Detection, seed: int) -> Row:
    """Return what was found: identifier, AUROC with its interval, processor seconds and how many rows."""
    values = {"auroc": found.auroc.value, "low": found.auroc.low, "high": found.auroc.high}
    return {"detector": found.detector, "seed": seed, **values, "seconds": found.seconds, **found.counts()}
