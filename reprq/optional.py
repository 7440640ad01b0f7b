"""Optional libraries, and what is said where one is missing or offline."""

import importlib
from types import ModuleType

from reprq.errors import InputError


def require(module: str, extra: str, name: str) -> ModuleType:
    """Return a module of an optional extra.

    Args:
        module: Its import name.
        extra: The extra of reprq that installs it.
        name: The backbone that needs it.

    Raises:
        InputError: It is not installed; says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        message = f"{name} needs {module}, which is not installed; run pip install 'reprq[{extra}]'"
        raise InputError(message) from error


def offline_reason(error: BaseException) -> str:
    """Return the first line of an error, in one line, without a full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")
