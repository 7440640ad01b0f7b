"""torchvision's default weights: from torch's cache, else from the network."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from reprq.backbones.sources.architectures import OWN, default_weights
from reprq.errors import DownloadError, WeightsError, one_line
from reprq.progress import is_watched

_TIMEOUT = 20.0  # seconds without an answer
_ADVICE = "give --weights random or --weights PATH"


def default_weights_file(name: str, advice: str = _ADVICE) -> tuple[Path, str]:
    """Return the file with the default weights of an architecture and what torchvision calls them.

    The file is taken from torch's cache (`$TORCH_HOME/hub/checkpoints`) or downloaded there, with a bar where stderr is
    watched; a download that fails leaves nothing behind.

    Args:
        name: The architecture.
        advice: What to do where it cannot be had, for the message.

    Raises:
        DownloadError: Not in the cache, and not to be had.
        WeightsError: The architecture has no default weights.
    """
    if name in OWN:
        raise WeightsError(f"{name} has no default weights; give --weights random or --weights PATH")
    weights = default_weights(name)
    folder = Path(torch.hub.get_dir()) / "checkpoints"
    path = folder / Path(weights.url).name
    if path.is_file():
        return path, weights.name
    digits = torch.hub.HASH_REGEX.search(path.name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _socket_timeout(_TIMEOUT):
            torch.hub.download_url_to_file(weights.url, str(path), digits[1] if digits else None, is_watched())
    except Exception as error:  # URLError, a timeout, a hash that differs, a full disk
        reason = one_line(getattr(error, "reason", error))
        message = (
            f"the default weights of {name} ({weights.name}) are not in {folder} and could not be downloaded: {reason};"
            f" {advice}"
        )
        raise DownloadError(message) from error
    return path, weights.name


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
