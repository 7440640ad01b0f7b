"""Optional libraries: imported where they are used, and one sentence where they are missing."""

import importlib
from types import ModuleType

from reprq.errors import InputError, ReprqError


def require(
    module: str, extra: str, name: object, *, package: str = "", error: type[ReprqError] = InputError
) -> ModuleType:
    """Return a module of an optional extra.

    Args:
        module: Its import name.
        extra: The extra of reprq that installs it.
        name: What needs it: a backbone, a detector, a file, an option.
        package: What the package is called, where that is not the module's name.
        error: What to raise.

    Raises:
        ReprqError: It is not installed; says how to install it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as caught:
        raise error(missing(name, package or module, extra)) from caught


def missing(name: object, package: str, extra: str) -> str:
    """Say that something needs a package of an extra, and how to install it.

    Example:
        >>> missing("rows.h5", "h5py", "hdf5")
        "rows.h5 needs h5py, which is not installed; run pip install 'reprq[hdf5]'"
    """
    return f"{name} needs {package}, which is not installed; run pip install 'reprq[{extra}]'"
