"""What tokens of texts add to the score of a model: by the detector itself, else by leaving each out."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import reprq
from reprq.data import Dataset, as_dataset
from reprq.errors import InputError
from reprq.models.maps import MapFolder
from reprq.models.model import Model

WORDS = [a + b for a in "bdgk" for b in "aeiou"]


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> str:
    rng, path = np.random.default_rng(0), tmp_path_factory.mktemp("words") / "vectors.txt"
    rows = rng.normal(size=(len(WORDS), 5)) + np.repeat(np.eye(5)[:4] * 4, 5, axis=0)
    path.write_text("".join(f"{w} {' '.join(f'{x:.4f}' for x in r)}\n" for w, r in zip(WORDS, rows, strict=True)))
    return f"words:{path}"


def texts(own: list[str], n: int, seed: int) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(own, rng.integers(2, 9))) for _ in range(n)]


def as_dataset_of(documents: list[str]) -> Dataset:
    return as_dataset({"text": documents})


def fit(backbone: str, detector: object, layer: object = "words") -> Model:
    benign = as_dataset_of(texts(WORDS[:10], 60, 0))
    return reprq.fit(backbone, benign, layer, detector=detector, false_alarms=0.1, progress=False)


@pytest.mark.parametrize("source", ["vectors", "bert"])
@pytest.mark.parametrize("detector", ["centroid", "knn"])
def test_a_token_adds_what_the_score_falls_by_without_it(
    source: str, detector: str, request: pytest.FixtureRequest
) -> None:
    given = request.getfixturevalue(source)
    model = fit(given, detector) if source == "vectors" else fit(f"hf:{given}", detector, "stem")
    text = "ba ka be"
    ((name, values),) = model.maps(as_dataset_of([text, text]).select([0]))
    assert name == "00000"
    if source == "bert":  # its embeddings have positions, so that a text without a word is another text
        assert values.shape == (5,)
        assert np.argmax(values[1:4]) == 1
        return
    whole = model.detector.anomaly_score(reprq.Embed(given, "words").fit_transform([text, text]))
    for i, left in enumerate(("ka be", "ba be", "ba ka")):
        rows = reprq.Embed(given, "words").fit_transform([left, left])
        assert values[i] == pytest.approx(whole[0] - model.detector.anomaly_score(rows)[0], rel=1e-4)


def test_a_single_token_adds_nothing_and_cvdd_says_it_itself(vectors: str) -> None:
    ((_, values),) = fit(vectors, "centroid").maps(as_dataset_of(["ba", "be"]).select([0]))
    assert values.tolist() == [0.0]
    model = fit(vectors, {"name": "cvdd", "contexts": 2, "epochs": 3, "attention": 4})
    data = as_dataset_of(["ba ka be", "ba"])
    maps = dict(model.maps(data))
    np.testing.assert_allclose([each.sum() for each in maps.values()], model.score(data)["score"], rtol=1e-5)


def test_a_folder_of_maps_names_every_token_and_goes_on(vectors: str, tmp_path: Path, monkeypatch) -> None:
    model = fit(vectors, "centroid")
    documents = tmp_path / "docs"
    documents.mkdir()
    for name, text in (("mail.1", "ba, KA"), ("mail.2", "be"), ("none", "unknown only")):
        (documents / name).write_text(text)
    data = model.check(f"text:{documents}")
    folder = MapFolder(tmp_path / "maps", model)
    folder.write(data)
    assert sorted(file.name for file in folder.path.iterdir()) == ["mail.1.csv", "mail.2.csv", "maps.json", "none.csv"]
    table = pd.read_csv(folder.file("mail.1"), keep_default_na=False)
    assert table[["token", "start", "end"]].to_numpy().tolist() == [["ba", 0, 2], ["ka", 4, 6]]
    np.testing.assert_allclose(folder.read("mail.1"), dict(model.maps(data))["mail.1"])
    (folder.file("mail.2")).unlink()
    monkeypatch.setattr(
        "reprq.models.token_maps.track", lambda rows, **_: [pytest.fail("again")] if len(rows) > 1 else rows
    )
    MapFolder(tmp_path / "maps", model).write(data)
    assert folder.file("mail.2").exists()


def test_what_reads_no_tokens_has_no_maps(tmp_path: Path) -> None:
    rows = reprq.fit(None, np.random.default_rng(0).normal(size=(120, 3)), detector="knn", progress=False)
    with pytest.raises(InputError, match="maps are of photos, sounds and texts, and this model reads something else"):
        rows.maps(np.zeros((2, 3)))
