"""Arrays and tensors that a Python program holds, told without importing torch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def is_array(value: Any) -> bool:
    """Whether a value is an array or tensor of numbers."""
    return hasattr(value, "shape") and hasattr(value, "dtype") and hasattr(value, "__array__")


def is_tensor(value: Any) -> bool:
    """Whether a value is a torch tensor, without importing torch."""
    return hasattr(value, "detach")


def as_numpy(value: Any) -> NDArray[Any]:
    """Return an array or a tensor, on any device, as an array."""
    return np.asarray(value.detach().cpu() if is_tensor(value) else value)
