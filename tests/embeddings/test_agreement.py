import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F  # noqa: N812

from reprq.backbones import Preprocessing
from reprq.data import ImageDataset
from reprq.embeddings import extract
from reprq.embeddings.agreement import difference, percent, tolerance_of
from reprq.embeddings.cache.cache import EmbeddingCache
from reprq.embeddings.forward import Measured
from reprq.errors import InputError

CPU = tolerance_of("float32", ["cpu"])


class Between(nn.Module):
    """What a test tries, between two convolutions."""

    def __init__(self, tried: Any) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Conv2d(3, 6, 3, stride=2), nn.Conv2d(6, 5, 3)
        self.tried = tried if isinstance(tried, nn.Module) else Call(tried)

    def forward(self, x: torch.Tensor) -> Any:
        return self.last(self.tried(self.first(x)))


class Call(nn.Module):
    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> Any:
        return self.function(x)


class Stubborn(nn.BatchNorm2d):
    """Never leaves training mode."""

    def train(self, mode: bool = True) -> "Stubborn":
        super().train(True)
        return self


class StubbornDropout(nn.Dropout):
    def train(self, mode: bool = True) -> "StubbornDropout":
        super().train(True)
        return self


class Counting(nn.Module):
    """Counts its calls, and after some of them puts out something else."""

    def __init__(self, factor: float, after: int = 0) -> None:
        super().__init__()
        self.calls, self.factor, self.after = 0, factor, after

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return x * self.factor if self.calls > self.after else x


class Memory(nn.Module):
    """Mixes the last batch into this one."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("last", torch.zeros(1, 6, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = x + self.last
        self.last = x.mean((0, 2, 3), keepdim=True)
        return y


class OwnGenerator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.generator = torch.Generator().manual_seed(0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.randn(x.shape, generator=self.generator)


def attention_over_the_batch(x: torch.Tensor) -> torch.Tensor:
    tokens = x.mean((2, 3))
    return x + (torch.softmax(tokens @ tokens.T, 1) @ tokens)[:, :, None, None]


def rarely_dropped(x: torch.Tensor) -> torch.Tensor:
    return x + x.tanh() * torch.bernoulli(torch.full((len(x), 1, 1, 1), 0.9))


CHANGING = {
    "dropout": lambda x: F.dropout(x, 0.3),
    "dropout in training mode": StubbornDropout(0.3),
    "noise": lambda x: x + torch.randn_like(x),
    "little noise": lambda x: x + 1e-4 * torch.randn_like(x),
    "python's random": lambda x: x * random.random(),
    "numpy's random": lambda x: x * np.random.rand(),  # noqa: NPY002
    "a generator of its own": OwnGenerator(),
    "stochastic depth": rarely_dropped,
    "calls": lambda x, seen=[]: x * (seen.append(0) or len(seen)),
    "memory": Memory(),
}

NEIGHBOURS = {
    "batch statistics": Stubborn(6),
    "no running statistics": nn.BatchNorm2d(6, track_running_stats=False),
    "functional batch norm": lambda x: F.batch_norm(x, None, None, training=True),
    "standardised": lambda x: (x - x.mean(0)) / (x.std(0, correction=0) + 1),
    "normalised": lambda x: F.normalize(x, dim=0),
    "softmax": lambda x: x.softmax(0),
    "attention": attention_over_the_batch,
    "rolled": lambda x: x + x.roll(1, 0),
    "largest of the batch": lambda x: x / x.abs().amax(),
    "size of the batch": lambda x: x / len(x),
}


@pytest.mark.parametrize("kind", CHANGING)
def test_a_network_that_changes_its_mind_is_refused_before_work(
    kind: str, images: ImageDataset, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"layer 'tried\S*' of Between must put out the same .* differ by \S+ % of"):
        _extract(Between(CHANGING[kind]), images.select(range(12)), tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", NEIGHBOURS)
def test_a_row_that_depends_on_its_neighbours_is_refused_before_work(
    kind: str, images: ImageDataset, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"layer 'tried\S*' of Between must depend on each image alone, .* \S+ % of"):
        _extract(Between(NEIGHBOURS[kind]), images.select(range(12)), tmp_path)
    assert list(tmp_path.iterdir()) == []


LARGE = {
    "centred": lambda x: x - x.mean(0, keepdim=True) if len(x) > 20 else x,
    "one row": lambda x: torch.cat([x[:-1], x[-1:] + x[:1]]) if len(x) > 20 else x,
    "rows in pairs": lambda x: x.view(-1, 2, *x.shape[1:]).flip(1).flatten(0, 1) if len(x) == 22 else x,
    "chunks of eight": lambda x: torch.cat([x[:8], x[8:] - x[:8].mean(0)]),
}


@pytest.mark.parametrize("kind", LARGE)
def test_a_network_that_mixes_images_in_larger_batches_alone_is_refused(
    kind: str, images: ImageDataset, tmp_path: Path
) -> None:
    few = images.select(range(22))
    with pytest.raises(InputError, match=r"layer 'tried\S*' of Between must depend on each image alone, .* \S+ % of"):
        _extract(Between(LARGE[kind]), few, tmp_path, batch_size=64)
    (path,) = tmp_path.iterdir()
    assert list(EmbeddingCache(path)) == []
    assert len(_extract(Between(LARGE[kind]), few, tmp_path, batch_size=8).ids) == 22


def test_a_module_in_training_mode_is_named(images: ImageDataset, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="module 'tried' is in training mode"):
        _extract(Between(StubbornDropout(0.3)), images.select(range(3)), tmp_path)


@pytest.mark.parametrize(
    "tried",
    [
        nn.BatchNorm2d(6),
        nn.InstanceNorm2d(6),  # its averages are nothing but rounding
        nn.GroupNorm(2, 6),
        nn.Dropout(0.5),
        nn.Softmax(1),
        Counting(1.0),
        lambda x: x[:, torch.randperm(6)].mean(1, keepdim=True).expand(-1, 6, -1, -1),  # random and of no effect
        lambda x: x * 0,
        lambda x: x + 1e6,
    ],
    ids=["batch", "instance", "group", "dropout", "softmax", "counter", "order", "zero", "offset"],
)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_what_only_rounds_otherwise_is_not_refused_for_it(
    tried: Any, precision: str, images: ImageDataset, tmp_path: Path
) -> None:
    _extract(Between(tried), images.select(range(7)), tmp_path, precision=precision)


def test_a_change_after_many_batches_leaves_nothing_behind(images: ImageDataset, tmp_path: Path) -> None:
    network = Between(Counting(2.0, after=12))
    with pytest.raises(InputError, match="must put out the same for the same images, got rows that differ by 50 %"):
        _extract(network, images.select(range(12)), tmp_path, batch_size=1)
    (path,) = tmp_path.iterdir()
    assert list(EmbeddingCache(path)) == []


class Failing(nn.Module):
    """Fails on images that are brighter than most, or from some call on, or in large batches."""

    def __init__(self, how: str, limit: float) -> None:
        super().__init__()
        self.how, self.limit, self.calls = how, limit, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        found = {"bright": x.mean((1, 2, 3)).max().item(), "calls": self.calls, "batch": len(x)}[self.how]
        if found > self.limit:
            raise RuntimeError("it went\nwrong")
        return x


def test_an_error_in_a_later_batch_is_one_sentence_with_the_layer_and_the_image(
    images: ImageDataset, tmp_path: Path
) -> None:
    few = images.select(range(40))
    plain = Preprocessing().replace(size=16, mean=0, std=1)
    values = np.array([plain(few.item(i)).mean().item() for i in range(40)])
    limit = (values.max() + values[[0, 20, 39]].max()) / 2  # the three on which a network is tried stay below
    sums = nn.Conv2d(3, 1, 1, bias=False)
    nn.init.constant_(sums.weight, 1 / 3)
    network = nn.Sequential(sums, Failing("bright", limit))
    with pytest.raises(InputError) as caught:
        extract(network, few, preprocessing=plain.to_dict(), cache_dir=tmp_path, progress=False, batch_size=8)
    first = few.ids[np.flatnonzero(values > limit)[0]]
    assert f"got RuntimeError: it went wrong, after layer '0', at the image '{first}'" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_error_that_no_image_causes_alone_names_the_batch(images: ImageDataset, tmp_path: Path) -> None:
    few = images.select(range(20))
    network = Between(Failing("batch", 7))
    with pytest.raises(InputError, match=f"in the batch of 8 images from '{few.ids[0]}' to '{few.ids[7]}'"):
        _extract(network, few, tmp_path, batch_size=8)
    assert len(_extract(Between(Failing("batch", 7)), few, tmp_path, batch_size=7).ids) == 20


def test_memory_that_runs_out_asks_for_smaller_batches(images: ImageDataset, tmp_path: Path) -> None:
    def greedy(x: torch.Tensor) -> torch.Tensor:
        if len(x) > 4:
            raise MemoryError("too much")
        return x

    with pytest.raises(InputError, match="fit into memory with 10 images, got MemoryError: too much; give a smaller"):
        _extract(Between(greedy), images.select(range(20)), tmp_path, batch_size=10)


def test_a_network_that_loses_the_axis_of_one_image_works_where_no_batch_has_one(
    images: ImageDataset, tmp_path: Path
) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), Call(lambda x: x.mean((2, 3)).squeeze()))
    few = images.select(range(10))
    assert _extract(network, few, tmp_path, layers="1", batch_size=5)["1"].width == 4
    with pytest.raises(InputError, match="layer '1' must put out the axes ND with N = 1 items"):
        _extract(network, few, tmp_path / "b", layers="1", batch_size=3)


def test_complex_numbers_and_rows_of_changing_width_are_refused(images: ImageDataset, tmp_path: Path) -> None:
    few = images.select(range(9))
    fourier = nn.Sequential(nn.Conv2d(3, 4, 3), Call(torch.fft.fft2))
    with pytest.raises(InputError, match="layer '1' must put out real numbers, got torch.complex64"):
        _extract(fourier, few, tmp_path)
    by_size = nn.Sequential(nn.Conv2d(3, 4, 3), Call(lambda x: x.flatten(1)[:, : 50 + len(x)]))
    with pytest.raises(InputError, match="layer '1' must give rows of one width for all images, got 53 and 54"):
        _extract(by_size, few, tmp_path)


def test_whole_numbers_are_averaged_as_they_are(images: ImageDataset, tmp_path: Path) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), Call(lambda x: (x > 0).long()))
    x = _extract(network, images.select(range(9)), tmp_path)["1"].array
    assert ((x > 0) & (x < 1)).any()


def _extract(network: nn.Module, images: ImageDataset, folder: Path, layers: str = "all", **how: Any) -> EmbeddingCache:
    return extract(network, images, layers, preprocessing={"size": 16}, cache_dir=folder, progress=False, **how)


def test_the_tolerances_are_those_that_are_stated() -> None:
    x = np.array([[1.0, 100.0], [0.0, -3.0]])
    assert difference(Measured(x, 1.0), Measured(x * 1.0005, 1.0), CPU) is None
    assert difference(Measured(x, 1.0), Measured(x + 2e-4, 1.0), CPU) is None
    assert difference(Measured(x, 1.0), Measured(x * 1.01, 1.0), CPU) == pytest.approx(0.01, rel=0.02)
    assert difference(Measured(x * 0, 1.0), Measured(x * 0 + 1e-3, 1.0), CPU) == 1.0
    assert difference(Measured(x, 1.0), Measured(x[:, :1], 1.0), CPU) == np.inf
    wide = tolerance_of("float32", ["cpu", "cuda"])
    assert difference(Measured(x, 1.0), Measured(x * 1.005, 1.0), wide) is None
    assert difference(Measured(x, 1.0), Measured(x * 1.02, 1.0), tolerance_of("bfloat16", ["cpu"])) is None


@given(st.floats(-6, 6), st.integers(0, 2**31))
def test_rows_differ_the_more_the_farther_apart_and_by_the_same_at_any_scale(exponent: float, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(3, 5))
    scale = 10.0**exponent
    near, far = (Measured(scale * (x + step), scale) for step in (0.01, 0.5))
    here = Measured(scale * x, scale)
    shares = [difference(here, other, CPU) for other in (near, far)]
    assert shares[0] is not None
    assert shares[1] is not None
    assert 0 < shares[0] < shares[1]
    assert shares[0] == pytest.approx(difference(Measured(x, 1.0), Measured(x + 0.01, 1.0), CPU))


def test_shares_read_as_per_cent() -> None:
    assert [percent(share) for share in (1.5, 0.42, 1e-4)] == ["150 %", "42 %", "0.01 %"]
