"""What every test shares: no display, no downloads, caches in a folder of their own, real data where it is present."""

import os
import signal
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numpy.typing import NDArray

if TYPE_CHECKING:
    from reprq.study import StudyResults

os.environ.setdefault("MPLBACKEND", "agg")
# A job in the background ignores interruptions, and so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def own_folders(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or fills the user's caches."""
    base = tmp_path_factory.getbasetemp()
    monkeypatch.setenv("REPRQ_CACHE", str(base / "embeddings"))
    monkeypatch.setenv("REPRQ_DATA", str(base / "data"))
    monkeypatch.setenv("TORCH_HOME", str(base / "torch"))


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that reaches for the network fails as it would on a machine without one."""

    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("no network in tests")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data that a user's clone does not have."""
    folder = Path(os.environ.get("REPRQ_SHARED_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"needs the real data in {folder}; set REPRQ_SHARED_DATA")
    return folder


# A study small enough for a test: the layers of three random LeNets on digits.
SMALL: dict[str, Any] = {
    "title": "small",
    "data": {"name": "digits", "classes": ["0", "1", "2"], "train_per_class": 30, "test_per_class": 20},
    "backbones": [
        {"name": "lenet", "label": f"lenet {size}", "weights": "random", "preprocessing": {"resize": size, "size": 32}}
        for size in (32, 36, 40)
    ],
    "metrics": ["rankme", "aucev"],
    "detectors": ["centroid", {"name": "knn", "k": 1}],
}


@pytest.fixture
def small() -> dict[str, Any]:
    return {**SMALL}


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> "StudyResults":
    from reprq.study import run_study  # here, since it loads torch

    folder = tmp_path_factory.mktemp("study")
    return run_study(SMALL, folder / "run", cache_dir=folder / "cache", progress=False)


@pytest.fixture
def cache(results: "StudyResults") -> Path:
    """The embedding caches of the small study."""
    return results.path.parent / "cache"


def power_law(n: int, d: int, a: float, seed: int = 0) -> NDArray[np.float64]:
    """U diag(j^(-a/2)) V^T with U orthonormal and orthogonal to the ones vector: alpha is exactly a, the mean 0."""
    rng = np.random.default_rng(seed)
    rank = min(n - 1, d)
    left = rng.standard_normal((n, rank))
    u, _ = np.linalg.qr(left - left.mean(axis=0))
    v, _ = np.linalg.qr(rng.standard_normal((d, rank)))
    return (u * np.arange(1, rank + 1) ** (-a / 2)) @ v.T


@pytest.fixture(scope="session")
def make_power_law() -> Callable[..., NDArray[np.float64]]:
    return power_law


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [f"{first}{second}" for first in "bdfgklmnprst" for second in "aeiou"]


@pytest.fixture(scope="session")
def write_documents() -> Callable[..., Path]:
    """Write a folder a class, of documents of 2 to 19 words; each class has 20 words of its own."""

    def write(folder: Path, classes: int = 2, each: int = 12, seed: int = 0) -> Path:
        rng = np.random.default_rng(seed)
        for label in range(classes):
            (folder / f"class{label}").mkdir(parents=True)
            own = WORDS[label * 20 : label * 20 + 20]
            for i in range(each):
                text = " ".join(rng.choice(own, rng.integers(2, 20)))
                (folder / f"class{label}" / f"{i:04d}.txt").write_text(text)
        return folder

    return write


@pytest.fixture(scope="session")
def write_sounds() -> Callable[..., Path]:
    """Write a folder a class, of tones of half a second in noise; the pitch of class i is near 400 * 2**i Hz."""
    soundfile = pytest.importorskip("soundfile", reason="sounds need soundfile, of the extra audio")

    def write(folder: Path, classes: int = 2, each: int = 12, seed: int = 0, rate: int = 8000) -> Path:
        rng = np.random.default_rng(seed)
        time = np.arange(rate // 2) / rate
        for label in range(classes):
            (folder / f"class{label}").mkdir(parents=True)
            for i in range(each):
                tone = np.sin(2 * np.pi * 400 * 2**label * rng.uniform(0.95, 1.05) * time)
                values = rng.uniform(0.1, 0.5) * tone + rng.normal(0, 0.01, len(time))
                soundfile.write(folder / f"class{label}" / f"{i:04d}.wav", values, rate)
        return folder

    return write


@pytest.fixture(scope="session")
def save_bert() -> Callable[..., Path]:
    """Write a small random BERT of 24 tokens and its tokenizer of whole words, as `save_pretrained` does."""
    transformers: Any = pytest.importorskip("transformers", reason="transformers is an optional extra")
    import torch

    def save(folder: Path, **changed: Any) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "words.txt").write_text("\n".join([*SPECIAL, *WORDS]))
        made = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
        made |= {"vocab_size": len(SPECIAL) + len(WORDS), "max_position_embeddings": 24, **changed}
        with torch.random.fork_rng():
            torch.manual_seed(5)
            transformers.BertModel(transformers.BertConfig(**made)).save_pretrained(folder)
        transformers.BertTokenizer(vocab=str(folder / "words.txt")).save_pretrained(folder)
        return folder

    return save


@pytest.fixture(scope="session")
def bert(save_bert: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random BERT with its tokenizer."""
    return save_bert(tmp_path_factory.mktemp("bert") / "tiny")
