"""Deconfounded CKA against its literal formula with kernels, and at its ends."""

import numpy as np
import pytest

from reprq.errors import InputError
from reprq.metrics import cka, deconfounded_cka


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    x, y, pixels = rng.standard_normal((25, 4)), rng.standard_normal((25, 3)), rng.standard_normal((25, 6))
    return x + pixels[:, :4], y + pixels[:, :3] + 2, pixels


def literal(x, y, confounder):
    n = len(x)
    center = np.eye(n) - 1 / n
    kernels = [center @ z @ z.T @ center for z in (x, y, confounder)]
    common = kernels[2]
    left, right = (k - np.sum(common * k) / np.sum(common**2) * common for k in kernels[:2])
    return np.sum(left * right) / np.sqrt(np.sum(left**2) * np.sum(right**2))


def test_it_is_the_formula(data) -> None:
    x, y, pixels = data
    assert deconfounded_cka(x, y, pixels) == pytest.approx(literal(x, y, pixels), abs=1e-12)
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((4, 4)))[0]
    assert deconfounded_cka(5 * x @ turn - 3, y, 2 * pixels + 1) == pytest.approx(literal(x, y, pixels), abs=1e-12)


def test_what_only_the_input_shares_is_taken_away() -> None:
    rng = np.random.default_rng(0)
    shared, own, other = rng.standard_normal((3, 400, 3))
    x, y = np.hstack([2 * shared, own]), np.hstack([2 * shared, other])
    assert cka(x, y) > 0.8 > 0.1 > abs(deconfounded_cka(x, y, shared))
    assert deconfounded_cka(x, 3 * x - 1, shared) == pytest.approx(1)
    unrelated = rng.standard_normal((400, 3))
    assert deconfounded_cka(x, y, unrelated) == pytest.approx(cka(x, y), abs=0.02)


def test_what_has_no_value_is_said(data) -> None:
    x, y, pixels = data
    with pytest.raises(InputError, match="x must have similarities beyond those of the confounder"):
        deconfounded_cka(3 * pixels + 1, y, pixels)
    with pytest.raises(InputError, match="confounder must have 25 rows as x"):
        deconfounded_cka(x, y, pixels[:9])
    with pytest.raises(InputError, match="confounder must have rows that differ"):
        deconfounded_cka(x, y, np.ones((25, 2)))
    with pytest.raises(InputError, match="y must"):
        deconfounded_cka(x, y * np.nan, pixels)
