import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from reprq.backbones import Backbone, Preprocessing
from reprq.data import ImageDataset
from reprq.data.image import sources
from reprq.embeddings import extract, forward
from reprq.embeddings.forward import PreparedInputs, batches
from reprq.embeddings.ranks import Ranks


class Made(Preprocessing):
    """What a function makes of images."""

    def __init__(self, make: Callable[[Any], torch.Tensor]) -> None:
        super().__init__()
        object.__setattr__(self, "make", make)

    def __call__(self, image: Any) -> torch.Tensor:
        made: torch.Tensor = self.make(image)  # type: ignore[attr-defined]
        return made


@pytest.mark.parametrize(("batch_size", "workers"), [(7, 1), (64, 3), (1000, 2)])
def test_batches_cover_their_blocks_in_order_and_cross_none(
    batch_size: int, workers: int, images: ImageDataset
) -> None:
    blocks = [range(0, 50), range(100, 133)]
    made = Made(lambda image: torch.tensor([image.getpixel((3, 3))[0]]))
    found = list(batches(made, images, blocks, batch_size, workers))
    assert [row for batch in found for row in batch.rows] == [*range(50), *range(100, 133)]
    assert all(set(batch.rows) <= set(batch.block) and len(batch.rows) <= batch_size for batch in found)
    values = torch.cat([batch.inputs for batch in found if isinstance(batch.inputs, torch.Tensor)]).flatten().tolist()
    assert values == [images.item(row).getpixel((3, 3))[0] for row in [*range(50), *range(100, 133)]]


def test_images_are_decoded_while_the_network_runs_and_only_a_few_ahead(images: ImageDataset) -> None:
    decoded: list[int] = []

    def decode(image: Any) -> torch.Tensor:
        decoded.append(threading.get_ident())
        return torch.zeros(1)

    source = batches(Made(decode), images, [range(100)], batch_size=10, workers=2)
    next(source)
    time.sleep(0.2)  # as long as the network would take
    assert 20 <= len(decoded) <= 40
    assert threading.get_ident() not in decoded
    assert sum(len(batch.rows) for batch in source) == 90


def test_an_error_in_decoding_reaches_the_caller(images: ImageDataset) -> None:
    def decode(image: Any) -> torch.Tensor:
        raise ValueError("broken image")

    with pytest.raises(ValueError, match="broken image"):
        list(batches(Made(decode), images, [range(10)], 5))


def test_inputs_made_beforehand_are_kept_within_their_room_and_taken_once(
    images: ImageDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[int] = []

    def decode(image: Any) -> torch.Tensor:
        decoded.append(1)
        return torch.tensor([image.getpixel((3, 3))[0]], dtype=torch.float32)

    monkeypatch.setattr(forward, "_KEPT_BYTES", 4 * 30)
    inputs = PreparedInputs(Made(decode), images)
    for row in range(50):
        inputs.make(row)
    assert len(decoded) == 30
    assert [row in inputs for row in (0, 29, 30)] == [True, True, False]
    found = list(batches(Made(decode), images, [range(40)], 7, inputs=inputs))
    assert len(decoded) == 40
    values = torch.cat([batch.inputs for batch in found if isinstance(batch.inputs, torch.Tensor)]).flatten().tolist()
    assert values == [images.item(row).getpixel((3, 3))[0] for row in range(40)]
    inputs.take(0)
    assert len(decoded) == 41


def test_files_that_were_read_to_see_whether_they_can_be_are_not_read_again(
    lenet: Backbone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    monkeypatch.setattr(sources, "_KEPT_PIXELS", 3 * 40 * 40)  # as photos, of which few can be kept whole
    for number in range(40):
        Image.fromarray(rng.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(tmp_path / f"{number:02}.png")
    opened: list[str] = []
    open_file = Image.open

    def counted(path: Any, *rest: Any, **named: Any) -> Any:
        opened.append(str(path))
        return open_file(path, *rest, **named)

    monkeypatch.setattr(Image, "open", counted)
    cache = extract(lenet, tmp_path, cache_dir=tmp_path.parent / "caches", progress=False)
    probed = 3  # the rows on which the network is tried first are read for that
    assert len(cache.ids) <= len(opened) <= len(cache.ids) + probed


@pytest.mark.parametrize(("batch_size", "workers"), [(7, 2), (512, 1)])
def test_the_batch_size_and_the_workers_do_not_change_the_rows(
    batch_size: int, workers: int, lenet: Backbone, images: ImageDataset, tmp_path: Path
) -> None:
    few = images.select(range(40))
    expected = extract(lenet, few, cache_dir=tmp_path / "a", progress=False)
    found = extract(lenet, few, cache_dir=tmp_path / "b", progress=False, batch_size=batch_size, workers=workers)
    for name in expected:
        np.testing.assert_allclose(found[name].array, expected[name].array, rtol=1e-4, atol=1e-6)


def test_half_precision_is_near_and_has_its_own_cache(lenet: Backbone, images: ImageDataset, tmp_path: Path) -> None:
    few = images.select(range(20))
    full = extract(lenet, few, cache_dir=tmp_path, progress=False)
    half = extract(lenet, few, cache_dir=tmp_path, progress=False, precision="bfloat16")
    assert full.path != half.path
    assert half.provenance["precision"] == "bfloat16"
    assert not np.array_equal(half["pooled"].array, full["pooled"].array)
    np.testing.assert_allclose(half["pooled"].array, full["pooled"].array, atol=0.02)


def test_ranks_share_every_block_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Ranks.from_environment() == Ranks(0, 1, 0)
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "3")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert Ranks.from_environment() == Ranks(1, 3, 1)
    owners = [[rank for rank in range(3) if Ranks(rank, 3).owns(block)] for block in range(7)]
    assert owners == [[0], [1], [2], [0], [1], [2], [0]]


def test_a_rank_works_on_the_gpu_of_its_own_number() -> None:
    assert Ranks(3, 4, 1).device("cuda") == torch.device("cuda:1")
    assert Ranks(3, 4, 1).device("cuda:0") == torch.device("cuda:0")
    assert Ranks(0, 1, 0).device("cuda") == torch.device("cuda")
    assert Ranks(1, 2, 1).device("cpu") == torch.device("cpu")
