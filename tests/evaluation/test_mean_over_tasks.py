import csv
import io

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as student

from reprq.errors import InputError
from reprq.evaluation import mean_over_tasks, per_class_table


def tidy(cells, **columns):
    t, s = np.indices(cells.shape)
    return {"task": t.ravel(), "seed": s.ravel(), "auroc": cells.ravel(), **columns}


def test_one_seed_is_students_interval_over_tasks():
    values = np.array([0.9, 0.8, 0.7, 0.95])
    found = mean_over_tasks({"task": list("abcd"), "auroc": values})
    half = student.ppf(0.975, 3) * values.std(ddof=1) / 2
    assert found.value == pytest.approx(values.mean())
    assert (found.low, found.high) == pytest.approx((values.mean() - half, min(1, values.mean() + half)))
    assert (found.method, found.n) == ("task-t", 4)


def test_seeds_that_agree_add_nothing_and_tasks_that_agree_leave_the_seeds():
    values = np.array([0.9, 0.8, 0.7, 0.6])
    alone = mean_over_tasks({"task": list("abcd"), "auroc": values})
    twice = mean_over_tasks(tidy(np.tile(values[:, None], (1, 3))))
    assert (twice.low, twice.high) == pytest.approx((alone.low, alone.high))
    assert twice.method == "crossed-t"
    seeds = mean_over_tasks(tidy(np.tile(values[None, :], (5, 1))))
    assert (seeds.low, seeds.high) == pytest.approx((alone.low, alone.high))


def test_the_variance_is_that_of_the_two_way_layout():
    rng = np.random.default_rng(3)
    cells = 0.6 + 0.02 * rng.normal(size=(6, 1)) + 0.02 * rng.normal(size=(1, 4)) + 0.005 * rng.normal(size=(6, 4))
    found = mean_over_tasks(tidy(cells))
    components = {}
    grand = cells.mean()
    components["task"] = 4 * ((cells.mean(1) - grand) ** 2).sum() / 5
    components["seed"] = 6 * ((cells.mean(0) - grand) ** 2).sum() / 3
    rest = cells - cells.mean(1, keepdims=True) - cells.mean(0, keepdims=True) + grand
    components["rest"] = (rest**2).sum() / 15
    total = components["task"] + components["seed"] - components["rest"]
    freedom = total**2 / (components["task"] ** 2 / 5 + components["seed"] ** 2 / 3 + components["rest"] ** 2 / 15)
    half = student.ppf(0.975, freedom) * np.sqrt(total / 24)
    assert (found.value - found.low) == pytest.approx(half)


@pytest.mark.parametrize("spread", [(0.05, 0.03, 0.01), (0.05, 0.0, 0.02), (0.03, 0.03, 0.03)])
def test_the_interval_covers_and_the_naive_one_does_not(spread):
    """Nominal 95 %: 1,000 draws of 8 tasks and 4 seeds; the standard error of the share is 0.7 %."""
    rng = np.random.default_rng(0)
    task, seed, rest = spread
    covered, naive = 0, 0
    for _ in range(1000):
        cells = 0.6 + task * rng.normal(size=(8, 1)) + seed * rng.normal(size=(1, 4)) + rest * rng.normal(size=(8, 4))
        found = mean_over_tasks(tidy(cells))
        covered += found.low <= 0.6 <= found.high
        half = student.ppf(0.975, 31) * cells.std(ddof=1) / np.sqrt(32)
        naive += abs(cells.mean() - 0.6) <= half
    assert 0.93 <= covered / 1000 <= 0.995
    assert naive / 1000 < 0.85


@pytest.mark.parametrize(("classes", "seeds"), [(3, 1), (5, 1), (10, 1), (10, 3)])
def test_two_tasks_of_one_class_are_one_observation(classes, seeds):
    """Nominal 95 %: 1,000 draws; 0.929 is three standard errors below it (tasks taken apart: 0.76 to 0.86)."""
    rng = np.random.default_rng(0)
    names = [f"{kind}:{i}" for i in range(classes) for kind in ("unimodal", "multimodal") for _ in range(seeds)]
    table = {"task": names, "seed": list(range(seeds)) * (2 * classes)}
    covered = []
    for _ in range(1000):
        cells = 0.6 + 0.05 * rng.normal(size=(classes, 1, 1)) + 0.01 * rng.normal(size=(classes, 2, seeds))
        found = mean_over_tasks({**table, "auroc": cells.ravel()})
        covered.append(found.low <= 0.6 <= found.high)
    assert 0.95 - 3 * np.sqrt(0.95 * 0.05 / 1000) <= np.mean(covered) <= 0.99
    assert found.notes == (f"{2 * classes} tasks about {classes} classes: the interval rests on the classes",)
    assert (found.n, found.value) == (2 * classes, pytest.approx(cells.mean()))


def test_classes_may_be_named_and_may_have_unequally_many_tasks():
    values = np.array([0.9, 0.8, 0.7, 0.6, 0.85])
    found = mean_over_tasks({"task": list("abcde"), "class": list("xxyzz"), "auroc": values})
    parts = [(values[rows] - values.mean()).sum() for rows in ([0, 1], [2], [3, 4])]
    half = student.ppf(0.975, 2) * np.sqrt(3 * (np.array(parts) ** 2).sum() / 2) / 5  # Student's, of a sum over classes
    assert (found.value, found.high) == pytest.approx((values.mean(), min(1.0, values.mean() + half)))
    alone = mean_over_tasks({"task": list("abcde"), "class": list("vwxyz"), "auroc": values})
    assert alone == mean_over_tasks({"task": list("abcde"), "auroc": values})


def test_tasks_that_are_the_same_rows_count_once():
    values = np.array([0.9, 0.8, 0.7])
    once = mean_over_tasks({"task": list("abc"), "auroc": values})
    table = {"task": list("abcd"), "auroc": [*values, 0.7], "rows": ["1", "2", "3", "3"]}
    found = mean_over_tasks(table)
    assert (found.value, found.low, found.high, found.n) == (once.value, once.low, once.high, 3)
    assert found.notes == ("tasks that are the same rows are counted once",)
    per_class = per_class_table({**table, "detector": ["knn"] * 4})
    assert per_class.overall[0] == found


@pytest.mark.parametrize("score", [1.0, 0.9, 0.5, 0.0])
@pytest.mark.parametrize(("tasks", "seeds"), [(2, 1), (5, 1), (10, 4), (1, 3)])
def test_equal_scores_are_not_certainty(score, tasks, seeds):
    found = mean_over_tasks(tidy(np.full((tasks, seeds), score)))
    units = tasks if tasks > 1 else seeds
    least = 0.05 ** (1 / units)
    assert found.method == "agreement"
    assert (found.low, found.high) == pytest.approx((least * score, 1 - least * (1 - score)))


@pytest.mark.parametrize("share", [0.5, 0.8, 0.9, 0.99])
def test_agreement_covers_where_most_tasks_are_perfect_and_some_fail(share):
    """2,000 draws of 5 tasks, of which each fails (.5) with a small chance: those that agree miss in at most 5 %."""
    rng = np.random.default_rng(0)
    truth = share + 0.5 * (1 - share)
    perfect = rng.binomial(5, share, 2000)
    found = {k: mean_over_tasks({"task": list("abcde"), "auroc": [1.0] * k + [0.5] * (5 - k)}) for k in (0, 5)}
    missed = [k in found and not found[k].low <= truth <= found[k].high for k in perfect]
    assert np.mean(missed) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2000)


def test_unequal_seeds_fall_back_to_the_task_means():
    table = {"task": ["a", "a", "b", "c"], "seed": [0, 1, 2, 3], "auroc": [0.8, 0.9, 0.7, 0.6]}
    found = mean_over_tasks(table)
    assert found.method == "task-t"
    assert found.value == pytest.approx((0.85 + 0.7 + 0.6) / 3)


def test_order_and_data_frames_do_not_matter():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(tidy(rng.uniform(0.6, 0.9, size=(4, 3))))
    shuffled = mean_over_tasks(frame.sample(frac=1.0, random_state=0))
    expected = mean_over_tasks(tidy(frame["auroc"].to_numpy().reshape(4, 3)))
    assert (shuffled.value, shuffled.low, shuffled.high) == pytest.approx((expected.value, expected.low, expected.high))


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"task": ["a"], "auroc": [0.5]}, "tasks of two classes or two seeds to show a spread, got one of each"),
        ({"task": ["unimodal:a", "multimodal:a"], "auroc": [0.5, 0.6]}, "two classes or two seeds"),
        ({"task": ["a", "b"], "auroc": [0.5, 0.6], "rows": ["same", "same"]}, "two classes or two seeds"),
        ({"task": ["a", "a"], "auroc": [0.5, 0.6]}, "one row a task and seed, got several for a, seed 0; select one"),
        ({"task": ["a", "b"]}, "table must have a column 'auroc', got task"),
        ({"task": ["a", "b"], "auroc": [0.5, np.nan]}, "auroc must be finite, got nan at row 1"),
        ({"task": [], "auroc": []}, "at least one row, got none"),
    ],
)
def test_tables_that_cannot_be(table, said):
    with pytest.raises(InputError, match=said):
        mean_over_tasks(table)
    with pytest.raises(InputError, match="confidence must be between 0 and 1"):
        mean_over_tasks({"task": ["a", "b"], "auroc": [0.5, 0.6]}, confidence=1.0)


def two_detectors():
    one, two = np.array([[0.9, 0.92], [0.8, 0.84]]), np.array([[0.5, 0.5], [0.6, 0.7]])
    parts = [pd.DataFrame(tidy(cells, detector=name)) for cells, name in ((one, "KNN"), (two, "IF"))]
    return pd.concat(parts)


def test_a_table_per_class():
    table = per_class_table(two_detectors())
    assert (table.classes, table.detectors) == (("0", "1"), ("KNN", "IF"))
    np.testing.assert_allclose(table.mean, [[0.91, 0.5], [0.82, 0.65]])
    np.testing.assert_allclose(table.spread, [[0.02 / 2**0.5, 0], [0.04 / 2**0.5, 0.1 / 2**0.5]])
    lines = table.to_markdown().splitlines()
    assert lines[0] == "| class | KNN | IF |"
    assert lines[2] == "| 0 | 91.0 ± 1.4 | 50.0 ± 0.0 |"
    assert lines[-1].startswith("| mean | 86.5 [")
    read = list(csv.DictReader(io.StringIO(table.to_csv())))
    assert len(read) == 6
    assert read[0] == {"class": "0", "detector": "KNN", "mean": "0.91", "std": "0.0141421", "low": "", "high": ""}
    one = two_detectors().query("detector == 'KNN'")
    assert float(read[4]["low"]) == pytest.approx(mean_over_tasks(one).low, abs=1e-5)


def test_a_missing_class_and_a_single_cell_are_shown_as_missing():
    table = two_detectors().query("not (detector == 'IF' and task == 1)").query("seed == 0")
    found = per_class_table(table)
    assert np.isnan(found.mean[1, 1])
    assert found.overall[1] is None
    assert found.to_markdown().splitlines()[-2:] == ["| 1 | 80.0 | - |", "| mean | 85.0 [21.5, 100.0] | - |"]
    assert found.to_csv().splitlines()[-1] == "mean,IF,,,,"
    with pytest.raises(InputError, match="table must have a column 'detector'"):
        per_class_table({"task": ["a"], "auroc": [0.5]})
    with pytest.raises(InputError, match="got several for 0, seed 0"):
        per_class_table(pd.concat([two_detectors()] * 2))
