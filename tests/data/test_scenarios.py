"""Scenarios: which splits they make, each set of rows once, and what no task can have in one sentence."""

import numpy as np
import pytest

from reprq.data import Scenario, load_dataset, named_tasks, one_class_split, scenario_splits, select_tasks
from reprq.data.oneclass import sides_and_splits
from reprq.errors import DataError, InputError, UnknownNameError

TRAIN, TEST = (load_dataset("digits", side) for side in ("train", "test"))


PLAIN = (Scenario(),)


def made(tasks="unimodal", scenarios=PLAIN, **how):
    return scenario_splits(TRAIN, TEST, named_tasks(TRAIN, tasks), scenarios, **how)


def test_each_other_class_is_the_known_one_in_turn():
    splits = made(scenarios=[Scenario(labelled=0.05, labelled_from="each")]).splits
    assert len(splits) == 90  # Ruff 2021, scenario (i)
    for split in splits:
        (known,) = np.unique(TRAIN.labels[split.labelled])
        assert split.name == f"{split.task}, 5 % labelled from {TRAIN.classes[known]}"
        assert split.scenario == f"5 % labelled from {TRAIN.classes[known]}"
        assert len(split.labelled) == round(0.05 / 0.95 * len(split.train))


def test_drawn_classes_are_those_of_the_seed_under_one_name():
    how = [Scenario(labelled=0.05, labelled_from=3, pollution=0.1)]
    drawn = [made("unimodal:4", how, seed=seed).splits[0] for seed in range(4)]
    assert {split.name for split in drawn} == {"unimodal:4, 10 % polluted, 5 % labelled from 3 classes"}
    classes = [tuple(np.unique(TRAIN.labels[split.labelled])) for split in drawn]
    assert {len(found) for found in classes} == {3}
    assert len(set(classes)) > 1
    assert made("unimodal:4", how, seed=0).splits[0].rows == drawn[0].rows


def test_tasks_that_train_on_a_named_class_are_left_out_and_said():
    found = made(scenarios=[Scenario(anomaly=("8",))])
    assert [split.name for split in found.splits] == [f"unimodal:{i} vs 8" for i in "012345679"]
    assert found.notes == ("unimodal:8 trains on a class that is to be anomalous: left out",)


def test_splits_of_the_same_rows_are_made_once_and_said():
    two = [side.restrict(["3", "8"]) for side in (TRAIN, TEST)]
    tasks = [*select_tasks(two[0].classes, "unimodal"), *select_tasks(two[0].classes, "multimodal")]
    found = scenario_splits(*two, tasks)
    assert [split.name for split in found.splits] == ["unimodal:3", "unimodal:8"]
    assert "multimodal:8 is left out: the rows of unimodal:3" in found.repeats


def test_a_group_of_benign_classes_is_a_task():
    (split,) = made("benign:0,2,4,6,8").splits
    assert set(TRAIN.labels[split.train]) == {0, 2, 4, 6, 8}


@pytest.mark.parametrize(
    ("scenario", "error", "said"),
    [
        (Scenario(pollution=0.1, polluting=("3",)), InputError, "a class that unimodal:3 does not train on, got '3'"),
        (Scenario(pollution=0.1, polluting=("x",)), UnknownNameError, "unknown class of digits 'x'"),
        (Scenario(pollution=1.2), InputError, r"pollution must be in \[0, 1\), got 1.2"),
        (Scenario(labelled=5, labelled_from=10), InputError, "labelled_from must be from 1 to 9"),
        (Scenario(labelled=5000), DataError, "ask for fewer"),
    ],
)
def test_what_no_task_can_have_is_one_sentence(scenario, error, said):
    with pytest.raises(error, match=said):
        made("unimodal:3", [scenario])


def test_the_splits_of_a_protocol_share_their_samples():
    parts = [one_class_split(TRAIN, TEST, task) for task in named_tasks(TRAIN, ["unimodal:3", "unimodal:5"])]
    train, test, splits = sides_and_splits(parts)
    assert len(train) == sum(len(part.train) for part in parts)
    assert len(test) == len(TEST)
    for part, split in zip(parts, splits, strict=True):
        assert train.ids[split.train].tolist() == part.train.ids.tolist()
        assert test.ids[split.test].tolist() == part.test.ids.tolist()
        assert np.array_equal(train.labels[split.train], part.train.labels)
