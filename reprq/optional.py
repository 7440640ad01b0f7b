"""Optional libraries: imported where they are used, and one sentence where they are missing."""

import importlib
import re
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
    """Say that something needs a package of an extra, of reprq or as "other[extra]", and how to install it.

    Example:
        >>> missing("rows.h5", "h5py", "hdf5")
        "rows.h5 needs h5py, which is not installed; run pip install 'reprq[hdf5]'"
    """
    distribution, extra = _parts(extra)
    return f"{name} needs {package}, which is not installed; run pip install '{distribution}[{extra}]'"


def brings(extra: str, module: str) -> bool:
    """Whether an extra, of reprq or as "other[extra]", installs the package of a module that is missing.

    A package counts that is called as what is imported from it.

    Example:
        >>> brings("pyod", "pyod.models"), brings("pyod", "timm")
        (True, False)
    """
    from importlib.metadata import PackageNotFoundError, requires

    distribution, extra = _parts(extra)
    try:
        needed = requires(distribution) or ()
    except PackageNotFoundError:
        return False
    of_extra = re.compile(rf"""extra\s*==\s*['"]{re.escape(extra)}['"]""")
    names = (re.match(r"[\w.-]+", line) for line in needed if of_extra.search(line))
    return module.partition(".")[0].lower() in {name[0].lower().replace("-", "_") for name in names if name}


def _parts(extra: str) -> tuple[str, str]:
    distribution, _, name = extra.rstrip("]").rpartition("[")
    return distribution or "reprq", name
