import re
from typing import Any

import pytest

from reprq.backbones.layers.selection import Layer, select
from reprq.errors import UnknownNameError

NAMES = ("stem", "layer1", "layer2", "layer3", "layer4", "pooled")
LAYERS = [Layer(number, name, name) for number, name in enumerate(NAMES)]


@pytest.mark.parametrize(
    ("spec", "numbers"),
    [
        (3, [3]),
        ("3", [3]),
        ("layer3", [3]),
        (-1, [5]),
        ("-1", [5]),
        ("-6", [0]),
        ("1-4", [1, 2, 3, 4]),
        ("2-2", [2]),
        ("all", [0, 1, 2, 3, 4, 5]),
        ("1, 3,layer4", [1, 3, 4]),
        ([4, "stem", "4"], [0, 4]),
        (("1-2", -1), [1, 2, 5]),
        ("pooled,stem", [0, 5]),
    ],
)
def test_a_spec_gives_layers_in_the_order_of_depth(spec: Any, numbers: list[int]) -> None:
    assert [layer.number for layer in select(LAYERS, spec, "resnet18")] == numbers


@pytest.mark.parametrize("spec", ["6", 6, "-7", "layer5", "3-6", "4-1", "", "1,,2", "1.5", "stem-layer2", "Layer3"])
def test_what_there_is_not_lists_what_there_is(spec: Any) -> None:
    with pytest.raises(UnknownNameError) as caught:
        select(LAYERS, spec, "resnet18")
    valid = "Valid: 0 stem, 1 layer1, 2 layer2, 3 layer3, 4 layer4, 5 pooled"
    assert re.match(r"unknown layer of resnet18 '.*'(: did you mean .*\?|\.) Valid", str(caught.value))
    assert str(caught.value).endswith(valid)


def test_numbers_stay_when_deep_layers_are_left_out() -> None:
    assert [layer.name for layer in select(LAYERS[:4], -1, "cut")] == ["layer3"]
    assert [layer.name for layer in select(LAYERS[1:], "1", "cut")] == ["layer1"]
