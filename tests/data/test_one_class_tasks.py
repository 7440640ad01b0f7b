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


@settings(max_examples=60, deadline=None)
@given(
    st.integers(2, 5).flatmap(
        lambda k: st.tuples(
            st.just([f"c{i}" for i in range(k)]),
            st.lists(st.integers(0, k - 1), min_size=1, max_size=12),
            st.lists(st.integers(0, k - 1), min_size=1, max_size=12),
        )
    )
)
def test_no_two_tasks_are_the_same_rows(made: tuple[list[str], list[int], list[int]]) -> None:
    classes, labels, scored = made
    every = [task.name for task in one_class_tasks(classes)]
    chosen = select_tasks(classes, every, labels, scored)
    rows = [(tuple(t.benign_rows(labels)), tuple(t.anomaly_labels(scored))) for t in chosen]
    assert len(set(rows)) == len(rows)
    assert set(rows) == {
        (tuple(t.benign_rows(labels)), tuple(t.anomaly_labels(scored))) for t in one_class_tasks(classes)
    }


def test_of_two_classes_each_pair_of_equal_tasks_is_one() -> None:
    two = ["good", "bad"]
    assert [task.name for task in select_tasks(two)] == ["unimodal:good", "unimodal:bad"]
    assert [task.name for task in select_tasks(two, "multimodal")] == ["multimodal:good", "multimodal:bad"]
    assert [task.name for task in select_tasks(two, ["multimodal:bad", "unimodal:good"])] == ["multimodal:bad"]


def test_a_name_may_be_typed_in_either_form_of_its_accents() -> None:
    assert [task.name for task in select_tasks(["caf\u00e9", "bar"], "unimodal:cafe\u0301")] == ["unimodal:caf\u00e9"]
