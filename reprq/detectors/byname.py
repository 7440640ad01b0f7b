"""What detectors that pass on to another one, by its name, have in common."""

from typing import Any, Self


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
