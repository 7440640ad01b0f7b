"""Gradient norms and brittleness: one image at a time, closed forms, and losses that cannot be used."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from reprq.errors import InputError
from reprq.metrics import brittleness, gradient_norms

ORDERS = {"l1": 1, "l2": 2, "linf": np.inf}


@pytest.fixture(scope="module")
def network():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.Tanh(), nn.Flatten(), nn.Linear(4 * 9, 3))
        net(torch.randn(16, 2, 5, 5) * 3)  # running statistics that are not the identity
    return net.eval()


@pytest.fixture(scope="module")
def inputs():
    return torch.from_numpy(np.random.default_rng(1).normal(size=(7, 2, 5, 5))).float()


def test_a_batch_gives_each_image_its_own_gradient(network, inputs):
    def loss(x):
        return network(x).square().sum(1)

    found = gradient_norms(loss, inputs, norms=("l1", "l2", "linf"), batch_size=3)
    for i, image in enumerate(inputs):
        x = image[None].clone().requires_grad_()
        loss(x).sum().backward()
        for norm, order in ORDERS.items():
            assert found[norm][i] == pytest.approx(np.linalg.norm(x.grad.numpy().ravel(), order), rel=1e-4)
    assert inputs.grad is None


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 6), st.integers(1, 5), st.integers(1, 4), st.integers(0, 99))
def test_linear_teacher_and_student_have_a_closed_form(n, d_in, d_out, seed):
    rng = np.random.default_rng(seed)
    student, teacher = rng.normal(size=(2, d_out, d_in))
    x = rng.normal(size=(n, d_in))
    known = torch.from_numpy(x @ teacher.T)

    def loss(inputs):  # ||Bx - Ax||^2, the gradient through the student A alone: 2 A'(A - B) x
        return (inputs @ torch.from_numpy(student.T) - known[: len(inputs)]).square().sum(1)

    expected = np.linalg.norm(2 * (x @ (student - teacher).T) @ student, axis=1)
    found = gradient_norms(loss, torch.from_numpy(x))["l2"]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
    z = rng.normal(size=(n + 2, 3))
    trace = np.trace(np.atleast_2d(np.cov(z.T)))
    assert brittleness(loss, torch.from_numpy(x), z) == pytest.approx(expected.mean() / trace)
    assert brittleness(loss, torch.from_numpy(x), z, reduction="mean") == pytest.approx(expected.mean() / trace / 3)


def test_scaling_the_embeddings_divides_by_the_square(network, inputs):
    z = np.random.default_rng(0).normal(size=(9, 4))
    values = [brittleness(lambda x: network(x).sum(1), inputs, scale * z) for scale in (1, 10)]
    assert values[0] / values[1] == pytest.approx(100)


@pytest.mark.parametrize("batch_size", [1, 2, 7, 50])
def test_the_batch_size_does_not_matter(network, inputs, batch_size):
    found = gradient_norms(lambda x: network(x)[:, 0], inputs, batch_size=batch_size)["l2"]
    np.testing.assert_allclose(found, gradient_norms(lambda x: network(x)[:, 0], inputs)["l2"], rtol=1e-5)


def test_inference_mode_does_not_hide_the_gradient(network, inputs):
    expected = gradient_norms(lambda x: network(x)[:, 0], inputs)["l2"]
    with torch.no_grad():
        assert np.array_equal(gradient_norms(lambda x: network(x)[:, 0], inputs)["l2"], expected)


def in_training_mode(x):
    return nn.functional.batch_norm(x, None, None, training=True).square().sum((1, 2, 3)) * x[:, 0, 0, 0]


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (lambda x: x.sum(), r"loss must return one loss per input, shape \(7,\), got shape \(\)"),
        (lambda x: 3.0, "loss must return one loss per input"),
        (lambda x: torch.zeros(len(x)), "loss must depend on the inputs"),
        (lambda x: x.detach().sum((1, 2, 3)), "loss must depend on the inputs"),
        (lambda x: torch.zeros(len(x), requires_grad=True), "loss must depend on the inputs"),
        (in_training_mode, "loss must treat each input by itself.*into evaluation mode"),
        (lambda x: x.sum((1, 2, 3)) * torch.inf, "loss must have finite gradients"),
    ],
)
def test_a_loss_that_cannot_be_used_is_refused(inputs, loss, message):
    with pytest.raises(InputError, match=message):
        gradient_norms(loss, inputs)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (torch.zeros(0, 3, 4, 4), r"inputs must be a float tensor .* got shape \(0, 3, 4, 4\)"),
        (torch.zeros(2, 3, dtype=torch.int64), "inputs must be a float tensor"),
        (np.zeros((2, 3)), "inputs must be a float tensor"),
    ],
)
def test_inputs_that_cannot_be_used_are_refused(inputs, message):
    with pytest.raises(InputError, match=message):
        gradient_norms(lambda x: x.sum(1), inputs)


def test_unknown_norms_and_embeddings_that_do_not_vary_are_refused(inputs):
    def loss(x):
        return x.sum((1, 2, 3))

    with pytest.raises(InputError, match="batch_size must be a positive whole number, got 0"):
        gradient_norms(loss, inputs, batch_size=0)
    with pytest.raises(InputError, match="norms must be of l1, l2, linf, got 'l3'"):
        gradient_norms(loss, inputs, norms="l3")
    with pytest.raises(InputError, match="embeddings must vary, got the same row everywhere"):
        brittleness(loss, inputs, np.ones((5, 2)))
    with pytest.raises(InputError, match="embeddings must have at least 2 rows to have a covariance, got 1"):
        brittleness(loss, inputs, np.ones((1, 2)))


@pytest.mark.parametrize("norm", ["l1", "l2", "linf"])
def test_brittleness_moves_with_pixel_units_and_size_and_its_unit_free_form_with_neither(norm):
    rng = np.random.default_rng(0)
    small = torch.as_tensor(rng.standard_normal((12, 1, 4, 4)))
    weight, z = torch.as_tensor(rng.standard_normal((1, 4, 4))), rng.standard_normal((30, 3))
    large = small.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)

    def loss(x):  # of the image, whatever its unit and size
        return torch.tanh((torch.nn.functional.adaptive_avg_pool2d(x, 4) * weight).sum((1, 2, 3)))

    plain, free = (brittleness(loss, small, z, norm=norm, unit_free=flag) for flag in (False, True))
    in_bytes = lambda x: loss(x / 255)  # noqa: E731
    assert brittleness(in_bytes, small * 255, z, norm=norm) == pytest.approx(plain / 255)
    assert brittleness(in_bytes, small * 255, z, norm=norm, unit_free=True) == pytest.approx(free)
    share = {"l1": 1.0, "l2": 0.5, "linf": 0.25}[norm]
    assert brittleness(loss, large, z, norm=norm) == pytest.approx(share * plain)
    assert brittleness(loss, large, z, norm=norm, unit_free=True) == pytest.approx(free)


def test_the_unit_free_form_needs_inputs_that_vary(inputs):
    with pytest.raises(InputError, match="inputs must vary for a form free of units"):
        brittleness(lambda x: x.sum((1, 2, 3)), inputs * 0, np.eye(3), unit_free=True)
