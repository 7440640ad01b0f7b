"""The dual problem of SSAD, solved by moving two or three weights at a time (Platt 1999; Keerthi et al. 2001)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from reprq.errors import InputError
from reprq.notices import notice

Array = NDArray[np.float64]

TOLERANCE = 1e-7
_MEMORY = 2**30
_FLAT = 1e-12
# What can be moved without leaving the constraints: by how much a weight of the rows without a label (0), of known
# benign rows (1) and of known anomalies (2), and by how much the sum over labelled rows; each also the other way.
_CROSS = (((0, 1), (2, 1), 1), ((0, -1), (1, 1), 1), ((1, 1), (2, 1), 2), ((0, -2), (1, 1), (2, -1), 0))


@dataclass(frozen=True)
class _Move:
    parts: tuple[tuple[int, int], ...]
    slack: int

    def reversed(self) -> "_Move":
        return _Move(tuple((kind, -by) for kind, by in self.parts), -self.slack)


def _moves() -> list[_Move]:
    found = [_Move(((kind, 1), (kind, -1)), 0) for kind in range(3)]
    for *parts, slack in _CROSS:
        move = _Move(tuple(parts), slack)
        found += [move, move.reversed()]
    return found


@dataclass(frozen=True, eq=False)
class Problem:
    """Minimize (1/2) sum_ij a_i y_i k_ij y_j a_j, where sum_i y_i a_i = 1, the labelled a sum to kappa or more.

    Attributes:
        kernel: From the number of a row to its (n,) kernel values with all rows.
        kinds: (n,) 0 for a row without a label, 1 for a known benign one, 2 for a known anomaly; y is -1 for 2, else 1.
        upper: (n,) the most that each a may be; none is negative.
        kappa: The least sum of the labelled a.
    """

    kernel: Callable[[int], Array]
    kinds: NDArray[np.int64]
    upper: Array
    kappa: float


def solve(problem: Problem, *, tolerance: float = TOLERANCE) -> Array:
    """Return y a, (n,), at the minimum: no move that the constraints allow has a slope below -tolerance.

    Raises:
        InputError: No weights satisfy the constraints.
    """
    signs = np.where(problem.kinds == 2, -1.0, 1.0)
    column = lru_cache(max(8, _MEMORY // (8 * len(signs))))(lambda i: signs[i] * signs * problem.kernel(i))
    state = _Weights(problem, signs, column)
    moves, most = _moves(), max(200_000, 100 * len(signs))
    for _ in range(most):
        slope, move, rows = min((state.best(move) for move in moves), key=lambda found: found[0])
        if slope >= -tolerance:
            break
        state.take(move, rows)
    else:
        notice("ssad stopped after %d steps, %.3g from its optimum; rescale the rows", most, -slope)
    return np.asarray(signs * state.weights)


class _Weights:
    def __init__(self, problem: Problem, signs: Array, column: Callable[[int], Array]) -> None:
        self.upper, self.column = problem.upper, column
        self.groups = [np.flatnonzero(problem.kinds == kind) for kind in range(3)]
        self.weights = _start(problem, self.groups)
        labelled = problem.kinds > 0
        self.slack = float(self.weights[labelled].sum()) - problem.kappa if labelled.any() else 0.0
        self.gradient = np.zeros(len(signs))
        for i in np.flatnonzero(self.weights):
            self.gradient += self.weights[i] * column(int(i))

    def best(self, move: _Move) -> tuple[float, _Move, tuple[int, ...]]:
        """The steepest slope of a move, for each weight moved by one, and the rows that have it; 0 if it cannot go."""
        if move.slack < 0 and self.slack <= 0:
            return 0.0, move, ()
        slope, rows = 0.0, []
        for kind, by in move.parts:
            group = self.groups[kind]
            free = self.weights[group] < self.upper[group] if by > 0 else self.weights[group] > 0
            if not free.any():
                return 0.0, move, ()
            gradient = self.gradient[group]
            place = int(np.argmin(np.where(free, gradient if by > 0 else -gradient, np.inf)))
            rows.append(int(group[place]))
            slope += by * float(gradient[place])
        return slope / sum(abs(by) for _, by in move.parts), move, tuple(rows)

    def take(self, move: _Move, rows: tuple[int, ...]) -> None:
        """Move as far as the objective falls, and no further than the constraints allow."""
        by = [step for _, step in move.parts]
        change = np.asarray(sum(step * self.column(row) for step, row in zip(by, rows, strict=True)))
        curvature = float(sum(step * change[row] for step, row in zip(by, rows, strict=True)))
        slope = sum(step * float(self.gradient[row]) for step, row in zip(by, rows, strict=True))
        limits = [
            (self.upper[row] - self.weights[row]) / step if step > 0 else self.weights[row] / -step
            for step, row in zip(by, rows, strict=True)
        ]
        limits += [self.slack / -move.slack] if move.slack < 0 else []
        far = min(-slope / max(curvature, _FLAT), *limits)
        for step, row, most in zip(by, rows, limits, strict=False):
            full = self.upper[row] if step > 0 else 0.0
            self.weights[row] = full if far == most else self.weights[row] + far * step
        self.slack = 0.0 if move.slack < 0 and far == limits[-1] else self.slack + far * move.slack
        self.gradient += far * change


def _start(problem: Problem, groups: list[NDArray[np.int64]]) -> Array:
    """Weights that satisfy the constraints, or an error that says which parameter forbids it."""
    free, benign, anomalous = (float(problem.upper[group].sum()) for group in groups)
    of_anomalous = min(problem.kappa, anomalous, (free - 1 + problem.kappa) / 2)
    of_benign = problem.kappa - of_anomalous
    sums = (1 + of_anomalous - of_benign, of_benign, of_anomalous)
    if min(sums) < 0 or of_benign > benign or sums[0] > free * (1 + 1e-12):
        raise InputError(
            f"kappa must be one that the weights allow, got {problem.kappa:g}, where labelled rows may have"
            f" {benign + anomalous:g} and the others {free:g} in all; give a smaller kappa or nu, or a larger eta_l"
        )
    weights = np.zeros(len(problem.upper))
    for group, total in zip(groups, sums, strict=True):
        if len(group):
            before = np.concatenate([[0.0], np.cumsum(problem.upper[group])[:-1]])
            weights[group] = np.clip(total - before, 0.0, problem.upper[group])
    return weights
