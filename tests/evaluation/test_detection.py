"""The one evaluation against its steps written out."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reprq.data import Split
from reprq.detectors import DETECTORS, KNN, IForest
from reprq.errors import InputError
from reprq.evaluation import auroc
from reprq.evaluation.detection import evaluate, judge
from reprq.registry import Entry

RNG = np.random.default_rng(0)
TRAIN = RNG.normal(size=(40, 3))
CLASSES = np.arange(60) % 3
TEST = RNG.normal(size=(60, 3)) + CLASSES[:, None] * 0.8
SPLIT = Split("a", np.arange(0, 40, 2), np.arange(60), (CLASSES > 0).astype(np.int64), classes=CLASSES)


def test_it_is_fit_score_and_auroc_on_the_rows_of_the_split():
    scores = KNN(k=2).fit(TRAIN[::2]).anomaly_score(TEST)
    found = evaluate({"name": "knn", "k": 2}, SPLIT, TRAIN, TEST)
    assert found.detector == "knn[k=2,kth,euclidean]"
    assert np.array_equal(found.scores, scores)
    assert found.auroc == auroc(CLASSES > 0, scores)
    assert found.counts() == {"n_train": 20, "n_test": 60, "n_anomalies": 40}
    for number, estimate in found.by_class().items():
        rows = (CLASSES == 0) | (number == CLASSES)
        assert estimate == auroc(CLASSES[rows] > 0, scores[rows])
    assert list(found.by_class()) == [1, 2]


@pytest.mark.parametrize(("spec", "seed"), [("iforest", 5), ({"name": "iforest", "seed": 2}, 2)])
def test_a_detector_that_draws_takes_the_seed_unless_it_was_given_one(spec, seed):
    scores = IForest(seed=seed).fit(TRAIN[::2]).anomaly_score(TEST)
    assert np.array_equal(evaluate(spec, SPLIT, TRAIN, TEST, seed=5).scores, scores)


def test_objects_are_judged_by_their_most_anomalous_part():
    found = judge("x", [0.1, 0.9, 0.3, 0.2], [0, 1, 0, 0], groups=[7, 7, 2, 2])
    assert found.scores.tolist() == [0.3, 0.9]
    assert found.labels.tolist() == [0, 1]


def test_an_oracle_cannot_hold_out_whole_objects():
    split = Split.whole(40, CLASSES > 0, groups=CLASSES)
    with pytest.raises(InputError, match="cannot hold out whole objects"):
        evaluate("knn", split, TRAIN, TEST, oracle=True)


def test_a_half_without_anomalies_has_no_auroc():
    assert judge("x", [0.1, 0.2, 0.9], [0, 0, 1], classes=np.array([0, 0, 1])).by_half() == (None, None)


class Counts:
    """A detector that needs both kinds of help, and scores by how much it got."""

    def fit(self, X, *, labelled, auxiliary):
        self.got_ = (len(X), len(labelled), len(auxiliary))
        return self

    def anomaly_score(self, X):
        return np.arange(len(X), dtype=float)

    def describe(self):
        return "counts"

    def get_params(self, deep=True):
        return {}

    def set_params(self, **params):
        return self


@pytest.fixture
def counts():
    needs = frozenset({"labelled", "auxiliary"})
    DETECTORS.register(Entry(name="counts", target=Counts, inputs="rows", needs=needs))
    yield
    DETECTORS.remove("counts")


def test_a_detector_is_given_what_its_entry_needs_and_no_other_is(counts):
    split = replace(SPLIT, labelled=np.array([1, 3]))
    assert evaluate("counts", split, TRAIN, TEST, auxiliary=TEST[:5]).fitted.got_ == (20, 2, 5)
    given = evaluate("knn", split, TRAIN, TEST, auxiliary=TEST[:5])
    assert given.auroc == evaluate("knn", SPLIT, TRAIN, TEST).auroc


@pytest.mark.parametrize(
    ("labelled", "auxiliary", "said"),
    [([], TEST, "needs labelled anomalies, and the split a has none"), ([1], None, "needs an auxiliary corpus")],
)
def test_what_a_split_lacks_is_one_sentence(counts, labelled, auxiliary, said):
    with pytest.raises(InputError, match=said):
        evaluate("counts", replace(SPLIT, labelled=np.array(labelled, dtype=int)), TRAIN, TEST, auxiliary=auxiliary)


def test_scores_are_judged_on_a_part_of_the_rows():
    found = evaluate("knn", SPLIT, TRAIN, TEST)
    assert found.on(np.arange(9)).auroc == auroc(CLASSES[:9] > 0, found.scores[:9])
    assert found.on(CLASSES < 2).counts()["n_anomalies"] == 20


class Failing:
    """A detector of somebody else's that raises what it likes."""

    def fit(self, x: Any, y: Any = None) -> Any:
        raise ZeroDivisionError("division by zero")

    def anomaly_score(self, x: Any) -> Any:
        return np.zeros(len(x))

    def describe(self) -> str:
        return "failing"

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return {}

    def set_params(self, **params: Any) -> Any:
        return self


def test_what_a_detector_raises_is_one_sentence() -> None:
    DETECTORS.register(Entry(name="failing", target=Failing, inputs="rows"))
    try:
        with pytest.raises(InputError, match="detector failing fails with ZeroDivisionError: division by zero"):
            evaluate("failing", Split.whole(3, [0, 1]), np.eye(3), np.eye(3)[:2])
    finally:
        DETECTORS.remove("failing")
