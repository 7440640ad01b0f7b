"""The hub of Hugging Face, from which timm and transformers fetch weights: no waiting where it cannot be reached."""

import importlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

_TIMEOUT = 10.0  # seconds without an answer


@contextmanager
def hub_session() -> Iterator[None]:
    """Look only into the local cache of the hub if the hub cannot be reached, and keep its library from retrying aloud.

    By itself the library tries each file six times, for half a minute and more, before it looks there.
    """
    constants: Any = importlib.import_module("huggingface_hub.constants")
    log: Any = importlib.import_module("huggingface_hub.utils.logging")
    verbosity, offline = log.get_verbosity(), constants.HF_HUB_OFFLINE
    log.set_verbosity_error()
    constants.HF_HUB_OFFLINE = offline or not _reachable(constants.ENDPOINT)
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = offline
        log.set_verbosity(verbosity)


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
