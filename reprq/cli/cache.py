"""`reprq cache`: what was extracted, whether it is whole, removing it, and writing it for other programs."""

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reprq.cli import options
from reprq.cli.groups import Command
from reprq.errors import CacheError

if TYPE_CHECKING:
    from reprq.embeddings.cache.catalogue import CacheInfo

_SECONDS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))

root = click.option("--cache", "cache_dir", type=click.Path(path_type=Path), help="Folder of the embedding caches.")


@click.group()
def cache() -> None:
    """List, verify, remove and export the embedding caches.

    NAME is the name of a folder that `reprq cache ls` lists, or the path of a cache.
    """


@cache.command(cls=Command)
@root
@options.output
def ls(cache_dir: Path | None, form: str | None) -> None:
    """List the caches, the newest first, each with its rows, layers, size and age, and whether it is complete."""
    from reprq.cli.output import emit

    found = _listed(cache_dir)
    row: Callable[[CacheInfo], dict[str, Any]] = _text_row if form is None else _row
    rows = [row(info) for info in found]
    if form == "csv":
        rows = [{name: value for name, value in each.items() if name != "preprocessing"} for each in rows]
    emit(form, "cache ls", rows, {"root": str(_root(cache_dir))}, str(_root(cache_dir)))


@cache.command(cls=Command)
@click.argument("names", metavar="[NAME]...", nargs=-1)
@root
@click.option("--quiet", is_flag=True, help="No progress on stderr.")
@options.output
def verify(names: tuple[str, ...], cache_dir: Path | None, quiet: bool, form: str | None) -> None:
    """Read every block of the caches (all of them by default) and print a line a problem; exit with 1 if any."""
    from reprq.cli.output import emit
    from reprq.embeddings import find_cache, verify_cache

    paths = [find_cache(name, _root(cache_dir)) for name in names] or [info.path for info in _listed(cache_dir)]
    problems: list[dict[str, str]] = []
    for path in paths:
        problems += [{"name": path.name, "problem": text} for text in verify_cache(path, progress=not quiet)]
    if form is None:
        for problem in problems:
            click.echo(f"{problem['name']}: {problem['problem']}")
    else:
        emit(form, "cache verify", problems, {"verified": [str(path) for path in paths]})
    broken = len({problem["name"] for problem in problems})
    if problems:
        raise CacheError(
            f"{broken} of {len(paths)} caches must be extracted again or removed: problems are listed above"
        )
    if form is None:
        click.echo(f"no problems in {', '.join(path.name for path in paths) or _root(cache_dir)}")


@cache.command(cls=Command)
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--incomplete", is_flag=True, help="All caches that lack blocks.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@root
def rm(names: tuple[str, ...], incomplete: bool, yes: bool, cache_dir: Path | None) -> None:
    """Remove caches; anything that is not a cache is refused."""
    from reprq.embeddings import find_cache, remove_cache
    from reprq.embeddings.cache.catalogue import check_removable

    if bool(names) == incomplete:
        raise click.UsageError("give either the names of caches or --incomplete")
    folder = _root(cache_dir)
    paths = [find_cache(name, folder) for name in dict.fromkeys(names)]
    if incomplete:
        paths = [info.path for info in _listed(cache_dir) if info.problem is None and not info.complete]
    for path in paths:
        check_removable(path, folder)
    if not paths:
        click.echo("nothing to remove", err=True)
        return
    for path in paths:
        click.echo(str(path), err=True)
    if not yes and not _agreed(len(paths)):
        raise CacheError("nothing was removed; answer y or give --yes")
    for path in paths:
        remove_cache(path, folder)
        click.echo(f"removed {path}")


@cache.command(cls=Command)
@click.argument("name")
@click.option("--layer", metavar="3|layer3|-1", help="Which layer; may be left out if there is only one.")
@click.option(
    "--to", "file", required=True, type=click.Path(path_type=Path), help="A .npy, .npz, .safetensors or .parquet file."
)
@click.option("--force", is_flag=True, help="Replace the file.")
@root
def export(name: str, layer: str | None, file: Path, force: bool, cache_dir: Path | None) -> None:
    """Write one layer of the cache NAME to a file for other programs."""
    from reprq.embeddings import EmbeddingCache, find_cache
    from reprq.embeddings import export as write

    write(EmbeddingCache(find_cache(name, _root(cache_dir))), file, layer, force=force)
    click.echo(str(file))


def _agreed(count: int) -> bool:
    # Not click.confirm: up to 8.1 it writes a space to stdout, which is for results.
    click.echo(f"Remove {'this cache' if count == 1 else f'these {count} caches'}? [y/N]: ", nl=False, err=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _root(cache_dir: Path | None) -> Path:
    from reprq.embeddings import default_cache_dir

    return default_cache_dir() if cache_dir is None else cache_dir


def _listed(cache_dir: Path | None) -> "list[CacheInfo]":
    """The caches under the root; the default root need not have been made yet."""
    from reprq.embeddings import list_caches

    return [] if cache_dir is None and not _root(None).exists() else list_caches(_root(cache_dir))


def _row(info: "CacheInfo") -> dict[str, Any]:
    import dataclasses

    row = {**dataclasses.asdict(info), "path": str(info.path), "complete": info.complete}
    row["pixels"] = info.preprocessing.get("size")  # the key that programs knew before there was other data
    row["modified"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(info.modified))
    return row


def _text_row(info: "CacheInfo") -> dict[str, Any]:
    return {
        "name": info.name,
        "backbone": info.backbone,
        "weights": info.weights,
        "input": info.input,
        "precision": info.precision,
        "data": info.data,
        "split": info.split,
        "rows": info.rows,
        "layers": f"{info.complete_layers} of {info.layers}" if info.problem is None else None,
        "size": _size(info.bytes),
        "age": _age(time.time() - info.modified),
        "state": info.problem or ("complete" if info.complete else "incomplete"),
    }


def _size(count: float) -> str:
    """Bytes for a person, in powers of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} TB"


def _age(seconds: float) -> str:
    """A time for a person, in its largest whole unit."""
    unit, length = next(((u, s) for u, s in _SECONDS if seconds >= s), _SECONDS[-1])
    count = max(0, int(seconds // length))
    return f"{count} {unit}{'' if count == 1 else 's'}"
