"""Deep detectors whose network is an encoder of the thesis, on images or on rows of numbers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from torch import Tensor

from reprq.data import Batch, Dataset
from reprq.data.image.preprocessing import Preprocessing
from reprq.detectors.deep.networks import LEAKINESS, Architecture, architecture_named
from reprq.detectors.deep.samples import (
    Samples,
    check_drawing,
    check_width,
    reading_of,
    table_encoding,
    table_of_record,
    table_record,
)
from reprq.detectors.deep.scheduled import ScheduledDetector
from reprq.detectors.rows.base import check_choice, check_count
from reprq.errors import InputError
from reprq.training import Inputs

_GRAY_LOOK = 16


@dataclass(kw_only=True, eq=False, repr=False)
class EncodingDetector(ScheduledDetector):
    """A deep detector with an architecture of `reprq.detectors.deep.networks` on scaled inputs.

    It looks at the samples, chooses network and scaling where none was named, and refuses those that do not fit. Its
    `network_` has the encoder as `phi`, of what `scaling` puts out. Sounds are drawn as gray images of their log-Mel
    spectrograms in the size of the network, as `drawing` says: {"seconds": 2, "n_mels": 64}, with the keys and defaults
    of `reprq.data.audio.picture.SpectrogramPicture`. Rows of tables are encoded as the backbone `identity` does, and
    `drawing` may say {"impute": "median", "scaler": "quantile"}; columns and categories are those of all benign rows.
    """

    network: str | None = None
    preprocessing: Literal["contrast", "min-max", "z-score"] | None = None
    dim: int | None = None
    leakiness: float = LEAKINESS
    drawing: dict[str, Any] | None = None
    default_networks: ClassVar[dict[str, str]] = {"gray": "mnist", "rgb": "cifar10", "rows": "mlp"}
    takes_rows = True

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        if self.preprocessing is not None:
            check_choice("preprocessing", self.preprocessing, ("contrast", "min-max", "z-score"))
        if self.network is not None:
            if not isinstance(self.network, str):
                raise InputError(f"network must be a name, got {self.network!r}; such as mnist or mlp:128-64-32")
            architecture_named(self.network)
        check_drawing(self.drawing)
        if self.dim is not None:
            check_count("dim", self.dim)
        if isinstance(self.leakiness, bool) or not isinstance(self.leakiness, int | float) or not self.leakiness >= 0:
            raise InputError(f"leakiness must be a number of at least 0, got {self.leakiness!r}")
        super().check_parameters()

    def _open(self, samples: Samples) -> None:
        table = table_encoding(samples, self.drawing) if self.takes_rows else None
        images = isinstance(samples, Dataset) and table is None
        if isinstance(samples, Dataset) and images:
            reading_of(samples, Preprocessing(), self.drawing)
            name = self.network or self.default_networks["gray" if _are_gray(samples) else "rgb"]
        else:
            name = self.network or self.default_networks["rows"]
        found = architecture_named(name, self.dim)
        if images != bool(found.size):
            wanted = "images" if found.size else "rows of numbers"
            raise InputError(f"network {name} takes {wanted}, got {'images' if images else 'rows'}; name another")
        scaling = self.preprocessing or ("contrast" if images else "z-score")
        if (images and scaling == "z-score") or (not images and scaling == "contrast"):
            raise InputError(f"preprocessing {scaling} is not for {'images' if images else 'rows'}; leave it out")
        if not isinstance(samples, Dataset):
            self._remember(name, scaling, samples.shape[1])
        elif table is not None:
            assert table.shape is not None
            self._remember(name, scaling, *table.shape)
            self.transform_ = table
        else:
            self._remember(name, scaling, None)
            assert self.transform_ is not None
            self.transform_ = reading_of(samples, self.transform_, self.drawing)

    def _remember(self, network: str, scaling: str, columns: int | None) -> None:
        found = architecture_named(network, self.dim)
        self._network, self._scaling, self._columns = network, scaling, columns
        self._architecture: Architecture = found
        self.transform_ = (
            None
            if columns is not None
            else Preprocessing(size=found.size, resize=found.size).replace(channels=found.channels, mean=0.0, std=1.0)
        )

    def _known(self) -> dict[str, Any]:
        made = {"network": self._network, "scaling": self._scaling, "columns": self._columns}
        return {"made": made, "table": table_record(self.transform_)}

    def _reopen(self, made: dict[str, Any], path: str | Path) -> None:
        self._remember(made["made"]["network"], made["made"]["scaling"], made["made"]["columns"])
        if made.get("table"):  # files of older versions have none
            self.transform_ = table_of_record(made["table"], self.drawing)

    def _embedding(self, x: Batch) -> Tensor:
        outputs: Tensor = self.network_.phi(self.network_.scaling(x))  # type: ignore[operator]
        return outputs

    def _channels(self) -> int:
        return (1 if self._architecture.channels == "gray" else 3) if self._columns is None else self._columns

    def _inputs(self, samples: Samples) -> Inputs | Tensor:
        if self._columns is not None:
            check_width(samples, self._columns, type(self).__name__)
        return super()._inputs(samples)


def _are_gray(images: Dataset) -> bool:
    """Whether the first images have no color; what is drawn has none."""
    if images.modality != "image":
        return True
    for i in range(min(_GRAY_LOOK, len(images))):
        pixels = np.asarray(images.item(i).convert("RGB"))
        if (pixels != pixels[..., :1]).any():
            return False
    return True
