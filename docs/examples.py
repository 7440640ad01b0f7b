"""Docstrings say "Example:" where they hold one; griffe knows the section by its plural."""

from typing import Any

import griffe


class Examples(griffe.Extension):
    """Lets the section "Example" be shown as a doctest."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Rename the section of one object."""
        if obj.docstring is not None:
            obj.docstring.value = obj.docstring.value.replace("\nExample:\n", "\nExamples:\n")
