"""What holds for every pooling that is registered, whatever it computes."""

import numpy as np
import pytest
import torch

import reprq
from reprq.backbones import Layer
from reprq.embeddings.pooling import LayerOutput, pool, pooled_width
from reprq.embeddings.registry import POOLINGS, check_pooling, refusal, unmet
from reprq.errors import InputError
from reprq.registry import Entry

WORDS = {"grid:RxC": "grid:2x3"}  # of an entry with a prefix, one name that it stands for
OUTPUTS = {"maps": ("NCHW", (3, 5, 6)), "tokens": ("NLD", (9, 5))}
CASES = [(entry, kind) for entry in POOLINGS for kind in OUTPUTS]


@pytest.fixture(params=CASES, ids=lambda case: f"{case[0].name} of {case[1]}")
def case(request):
    entry, kind = request.param
    return entry, WORDS.get(entry.name, entry.name), kind


def made(kind):
    layout, shape = OUTPUTS[kind]
    x = torch.randn(4, *shape, generator=torch.Generator().manual_seed(0))
    return x, {"layout": layout, "class_token": kind == "tokens", "registers": 2 if kind == "tokens" else 0}


def weighted(entry, x):
    """The weights that a pooling asks for, one a token."""
    return {"weights": torch.linspace(1, 3, x.shape[1]).expand(4, -1)} if "term weights" in entry.needs else {}


def test_it_pools_what_it_says_row_by_row(case):
    entry, name, kind = case
    x, how = made(kind)
    layer = Layer(0, "block", "block", **how)
    if "term weights" in entry.needs:
        pytest.skip("of texts alone; see test_term_weights.py")
    if not entry.takes(kind):
        for refused in (lambda: pool(x, name, **how), lambda: check_pooling(name, [layer])):
            with pytest.raises(InputError, match="needs layers .*, got .*; use 'avg'"):
                refused()
        return
    rows = pool(x, name, **how)
    assert rows.shape == (4, pooled_width(layer, x.shape[1:], name))
    assert torch.isfinite(rows).all()
    torch.testing.assert_close(rows, torch.cat([pool(x[i : i + 1], name, **how) for i in range(4)]))
    torch.testing.assert_close(pool(x[[2, 0]], name, **how), rows[[2, 0]])
    assert not torch.equal(pool(2 * x + 1, name, **how), rows)
    assert pool(x.half(), name, **how).dtype in (torch.float16, torch.float32)


def test_padding_does_not_count(case):
    entry, name, kind = case
    if kind == "maps" or not entry.takes("tokens") or "fixed length" in entry.needs:
        pytest.skip("not of texts")
    x, how = made(kind)
    lengths = torch.tensor([9, 4, 1, 7])
    mask = (torch.arange(9) < lengths[:, None]).long()
    own = weighted(entry, x)
    padded = pool(x.masked_fill(~mask.bool()[..., None], torch.nan), name, **how, mask=mask, **own)
    whole = [
        pool(
            x[i : i + 1, :n],
            name,
            **how,
            mask=mask[i : i + 1, :n],
            **{key: values[i : i + 1, :n] for key, values in own.items()},
        )
        for i, n in enumerate(lengths.tolist())
    ]
    torch.testing.assert_close(padded, torch.cat(whole))


def test_what_it_needs_is_known_and_said(case):
    entry, name, _ = case
    assert entry.about
    for need in entry.needs:
        lacks = unmet(entry, "NLD", need != "class token", need == "fixed length")
        assert lacks == need
        assert "needs layers" in refusal(name, lacks, "block")


def spread(output: LayerOutput) -> torch.Tensor:
    return output.positions.std(dim=1)


def test_one_that_is_registered_is_extracted_by_its_name(tmp_path):
    POOLINGS.register(Entry(name="spread", target=spread, inputs="maps, tokens", about="standard deviation"))
    try:
        pixels = np.random.default_rng(0).integers(0, 256, (6, 28, 28, 3), dtype=np.uint8)
        how = {"weights": "random", "cache_dir": tmp_path, "progress": False}
        cache = reprq.extract("lenet", pixels, "0-1", pooling="avg,spread", **how)
        assert list(cache) == ["conv1", "conv1@spread", "conv2", "conv2@spread"]
        assert cache["conv1@spread"].array.shape == cache["conv1"].array.shape
        assert (cache["conv1@spread"].array > 0).any()
    finally:
        POOLINGS.remove("spread")
    with pytest.raises(reprq.ReprqError, match="unknown pooling 'spread'"):
        reprq.extract("lenet", pixels, "conv1", pooling="spread", **how)
