"""Which side of a split a folder's name says, however it is spelled."""

import re

_SPELLINGS = {
    "train": ("train", "training", "trainset", "trainingset"),
    "test": ("test", "testing", "tests", "testset"),
    "val": ("val", "valid", "validation", "validate", "dev", "valset", "validationset"),
}
_SAYS = {spelling: role for role, spellings in _SPELLINGS.items() for spelling in spellings}
_BESIDE = {"set", "data", "dataset", "images", "image", "imgs", "img", "folder", "split", "public", "samples"}


def role_of(name: str) -> str | None:
    """Return "train", "test" or "val" where that is all that the name says; else None.

    Example:
        >>> [role_of(name) for name in ("TRAIN", "test_set", "val2017", "trainImages", "train_good", "tram")]
        ['train', 'test', 'val', 'train', None, None]
    """
    words = [word for word in _words(name) if word not in _BESIDE]
    return _SAYS.get(words[0]) if len(words) == 1 else None


def mentioned_roles(name: str) -> set[str]:
    """Return every side of a split that a word of the name says.

    Example:
        >>> sorted(mentioned_roles("seg_train")), sorted(mentioned_roles("tram"))
        (['train'], [])
    """
    return {_SAYS[word] for word in _words(name) if word in _SAYS}


def without_roles(name: str) -> str:
    """Return the words of a name that say no side of a split.

    Example:
        >>> without_roles("Normal_test"), without_roles("normal")
        ('normal', 'normal')
    """
    return " ".join(word for word in _words(name) if word not in _SAYS)


def _words(name: str) -> list[str]:
    parts = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    return re.findall(r"[^\W\d_]+", parts.lower())
