"""People read names beside an axis; identifiers stand in tables."""

import pytest

from reprq import detectors, metrics
from reprq.plots import detector_label, metric_label
from reprq.plots.names import detector_labels


@pytest.mark.parametrize("name", detectors.names())
def test_every_detector_has_a_name_for_people(name: str) -> None:
    label = detector_label(detectors.create(name).describe())
    assert not set("[]_") & set(label)
    assert label == "centroid" or label != name


@pytest.mark.parametrize("name", metrics.names("all"))
def test_every_metric_has_a_name_for_people(name: str) -> None:
    assert "_" not in metric_label(name)
    assert metric_label(f"{name}[eps=1]") == f"{metric_label(name)}, \N{GREEK SMALL LETTER EPSILON} = 1"


def test_settings_that_are_not_usual_are_said() -> None:
    assert detector_label("knn[k=5,mean,cosine]") == "kNN, k = 5, mean, cosine"
    assert detector_label("distillation[layers=-1,epochs<=8]") == (
        "distillation, layers = -1, epochs \N{LESS-THAN OR EQUAL TO} 8"
    )
    for unknown in ("mine[k=5]", "knn[k=5", "pooling=[1]", "", "AUROC"):
        assert detector_label(unknown) == unknown


def test_two_detectors_are_never_called_the_same() -> None:
    found = detector_labels(["gaussian[empirical]", "gaussian", "knn[k=5]"])
    assert found == {"gaussian[empirical]": "gaussian[empirical]", "gaussian": "gaussian", "knn[k=5]": "kNN, k = 5"}
