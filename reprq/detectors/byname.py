"""What detectors that pass on to another one, by its name, have in common."""

from typing import Any, Self

from reprq.detectors.entries import DETECTORS
from reprq.detectors.registry import is_network, names
from reprq.errors import InputError, UnknownNameError


class ByName:
    """The name of another detector and its parameters, kept as they were given; a subclass writes `_made`.

    Args:
        model: The name.
        **parameters: What its constructor takes.
    """

    def __init__(self, model: str, **parameters: Any) -> None:
        self.model = model
        self.parameters = parameters

    def set_params(self, **params: Any) -> Self:
        """Change the name or the parameters."""
        self.model = params.pop("model", self.model)
        self.parameters = {**self.parameters, **params}
        return self

    def check_parameters(self) -> None:
        """Raise an error unless there is such a detector and it takes the parameters."""
        self._made()

    def _made(self) -> Any:
        """The detector of that name, unfitted."""
        raise NotImplementedError


def check_of_rows(prefix: str, model: Any) -> None:
    """Raise an error unless a detector of rows has the name that follows a prefix.

    Args:
        prefix: "raw" of "raw:knn".
        model: What follows it.

    Raises:
        UnknownNameError: No detector has that name; lists those of rows.
        InputError: It is no name, or that of a detector of samples.
    """
    if not isinstance(model, str) or is_network(model) or is_network(f"{model}:NAME"):
        raise InputError(f"{prefix} must name a detector of rows, such as {prefix}:knn, got {model!r}")
    if model not in DETECTORS:
        others = (entry.name for entry in DETECTORS if entry.prefix and entry.inputs == "rows")
        raise UnknownNameError("detector of rows", model, (*names(), *others))
