"""Training that was interrupted: its state after the last whole epoch, on disk."""

import pickle
from pathlib import Path
from typing import Any

import torch

from reprq.errors import ReprqError
from reprq.storage import write_whole


class Checkpoint:
    """A file that holds tensors and plain values, written whole or not at all and read without running code.

    Args:
        path: The file, or None to keep nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def load(self, device: torch.device) -> dict[str, Any] | None:
        """Return what was saved, None where nothing was.

        Raises:
            ReprqError: The file is damaged.
        """
        if self.path is None or not self.path.exists():
            return None
        try:
            state = torch.load(self.path, map_location=device, weights_only=True)
            if {"history", "best"} <= set(state):
                return dict(state)
        except (OSError, RuntimeError, ValueError, TypeError, EOFError, pickle.UnpicklingError):
            pass
        raise self._damaged()

    def save(self, state: dict[str, Any]) -> None:
        """Replace what was saved.

        Raises:
            ReprqError: The disk is full or cannot be written.
        """
        if self.path is None:
            return
        write_whole(self.path, lambda temporary: torch.save(state, temporary), hint="finished epochs are kept")

    def remove(self) -> None:
        """Forget what was saved."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)

    def _damaged(self) -> ReprqError:
        return ReprqError(f"the checkpoint {self.path} is damaged; delete it to train anew")
