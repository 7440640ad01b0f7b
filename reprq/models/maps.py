"""Where the photos and texts that a model scores are anomalous: in their own pixels, and token by token."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

from reprq.data import Dataset, to_photo
from reprq.data.image.preprocessing import Preprocessing
from reprq.detectors.conformal import threshold
from reprq.errors import InputError, OutputExistsError
from reprq.explain import pictures as explain
from reprq.models.model import Model
from reprq.models.position_maps import PositionScale, check_positions, maps_by_position
from reprq.models.token_maps import maps_of_texts, transform_of
from reprq.progress import track
from reprq.provenance import digest
from reprq.storage import make_folder, write_text, write_whole

Map = NDArray[np.float64]
_BATCH = 32


def maps_of(
    model: Model, data: Dataset, *, method: str | None = None, progress: bool = False
) -> Iterator[tuple[str, Map]]:
    """Yield the id and the map of every photo or text; see `Model.maps`.

    Args:
        model: The model.
        data: What `Model.check` returned.
        method: Of `reprq.explain.maps`; None for the maps of the model itself.
        progress: Whether to show progress on stderr.

    Raises:
        InputError: The model has no maps.
    """
    if method is not None:
        found = explain.maps_of(explain.score_of(model), data, method)
        return iter(track(found, total=len(data), desc=method, unit=data.noun, show=progress))
    if not model.reads_rows and data.modality == "text":
        return maps_of_texts(model, data, progress=progress)
    return maps_of_photos(model, data, progress=progress)


def maps_of_photos(model: Model, data: Dataset, *, progress: bool = False) -> Iterator[tuple[str, Map]]:
    """Yield the id and the map of every photo; see `Model.maps`.

    Args:
        model: The model.
        data: What `Model.check` returned.
        progress: Whether to show progress on stderr.

    Raises:
        InputError: The model has no maps.
    """
    if model.reads_rows or not _has_pictures(model, data):
        raise InputError("maps are of photos, sounds and texts, and this model reads something else; leave maps out")
    if model.embedder is not None:
        check_positions(model.embedder, model.detector)
        judge = model.calibration.folds[0][0]  # whose scores of held-out photos the scale is of
        made = maps_by_position(model.embedder, judge, data, _scale(model))
    elif has_maps(model.detector):
        made = _in_batches(model.detector, data)
    else:
        raise InputError(f"{model.record['method']} has no anomaly maps; fit a detector that has, such as patchcore")
    return _on_photos(made, transform_of(model), data, progress)


def _scale(model: Model) -> PositionScale | None:
    """On which scale positions score; their own where the model does not say."""
    known = model.record.get("position_scale")
    return None if known is None else PositionScale(**known)


def _has_pictures(model: Model, data: Dataset) -> bool:
    if model.embedder is None and not has_maps(model.detector):
        return data.modality == "image"
    return isinstance(transform_of(model), Preprocessing)


def has_maps(detector: Any) -> bool:
    """Whether a fitted detector has maps over the input that its transform makes of photos."""
    transform = getattr(detector, "transform_", None)
    return callable(getattr(detector, "anomaly_map", None)) and transform is not None and transform.modality != "table"


def highest_benign(detector: Any, held_out: Any, rate: float) -> float | None:
    """Return the value that a share of at most `rate` of new benign photos exceeds anywhere in their maps.

    It is conformal, as the threshold of scores; None where there are no maps.
    """
    if not isinstance(held_out, Dataset) or not has_maps(detector):
        return None
    if not isinstance(detector.transform_, Preprocessing):
        return None
    return threshold(np.array([found.max() for found in _in_batches(detector, held_out)]), rate).value


def _in_batches(detector: Any, data: Dataset) -> Iterator[Map]:
    for first in range(0, len(data), _BATCH):
        yield from detector.anomaly_map(data.select(np.arange(first, min(first + _BATCH, len(data)))))


def _on_photos(maps: Iterator[Map], transform: Any, data: Dataset, progress: bool) -> Iterator[tuple[str, Map]]:
    for i, found in enumerate(track(maps, total=len(data), desc="maps", unit=data.noun, show=progress)):
        yield str(data.ids[i]), to_photo(found, transform, *transform.picture_size(data, i))


class MapFolder:
    """A folder of maps, a file a sample; what is there is not computed again by the same model.

    Of photos ID.tiff, float32 in the photo's own pixels, nan where a crop left them out. Of texts ID.csv with a line a
    token: token, start and end, the characters where it stands (0, 0 where it does not), and value.

    Args:
        path: The folder.
        model: Whose maps they are.
        method: Of `reprq.explain.maps`; None for the maps of the model itself.
        force: Whether to replace the maps of another model.

    Raises:
        OutputExistsError: The folder holds something else, or the maps of another model and `force` is False.
    """

    def __init__(self, path: Path, model: Model, *, method: str | None = None, force: bool = False) -> None:
        self.path, self.model, self.method = path, model, method
        self._made = path / "maps.json"
        self._of_texts = model.record["inputs"].get("modality") == "text"
        self._ending = ".csv" if self._of_texts else ".tiff"
        threshold = model.record.get("map_threshold") if method is None else None
        self._record = {"model": digest(model.record), "threshold": threshold}
        self._record |= {} if method is None else {"method": method}
        if path.exists() and not self._made.exists() and not (path.is_dir() and not any(path.iterdir())):
            raise OutputExistsError(f"{path} exists and is no folder of maps; give another path")
        self._old = self._made.exists() and json.loads(self._made.read_text(encoding="utf-8")) != self._record
        if self._old and not force:
            raise OutputExistsError(f"{path} has the maps of another model; give another path, or --force")

    def write(self, data: Dataset, *, progress: bool = False) -> None:
        """Write the maps that are missing, and how they were made."""
        files = [self.file(name) for name in data.ids.tolist()]
        _check_distinct(files, data.ids.tolist())
        make_folder(self.path)
        if self._old:
            for file in self.path.rglob(f"*{self._ending}"):
                file.unlink()
        write_text(self._made, json.dumps(self._record, indent=2) + "\n")
        missing = np.array([i for i, file in enumerate(files) if not file.exists()], dtype=np.int64)
        found = maps_of(self.model, data.select(missing), method=self.method, progress=progress)
        for i, (_, values) in zip(missing.tolist(), found, strict=True):
            make_folder(files[i].parent)
            if self._of_texts:
                write_text(files[i], _token_table(data.item(i), transform_of(self.model), values))
            else:
                write_whole(files[i], _saver(values))

    def file(self, name: str) -> Path:
        """Return the file of a sample's map, by its id."""
        inside = [part for part in Path(name).parts if part not in ("..", "/")]
        last = inside[-1] if self._of_texts else Path(name).stem  # of texts a dot may be followed by a number
        return self.path.joinpath(*inside[:-1], f"{last}{self._ending}")

    def read(self, name: str) -> NDArray[np.floating]:
        """Return the map of a sample: (height, width), or of a text (L,)."""
        if self._of_texts:
            return pd.read_csv(self.file(name), keep_default_na=False)["value"].to_numpy(np.float64)
        with Image.open(self.file(name)) as image:
            return np.asarray(image)


def _check_distinct(files: list[Path], names: list[str]) -> None:
    """Raise an InputError where two samples would have one file for their maps."""
    owners: dict[Path, str] = {}
    for file, name in zip(files, names, strict=True):
        if (other := owners.setdefault(file, name)) != name:
            raise InputError(f"maps of {other} and {name} would both be called {file.name}; rename one of them")


def _token_table(text: str, transform: Any, values: Map) -> str:
    starts, ends = zip(*transform.spans_of(text), strict=True)
    columns = {"token": transform.words_of(text), "start": starts, "end": ends, "value": values}
    return str(pd.DataFrame(columns).to_csv(index=False, lineterminator="\n"))


def _saver(values: Map) -> Callable[[Path], None]:
    image = Image.fromarray(values.astype(np.float32))
    return lambda temporary: image.save(temporary, format="TIFF")
