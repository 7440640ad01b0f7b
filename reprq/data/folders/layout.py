"""Which layout a folder of files has: where its splits, its classes and its items are."""

import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from reprq.data.folders.listing import Folder
from reprq.data.folders.split_names import mentioned_roles, role_of, without_roles
from reprq.data.names import readable
from reprq.errors import DataError, counted, listed

_BENIGN_NAMES = {
    "good",
    "normal",
    "ok",
    "okay",
    "benign",
    "nominal",
    "healthy",
    "intact",
    "defect_free",
    "anomaly_free",
}
_TABLES = (".csv", ".tsv", ".txt", ".json", ".mat", ".pkl", ".xlsx")
WRAPPERS = {
    "texts",
    "documents",
    "txt",
    "images",
    "image",
    "imgs",
    "img",
    "data",
    "dataset",
    "jpg",
    "jpeg",
    "png",
    "rgb",
    "jpegimages",
}

Classes = dict[str, list[str]]  # class -> items, as paths relative to the root
Roles = dict[str, list[Folder]]


@dataclass(frozen=True)
class FolderLayout:
    """What a folder was understood to be.

    Attributes:
        pattern: In words, such as "train/CLASS and val/CLASS".
        sides: "train" and "test" -> their classes; "all" where the folder has no split.
        missing: Why a side is not there, by its name.
        passed: Folders and items that were passed over, in words.
    """

    pattern: str
    sides: Mapping[str, Classes]
    missing: Mapping[str, str]
    passed: tuple[str, ...] = ()


class NoItemsError(DataError):
    """A folder without an item of the kind that was asked for.

    Attributes:
        noun: What an item would be: "image".
        others: How many files of which extensions it has.
    """

    def __init__(self, message: str, noun: str, others: Counter[str]) -> None:
        super().__init__(message)
        self.noun, self.others = noun, others


def is_benign_name(name: str) -> bool:
    """Whether a class is called by one of the usual names of what has no defect."""
    return re.sub(r"[\s-]+", "_", name.lower()) in _BENIGN_NAMES


def read_layout(root: Folder) -> FolderLayout:
    """Find out which layout a folder has.

    Raises:
        DataError: a layout that is not known, or that can be understood in several ways; the message names it.
    """
    base = _unwrapped(root)
    roles = _roles(base.folders)
    beside = [folder for folder in base.classes if role_of(folder.label) is None]
    if "train" in roles and ("test" in roles or "val" in roles):
        return _split(base, roles)
    if len(roles) > 1 or (roles and not beside):
        return _half(base, roles)
    _refuse_unclear(base, roles)
    inner = {folder: found for folder in base.classes if (found := _roles(folder.classes))}
    if inner:
        return _class_first(base, inner)
    _refuse_several(base)
    if base.classes:
        passed = (*_loose(base), *(f"{name}, which is not followed" for name in _split_files(root)))
        layout = FolderLayout(f"{_in(base)}CLASS/*", {"all": _classes(base)}, {}, passed)
    else:
        layout = FolderLayout(f"{base.kind.noun}s without class folders", {"all": _classes_or_one(base)}, {})
    return _one_side_of_two(base, layout)


def _split(base: Folder, roles: Roles) -> FolderLayout:
    """`train/` and `test/`, in any spelling, or `val/` where no `test/` has classes."""
    folders = {role: _only(base, found) for role, found in roles.items()}
    inner = {role: _unwrapped_side(folder) for role, folder in folders.items()}
    second = next((role for role in ("test", "val") if role in inner and inner[role].classes), None)
    second = second or ("test" if "test" in inner else "val")
    names = {role: _short(folder) for role, folder in folders.items()}
    sides = {"train": _classes_or_one(inner["train"]), "test": _classes_or_one(inner[second])}
    missing: dict[str, str] = {}
    flat = {role: not inner[role].classes for role in ("train", second)}
    if flat["train"] and not flat[second]:
        benign = [name for name in sides["test"] if is_benign_name(name)]
        if len(benign) == 1:
            sides["train"] = {benign[0]: inner["train"].items}
        else:
            missing["train"] = _unlabelled(inner["train"], names["train"])
    elif flat[second] and not flat["train"]:
        missing["test"] = _unlabelled(inner[second], names[second])
    pattern = " and ".join(f"{_in(base)}{names[role]}/{'*' if no else 'CLASS/*'}" for role, no in flat.items())
    if second == "val":
        pattern += f", of which {names['val']}/ is scored"
    others = [folder for folder in base.classes if folder not in (folders["train"], folders[second])]
    passed = [f"{_short(folder)}/ ({counted(len(folder.all_items()), folder.kind.noun)})" for folder in others]
    passed += [part for folder in (base, inner["train"], inner[second]) for part in _loose(folder)]
    return FolderLayout(
        pattern, {side: found for side, found in sides.items() if side not in missing}, missing, tuple(passed)
    )


def _unlabelled(folder: Folder, name: str) -> str:
    return (
        f"{_path(folder)} has {counted(len(folder.items), folder.kind.noun)} without class folders, so nothing says"
        f" their class; put them into {name}/CLASS/"
    )


def _half(base: Folder, roles: Roles) -> FolderLayout:
    """One side of a split alone, which can be measured; or two, of which none trains."""
    role = "train" if "train" in roles else "test" if "test" in roles else "val"
    folder = _only(base, roles[role])
    side = _unwrapped_side(folder)
    name, other = _short(folder), "test" if role == "train" else "train"
    found = {"train" if role == "train" else "test": _classes_or_one(side)}
    reason = f"the {base.kind.modality} folder {_path(base)} has {name}/ but no {other}/; {base.kind.expected}"
    return FolderLayout(f"{_in(base)}{name}/ alone", found, {other: reason}, _loose(base))


def _class_first(base: Folder, inner: Mapping[Folder, Roles]) -> FolderLayout:
    """`CLASS/train` and `CLASS/test`; several data sets in one folder are refused."""
    sets = [folder for folder, roles in inner.items() if any(f.classes for found in roles.values() for f in found)]
    if sets:
        raise _several(base, sets)
    if without := [folder for folder in base.classes if folder not in inner]:
        some, others = _names(inner), _names(without)
        raise DataError(
            f"in {_path(base)} some folders hold splits ({some}) and others do not ({others}); {base.kind.expected}"
        )
    present = {role for roles in inner.values() for role in roles}
    second = "val" if "val" in present and "test" not in present else "test"
    sides: dict[str, Classes] = {"train": {}, "test": {}}
    for folder, roles in inner.items():
        for side, role in (("train", "train"), ("test", second)):
            if role in roles:
                sides[side].setdefault(folder.label, []).extend(_only(folder, roles[role]).all_items())
    for side, role in (("train", "train"), ("test", second)):
        if not sides[side]:
            raise DataError(f"{_path(base)} has splits in its class folders, but no CLASS/{role}; {base.kind.expected}")
    return FolderLayout(f"{_in(base)}CLASS/train/* and {_in(base)}CLASS/{second}/*", sides, {}, _loose(base))


def _one_side_of_two(base: Folder, layout: FolderLayout) -> FolderLayout:
    """A folder that is called as one side of a split, with the other beside it, is that side and is not split again."""
    path = base.path.resolve()
    role = role_of(path.name)
    if role is None or base.name:
        return layout
    wanted = {"train": ("test", "val")}.get(role, ("train",))
    siblings = [name for name in _names_beside(path) if role_of(name) in wanted]
    if not siblings:
        return layout
    side, other = ("train", "test") if role == "train" else ("test", "train")
    reason = (
        f"{_path(base)} is the {side} side of a split whose {other} side is {readable(siblings[0])}/ beside it; give"
        f" the folder of both, {readable(str(path.parent))}, or ask for split {side!r}"
    )
    pattern = f"{layout.pattern}, the {side} side of {readable(path.parent.name)}/"
    return replace(layout, pattern=pattern, sides={side: layout.sides["all"]}, missing={other: reason})


def _refuse_unclear(base: Folder, roles: Roles) -> None:
    """Raise for names that look like those of splits and may be those of classes."""
    for folder in (folder for found in roles.values() for folder in found):
        if folder.classes:
            others = _names(other for other in base.classes if other is not folder)
            raise DataError(
                f"{_path(base)} has {_short(folder)}/ with class folders in it, and beside it {others};"
                f" {base.kind.expected}: rename or move what is no split"
            )
    mentioned = {folder: mentioned_roles(folder.label) for folder in base.classes}
    classes = {without_roles(folder.label) for folder, said in mentioned.items() if not said}
    twins = any(said and without_roles(folder.label) in classes for folder, said in mentioned.items())
    if twins or len(set().union(*mentioned.values())) > 1:
        some = _names(folder for folder, said in mentioned.items() if said)
        raise DataError(
            f"{_path(base)} has folders that may be splits or classes, {some}; {base.kind.expected}:"
            " rename splits to train and test"
        )


def _refuse_several(base: Folder) -> None:
    """Raise where the folders are no classes, but data sets with classes of their own."""
    sets = []
    for folder in base.classes:
        inside = _unwrapped(folder)
        labels = [found.label for found in inside.classes]
        if _roles(inside.classes) or (len(labels) > 1 and any(map(is_benign_name, labels))):
            sets.append(folder)
    if sets:
        raise _several(base, sets)


def _several(base: Folder, sets: Sequence[Folder]) -> DataError:
    return DataError(
        f"{_path(base)} holds several data sets, {_names(sets)}, each with splits or classes of its own; give one of"
        f" them, as in {base.kind.prefix}{_path(sets[0])}"
    )


def _unwrapped(folder: Folder) -> Folder:
    """Go down as long as one folder is all that there is, if there are several at the end; a class is gone into not."""
    current = folder
    while not current.items and len(current.classes) == 1 and role_of(current.classes[0].label) is None:
        current = current.classes[0]
        if is_benign_name(current.label):
            return folder
    several = len(current.classes) > 1 or bool(_roles(current.classes))
    return current if several and not current.items else folder


def _unwrapped_side(side: Folder) -> Folder:
    """Go down from `train/` through `train/train/` or `train/images/`."""
    current = side
    while not current.items and len(current.classes) == 1:
        inner = current.classes[0]
        if inner.label.lower() not in {*WRAPPERS, side.label.lower()}:
            break
        current = inner
    return current


def _roles(folders: Iterable[Folder]) -> Roles:
    roles: Roles = {}
    for folder in folders:
        if role := role_of(folder.label):
            roles.setdefault(role, []).append(folder)
    return roles


def _only(base: Folder, folders: Sequence[Folder]) -> Folder:
    if len(folders) > 1:
        raise DataError(f"{_path(base)} has several folders for one side of its split, {_names(folders)}; keep one")
    return folders[0]


def _classes_or_one(base: Folder) -> Classes:
    """The classes of a folder; items without class folders are one class, called after what they are."""
    return {f"{base.kind.noun}s": base.items} if base.items and not base.classes else _classes(base)


def _classes(base: Folder) -> Classes:
    """The items of every class folder; folders of the same name in another encoding are one class."""
    found: Classes = {}
    for folder in base.folders:
        items, others = folder.all_items(), folder.all_others()
        if items or not others or any(extension in base.kind.unread for extension in others):
            found.setdefault(folder.label, []).extend(items)
    if not any(found.values()):
        bare = not base.folders and not base.others
        what = f"has {len(found)} class folders and no {base.kind.noun}s in them" if found else "has no class folders"
        raise NoItemsError(
            f"{_path(base)} {'is empty' if bare else what}; {base.kind.expected}; {_instead(base)}",
            base.kind.noun,
            base.all_others(),
        )
    for folder in base.folders:
        if found.get(folder.label) == []:
            none = f"has 0 {base.kind.noun}s, it needs at least 1"
            raise DataError(f"class {folder.label!r} in {_path(base)} {none}; {_instead(folder)}")
    return {name: sorted(files) for name, files in found.items()}


def _instead(folder: Folder) -> str:
    """What there is instead of items, and how those would be called."""
    others = folder.all_others()
    return f"{f'there are {extensions(others)}; ' if others else ''}{folder.kind.noun}s {folder.kind.described}"


def extensions(counts: Mapping[str, int]) -> str:
    """Return counts of extensions in words, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    more = f" and {len(ordered) - 6} other kinds" if len(ordered) > 6 else ""
    return ", ".join(f"{count} {extension}" for extension, count in ordered[:6]) + more


def _loose(base: Folder) -> tuple[str, ...]:
    """Items that stand beside class folders."""
    return (
        (f"{counted(len(base.items), base.kind.noun)} beside the class folders",) if base.items and base.classes else ()
    )


def _split_files(root: Folder) -> list[str]:
    """Files at the top of a data set, in a folder without items there, or in VisA's beside it, that say a split."""
    places = [root, *(folder for folder in root.folders if not folder.has_items), *root.masks]
    beside = [name for name in _names_beside(root.path.resolve()) if name.lower().startswith("split_")]
    places += [Folder(root.path.resolve().parent / name, root.kind, f"../{name}") for name in beside]
    files = [name for place in places for name in place.others if name.lower().endswith(_TABLES)]
    return [readable(name) for name in files if mentioned_roles(PurePath(name).stem) or "split" in name.lower()]


def _names_beside(path: Path) -> list[str]:
    """The folders beside a folder; none where nobody may look."""
    try:
        with os.scandir(path.parent) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir() and entry.name != path.name)
    except OSError:
        return []


def _in(base: Folder) -> str:
    """Where the layout begins, below the root."""
    return f"{readable(base.name)}/" if base.name else ""


def _names(folders: Iterable[Folder]) -> str:
    return listed([f"{_short(folder)}/" for folder in folders])


def _short(folder: Folder) -> str:
    return readable(PurePath(folder.name).name)


def _path(folder: Folder) -> str:
    return readable(str(folder.path))
