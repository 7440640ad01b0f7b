import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from reprq.backbones import Layer
from reprq.embeddings.pooling import pool, pool_layer, pooled_width
from reprq.embeddings.registry import POOLINGS, check_pooling
from reprq.errors import InputError, UnknownNameError

MAPS = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
TOKENS = torch.randn(2, 7, 3, generator=torch.Generator().manual_seed(1))
NAMED = (*(entry.name for entry in POOLINGS.built_in() if not entry.prefix), "grid:2x3")


def slow_gem(values: list[float]) -> float:
    """Radenovic et al. 2018, equation 3, for one channel of one image."""
    return (math.fsum(max(v, 1e-6) ** 3 for v in values) / len(values)) ** (1 / 3)


def slow_cells(plane: list[list[float]], rows: int, columns: int) -> list[float]:
    """Average cell (r, c) over rows floor(rH/R) to ceil((r+1)H/R), and columns likewise."""
    height, width = len(plane), len(plane[0])
    cells = []
    for r in range(rows):
        for c in range(columns):
            ys = range(r * height // rows, -(-(r + 1) * height // rows))
            xs = range(c * width // columns, -(-(c + 1) * width // columns))
            values = [plane[y][x] for y in ys for x in xs]
            cells.append(math.fsum(values) / len(values))
    return cells


def test_average_and_maximum_of_a_map_are_over_its_positions() -> None:
    for n in range(2):
        for c in range(3):
            values = MAPS[n, c].flatten().tolist()
            assert pool(MAPS, "avg")[n, c].item() == pytest.approx(math.fsum(values) / 20, abs=1e-6)
            assert pool(MAPS, "max")[n, c].item() == max(values)


def test_the_generalised_mean_follows_the_papers_equation() -> None:
    expected = [[slow_gem(MAPS[n, c].flatten().tolist()) for c in range(3)] for n in range(2)]
    torch.testing.assert_close(pool(MAPS, "gem"), torch.tensor(expected))
    torch.testing.assert_close(pool(-MAPS.abs(), "gem"), torch.full((2, 3), 1e-6))
    patches = [[slow_gem(TOKENS[n, 2:, d].tolist()) for d in range(3)] for n in range(2)]
    torch.testing.assert_close(pool(TOKENS, "gem", layout="NLD", class_token=True, registers=1), torch.tensor(patches))


def test_the_generalised_mean_of_half_precision_neither_overflows_nor_vanishes() -> None:
    large = torch.full((1, 1, 2, 2), 1000.0, dtype=torch.float16)
    assert pool(large, "gem").item() == pytest.approx(1000)
    assert pool(0 * large, "gem").item() == pytest.approx(1e-6)


@given(st.integers(1, 4), st.integers(1, 5))
@settings(max_examples=10, deadline=None)
def test_a_grid_averages_its_cells_channel_by_channel(rows: int, columns: int) -> None:
    expected = [[cell for c in range(3) for cell in slow_cells(MAPS[n, c].tolist(), rows, columns)] for n in range(2)]
    torch.testing.assert_close(pool(MAPS, f"grid:{rows}x{columns}"), torch.tensor(expected))


def test_the_grids_at_both_ends_are_the_average_and_everything() -> None:
    torch.testing.assert_close(pool(MAPS, "grid:1x1"), pool(MAPS, "avg"))
    torch.testing.assert_close(pool(MAPS, "grid:4x5"), pool(MAPS, "flatten"))


@pytest.mark.parametrize("pooling", ["avg", "max", "gem", "grid:2x3"])
def test_a_channels_last_map_pools_as_its_channels_first_twin(pooling: str) -> None:
    torch.testing.assert_close(pool(MAPS.permute(0, 2, 3, 1), pooling, layout="NHWC"), pool(MAPS, pooling))
    torch.testing.assert_close(pool(MAPS.to(memory_format=torch.channels_last), pooling), pool(MAPS, pooling))


@pytest.mark.parametrize(("class_token", "registers"), [(False, 0), (True, 0), (True, 4), (False, 4)])
def test_tokens_that_are_no_patches_are_left_out(class_token: bool, registers: int) -> None:
    leading = int(class_token) + registers
    options: dict[str, Any] = {"layout": "NLD", "class_token": class_token, "registers": registers}
    for n in range(2):
        for d in range(3):
            patches = TOKENS[n, leading:, d].tolist()
            assert pool(TOKENS, "avg", **options)[n, d].item() == pytest.approx(sum(patches) / len(patches), abs=1e-6)
            assert pool(TOKENS, "max", **options)[n, d].item() == max(patches)
    if class_token:
        assert torch.equal(pool(TOKENS, "cls", **options), TOKENS[:, 0])
        both = torch.cat([pool(TOKENS, "cls", **options), pool(TOKENS, "avg", **options)], dim=1)
        assert torch.equal(pool(TOKENS, "cls+avg", **options), both)


@pytest.mark.parametrize("pooling", ["avg", "max", "gem", "cls", "cls+avg", "flatten"])
def test_tokens_first_pool_as_images_first(pooling: str) -> None:
    turned = pool(TOKENS.transpose(0, 1), pooling, layout="LND", class_token=True)
    assert torch.equal(turned, pool(TOKENS, pooling, layout="NLD", class_token=True))


def test_flatten_keeps_every_number() -> None:
    assert torch.equal(pool(MAPS, "flatten"), MAPS.reshape(2, 60))
    assert torch.equal(pool(TOKENS, "flatten", layout="NLD", class_token=True), TOKENS.reshape(2, 21))


@pytest.mark.parametrize("pooling", NAMED)
def test_rows_without_positions_come_back_as_they_are(pooling: str) -> None:
    rows = torch.randn(4, 7)
    assert torch.equal(pool(rows, pooling, layout="ND"), rows)


@pytest.mark.parametrize(
    ("pooling", "layout"),
    [
        *((pooling, "NCHW") for pooling in ("avg", "flatten", "grid:4x4")),
        *((pooling, "NLD") for pooling in NAMED[:-1] if pooling != "tfidf"),
        ("avg", "ND"),
    ],
)
def test_a_later_in_place_operation_does_not_reach_the_pooled_rows(pooling: str, layout: str) -> None:
    output = torch.ones(2, 3, 4, 4)[(..., *[0] * (4 - len(layout)))]
    pooled = pool(output, pooling, layout=layout, class_token=True)
    output.zero_()
    assert pooled.min() == pytest.approx(1)


@pytest.mark.parametrize(
    "pooling", ["median", "grid:RxC", "grid:", "grid:0x2", "grid:2", "grid:2x-1", "grid:2x2x2", ""]
)
def test_an_unknown_pooling_lists_what_there_is(pooling: str) -> None:
    for check in (lambda: pool(MAPS, pooling), lambda: check_pooling(pooling)):
        with pytest.raises(UnknownNameError, match=r"Valid: avg, max, gem, cls, cls\+avg, tfidf, flatten, grid:RxC$"):
            check()


def test_what_cannot_be_pooled_is_named() -> None:
    with pytest.raises(InputError, match="'cls' needs layers with a class token, got layout NCHW; use 'avg'"):
        pool(MAPS, "cls")
    with pytest.raises(InputError, match=r"'cls\+avg' needs layers with a class token"):
        pool(TOKENS, "cls+avg", layout="NLD", registers=4)
    with pytest.raises(InputError, match=r"layout NLD must put out 3 axes, got shape \(2, 3, 4, 5\)"):
        pool(MAPS, "avg", layout="NLD")
    with pytest.raises(InputError, match="'grid:2x2' needs layers that put out maps, got tokens"):
        pool(TOKENS, "grid:2x2", layout="NLD")
    with pytest.raises(InputError, match="'grid:5x5' needs maps of at least 5 x 5, got 4 x 5; use fewer cells"):
        pool(MAPS, "grid:5x5")
    with pytest.raises(InputError, match="needs patches after the first 7 tokens, got none"):
        pool(TOKENS, "avg", layout="NLD", class_token=True, registers=6)


LAYERS = [
    Layer(0, "stem", "stem"),
    Layer(1, "block1", "block1", layout="NLD", class_token=True, registers=4),
    Layer(2, "block2", "block2", layout="LND"),
    Layer(3, "pooled", "head", where="input", layout="ND"),
]


def test_a_pooling_is_refused_before_any_work_and_the_layers_named() -> None:
    check_pooling("avg", LAYERS)
    check_pooling("cls", [LAYERS[1], LAYERS[3]])
    check_pooling("grid:2x2", [LAYERS[0], LAYERS[3]])
    with pytest.raises(InputError, match="'cls' needs layers with a class token, got stem, block2; use 'avg'"):
        check_pooling("cls", LAYERS)
    with pytest.raises(InputError, match="'grid:2x2' needs layers that put out maps, got block1, block2; use 'avg'"):
        check_pooling("grid:2x2", LAYERS)


def test_widths_are_those_of_the_rows() -> None:
    shapes = [(8, 4, 4), (21, 16), (16, 16), (32,)]
    found = {
        pooling: [pooled_width(layer, shape, pooling) for layer, shape in zip(LAYERS, shapes, strict=True)]
        for pooling in ("avg", "cls", "cls+avg", "flatten", "grid:2x3", "grid:5x1")
    }
    assert found == {
        "avg": [8, 16, 16, 32],
        "cls": [None, 16, None, 32],
        "cls+avg": [None, 32, None, 32],
        "flatten": [128, 336, 256, 32],
        "grid:2x3": [48, None, None, 32],
        "grid:5x1": [None, None, None, 32],
    }


MASK = torch.tensor([[1, 1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 0, 0, 0]])


@pytest.mark.parametrize("pooling", ["mean", "max", "gem", "cls", "cls+avg"])
@pytest.mark.parametrize("filler", [0.0, 1e30, math.nan])
def test_padding_never_counts_whatever_it_holds(pooling: str, filler: float) -> None:
    padded = TOKENS.masked_fill(~MASK.bool()[:, :, None], filler)
    found = pool(padded, pooling, layout="NLD", class_token=True, mask=MASK)
    for row, length in enumerate(MASK.sum(1).tolist()):
        kept = TOKENS[row : row + 1, :length]
        if pooling in ("mean", "cls+avg"):  # Sentence-BERT's mean pooling, special tokens and all
            expected = [math.fsum(kept[0, :, c].tolist()) / length for c in range(3)]
            expected = [*kept[0, 0].tolist(), *expected] if pooling == "cls+avg" else expected
        elif pooling == "max":
            expected = [max(kept[0, :, c].tolist()) for c in range(3)]
        elif pooling == "gem":
            expected = [slow_gem(kept[0, :, c].tolist()) for c in range(3)]
        else:
            expected = kept[0, 0].tolist()
        assert found[row].tolist() == pytest.approx(expected, rel=1e-6)


def test_tokens_of_varying_number_have_no_flat_row_and_a_mask_must_fit() -> None:
    layer = Layer(0, "block", "block", layout="NLD", class_token=True, varying=True)
    with pytest.raises(InputError, match="'flatten' needs layers of a fixed number of tokens, got block; use 'avg'"):
        check_pooling("flatten", [layer])
    assert pooled_width(layer, (7, 3), "flatten") is None
    assert pooled_width(layer, (7, 3), "mean") == 3
    with pytest.raises(InputError, match="must put out a token for each that goes in, got 7 for 6"):
        pool_layer(layer, TOKENS, "avg", MASK[:, :6])
    vectors = Layer(1, "pooled", "", layout="ND")
    assert torch.equal(pool_layer(vectors, TOKENS[:, 0], "max", MASK), TOKENS[:, 0])
    assert torch.equal(pool(TOKENS, "mean", layout="NLD"), pool(TOKENS, "avg", layout="NLD"))
