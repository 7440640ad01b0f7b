"""Write the tables of the README that come from the registries: `python docs/tables.py`.

A table stands between `<!-- table: NAME -->` and `<!-- /table -->`; a test holds it to what this writes.
"""

import re
from pathlib import Path

from reprq.backbones import BACKBONES
from reprq.data import DATASETS
from reprq.detectors import DETECTORS
from reprq.metrics import METRICS
from reprq.registry import Entry, Registry, markdown

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md",)
_MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(\n<!-- /table -->)", re.DOTALL)


def _name(entry: Entry) -> str:
    return f"`{entry.name}`"


def _about(entry: Entry) -> str:
    extra = f" (`pip install 'reprq[{entry.extra}]'`)" if entry.extra else ""
    return f"{entry.about}{f' ({entry.citation})' if entry.citation else ''}{extra}"


def _built_in(registry: Registry) -> list[Entry]:
    """The entries of reprq alone, whatever is installed here besides."""
    return [entry for entry in registry if registry.is_built_in(entry.name)]


def tables() -> dict[str, str]:
    """Return every table by name."""
    return {
        "metrics": markdown(
            _built_in(METRICS), {"metric": _name, "measures": _about, "reads as": lambda entry: entry.reads}
        ),
        "detectors": markdown(_built_in(DETECTORS), {"detector": _name, "scores by": _about}),
        "backbones": markdown(_built_in(BACKBONES), {"networks": _name, "are": _about}),
        "datasets": markdown(_built_in(DATASETS), {"data": _name, "is had by": _about}),
    }


def filled(text: str) -> str:
    """Return a page with its tables as the registries have them now."""
    made = tables()
    return _MARKED.sub(lambda found: found[1] + made[found[2]] + found[3], text)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
