import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprq.errors import InputError
from reprq.evaluation.suspicion import region_shares

LABELS = np.repeat([0, 1], 10)


def test_shares_are_those_of_a_loop() -> None:
    maps = np.random.default_rng(0).gamma(1.0, size=(20, 32, 48))
    found = {each.region: each for each in region_shares(maps, LABELS)}
    typical = np.median(maps[:10], axis=0)
    shares = []
    for image in maps[10:]:
        above, inside = np.maximum(image - typical, 0), 0.0
        for i in range(32):
            for j in range(48):
                inside += above[i, j] if i < 2 or i >= 30 or j < 3 or j >= 45 else 0
        shares.append(inside / above.sum())
    assert found["border"].anomalous == pytest.approx(np.mean(shares))
    assert found["border"].area == pytest.approx(1 - 28 * 42 / (32 * 48))
    assert found["top left corner"].area == pytest.approx(4 * 6 / (32 * 48))


def test_what_is_high_in_every_image_is_not_suspicious_and_what_is_in_anomalous_ones_alone_is() -> None:
    rng = np.random.default_rng(1)
    maps = rng.gamma(1.0, size=(20, 32, 32))
    maps[:, :2] += 50  # where a network pads
    assert not any(each.suspicious for each in region_shares(maps, LABELS))
    maps[10:, -4:, -4:] += 50
    assert [each.region for each in region_shares(maps, LABELS) if each.suspicious] == ["border", "bottom right corner"]


def test_constant_pixels_and_images_that_say_nothing() -> None:
    maps, constant = np.zeros((20, 16, 16)), np.zeros((16, 16), dtype=bool)
    constant[6:9, 6:9] = True
    assert all(each.anomalous == each.area for each in region_shares(maps, LABELS, constant))
    maps[10:, 7, 7] = 1.0
    found = region_shares(maps, LABELS, constant)[-1]
    assert (found.region, found.anomalous, found.suspicious) == ("constant pixels", 1.0, True)
    assert len(region_shares(maps, LABELS, np.ones((16, 16)))) == 5  # all alike says nothing


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.floats(1e-3, 1e3))
def test_shares_do_not_depend_on_units(seed: int, scale: float) -> None:
    maps = np.random.default_rng(seed).gamma(1.0, size=(8, 16, 16))
    labels = np.repeat([0, 1], 4)
    one, other = (region_shares(maps * factor, labels, resamples=20) for factor in (1.0, scale))
    for a, b in zip(one, other, strict=True):
        assert a.anomalous == pytest.approx(b.anomalous)
        assert 0 <= a.anomalous <= 1


def test_errors_say_what_to_do() -> None:
    with pytest.raises(InputError, match="maps must be .n, h, w. with n labels"):
        region_shares(np.zeros((4, 4)), [0, 0, 1, 1])
    with pytest.raises(InputError, match="at least 2 images of either label"):
        region_shares(np.zeros((3, 4, 4)), [0, 0, 1])
    with pytest.raises(InputError, match="constant must be of shape"):
        region_shares(np.zeros((4, 4, 4)), [0, 0, 1, 1], np.zeros((2, 2)))
