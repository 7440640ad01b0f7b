"""Write the tables of the registries and of kept benchmarks into the README and the pages: `python docs/tables.py`.

A table stands between `<!-- table: NAME -->` and `<!-- /table -->`; a test holds it to what this writes.
"""

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

from reprq.backbones import BACKBONES
from reprq.data import DATASETS, PROTOCOLS
from reprq.detectors import DETECTORS
from reprq.embeddings import POOLINGS
from reprq.metrics import METRICS
from reprq.papers.registry import PAPERS
from reprq.plots.methods import FEATURES, KINDS, by_kind
from reprq.pretext import TASKS
from reprq.registry import Entry, markdown

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
_MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- /table -->)", re.DOTALL)


def _name(entry: Entry) -> str:
    others = "".join(f" (or `{also}`)" for also in entry.facts.get("also", ()))
    return f"`{entry.name}`{others}"


def _about(entry: Entry) -> str:
    extra = f" (`pip install 'reprq[{entry.extra}]'`)" if entry.extra else ""
    return f"{entry.about}{f' ({entry.citation})' if entry.citation else ''}{extra}"


def _presets(entry: Entry) -> str:
    return "; ".join(f"`{name}`: {said.replace(';', ',')}" for name, said in entry.facts["presets"].items())


def _methods() -> str:
    """Detectors by kind of model and by features, of those that say which."""
    cells = by_kind(DETECTORS.built_in())
    lines = ["| features | " + " | ".join(KINDS) + " |", "| --- |" + " --- |" * len(KINDS)]
    for features in FEATURES:
        named = (", ".join(f"`{entry.name}`" for entry in cells[kind, features]) for kind in KINDS)
        lines.append(f"| {features} | {' | '.join(named)} |")
    return "\n".join(lines)


@cache
def _benchmarks() -> str:
    """What `benchmarks/table.py` prints: the newest kept runs."""
    command = [sys.executable, str(ROOT / "benchmarks" / "table.py")]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.rstrip()


def tables() -> dict[str, str]:
    """Return every table by name, of reprq's own entries whatever is installed besides."""
    return {
        "metrics": markdown(
            METRICS.built_in(), {"metric": _name, "measures": _about, "reads as": lambda entry: entry.reads}
        ),
        "detectors": markdown(DETECTORS.built_in(), {"detector": _name, "scores by": _about}),
        "methods": _methods(),
        "backbones": markdown(BACKBONES.built_in(), {"networks": _name, "are": _about}),
        "datasets": markdown(DATASETS.built_in(), {"data": _name, "is had by": _about}),
        "poolings": markdown(
            POOLINGS.built_in(), {"pooling": _name, "of": lambda entry: entry.inputs, "a row is": _about}
        ),
        "tasks": markdown(TASKS.built_in(), {"task": _name, "is": _about}),
        "protocols": markdown(
            PROTOCOLS.built_in(), {"protocol": _name, "is": _about, "reads": lambda entry: entry.facts["layout"]}
        ),
        "papers": markdown(
            PAPERS.built_in(), {"paper": _name, "is": lambda entry: entry.citation, "presets": _presets}
        ),
        "speed": _benchmarks(),
    }


def filled(text: str) -> str:
    """Return a page with its tables as the registries have them now."""
    made = tables()
    return _MARKED.sub(lambda found: f"{found[1]}{made[found[2]]}\n{found[3]}", text)


if __name__ == "__main__":
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
