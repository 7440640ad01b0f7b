"""Models of backbones that learn from benign samples: what calibrates is new to both, and another process scores."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import reprq
from reprq.backbones import load_backbone
from reprq.data import as_dataset
from reprq.errors import InputError, WeightsError

WORDS = [f"w{i:02d}" for i in range(30)]


def texts(n: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [f"{' '.join(rng.choice(WORDS[:20], 12))} own{seed}x{i}" for i in range(n)]


@pytest.fixture(params=["lsa", "words"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    name, pooling = request.param, "avg"
    if name == "words":
        rows = np.random.default_rng(0).standard_normal((len(WORDS), 4))
        lines = [f"{word} {' '.join(f'{x:.3f}' for x in row)}\n" for word, row in zip(WORDS, rows, strict=True)]
        (tmp_path / "words.txt").write_text("".join(lines))
        name, pooling = f"words:{tmp_path}/words.txt", "tfidf"
    how: dict[str, Any] = {"false_alarms": 0.05, "cache_dir": tmp_path / "cache", "progress": False}
    return reprq.fit(name, texts(150, 0), detector="mahalanobis", pooling=pooling, **how)


def test_what_of_new_texts_is_unknown_is_said(model: Any) -> None:
    new = model.check(["zzzz qqqq", *texts(3, 1)])
    said = " ".join(model.notes(new))
    assert "of 4 documents of python:list test" in said
    assert "1 of 4 documents of python:list test have no" in said


def test_a_saved_model_gives_the_same_scores(model: Any, tmp_path: Path) -> None:
    new = [*texts(60, 1), " ".join(WORDS[20:])]
    scores = model.score(new)
    model.save(tmp_path / "model")
    again = reprq.load_model(tmp_path / "model").score(new)
    np.testing.assert_allclose(again["score"], scores["score"], rtol=1e-6)
    assert (again["anomalous"] == scores["anomalous"]).all()
    assert scores["anomalous"][:60].mean() < 0.2
    record = json.loads((tmp_path / "model" / "model.json").read_text())
    assert "learned.safetensors" in record["files"]
    assert record["backbone"]["loaded"].endswith("fitted on 120 documents of python:list train")


def test_what_calibrates_was_not_learned_from(model: Any) -> None:
    assert model.calibration.n == 30
    learned = model.embedder.backbone.learned.lesson.record.get("vocabulary")
    if learned is not None:
        assert sum(word.startswith("own0x") for word in learned) == 120


def test_what_is_damaged_or_of_another_backbone_is_refused(model: Any, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    other = load_backbone("bow").fit(as_dataset(["a cat sat", "a dog"]))
    with pytest.raises(WeightsError, match="must have the weights of the fitting|cannot use what another"):
        reprq.load_model(tmp_path / "model", backbone=other)
    (tmp_path / "model" / "learned.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"got a learned.safetensors that was changed"):
        reprq.load_model(tmp_path / "model")


def test_too_few_texts_say_how_many(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs at least 198 different benign documents"):
        reprq.fit("tfidf", texts(100, 0), cache_dir=tmp_path, progress=False)


def test_a_step_of_scikit_learn_learns_when_it_is_fitted() -> None:
    made = reprq.Embed("tfidf").fit(texts(20, 0))
    assert made.transform(texts(3, 1)).shape == (3, len(made.get_feature_names_out()))
    with pytest.raises(InputError, match="has no key 'size'"):
        reprq.Embed("tfidf", preprocessing={"size": 3}).fit(texts(3, 0))
