"""How a detector is named on the command line: `knn:k=1,aggregation=mean`."""

import json
from typing import Any

import click


def specification(text: str) -> dict[str, Any]:
    """Read `knn:k=1,aggregation=mean`, `deep_svdd:milestones=[50,100]` and `pyod:ECOD:contamination=0.05`.

    A value is JSON, whose commas and colons do not end it, or text up to the next comma; a list may hold bare words.
    """
    from reprq.detectors.entries import DETECTORS

    name, _, rest = text.partition(":")
    if any(known.startswith(f"{name}:") for known in DETECTORS.names()):
        inner, _, rest = rest.partition(":")
        name = f"{name}:{inner}"
    try:
        return {"name": name, **assignments(rest)}
    except ValueError as error:
        raise click.BadParameter(
            f"expected NAME:PARAMETER=VALUE, got {text!r}{_advice(name, rest, str(error))}", param_hint="--detector"
        ) from None


def _advice(name: str, rest: str, part: str) -> str:
    """How several values are written, where a part after a comma has no `=`."""
    before, comma, _ = rest.partition(f",{part}")
    if not part or not comma:
        return ""
    parameter, _, first = before.rpartition(",")[2].partition("=")
    if name == "ensemble" and parameter == "of":
        return f"; join the detectors of an ensemble by +, as in ensemble:of={first}+{part}"
    return f"; write several values in brackets, as in {parameter}=[{first},{part}]"


def assignments(text: str) -> dict[str, Any]:
    """Read `k=1,aggregation=mean`; the values are those of `specification`.

    Raises:
        ValueError: A part is no assignment.
    """
    found: dict[str, Any] = {}
    while text:
        name, equals, text = text.partition("=")
        if not equals or not name:
            raise ValueError(name)
        found[name], text = _value(text)
    return found


def _value(text: str) -> tuple[Any, str]:
    """The value that a text begins with, and what follows its comma."""
    try:
        value, end = json.JSONDecoder().raw_decode(text)
        if text[end : end + 1] in ("", ","):
            return value, text[end + 1 :]
    except ValueError:
        pass
    if text.startswith("[") and "]" in text:  # of bare words
        inner, _, rest = text[1:].partition("]")
        return [_value(part.strip())[0] for part in inner.split(",") if part.strip()], rest.removeprefix(",")
    value, _, rest = text.partition(",")
    return value, rest
