"""Print the oldest release of every direct dependency that pyproject.toml allows, as constraints for pip."""

import re
import sys
import tomllib
from pathlib import Path

_BOUND = re.compile(r"([\w-]+)(?:\[[\w,-]+\])?>=([\w.]+)")
_NEWEST = ("docs", "dev", "test")  # tools, which no user of reprq installs


def lowest(pyproject: Path) -> list[str]:
    """Return a line `name==bound` for each dependency, optional ones included."""
    project = tomllib.loads(pyproject.read_text())["project"]
    extras = [said for extra, said in project["optional-dependencies"].items() if extra not in _NEWEST]
    bounds = [_BOUND.fullmatch(said) for said in sum(extras, project["dependencies"])]
    return [f"{bound[1]}=={bound[2]}" for bound in bounds if bound]


if __name__ == "__main__":
    sys.stdout.write("\n".join(lowest(Path(__file__).parents[1] / "pyproject.toml")) + "\n")
