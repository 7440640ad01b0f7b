"""Lines of the log "reprq": what ended badly and goes on all the same, and of which fit of many it is said."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_LOG = logging.getLogger("reprq")
_ABOUT: ContextVar[object] = ContextVar("about", default="")


@contextmanager
def about(what: object) -> Iterator[None]:
    """Begin the notices of what runs inside with what they are about; the outermost knows best.

    Args:
        what: Words, such as "digits, unimodal:3, seed 0", or what has them as its `str`, which few notices ask for.

    Example:
        >>> import sys
        >>> handler = logging.StreamHandler(sys.stdout)
        >>> _LOG.addHandler(handler)
        >>> with about("digits, unimodal:3"), about("unimodal:3"):
        ...     notice("%s has collapsed", "vae")
        digits, unimodal:3: vae has collapsed
        >>> _LOG.removeHandler(handler)
    """
    token = _ABOUT.set(_ABOUT.get() or what)
    try:
        yield
    finally:
        _ABOUT.reset(token)


def notice(message: str, *values: object) -> None:
    """Write a warning to the log "reprq".

    Args:
        message: A sentence, with a place (%s, %d, %.3g) for each of the values.
        *values: They are put in where somebody listens.
    """
    known = _ABOUT.get()
    if known:
        _LOG.warning(f"%s: {message}", known, *values)
    else:
        _LOG.warning(message, *values)
