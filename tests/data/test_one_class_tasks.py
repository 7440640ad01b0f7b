import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprq.data import one_class_tasks, select_tasks
from reprq.errors import InputError, UnknownNameError

CLASSES = ("cat", "dog", "emu")


def test_each_class_gives_two_tasks() -> None:
    tasks = one_class_tasks([str(i) for i in range(10)])
    assert len(tasks) == 20
    assert [task.kind for task in tasks] == ["unimodal"] * 10 + ["multimodal"] * 10
    assert tasks[3].benign == {3}
    assert tasks[13].benign == set(range(10)) - {3}
    assert tasks[13].target == "3"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 2), min_size=1, max_size=30))
def test_the_two_tasks_of_a_class_are_each_others_complement(labels: list[int]) -> None:
    tasks = one_class_tasks(CLASSES)
    for unimodal, multimodal in zip(tasks[:3], tasks[3:], strict=True):
        assert (unimodal.anomaly_labels(labels) + multimodal.anomaly_labels(labels) == 1).all()
        assert (unimodal.anomaly_labels(labels)[unimodal.benign_rows(labels)] == 0).all()
        assert len(unimodal.benign_rows(labels)) == np.sum(np.array(labels) == CLASSES.index(unimodal.target))


def test_select_by_kind_name_and_list() -> None:
    assert [task.name for task in select_tasks(CLASSES, "all")] == [task.name for task in one_class_tasks(CLASSES)]
    assert [task.kind for task in select_tasks(CLASSES, "multimodal")] == ["multimodal"] * 3
    assert [task.name for task in select_tasks(CLASSES, "unimodal:dog")] == ["unimodal:dog"]
    twice = select_tasks(CLASSES, ["multimodal:emu", "multimodal:emu", "unimodal:cat"])
    assert [task.name for task in twice] == ["multimodal:emu", "unimodal:cat"]


def test_an_unknown_task_suggests_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="unknown task 'unimodal:cow': did you mean 'unimodal:.*multimodal:emu"):
        select_tasks(CLASSES, ["unimodal:cow"])


def test_too_little_to_make_a_task_of() -> None:
    with pytest.raises(InputError, match=r"need at least two classes, got \['cat'\]"):
        one_class_tasks(["cat"])
    with pytest.raises(InputError, match="tasks must name at least one task"):
        select_tasks(CLASSES, [])
