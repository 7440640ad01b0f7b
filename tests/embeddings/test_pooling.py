import pytest
import torch

from reprq.embeddings.pooling import POOLINGS, pool
from reprq.errors import InputError, UnknownNameError

MAPS = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))


def test_average_and_maximum_of_a_map_are_over_its_positions() -> None:
    torch.testing.assert_close(pool(MAPS, "avg"), MAPS.mean(dim=(2, 3)))
    torch.testing.assert_close(pool(MAPS, "max"), MAPS.amax(dim=(2, 3)))


@pytest.mark.parametrize("pooling", ["avg", "max"])
def test_a_channels_last_map_pools_as_its_channels_first_twin(pooling: str) -> None:
    torch.testing.assert_close(pool(MAPS.permute(0, 2, 3, 1), pooling, layout="NHWC"), pool(MAPS, pooling))


def test_tokens_leave_the_class_token_out_of_the_average() -> None:
    tokens = torch.randn(2, 5, 3)
    torch.testing.assert_close(pool(tokens, "avg", layout="NLD", class_token=True), tokens[:, 1:].mean(dim=1))
    torch.testing.assert_close(pool(tokens, "avg", layout="NLD"), tokens.mean(dim=1))
    torch.testing.assert_close(pool(tokens, "cls", layout="NLD", class_token=True), tokens[:, 0])


def test_flatten_keeps_every_number() -> None:
    assert torch.equal(pool(MAPS, "flatten"), MAPS.reshape(2, 60))


@pytest.mark.parametrize("pooling", POOLINGS)
def test_rows_without_positions_come_back_as_they_are(pooling: str) -> None:
    rows = torch.randn(4, 7)
    assert torch.equal(pool(rows, pooling, layout="ND"), rows)


@pytest.mark.parametrize(("pooling", "layout"), [("flatten", "NCHW"), ("avg", "ND")])
def test_a_later_in_place_operation_does_not_reach_the_pooled_rows(pooling: str, layout: str) -> None:
    output = torch.ones(2, 3, 4, 4) if layout == "NCHW" else torch.ones(2, 3)
    pooled = pool(output, pooling, layout=layout)
    output.zero_()
    assert pooled.min() == 1


def test_unknown_pooling_and_missing_class_token_and_wrong_axes_are_named() -> None:
    with pytest.raises(UnknownNameError, match="unknown pooling 'mean'.*Valid: avg, max, cls, flatten"):
        pool(MAPS, "mean")
    with pytest.raises(InputError, match="needs a layer with a class token, got layout NCHW"):
        pool(MAPS, "cls")
    with pytest.raises(InputError, match=r"layout NLD must put out 3 axes, got shape \(2, 3, 4, 5\)"):
        pool(MAPS, "avg", layout="NLD")
