"""Names of files and folders as text that can be printed, written and compared."""

import unicodedata


def readable(name: str) -> str:
    r"""Return a file's name with bytes that are not UTF-8 and control characters written as escapes.

    Example:
        >>> readable("a\nb"), readable(b"caf\xe9".decode("utf-8", "surrogateescape"))
        ('a\\nb', 'caf\\xe9')
    """
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == " " else c.encode("unicode_escape").decode() for c in text)


def class_name(folder: str) -> str:
    r"""Return the class that a folder's name says, the same however its accents are encoded (NFC).

    Example:
        >>> class_name("cafe\u0301") == class_name("caf\u00e9")
        True
    """
    return unicodedata.normalize("NFC", readable(folder))
