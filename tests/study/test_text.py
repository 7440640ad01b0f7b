"""A study of texts: the layers of a small random BERT on a folder of documents, from a TOML file."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from reprq.errors import InputError
from reprq.study import run_study

pytest.importorskip("transformers", reason="transformers is an optional extra")


@pytest.fixture
def study(write_documents: Callable[..., Path], bert: Path, tmp_path: Path) -> Path:
    """A study file beside its documents, which it names by a relative path."""
    write_documents(tmp_path / "docs", classes=3, each=20)
    path = tmp_path / "texts.toml"
    backbones = "\n".join(
        f'[[backbones]]\nname = "hf:{bert}"\nlabel = "{label}"\nweights = "{weights}"\npooling = "mean"\n{more}'
        for label, weights, more in (("bert", "default", ""), ("random", "random", "preprocessing.max_length = 12"))
    )
    path.write_text(
        'tasks = ["unimodal:class0", "multimodal:class1"]\nmetrics = ["rankme", "aucev"]\n'
        'detectors = ["knn", "centroid"]\n'
        f'[data]\nname = "text:docs"\n{backbones}\n'
    )
    return path


def test_texts_are_measured_detected_and_correlated(study: Path, tmp_path: Path) -> None:
    results = run_study(study, tmp_path / "run", cache_dir=tmp_path / "cache", progress=False)
    cells = 2 * 5 * 2  # backbones, layers, tasks
    assert (len(results.metrics), len(results.detectors)) == (2 * cells, 2 * cells)
    assert set(results.detectors["layer"]) == {"stem", *(f"encoder.layer.{i}" for i in range(3)), "pooled"}
    assert results.detectors["auroc"].notna().all()
    apart = results.detectors.query("backbone == 'bert' and layer == 'stem' and task == 'unimodal:class0'")
    assert apart["auroc"].max() > 0.7  # each class has words of its own
    again = run_study(study, tmp_path / "run", cache_dir=tmp_path / "cache", progress=False)
    pd.testing.assert_frame_equal(again.detectors, results.detectors)


def test_a_backbone_of_images_is_refused_before_any_work(study: Path, tmp_path: Path) -> None:
    study.write_text(study.read_text() + '[[backbones]]\nname = "lenet"\nweights = "random"\n')
    with pytest.raises(InputError, match="backbone lenet takes images, and text:.*docs holds documents"):
        run_study(study, tmp_path / "run", cache_dir=tmp_path / "cache", progress=False)
    assert not (tmp_path / "cache").exists()
