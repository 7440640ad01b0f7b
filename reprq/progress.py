"""Progress on stderr: a bar where somebody watches, a line at long intervals where it goes to a file."""

import io
import sys
import time
from collections.abc import Iterable, Iterator, Sized
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Protocol, Self

from tqdm import tqdm

_INTERVAL = 60.0  # seconds from one line of a log to the next


class Progress(Protocol):
    """What shows how far some work is: a context manager, to be iterated over or updated by hand."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any: ...
    def __iter__(self) -> Iterator[Any]: ...
    def update(self, n: int = 1) -> Any:
        """Count `n` more units."""

    def set_postfix_str(self, s: str) -> Any:
        """Say what is being worked on."""


def track(
    items: Iterable[Any] | None = None,
    *,
    total: int | None = None,
    desc: str,
    unit: str,
    show: bool = True,
    initial: int = 0,
    leave: bool = True,
) -> Progress:
    """Show the progress of some work on stderr.

    Args:
        items: What is worked on, each item one unit; None where the caller counts by `update`.
        total: How many units there are; the length of `items` by default.
        desc: What the work is.
        unit: What is counted, in the singular.
        show: Nothing is shown if false.
        initial: How many units were done before.
        leave: Whether what was shown stays when the work is done; in a log that is the last line.

    Example:
        >>> sum(track([1, 2, 3], desc="adding", unit="number", show=False))
        6
    """
    if show and not is_watched():
        length = len(items) if total is None and isinstance(items, Sized) else total
        return _Log(items, length, desc, unit, initial, leave)
    how: dict[str, Any] = {"total": total, "desc": desc, "unit": unit, "initial": initial, "leave": leave}
    bar: tqdm[Any] = tqdm(items, disable=not show, smoothing=0, **how)
    return bar


_said: ContextVar[set[str] | None] = ContextVar("said", default=None)


@contextmanager
def each_once(said: set[str]) -> Iterator[None]:
    """Let `say` pass over the notes of `said`, and add to them what it says."""
    token = _said.set(said)
    try:
        yield
    finally:
        _said.reset(token)


def say(note: str) -> None:
    """Write a note to stderr, above a bar where one is drawn."""
    said = _said.get()
    if said is not None:
        if note in said:
            return
        said.add(note)
    if sys.stderr is not None:
        tqdm.write(f"note: {note}", file=sys.stderr)


def is_watched() -> bool:
    """Whether stderr is a terminal or a notebook, where a bar can be drawn over."""
    stream = sys.stderr
    return stream is not None and (stream.isatty() or type(stream).__module__.startswith("ipykernel"))


@contextmanager
def bars_of_others() -> Iterator[None]:
    """Let other libraries' bars and messages go to stderr where it is watched, and nowhere else."""
    target: Any = sys.stderr if is_watched() else io.StringIO()
    with redirect_stdout(target), redirect_stderr(target):
        yield


class _Log:
    """A line when the interval has passed, and one when the work is done."""

    def __init__(
        self, items: Iterable[Any] | None, total: int | None, desc: str, unit: str, initial: int, leave: bool
    ) -> None:
        self._items, self._total, self._desc, self._unit = items, total, desc, unit
        self._initial = self._done = initial
        self._leave = leave
        self._began = self._latest = time.monotonic()
        self._postfix = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._leave = self._leave and error is None
        self._finish()

    def __iter__(self) -> Iterator[Any]:
        for item in self._items or ():
            yield item
            self.update()
        self._finish()

    def update(self, n: int = 1) -> None:
        self._done += n
        now = time.monotonic()
        if now - self._latest >= _INTERVAL:
            self._latest = now
            self._write(self._left(now - self._began))

    def set_postfix_str(self, s: str) -> None:
        self._postfix = s

    def _finish(self) -> None:
        if self._leave:
            self._write("")
        self._leave = False

    def _left(self, seconds: float) -> str:
        if self._total is None or self._done <= self._initial:
            return ""
        return f", about {_time(seconds * (self._total - self._done) / (self._done - self._initial))} left"

    def _write(self, left: str) -> None:
        of = "" if self._total is None else f" of {self._total:,}"
        what = f"; {self._postfix}" if self._postfix else ""
        passed = _time(time.monotonic() - self._began)
        if sys.stderr is not None:
            print(f"{self._desc}: {self._done:,}{of} {self._unit}s, {passed}{left}{what}", file=sys.stderr, flush=True)  # noqa: T201


def _time(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole} s" if whole < 120 else f"{whole // 60} min" if whole < 7200 else f"{whole / 3600:.1f} h"
