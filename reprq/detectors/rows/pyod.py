"""Any detector of PyOD (Zhao et al. 2019), by the name of its class; an optional extra."""

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reprq.detectors.byname import ByName
from reprq.detectors.rows.base import ArrayDetector
from reprq.errors import InputError, UnknownNameError, one_line
from reprq.numerics.rows import Matrix, Scores, column_means
from reprq.optional import require

_NO_DETECTORS = {
    *("base", "base_dl", "sklearn_base", "gaal_base", "thresholds", "combination", "embedding"),
    *("so_gaal_new", "audio_ae"),  # a helper, and a detector of sound
}
_AMONG_THEMSELVES = {"COF", "LOCI", "LMDD", "SOD", "SOS"}
_LEAST_SPREAD = 1e-3
_ROUNDING = 1e-9
_NO_ROWS = ("_", "pyg_", "ts_")  # helpers, and detectors of graphs and time series


class PyOD(ByName, ArrayDetector):
    """A detector of PyOD, fitted on the benign rows in float64; the score is its `decision_function`.

    What it promises is PyOD's: the scores of ECOD, COPOD, ROD, CD and RGraph depend on the rows scored beside a row,
    LODA and the adversarial ones need many rows, and some keep no digits of data with an offset. Those that score rows
    among themselves alone (COF, LOCI, LMDD, SOD and SOS) are refused. Where the class takes `random_state`, it is 0 by
    default.

    Args:
        model: The name of the class, in any case: "ECOD", "KNN", "AutoEncoder".
        **parameters: What its constructor takes, for example `contamination`, which changes no score.

    Raises:
        InputError: PyOD, or what the class needs, is not installed; a parameter that it does not take; or, from `fit`
            and `anomaly_score`, whatever it cannot do.
        UnknownNameError: PyOD has no such detector.
    """

    min_rows = 2

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the class's name and the parameters that were given."""
        return {"model": self.model, **self.parameters}

    def describe(self) -> str:
        """Return for example "pyod:ECOD" or "pyod:KNN[n_neighbors=2]"."""
        given = ",".join(f"{name}={value}" for name, value in sorted(self.parameters.items()))
        return f"pyod:{_class(self.model).__name__}{f'[{given}]' if given else ''}"

    def _fit(self, rows: Matrix, labels: NDArray[Any] | None) -> None:
        made = self._made()
        with self._guarded("fit", rows):
            self.model_ = made.fit(rows.astype(np.float64))
        self._check_scale(rows)

    def _check_scale(self, rows: Matrix) -> None:
        """Refuse rows so small or large that a constant inside PyOD drowns them: all get one score."""
        scores = np.asarray(getattr(self.model_, "decision_scores_", rows), dtype=np.float64)
        spread = float(np.sqrt(np.mean((rows - column_means(rows)) ** 2)))
        if (
            np.ptp(scores) <= _ROUNDING * np.abs(scores).max()
            and not _LEAST_SPREAD <= spread <= 1.0 / _LEAST_SPREAD
            and spread > 0.0
        ):
            raise InputError(
                f"{self.describe()} gives all benign rows one score at their spread of {spread:.1g}; rescale X"
            )

    def _score(self, rows: Matrix) -> Scores:
        with self._guarded("score", rows):
            scores = np.asarray(self.model_.decision_function(rows.astype(np.float64)), dtype=np.float64).ravel()
        if len(scores) != len(rows):
            raise InputError(f"{self.describe()} must give {len(rows)} scores, one a row, got {len(scores)}")
        if undefined := int(np.isnan(scores).sum()):
            raise InputError(f"{self.describe()} gives {undefined} of {len(rows)} rows a nan; give other benign rows")
        return scores

    @contextmanager
    def _guarded(self, what: str, rows: Matrix) -> Iterator[None]:
        """What PyOD prints goes to stderr, and what it raises, such as an IndexError for few rows, is one sentence."""
        try:
            with redirect_stdout(sys.stderr):
                yield
        except Exception as error:
            raise InputError(f"{self.describe()} could not {what} {len(rows)} rows: {one_line(error)}") from error

    def _made(self) -> Any:
        kind = _class(self.model)
        if kind.__name__ in _AMONG_THEMSELVES:
            raise InputError(
                f"pyod:{kind.__name__} ranks the rows it is given among themselves and knows no benign ones;"
                " choose another detector, such as lof or pyod:ABOD"
            )
        valid = inspect.signature(kind).parameters
        unknown = sorted(set(self.parameters) - set(valid))
        if unknown and not any(p.kind is p.VAR_KEYWORD for p in valid.values()):
            raise InputError(f"pyod:{kind.__name__} has no parameter {unknown[0]!r}; valid: {', '.join(valid)}")
        seed = {"random_state": 0} if "random_state" in valid else {}
        try:
            return kind(**{**seed, **self.parameters})
        except Exception as error:
            raise InputError(f"pyod:{kind.__name__} does not take these parameters: {one_line(error)}") from error


def _class(name: str) -> Any:
    """PyOD's class of that name; its modules are called like their classes, apart from case and underscores."""
    models = require("pyod.models", "pyod", f"pyod:{name}", package="PyOD")
    found = {module.name for module in pkgutil.iter_modules(models.__path__)}
    modules = {m.replace("_", ""): m for m in sorted(found - _NO_DETECTORS) if not m.startswith(_NO_ROWS)}
    plain = name.lower().replace("_", "")
    if plain not in modules:
        raise UnknownNameError("detector of PyOD", name, modules.values())
    try:
        with redirect_stdout(sys.stderr):
            module = importlib.import_module(f"pyod.models.{modules[plain]}")
    except ImportError as error:
        raise InputError(f"pyod:{name} needs more than PyOD: {one_line(error)}; install that") from error
    for attribute in dir(module):
        if attribute.lower().replace("_", "") == plain and inspect.isclass(getattr(module, attribute)):
            return getattr(module, attribute)
    raise UnknownNameError("detector of PyOD", name, modules.values())
