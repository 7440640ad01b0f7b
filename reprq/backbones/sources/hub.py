"""The hub of Hugging Face, from which timm and transformers fetch weights: no waiting where it cannot be reached."""

import importlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from reprq.progress import is_watched

_TIMEOUT = 10.0  # seconds without an answer


@contextmanager
def hub_session() -> Iterator[None]:
    """Look only into the local cache of the hub if the hub cannot be reached, and keep its library from retrying aloud.

    By itself the library tries each file six times, for half a minute and more, before it looks there.
    """
    constants: Any = importlib.import_module("huggingface_hub.constants")
    log: Any = importlib.import_module("huggingface_hub.utils.logging")
    bars: Any = importlib.import_module("huggingface_hub.utils.tqdm")
    shown = not bars.are_progress_bars_disabled()
    verbosity, offline = log.get_verbosity(), constants.HF_HUB_OFFLINE
    log.set_verbosity_error()
    if shown and not is_watched():
        bars.disable_progress_bars()
    constants.HF_HUB_OFFLINE = offline or not _reachable(constants.ENDPOINT)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = offline
        log.set_verbosity(verbosity)
        if shown:
            bars.enable_progress_bars()


def _reachable(endpoint: str) -> bool:
    if getproxies():
        return True
    parts = urlsplit(endpoint)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        with socket.create_connection((str(parts.hostname), port), timeout=_TIMEOUT):
            return True
    except OSError:
        return False
