"""What every test shares: no display, no downloads, caches in a folder of their own, real data where it is present."""

import os
import signal
import socket
from pathlib import Path

import pytest

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
