"""Which detectors are fitted on which layer and split of a study; what cannot be is left out, and why is said."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from reprq.data import Split
from reprq.detectors import create
from reprq.errors import InputError, listed
from reprq.evaluation.detection import NEEDED, lacking
from reprq.study.jobs import Spec, name_of, needs_of, reads_rows
from reprq.study.parts import StudyPart

_LAYER = frozenset({"backbone", "layer"})
_MOST = 3  # splits or backbones that a note names


class Fits:
    """The detectors of a study, and where each is fitted.

    A detector that trains on samples is fitted once a split on these; where a data set has none but the rows of
    embedding files, on those of every layer, as a detector of rows is.

    Args:
        detectors: By definition.
    """

    def __init__(self, detectors: Mapping[str, Spec]) -> None:
        self._detectors = detectors
        self._needs = {definition: needs_of(spec) for definition, spec in detectors.items()}

    @property
    def any_without_backbone(self) -> bool:
        """Whether some detector needs no backbone."""
        return any("backbone" not in needs for needs in self._needs.values())

    def of(self, part: StudyPart, split: Split, *, layer: bool) -> dict[str, Spec]:
        """Return the detectors that are fitted on a split of a part: on each of its layers, or those that need none."""
        return {
            definition: spec
            for definition, spec in self._detectors.items()
            if self._belongs(definition, part, layer) and not self._obstacle(definition, part, split)
        }

    def left_out(self, splits: Sequence[tuple[StudyPart, Sequence[Split]]]) -> list[str]:
        """Return a sentence for every reason for which a detector is left out somewhere.

        Raises:
            InputError: A detector that would be fitted nowhere.
        """
        return [note for definition in self._detectors for note in self._notes(definition, splits)]

    def _notes(self, definition: str, splits: Sequence[tuple[StudyPart, Sequence[Split]]]) -> Iterator[str]:
        found: dict[str, dict[str, None]] = {}
        fitted, first = False, ""
        for part, each in splits:
            if not any(self._belongs(definition, part, layer) for layer in (True, False)):
                continue
            for split in each:
                kind = self._obstacle(definition, part, split)
                fitted |= not kind
                if kind:
                    first = first or self._refusal(definition, kind, part, split)
                    where = part.place[2] if kind == "samples" else split.name
                    found.setdefault(kind, {})[str(where)] = None
        if first and not fitted:
            raise InputError(first)
        for kind, places in found.items():
            why = f"it needs {NEEDED[kind]}" if kind in NEEDED else "it trains on samples, not on rows of files"
            yield f"{definition} is left out of {listed(places, _MOST)}: {why}"

    def _belongs(self, definition: str, part: StudyPart, layer: bool) -> bool:
        needs = self._needs[definition] | (_LAYER if part.samples_are_rows else frozenset())
        return ("layer" in needs) == layer and ("backbone" in needs) == (part.backbone is not None)

    def _obstacle(self, definition: str, part: StudyPart, split: Split) -> str:
        """What a detector needs and has not: "samples", "labelled", "auxiliary"; "" where it has all."""
        if part.is_files and definition not in self._of_rows:
            return "samples"
        return lacking(name_of(self._detectors[definition]), split, has_auxiliary=split.has_corpus)

    @cached_property
    def _of_rows(self) -> frozenset[str]:
        """The detectors that (n, d) arrays do for, whether they train a network or not."""
        return frozenset(definition for definition, spec in self._detectors.items() if takes_rows(spec))

    def _refusal(self, definition: str, kind: str, part: StudyPart, split: Split) -> str:
        name = name_of(self._detectors[definition])
        if kind == "samples":
            return (
                f"detector {name} trains a network on samples, and {part.place[2]!r} is embedding files; remove one of"
                " them"
            )
        return f"detector {name} needs {NEEDED[kind]}, and the split {split.name} has none; add {kind} to [splits]"


def takes_rows(spec: Spec) -> bool:
    """Whether a detector can be fitted on (n, d) arrays.

    Example:
        >>> takes_rows("knn"), takes_rows("deep_svdd"), takes_rows("raw:knn"), takes_rows("distillation")
        (True, True, False, False)
    """
    if reads_rows(spec):
        return True
    return not needs_of(spec) & _LAYER and bool(getattr(create(spec), "takes_rows", False))
