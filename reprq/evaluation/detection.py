"""The one evaluation: a detector and a split give one row."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reprq.detectors.entries import DETECTORS
from reprq.detectors.oracle import oracle_grid
from reprq.detectors.registry import create, describe
from reprq.errors import InputError, ReprqError
from reprq.evaluation.groups import max_over_groups
from reprq.evaluation.localization import MapFigures, has_maps, judge_maps
from reprq.evaluation.oracle import hold_out, marked_oracle, oracle_search
from reprq.evaluation.roc import auroc
from reprq.notices import about
from reprq.registry import told
from reprq.statistics.estimate import Estimate

Spec = str | Mapping[str, Any]
Rows = NDArray[np.int64]
NEEDED = {"labelled": "labelled anomalies", "auxiliary": "an auxiliary corpus"}  # in words
_ADVICE = {"labelled": "give some (labelled=, --labelled)", "auxiliary": "name one (auxiliary=, --auxiliary DATA)"}


class SplitRows(Protocol):
    """What a `reprq.data.Split` says."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def train(self) -> Rows:
        """Rows to fit on."""

    @property
    def test(self) -> Rows:
        """Rows to score."""

    @property
    def labels(self) -> Rows:
        """1 is anomalous."""

    @property
    def labelled(self) -> Rows:
        """Known anomalies of the training side."""

    @property
    def classes(self) -> Rows | None:
        """Class numbers of the test rows."""

    @property
    def groups(self) -> Rows | None:
        """The object of each test row."""

    @property
    def masks(self) -> Any:
        """Where the anomalous test rows are so, or None."""

    @property
    def corpus(self) -> Rows:
        """Rows of the training side that are a corpus."""

    @property
    def labelled_masks(self) -> Any:
        """Where the labelled rows are so, or None."""


@dataclass(frozen=True, eq=False)
class Detection:
    """What a detector achieved on a split.

    Attributes:
        detector: Its identifier.
        auroc: Over all that was judged, with its 95 % interval.
        scores: (m,) of what was judged: test rows, or objects where the split has groups.
        labels: (m,) 1 is anomalous.
        classes: (m,) class numbers, or None.
        n_train: How many rows it was fitted on.
        seconds: Of fit and scores.
        fitted: The detector, fitted; None where only its scores are known.
        pixels: The figures of its maps against the masks of the split, where it has maps and the split masks.
        pixel_note: Why `pixels` is None; "" where nobody could expect it.
        top_words: Of a detector with contexts of texts, the words of each; none of others.
    """

    detector: str
    auroc: Estimate
    scores: NDArray[np.float64]
    labels: Rows
    classes: Rows | None
    n_train: int
    seconds: float
    fitted: Any = None
    pixels: MapFigures | None = None
    pixel_note: str = ""
    top_words: tuple[tuple[str, ...], ...] = ()

    def counts(self) -> dict[str, int]:
        """Return how many rows trained, how many were judged, and how many of these are anomalous."""
        return {"n_train": self.n_train, "n_test": len(self.labels), "n_anomalies": int(self.labels.sum())}

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know before trusting the numbers."""
        of_pixels = () if self.pixels is None else self.pixels.auroc.pooled.notes
        said = tuple(f"pixels: {note}" for note in of_pixels)
        return (*self.auroc.notes, *said, *((self.pixel_note,) if self.pixel_note else ()))

    def by_class(self) -> dict[int, Estimate]:
        """Return the AUROC of each anomalous class against all benign rows, by the number of the class."""
        if self.classes is None:
            return {}
        found = {}
        for number in np.unique(self.classes[self.labels == 1]).tolist():
            found[number] = self.on((self.labels == 0) | (self.classes == number)).auroc
        return found

    def on(self, rows: NDArray[Any]) -> "Detection":
        """Return the same scores judged on some of the rows, given by their numbers or as booleans."""
        classes = None if self.classes is None else self.classes[rows]
        found = auroc(self.labels[rows], self.scores[rows])
        part = {"scores": self.scores[rows], "labels": self.labels[rows], "classes": classes}
        return replace(self, auroc=found, pixels=None, **part)

    def by_half(self) -> tuple[float | None, float | None]:
        """Return the AUROC on either half of the rows, `halves_of`; None where a half lacks either kind."""
        if self.classes is None:
            return None, None
        first = halves_of(self.classes)
        halves = (first, ~first)
        if not all(0 < self.labels[rows].sum() < rows.sum() for rows in halves):
            return None, None
        one, other = (self.on(rows).auroc.value for rows in halves)
        return one, other


def evaluate(
    detector: Spec,
    split: SplitRows,
    train: Any,
    test: Any,
    *,
    auxiliary: Any = None,
    given: Mapping[str, Any] | None = None,
    seed: int = 0,
    oracle: bool = False,
    pixels: bool | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Detection:
    """Fit a detector on the training rows of a split and judge it on the test rows.

    Args:
        detector: A name, or a mapping of a name and parameters.
        split: Which rows of `train` and `test` are used; see `reprq.data.Split`.
        train: The training side as the detector reads it: (n, d) rows, or a data set of samples.
        test: The test side.
        auxiliary: A corpus, for a detector that learns from one; as the split's labelled rows, others do without. By
            default the rows of `train` that the split names as its corpus.
        given: Parameters that the surroundings set, not the person: a teacher, its layer, the device. Those that the
            detector does not have are passed over.
        seed: Of a detector that draws and was given no seed of its own.
        oracle: Whether its parameters, of CVDD its context, are chosen on a tenth of the test labels; judged on the
            others.
        pixels: Whether its maps are judged by the masks of the split (`judge_maps`): True where that is what is asked
            for, and an error if it cannot be; by default where it can be.
        clock: What tells the time in seconds.

    Raises:
        ReprqError: Whatever the detector cannot do, a split that lacks what it needs (`check_needs`), `oracle` on a
            split with groups, or `pixels` without masks or maps.

    Example:
        >>> from reprq.data import Split
        >>> x, z = np.array([[0.0], [0.1], [0.2]]), np.array([[0.1], [5.0]])
        >>> evaluate({"name": "knn", "k": 1}, Split.whole(3, [0, 1]), x, z).auroc.value
        1.0
    """
    if oracle and split.groups is not None:
        raise InputError(
            "an oracle holds out single rows and cannot hold out whole objects; judge a split with groups without it"
        )
    spec = {"name": detector} if isinstance(detector, str) else dict(detector)
    if auxiliary is None and len(split.corpus):
        auxiliary = take(train, split.corpus)
    needs = check_needs(spec, split, has_auxiliary=auxiliary is not None)
    if pixels:
        check_maps(spec, split)
    began = clock()
    fitted, scored = take(train, split.train), take(test, split.test)
    labels, classes, of_contexts = split.labels, split.classes, has_contexts(str(spec["name"]))
    with told(f"detector {spec['name']}"), about(f"{split.name}, seed {seed}"):
        if oracle and not of_contexts:
            grid = [_seeded(candidate, spec, seed) for candidate in oracle_grid(spec, fitted.shape[1])]
            choice = oracle_search(grid, fitted, scored, labels, seed=seed)
            made, name, left = choice.detector, choice.describe(), choice.remaining
            labels, scored, classes = labels[left], scored[left], None if classes is None else classes[left]
        else:
            made = _seeded(create(spec), spec, seed)
            if given:
                made = made.set_params(**{name: value for name, value in given.items() if name in made.get_params()})
            known = take(train, split.labelled) if len(split.labelled) else None
            masks = None if known is None else split.labelled_masks
            besides = {"labelled": known, "auxiliary": auxiliary, "masks": masks}
            used = {*needs, *getattr(made, "uses", ())}  # the others are baselines, and learn from benign rows alone
            made.fit(fitted, **{word: x for word, x in besides.items() if word in used and x is not None})
            name = describe(made)
        scores = made.anomaly_score(scored)
    found = judge(
        name, scores, labels, classes=classes, groups=split.groups, n_train=len(fitted), seconds=clock() - began
    )
    found = replace(found, fitted=made, top_words=_words(made, fitted))
    if oracle and of_contexts:
        return _best_context(found, made.context_scores(scored), seed)
    if pixels is False or split.masks is None or not has_maps(made) or getattr(made, "transform_", made) is None:
        return found
    try:
        figures = judge_maps(made, scored, split.masks, split.labels, classes=split.classes, seed=seed)
        return replace(found, pixels=figures)
    except ReprqError as error:
        if pixels:
            raise
        return replace(found, pixel_note=f"no pixel figure: {error}")


def has_contexts(name: str) -> bool:
    """Whether the detector of this name has contexts, among which an oracle chooses.

    Example:
        >>> has_contexts("cvdd"), has_contexts("knn")
        (True, False)
    """
    if name not in DETECTORS or DETECTORS.find(name).inputs == "rows":
        return False
    return callable(getattr(DETECTORS.find(name).load(), "context_scores", None))


def _words(detector: Any, benign: Any) -> tuple[tuple[str, ...], ...]:
    """The words of a detector's contexts in the texts that it was fitted on."""
    if not callable(getattr(detector, "top_words", None)) or getattr(benign, "modality", "") != "text":
        return ()
    return tuple(map(tuple, detector.top_words(benign)))


def _best_context(found: Detection, distances: NDArray[np.float64], seed: int) -> Detection:
    """What the context that is best on a tenth of the test labels achieves on the others."""
    chosen = hold_out(found.labels, seed=seed)
    values = [auroc(found.labels[chosen], column[chosen]).value for column in distances.T]
    best = replace(found, detector=marked_oracle(found.detector), scores=distances[:, int(np.argmax(values))])
    return best.on(np.setdiff1d(np.arange(len(found.labels)), chosen))


def check_maps(spec: Mapping[str, Any], split: SplitRows) -> None:
    """Raise an InputError where a detector has no anomaly maps, or the split no masks to judge them by."""
    if not localizes(str(spec["name"])):
        raise InputError(f"detector {spec['name']} has no anomaly maps to judge by pixel; name one such as fcdd")
    if split.masks is None:
        raise InputError(
            f"the split {split.name} has no masks of its anomalies to judge maps by; give images with masks"
            " (ground_truth/CLASS/NAME_mask.png)"
        )


def masks_to_judge_by(specs: Iterable[Spec], splits: Sequence[SplitRows], *, insist: bool = False) -> list[Any]:
    """Return the masks that some detectors are judged by or learn from; none where none of them has maps.

    Args:
        specs: The detectors.
        splits: What they are to be judged on.
        insist: Whether figures of pixels are asked for: some detector must have maps, and every split masks.

    Raises:
        InputError: Figures are asked for and cannot be.
    """
    each = [{"name": spec} if isinstance(spec, str) else spec for spec in specs]
    having = [spec for spec in each if localizes(str(spec["name"]))]
    for split in splits if insist else ():
        check_maps((having or each)[0], split)
    return [masks for split in splits for masks in (split.masks, split.labelled_masks)] if having else []


def localizes(name: str) -> bool:
    """Whether the detector of this name has anomaly maps.

    Example:
        >>> localizes("knn")
        False
    """
    return name in DETECTORS and DETECTORS.find(name).inputs != "rows" and has_maps(DETECTORS.find(name).load())


def check_needs(spec: Mapping[str, Any], split: SplitRows, *, has_auxiliary: bool) -> frozenset[str]:
    """Return what a detector must be given besides rows, or say that the split lacks it.

    Args:
        spec: Its name, with parameters or without.
        split: What it is to be judged on.
        has_auxiliary: Whether there is a corpus.

    Raises:
        InputError: It needs labelled anomalies or a corpus, and there is none.
    """
    name = str(spec["name"])
    if lacks := lacking(name, split, has_auxiliary=has_auxiliary):
        raise InputError(
            f"detector {name} needs {NEEDED[lacks]}, and the split {split.name} has none; {_ADVICE[lacks]}"
        )
    return _needs_of(name)


def lacking(name: str, split: SplitRows, *, has_auxiliary: bool) -> str:
    """Return the first thing that a detector needs besides rows and a split lacks, of `NEEDED`; "" where it has all.

    Example:
        >>> from reprq.data import Split
        >>> lacking("supervised", Split.whole(3, [0, 1]), has_auxiliary=False)
        'labelled'
    """
    there = {"labelled": len(split.labelled) > 0, "auxiliary": has_auxiliary}
    needs = _needs_of(name)
    return next((word for word in NEEDED if word in needs and not there[word]), "")


def _needs_of(name: str) -> frozenset[str]:
    return DETECTORS.find(name).needs if name in DETECTORS else frozenset()


def judge(
    detector: str,
    scores: ArrayLike,
    labels: ArrayLike,
    *,
    classes: Rows | None = None,
    groups: ArrayLike | None = None,
    n_train: int = 0,
    seconds: float = 0.0,
) -> Detection:
    """Judge scores that are known; objects of several rows by the maximum over their rows."""
    found, truth = np.asarray(scores), np.asarray(labels).astype(np.int64)
    if groups is not None:
        found, truth = max_over_groups(found, groups), max_over_groups(truth, groups).astype(np.int64)
        classes = None
    return Detection(detector, auroc(truth, found), found, truth, classes, n_train, seconds)


def take(side: Any, rows: Rows) -> Any:
    """Return rows of an array or a data set; the thing itself, not a copy, where they are all its rows."""
    if len(rows) == len(side) and np.array_equal(rows, np.arange(len(side))):
        return side
    return side.select(rows) if hasattr(side, "select") else side[rows]


def _seeded(detector: Any, spec: Mapping[str, Any], seed: int) -> Any:
    draws = "seed" in detector.get_params() and "seed" not in spec
    return detector.set_params(seed=seed) if draws else detector


def halves_of(classes: Rows) -> NDArray[np.bool_]:
    """Return which test rows are in the first half: every other row of each class, so that both have all classes.

    Example:
        >>> halves_of(np.array([3, 3, 7, 3, 7])).tolist()
        [True, False, True, True, False]
    """
    first = np.zeros(len(classes), dtype=bool)
    for number in np.unique(classes):
        first[np.flatnonzero(classes == number)[::2]] = True
    return first
