"""MSP and ODIN on a classifier of turns, against closed forms and loops."""

import numpy as np
import pytest
import torch
from scipy.stats import rankdata
from torch import nn

from reprq.data import load_dataset
from reprq.detectors import MSP, ODIN, create
from reprq.detectors.deep.rotnet import largest_probability, surer
from reprq.errors import InputError
from reprq.training import Examples

QUICK = {"epochs": 2, "batch_size": 8, "network": "mnist"}


@pytest.fixture(scope="module")
def benign():
    return load_dataset("digits").restrict(["6"]).sample(24)


@pytest.fixture(scope="module")
def scored():
    return load_dataset("digits", "test").sample(40)


@pytest.fixture(scope="module")
def msp(benign):
    return MSP(**QUICK).fit(benign)


def as_odin(msp, **parameters):
    """ODIN with the network of a fitted MSP."""
    detector = ODIN(**QUICK, **parameters)
    detector.__dict__ |= {name: value for name, value in vars(msp).items() if name.endswith("_") or name[0] == "_"}
    return detector


def logits(seed=0, n=50, k=4):
    return 3 * torch.randn(n, k, generator=torch.Generator().manual_seed(seed))


def test_the_largest_probability_is_that_of_a_loop():
    z = logits()
    slow = [-max(np.exp(row / 2)) / sum(np.exp(row / 2)) for row in z.double().numpy()]
    np.testing.assert_allclose(largest_probability(z, 2.0), slow, rtol=1e-12)


def test_at_a_high_temperature_it_is_how_far_the_largest_logit_is_above_the_mean():
    z = logits()
    at = 1e6
    found = at * (4 * largest_probability(z, at) + 1)
    wanted = -(z.double().amax(1) - z.double().mean(1))
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_of_two_classes_every_temperature_gives_the_order_of_msp_and_of_four_not():
    two, four = logits(k=2), logits(k=4)
    order = [rankdata(largest_probability(two, at)) for at in (1.0, 3.0, 1000.0)]
    np.testing.assert_array_equal(order[0], order[1])
    np.testing.assert_array_equal(order[0], order[2])
    orders = [rankdata(largest_probability(four, at)) for at in (1.0, 1000.0)]
    assert (orders[0] != orders[1]).any()


def test_odin_at_temperature_one_and_no_epsilon_is_msp(msp, scored):
    found = as_odin(msp, temperature=1.0, epsilon=0.0).anomaly_score(scored)
    np.testing.assert_allclose(found, msp.anomaly_score(scored), rtol=1e-6)
    assert not np.allclose(as_odin(msp, temperature=1.0, epsilon=0.05).anomaly_score(scored), found)


@pytest.mark.parametrize("temperature", [1.0, 1000.0])
def test_the_step_goes_up_the_gradient_by_epsilon(temperature):
    """Of a linear classifier log S_max has the gradient (W_max - sum_k S_k W_k) / T."""
    torch.manual_seed(0)
    linear, x = nn.Linear(6, 4), torch.randn(9, 6)
    moved = surer(linear, x, temperature, 0.01)
    with torch.no_grad():
        p = (linear(x) / temperature).softmax(1)
        up = linear.weight[linear(x).argmax(1)] - p @ linear.weight
        torch.testing.assert_close(moved - x, 0.01 * up.sign(), rtol=1e-3, atol=1e-6)
        assert (largest_probability(linear(moved), temperature) <= largest_probability(linear(x), temperature)).all()
    assert surer(linear, x, temperature, 0.0) is x
    one = surer(linear, x[3:4], temperature, 0.01)
    torch.testing.assert_close(one, moved[3:4])


def test_a_step_is_cross_entropy_over_four_turns(msp):
    x = torch.rand(3, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    net = msp.network_.eval()
    found = msp._step(msp.schedule()).loss(Examples(x), None).detach()
    total = 0.0
    with torch.no_grad():
        for turn in range(4):
            for image in x:
                turned = torch.from_numpy(np.rot90(net.scaling(image[None]).numpy(), turn, axes=(2, 3)).copy())
                total -= float(net.head(net.phi(turned)).log_softmax(1)[0, turn])
    assert float(found) == pytest.approx(total / 12, rel=1e-4)


def test_turns_are_learned(benign):
    fitted = MSP(epochs=25, batch_size=8, network="mnist", lr=0.003, milestones=()).fit(benign)
    x = torch.stack([fitted.transform_(benign.item(i)) for i in range(len(benign))])
    with torch.no_grad():
        told = [fitted.network_(torch.rot90(x, turn, dims=(2, 3))).argmax(1) == turn for turn in range(4)]
    assert torch.stack(told).double().mean() > 0.8


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("odin", {"temperature": 0}, "temperature must be a number of at least 1e-06, got 0"),
        ("odin", {"epsilon": -0.1}, "epsilon must be a number of at least 0, got -0.1"),
        ("odin", {"epsilon": float("nan")}, "epsilon must be a number of at least 0, got nan"),
        ("msp", {"network": "none"}, "none"),
    ],
)
def test_parameters_that_cannot_be_used(name, parameters, message):
    with pytest.raises((InputError, KeyError), match=message):
        create({"name": name, **parameters}).check_parameters()


def test_rows_are_refused():
    with pytest.raises(InputError, match="X must hold samples such as images, got rows of numbers"):
        ODIN().fit(np.zeros((9, 3)))
