"""FCDD: networks and receptive fields as published, maps against a slow loop, losses against their equations."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from reprq.data import as_dataset, load_dataset
from reprq.data.image.augmentation import augmented
from reprq.detectors import FCDD, load
from reprq.detectors.deep import fcdd
from reprq.detectors.deep.confetti import confetti
from reprq.detectors.deep.fcdd import masked_loss
from reprq.detectors.deep.fully_convolutional import (
    STACKS,
    fully_convolutional,
    receptive_field,
    upsampled,
    widths,
    with_field,
)
from reprq.errors import DataError, InputError, UnknownNameError

QUICK = {"network": "fashion_mnist", "size": 16, "epochs": 2, "batch_size": 16}
PARAMETERS = {"fashion_mnist": 413_441, "cifar10": 1_185_281, "imagenet": 4_504_833}
FIELDS = {"fashion_mnist": (16, 4), "cifar10": (22, 4), "imagenet": (62, 8)}


def made(name):
    stack = STACKS[name]
    return stack, fully_convolutional(stack, 1 if stack.channels == "gray" else 3).eval()


@pytest.mark.parametrize("name", STACKS)
def test_parameters_are_those_published(name):
    stack, network = made(name)
    head = nn.Conv2d(widths(stack), 1, 1)
    count = sum(weight.numel() for part in (network, head) for weight in part.parameters())
    assert count == PARAMETERS[name]


@pytest.mark.parametrize("name", STACKS)
def test_receptive_fields_are_those_published_and_those_of_the_gradient(name):
    stack, network = made(name)
    field = receptive_field(network)
    assert (field.size, field.stride) == FIELDS[name]
    smooth = nn.Sequential(*(_smooth(layer) for layer in network))  # a maximum hides what it did not choose
    side = field.size + 6 * field.stride
    x = torch.rand(1, 1 if stack.channels == "gray" else 3, side, side, requires_grad=True)
    outputs = smooth(x)
    place = outputs.shape[-1] // 2
    outputs[0, :, place, place - 1].sum().backward()
    seen = x.grad[0].abs().sum(0) > 0
    for axis, i in ((1, place), (0, place - 1)):
        pixels = torch.nonzero(seen.any(axis)).ravel()
        start = i * field.stride - field.padding
        assert (pixels[0], pixels[-1]) == (start, start + field.size - 1)


@pytest.mark.parametrize("field", range(20, 34, 2))
def test_a_receptive_field_is_had_by_the_kernel_of_the_first_convolution(field):
    layers = fully_convolutional(with_field(STACKS["cifar10"], field), 3)
    found = receptive_field(layers)
    assert (found.size, found.stride) == (field, 4)
    assert found.padding == (field - found.stride) // 2  # every field lies about its output, as the network's own does
    assert layers(torch.zeros(1, 3, 16, 16)).shape[-2:] == (4, 4)


def _smooth(layer):
    if isinstance(layer, nn.MaxPool2d):
        return nn.AvgPool2d(2)
    if isinstance(layer, nn.Conv2d):
        nn.init.constant_(layer.weight, 1.0)
        return layer
    return nn.Identity()


def slow(maps, field, sigma, shape):
    """Every output's Gaussian, pixel by pixel."""
    found = np.zeros(shape)
    center = (field.size - 1) / 2
    weights = [[math.exp(-((a - center) ** 2 + (b - center) ** 2) / (2 * sigma**2)) for b in range(field.size)]
               for a in range(field.size)]  # fmt: skip
    total = sum(map(sum, weights))
    for i in range(maps.shape[0]):
        for j in range(maps.shape[1]):
            for a in range(field.size):
                for b in range(field.size):
                    row, column = i * field.stride - field.padding + a, j * field.stride - field.padding + b
                    if 0 <= row < shape[0] and 0 <= column < shape[1]:
                        found[row, column] += maps[i, j] * weights[a][b] / total
    return found


@pytest.mark.parametrize(
    ("name", "shape"), [("fashion_mnist", (28, 28)), ("cifar10", (32, 27)), ("imagenet", (71, 64))]
)
def test_upsampling_is_the_slow_loop(name, shape):
    stack, network = made(name)
    channels = 1 if stack.channels == "gray" else 3
    maps = torch.rand(2, 1, *network(torch.zeros(1, channels, *shape)).shape[-2:], dtype=torch.float64)
    field = receptive_field(network)
    found = upsampled(maps, field, stack.sigma, shape)
    assert found.shape == (2, 1, *shape)
    np.testing.assert_allclose(found[1, 0].numpy(), slow(maps[1, 0].numpy(), field, stack.sigma, shape), atol=1e-12)


@pytest.mark.parametrize("name", STACKS)
def test_one_output_peaks_at_the_center_of_its_field_and_keeps_its_sum(name):
    stack, network = made(name)
    field = receptive_field(network)
    side = field.size + 8 * field.stride
    maps = torch.zeros(1, 1, side // field.stride, side // field.stride, dtype=torch.float64)
    i, j = maps.shape[2] // 2, maps.shape[2] // 2 - 1
    maps[0, 0, i, j] = 3.0
    found = upsampled(maps, field, stack.sigma, (side, side))[0, 0]
    assert found.sum().item() == pytest.approx(3.0)
    peaks = torch.nonzero(found >= found.max() * (1 - 1e-12)).tolist()  # an even field has its center between pixels
    middle = [k * field.stride - field.padding + field.size // 2 for k in (i, j)]
    assert peaks == [[row, column] for row in (middle[0] - 1, middle[0]) for column in (middle[1] - 1, middle[1])]


def test_the_masked_loss_is_its_equation_and_finite_where_a_mask_is_empty():
    maps = torch.rand(3, 1, 6, 6, requires_grad=True)
    masks = torch.zeros(3, 1, 6, 6)
    masks[0, 0, :2], masks[1] = 1.0, 1.0
    loss = masked_loss(maps, masks)
    a = maps.detach().numpy()[:, 0].astype(np.float64)
    first = a[0, 2:].sum() / 36 - np.log(1 - np.exp(-a[0, :2].sum() / 36))
    expected = [first, -np.log(1 - np.exp(-a[1].mean())), a[2].mean()]
    np.testing.assert_allclose(loss.detach().numpy(), expected, rtol=1e-5)
    loss.sum().backward()
    assert torch.isfinite(maps.grad).all()
    assert (maps.grad[0, 0, :2] < 0).all()
    assert (maps.grad[0, 0, 2:] > 0).all()


def test_confetti_changes_what_it_says_and_every_image():
    torch.manual_seed(0)
    x = torch.full((64, 3, 224, 224), 0.5)
    changed, where = confetti(x)
    assert ((changed >= 0) & (changed <= 1)).all()
    assert where.flatten(1).any(1).all()
    share = where.double().mean().item()
    counts = torch.poisson(torch.tensor(1.505).expand(100_000)).clamp(1).mean().item()
    assert share == pytest.approx(counts * 31**2 / 224**2, rel=0.35)  # 31 is the mean side
    off = (changed - x).abs().amax(1, keepdim=True)
    near = nn.functional.max_pool2d(where.float(), 25, 1, 12) > 0
    assert off[~near].max() < 0.05
    gray, _ = confetti(torch.full((4, 1, 28, 28), 0.5))
    assert gray.shape == (4, 1, 28, 28)


@pytest.fixture(scope="module")
def images():
    """Benign images without structure, the same with a white square, and where the square is."""
    rng = np.random.default_rng(0)
    benign = rng.integers(90, 110, (60, 16, 16), dtype=np.uint8)
    anomalous = rng.integers(90, 110, (20, 16, 16), dtype=np.uint8)
    masks = np.zeros((20, 16, 16), dtype=bool)
    for i, (row, column) in enumerate(rng.integers(0, 12, (20, 2))):
        masks[i, row : row + 4, column : column + 4] = True
    anomalous[masks] = 250
    return as_dataset(benign), as_dataset(anomalous), masks


@pytest.mark.parametrize("how", ["confetti", "auxiliary", "labelled", "masks"])
def test_maps_are_high_where_the_anomaly_is(images, how, tmp_path):
    benign, anomalous, masks = images
    known, new = anomalous.select(np.arange(10)), anomalous.select(np.arange(10, 20))
    besides = {
        "confetti": {},
        "auxiliary": {"auxiliary": known},
        "labelled": {"labelled": known},
        "masks": {"labelled": known, "masks": masks[:10]},
    }[how]
    detector = FCDD(**{**QUICK, "epochs": 6}).fit(benign, **besides)
    maps = detector.anomaly_map(new)
    assert (maps.shape, maps.dtype) == ((10, 16, 16), np.float32)
    assert maps[masks[10:]].mean() > 2 * maps[~masks[10:]].mean()
    assert detector.anomaly_score(new).min() > detector.anomaly_score(benign).mean()
    detector.save(tmp_path / "d")
    np.testing.assert_array_equal(load(tmp_path / "d").anomaly_map(new), maps)


@pytest.mark.parametrize("how", ["confetti", "auxiliary"])
def test_training_images_are_augmented_and_no_others(images, how, monkeypatch):
    benign, corpus, _ = images
    seen = []

    def recorded(x, names):
        seen.append((len(x), tuple(names)))
        return augmented(x, names)

    monkeypatch.setattr(fcdd, "augmented", recorded)
    given = {"auxiliary": corpus} if how == "auxiliary" else {}
    detector = FCDD(**QUICK, augmentations=["flip", "noise"], held_out=0.2).fit(benign, **given)
    detector.anomaly_score(benign)
    assert {names for _, names in seen} == {("flip", "noise")}
    assert len(seen) == 2 * 3  # two epochs, and 48 benign images in batches of 16
    assert {count for count, _ in seen} == {32 if given else 16}
    assert "augmentations=flip-noise" in detector.describe()


def test_a_map_sums_to_the_score_but_for_borders(images):
    benign, anomalous, _ = images
    detector = FCDD(**{**QUICK, "size": 64}).fit(benign)
    sums, scores = detector.anomaly_map(anomalous).sum((1, 2)), detector.anomaly_score(anomalous)
    assert (sums <= scores * (1 + 1e-5)).all()
    np.testing.assert_allclose(sums, scores, rtol=0.25)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"network": "mnist"},
            UnknownNameError,
            "unknown network of fcdd 'mnist': did you mean 'fashion_mnist'\\? Valid: fashion_mnist, cifar10",
        ),
        ({"size": 7}, InputError, "size must be at least 8 pixels for fashion_mnist, got 7"),
        ({"sigma": 0}, InputError, "sigma must be a positive number of pixels, got 0"),
        ({"preprocessing": "z-score"}, InputError, "preprocessing must be one of min-max, contrast, got 'z-score'"),
        ({"field": 17}, InputError, "field must be 12, 14, 16, ... pixels for this network, got 17"),
        ({"field": 10}, InputError, "field must be 12, 14, 16, ... pixels for this network, got 10"),
        ({"field": 34}, InputError, "field must be at most 32 pixels, twice the side of the images, got 34"),
        ({"field": 2.5}, InputError, "field must be"),
        ({"augmentations": "flip"}, InputError, "augmentations must be a list of names, got 'flip'"),
        ({"augmentations": ["flop"]}, UnknownNameError, "unknown augmentation 'flop'"),
    ],
)
def test_parameters_that_cannot_be_used(change, error, message):
    with pytest.raises(error, match=message):
        FCDD(**{**QUICK, **change}).check_parameters()


def test_what_it_cannot_learn_from(images):
    benign, anomalous, masks = images
    with pytest.raises(InputError, match="from known anomalies or from a corpus, got both; give labelled or auxiliary"):
        FCDD(**QUICK).fit(benign, labelled=anomalous, auxiliary=anomalous)
    with pytest.raises(InputError, match="masks are of known anomalies, and there are none; give labelled"):
        FCDD(**QUICK).fit(benign, masks=masks)
    with pytest.raises(InputError, match=r"masks must be numbers of shape \(20, 16, 16\), got bool of \(20, 8, 16\)"):
        FCDD(**QUICK).fit(benign, labelled=anomalous, masks=masks[:, :8])
    with pytest.raises(InputError, match="augmentations move images and not their masks; leave them out"):
        FCDD(**QUICK, augmentations=["flip"]).fit(benign, labelled=anomalous, masks=masks)
    with pytest.raises(DataError, match="labelled holds 60 images of X, to the byte; leave out what is benign"):
        FCDD(**QUICK).fit(benign, labelled=benign)


@pytest.mark.parametrize("name", STACKS)
def test_with_mirrored_borders_a_plate_of_one_color_has_one_value_everywhere(name):
    stack = STACKS[name]
    plate = torch.full((1, 1 if stack.channels == "gray" else 3, 64, 64), 0.7)
    spans = []
    for padding in ("reflect", "zeros"):
        torch.manual_seed(0)
        found = fully_convolutional(stack, plate.shape[1], padding).eval()(plate).detach()
        spans.append(float((found.amax((2, 3)) - found.amin((2, 3))).max()))
    assert spans[0] < 1e-5 < 1e-2 < spans[1]
    detector = FCDD(**QUICK, padding="reflect", field=32).fit(load_dataset("digits").sample(20))
    assert "field=32" in detector.describe()
    assert detector.field_.size == 32
    assert "padding=reflect" in detector.describe()
    assert "padding" not in FCDD(**QUICK).describe()


def test_wide_images_are_squashed_and_nothing_is_cut_off():
    wide = np.zeros((5, 8, 32), dtype=np.uint8)
    wide[:, :, -4:] = 255
    detector = FCDD(**QUICK).fit(wide)
    assert detector.inputs_[[0]][0, 0, :, -1].min() > 0.9
    assert detector.anomaly_map(load_dataset("digits").sample(10)).shape == (10, 16, 16)
