"""A command is run as a person runs it, through `main`, in this process."""

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from reprq.cli import main


@dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str


Reprq = Callable[..., Ran]


@pytest.fixture
def reprq(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Reprq:
    def run(*arguments: object) -> Ran:
        monkeypatch.setattr("sys.argv", ["reprq", *map(str, arguments)])
        status = 0
        try:
            main()
        except SystemExit as stop:
            status = int(stop.code or 0)
        printed = capsys.readouterr()
        return Ran(status, printed.out, printed.err)

    return run
