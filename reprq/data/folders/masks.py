"""Which mask belongs to which image of a folder."""

from collections import defaultdict
from collections.abc import Iterable
from itertools import takewhile
from pathlib import PurePath

from reprq.data.folders.layout import WRAPPERS
from reprq.data.folders.listing import Folder, is_mask_folder, without_mask_ending
from reprq.data.folders.split_names import role_of
from reprq.data.names import class_name


def paired_masks(folder: Folder, images: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return the masks of every image that has any, all as paths relative to the folder.

    A mask has the name of its image, "001", or that with an ending, "001_mask", "001_GT"; of several it is the one
    whose folders are most like the image's, read from the end, without those that say masks or a side of a split:
    `ground_truth/crack/001_mask.png` is the mask of `test/crack/001.png`. Where no file has it, a folder of masks may
    have the image's name, and they are all its masks, one a defect: `ground_truth/crack/001/000.png`, as in MVTec LOCO
    AD. A mask is of one image, the first of `images` that it fits.

    Args:
        folder: The root.
        images: Its images, as paths; earlier ones are served first.
    """
    by_stem: dict[str, list[str]] = defaultdict(list)
    inside: dict[str, list[str]] = defaultdict(list)
    for mask in folder.all_masks():
        stem = PurePath(mask).stem
        for name in {stem, without_mask_ending(stem)}:
            by_stem[name].append(mask)
        inside[PurePath(mask).parent.as_posix()].append(mask)
    folders: dict[str, list[str]] = defaultdict(list)
    for parent in inside:
        folders[PurePath(parent).name].append(parent)
    found: dict[str, tuple[str, ...]] = {}
    taken: set[str] = set()
    for image in images:
        stem = PurePath(image).stem
        for named in (by_stem[stem], folders[stem]):
            likeness = {mask: _likeness(image, mask) for mask in named if mask not in taken}
            best = max(likeness, key=lambda mask: likeness[mask], default="")
            if best and likeness[best] >= (0, 0):
                found[image] = tuple(sorted(inside[best])) if named is folders[stem] else (best,)
                taken.update((best, *found[image]))
                break
    return found


def _likeness(image: str, mask: str) -> tuple[int, int]:
    """How many classes they share, from the innermost outwards, then folders; below 0 if of two classes or sides."""
    sides = [{role for part in PurePath(path).parts[:-1] if (role := role_of(part))} for path in (image, mask)]
    if all(sides) and not set.intersection(*sides):
        return -1, 0
    ours, theirs = _classes(image), _classes(mask)
    pairs = zip(reversed(ours), reversed(theirs), strict=False)
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    alike = len(set(PurePath(image).parts[:-1]) & set(PurePath(mask).parts[:-1]))
    return (shared if shared or not ours or not theirs else -1), alike


def _classes(path: str) -> list[str]:
    """The folders that may say a class."""
    names = (class_name(part).lower() for part in PurePath(path).parts[:-1])
    return [name for name in names if not (is_mask_folder(name) or role_of(name) or name in WRAPPERS)]
