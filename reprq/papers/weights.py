"""Backbones of papers: weights from a folder of the user's, or from their source."""

from pathlib import Path
from typing import Any

from reprq.backbones import Backbone, load_backbone
from reprq.errors import DownloadError


def pretrained(name: str, file: str, *folders: Path, **given: Any) -> Backbone:
    """Return a backbone with the weights in `weights/` of the first folder that has them, else those of its source.

    Args:
        name: The backbone.
        file: Of its weights; "random" for none.
        *folders: Where `weights/` may be.
        **given: As of `load_backbone`.

    Raises:
        DownloadError: They are in no folder, and could not be downloaded.
        ReprqError: As of `load_backbone`.
    """
    places = [folder / "weights" / file for folder in folders]
    weights = "random" if file == "random" else next((path for path in places if path.exists()), "default")
    try:
        return load_backbone(name, weights, **given)
    except DownloadError as error:
        said = str(error).rpartition(";")[0]
        raise DownloadError(f"{said}; put them as {places[0]}") from error
