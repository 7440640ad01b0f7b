"""What can be regenerated, by name; `reprq figures` lists it and runs it."""

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from reprq.errors import UnknownNameError


@dataclass(frozen=True)
class Reproduction:
    """The figures and tables of one paper.

    Attributes:
        name: What `reprq figures` calls it.
        paper: Whose it is.
        regenerates: Which figures and tables.
        data: What it reads, and from where.
        presets: The name of each preset, and what it does in how long; the quickest first.
        module: The module whose `run(preset, out, *, root, seed, device, force, progress)` does it and returns the
            paths that it wrote.
    """

    name: str
    paper: str
    regenerates: str
    data: str
    presets: Mapping[str, str]
    module: str


REPRODUCTIONS: tuple[Reproduction, ...] = ()


def names() -> list[str]:
    """Return the names of all reproductions."""
    return [reproduction.name for reproduction in REPRODUCTIONS]


def find(name: str) -> Reproduction:
    """Return the reproduction of that name.

    Raises:
        UnknownNameError: There is none.
    """
    for reproduction in REPRODUCTIONS:
        if reproduction.name == name:
            return reproduction
    raise UnknownNameError("reproduction", name, names())


def reproduce(
    name: str,
    preset: str | None = None,
    out: Path | str | None = None,
    *,
    root: Path | str | None = None,
    seed: int = 0,
    device: str = "cpu",
    force: bool = False,
    progress: bool = True,
) -> list[Path]:
    """Regenerate the figures and tables of a paper; what was interrupted goes on.

    Args:
        name: One of `names()`.
        preset: How large; the quickest by default.
        out: The folder; `runs/NAME-PRESET` by default.
        root: The folder of the data, where the reproduction reads any.
        seed: The first of its seeds.
        device: A torch device.
        force: Replace the results of another configuration that stand in `out`.
        progress: Whether to show progress on stderr.

    Returns:
        The paths of the figures and tables.

    Raises:
        UnknownNameError: No such reproduction or preset.
        ReprqError: Whatever its data cannot do.
    """
    found = find(name)
    preset = next(iter(found.presets)) if preset is None else preset
    if preset not in found.presets:
        raise UnknownNameError(f"preset of {name}", preset, found.presets)
    folder = Path("runs") / f"{name}-{preset}" if out is None else Path(out)
    module = importlib.import_module(found.module)
    paths: list[Path] = module.run(
        preset,
        folder,
        root=None if root is None else Path(root),
        seed=seed,
        device=device,
        force=force,
        progress=progress,
    )
    return paths
