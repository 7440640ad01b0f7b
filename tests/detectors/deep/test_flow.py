"""Real NVP: invertible, its determinant is that of autograd's Jacobian, and its density integrates to 1."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from reprq.detectors import Flow
from reprq.detectors.deep.flow import AffineCoupling, RealNVP
from reprq.errors import InputError
from reprq.training import Examples

QUICK = {"epochs": 6, "batch_size": 16, "lr": 0.01}


def drawn(columns, seed=0):
    """A flow in float64 whose weights are far from the identity, with a scaling of its own."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        flow = RealNVP(columns, couplings=4, hidden=16).double().eval()
        for coupling in flow.couplings:
            torch.nn.init.normal_(coupling.last.weight, std=0.5)
        flow.scaling.learn([3 + 2 * torch.randn(50, columns).double() * torch.arange(1, columns + 1)])
        return flow, 3 + torch.randn(9, columns).double()


@pytest.mark.parametrize("columns", [2, 3, 7])
def test_the_determinant_is_that_of_the_jacobian(columns):
    flow, x = drawn(columns)
    log_det = flow.encode(x)[1]
    for row, found in zip(x, log_det, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda one: flow.encode(one[None])[0][0], row)
        assert float(torch.linalg.slogdet(jacobian)[1]) == pytest.approx(float(found.detach()), abs=1e-6)
    assert float(log_det.std().detach()) > 0.01  # not the determinant of the scaling alone


@pytest.mark.parametrize("columns", [2, 3, 7])
def test_what_it_encodes_it_decodes(columns):
    flow, x = drawn(columns)
    z = flow.encode(x)[0]
    assert float((z - flow.scaling(x)).abs().mean().detach()) > 0.1
    torch.testing.assert_close(flow.decode(z), x, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(z, flow.encode(x + 0.1)[0])


def test_a_coupling_leaves_half_of_the_columns_and_the_next_moves_them():
    flow, x = drawn(5)
    scaled = flow.scaling(x)
    moved = [(coupling(scaled)[0] - scaled).abs().mean(0) > 1e-6 for coupling in flow.couplings]
    assert [int(each.sum()) for each in moved] == [3, 3, 3, 3]
    assert bool((moved[0] | moved[1]).all())
    assert float(AffineCoupling(torch.arange(4), 8)(torch.randn(3, 4))[1].abs().sum().detach()) == 0


def test_the_density_integrates_to_one():
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.normal(2, 3, 200), rng.uniform(-1, 1, 200)])
    rows[:, 1] += 0.1 * rows[:, 0] ** 2
    detector = Flow(epochs=20, batch_size=50, lr=0.01).fit(rows)
    first, second = np.linspace(-20, 25, 300), np.linspace(-20, 40, 400)
    grid = np.stack(np.meshgrid(first, second, indexing="ij"), axis=-1).reshape(-1, 2)
    area = (first[1] - first[0]) * (second[1] - second[0])
    assert np.exp(-detector.anomaly_score(grid)).sum() * area == pytest.approx(1, abs=0.02)


def test_an_untrained_flow_is_a_gaussian_in_the_units_of_the_rows(table):
    benign, rows = table
    detector = Flow(epochs=1, lr=1e-30, patience=None, held_out=0.0, batch_size=60).fit(benign)
    normal = multivariate_normal(benign.astype(float).mean(0), np.diag(benign.astype(float).var(0)))
    np.testing.assert_allclose(detector.anomaly_score(rows), -normal.logpdf(rows), rtol=1e-4)
    z = (rows - benign.mean(0)) / benign.std(0)
    np.testing.assert_allclose(detector.embed(rows), z, rtol=1e-3, atol=1e-4)


def test_the_loss_is_the_mean_of_the_scores_and_training_lowers_it(table):
    detector = Flow(**{**QUICK, "epochs": 30}).fit(table[0])
    step = detector._step(detector.schedule())
    detector.network_.eval()
    loss = float(step.loss(Examples(torch.from_numpy(table[0])), None).detach())
    assert loss == pytest.approx(detector.anomaly_score(table[0]).mean(), rel=1e-5)
    losses = [row["loss"] for row in detector.history_]
    assert min(losses) < losses[0] - 1


def test_other_units_shift_all_scores_alike(table):
    benign, rows = table
    scores = Flow(**QUICK).fit(benign).anomaly_score(rows)
    other = Flow(**QUICK).fit(4 * benign).anomaly_score(4 * rows)
    np.testing.assert_allclose(other, scores + 5 * np.log(4), rtol=1e-3)


def test_columns_that_do_not_vary_and_one_column():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 3))
    rows[:, 1] = 7
    scores = Flow(**QUICK).fit(rows).anomaly_score(np.array([[0, 7, 0], [0, 8, 0]]))
    assert scores[0] + 10 < scores[1]
    with pytest.raises(InputError, match="needs at least 2, got 1; give more"):
        Flow(**QUICK).fit(rows[:, :1])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"noise": -1}, "noise must be a number of at least 0, got -1"),
        ({"couplings": 0}, "couplings must be a positive integer, got 0"),
        ({"hidden": 2.5}, "hidden must be a positive integer, got 2.5"),
        ({"held_out": 0.0}, "patience looks at the samples held out"),
    ],
)
def test_parameters_that_cannot_be_used_are_one_sentence(table, settings, words):
    with pytest.raises(InputError, match=words):
        Flow(**settings).fit(table[0])
    assert Flow().describe() == "flow[8,epochs=200,lr=0.001]"
