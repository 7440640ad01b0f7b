"""The page of a study over several data sets."""

from dataclasses import replace

import pandas as pd
import pytest

from reprq.evaluation import holm
from reprq.report import tables
from reprq.report.page import _page_corrected, render_page

NETWORKS = [f"resnet {i}" for i in range(4)]


@pytest.fixture(scope="module")
def several(make_study, tmp_path_factory):
    """Two data sets with one task each, of which the second has the lower scores."""
    folder = tmp_path_factory.mktemp("several")
    parts = [make_study(folder, NETWORKS, seed=seed, tasks=("unimodal:good",)) for seed in (0, 1)]
    joined = {
        name: pd.concat(
            [getattr(part, name).assign(dataset=label) for part, label in zip(parts, ("nuts", "screws"), strict=True)],
            ignore_index=True,
        )
        for name in ("metrics", "detectors")
    }
    low = joined["detectors"]["auroc"].mask(joined["detectors"]["dataset"] == "screws", 0.1)
    return replace(parts[0], metrics=joined["metrics"], detectors=joined["detectors"].assign(auroc=low))


def test_each_data_set_has_its_own_answer_and_rows(several):
    page = render_page(several)
    answer = page[page.index('id="answer"') : page.index('id="beware"')]
    assert answer.index("2 one-class tasks of 2 data sets") < answer.index("<h3>nuts</h3>")
    assert "No correlation could be computed." in answer[answer.index("<h3>screws</h3>") :]
    assert "On nuts: The best layer in hindsight" in answer


def test_layers_and_tasks_are_of_a_data_set(several):
    made = tables.layers(several)
    assert [column.title for column in made.columns][:3] == ["data set", "network", "layer"]
    assert [row[0].text for row in made.rows] == ["nuts"] * 16 + ["screws"] * 16
    of_tasks = tables.tasks(several)
    assert [row[0].text for row in of_tasks.rows] == ["nuts", "nuts", "screws", "screws"]
    assert of_tasks.columns[0].choices == ("nuts", "screws")


def test_p_values_are_corrected_for_all_of_the_page():
    first = pd.DataFrame({"p_value": [0.01, None], "p_family": [0.02, None]})
    second = pd.DataFrame({"p_value": [0.04], "p_holm": [0.04], "n_tasks": [3]})
    made = _page_corrected([first, second])
    expected = holm([0.01, None, 0.04])
    assert made[0]["p_page"].iloc[0] == expected[0] == 0.02
    assert made[0]["p_page"].isna().tolist() == [False, True]
    assert made[1]["p_page"].tolist() == [expected[2]]
    assert list(made[1]) == ["p_value", "p_holm", "p_page", "n_tasks"]
