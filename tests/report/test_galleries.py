import io
import re

import numpy as np
import pytest
from PIL import Image

from reprq.cli import main
from reprq.errors import InputError
from reprq.plots.images import framed_images
from reprq.report import write_report
from reprq.report.galleries import galleries
from reprq.report.pictures import LARGEST_JPEG, _jpeg
from reprq.study import run_study


def _study(path, **changes):
    config = {
        "data": {"name": "digits", "train_per_class": 20, "test_per_class": 8},
        "backbones": [{"name": "lenet", "weights": "random", "layers": "2-3"}],
        "tasks": ["unimodal:3", "unimodal:5"],
        "detectors": ["knn"],
        "metrics": ["rankme"],
        **changes,
    }
    return run_study(config, path / "run", progress=False, cache_dir=path / "caches")


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    path = tmp_path_factory.mktemp("digits")
    return _study(path), path / "caches"


@pytest.mark.parametrize(
    ("changes", "mapped"),
    [
        ({}, True),
        ({"backbones": [{"name": "lenet", "weights": "random", "layers": "-1"}]}, False),
        ({"detectors": [{"name": "autoencoder", "epochs": 1}], "backbones": [], "metrics": None}, True),
        ({"detectors": ["raw:centroid"], "backbones": [], "metrics": None}, True),
        ({"detectors": ["raw:iforest"], "backbones": [], "metrics": None}, False),
        ({"detectors": ["patchcore"]}, True),
    ],
    ids=["rows of a layer with positions", "rows without", "own maps", "pixels", "pixels without a rule", "patches"],
)
def test_images_come_with_maps_where_there_are_some(tmp_path, changes, mapped) -> None:
    results = _study(tmp_path, **changes)
    found = galleries(results, 5, cache_dir=tmp_path / "caches")
    assert found.notes == ()
    (picture,) = found.pictures
    assert picture.source.startswith("data:image/jpeg;base64,")
    assert ("its map, on one scale" in picture.caption) == mapped
    assert picture.alternative.startswith("5 images, of which ")
    best = results.detectors.groupby(["layer", "definition"], dropna=False)["auroc"].mean().max()
    rows = results.detectors[results.detectors["definition"].map(lambda name: name in picture.caption)]
    assert rows.groupby(["layer", "definition"], dropna=False)["auroc"].mean().max() == best


def test_no_image_of_the_most_anomalous_is_called_normal(tmp_path, monkeypatch) -> None:
    drawn = []

    def spied(images, titles, labels):
        drawn.append((titles, list(labels)))
        return framed_images(images, titles, labels)

    monkeypatch.setattr("reprq.report.galleries.framed_images", spied)
    results = _study(tmp_path, backbones=[{"name": "lenet", "weights": "random", "layers": "-1"}])
    (picture,) = galleries(results, 4, cache_dir=tmp_path / "caches").pictures
    ((titles, labels),) = drawn
    scores = [float(title.rpartition(": ")[2]) for title in titles]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) == len(labels) == 4
    assert all(title in picture.alternative for title in titles)


def test_the_page_holds_the_gallery_and_the_same_study_gives_the_same_bytes(
    digits, tmp_path, capsys, monkeypatch
) -> None:
    results, caches = digits
    one, two = tmp_path / "one.html", tmp_path / "two.html"
    asked = ["report", str(results.path), "--gallery", "3", "--cache", str(caches), "--quiet", "--out"]
    monkeypatch.setattr("sys.argv", ["reprq", *asked, str(one)])
    main()
    assert write_report(results.path, two, gallery=3, cache_dir=caches) == two
    page = one.read_text(encoding="utf-8")
    assert page == two.read_text(encoding="utf-8")
    assert "The most anomalous images of digits, unimodal:3" in page
    plain = write_report(results.path, tmp_path / "plain.html").read_text(encoding="utf-8")
    assert "The most anomalous" not in plain
    assert capsys.readouterr().err == ""


def test_texts_and_rows_are_listed_with_what_they_say(tmp_path) -> None:
    mails = [f"good <b>morning number {i},ham\n" for i in range(30)] + ["win a <b>prize now,spam\n"] * 6
    (tmp_path / "texts.csv").write_text("text,label\n" + "".join(mails))
    rows = np.random.default_rng(0).normal(size=(40, 2)).round(3)
    lines = [f"{a},{b},{'odd' if i > 34 else 'fine'}\n" for i, (a, b) in enumerate(rows)]
    (tmp_path / "rows.csv").write_text("width,height,label\n" + "".join(lines))
    data = [
        {"name": f"text:{tmp_path}/texts.csv", "label": "mail", "benign": ["ham"]},
        {"name": f"table:{tmp_path}/rows.csv", "label": "parts", "benign": ["fine"]},
    ]
    backbones = [
        {"name": "tfidf", "layers": "all", "datasets": ["mail"]},
        {"name": "identity", "layers": "all", "datasets": ["parts"]},
    ]
    results = _study(tmp_path, data=data, backbones=backbones, tasks="all")
    mail, parts = galleries(results, 4, cache_dir=tmp_path / "caches").tables
    assert [column.title for column in mail.columns] == ["score", "anomalous", "class", "id", "sample"]
    assert len(mail.rows) == len(parts.rows) == 4
    assert "By knn" in mail.caption
    scores = [row[0].number for row in mail.rows]
    assert scores == sorted(scores, reverse=True)
    assert re.fullmatch(r"width -?[\d.]+, height -?[\d.]+", parts.rows[0][4].text)
    page = write_report(results, tmp_path / "page.html", gallery=4, cache_dir=tmp_path / "caches").read_text()
    assert "&lt;b&gt;" in page
    assert "<b>" not in page


def test_data_that_is_gone_is_said_and_the_page_is_written(tmp_path) -> None:
    folder = tmp_path / "photos"
    rng = np.random.default_rng(0)
    for kind in ("good", "bad"):
        (folder / kind).mkdir(parents=True)
        for i in range(12):
            Image.fromarray(rng.integers(0, 255, (32, 32, 3), dtype=np.uint8)).save(folder / kind / f"{i}.png")
    results = _study(tmp_path, data={"name": f"folder:{folder}", "benign": ["good"]}, tasks="all")
    folder.rename(tmp_path / "elsewhere")
    page = write_report(results, gallery=3, cache_dir=tmp_path / "caches").read_text(encoding="utf-8")
    assert "There is no gallery of photos: " in page
    assert "The most anomalous" not in page


def test_a_count_that_no_gallery_has_is_refused(digits) -> None:
    with pytest.raises(InputError, match="gallery must be from 1 to 24 samples, got 25"):
        galleries(digits[0], 25)


def test_a_picture_of_photos_is_no_larger_than_the_help_says():
    noise = np.random.default_rng(0).integers(0, 256, (1300, 1500, 3), dtype=np.uint8)
    data = _jpeg(Image.fromarray(noise))
    assert LARGEST_JPEG / 2 < len(data) <= LARGEST_JPEG
    with Image.open(io.BytesIO(data)) as image:
        assert image.width / image.height == pytest.approx(1500 / 1300, rel=0.01)
    with Image.open(io.BytesIO(_jpeg(Image.fromarray(noise[:90, :70])))) as image:
        assert image.size == (70, 90)  # as it was, where it is small
    assert 4 / 3 * LARGEST_JPEG < 1.5e6  # in the page, in base 64


@pytest.mark.parametrize(("typed", "count"), [([], 0), (["--gallery"], 9), (["--gallery", "4"], 4)])
def test_a_gallery_has_nine_samples_where_no_number_is_typed(typed, count, monkeypatch, tmp_path):
    found = {}
    monkeypatch.setattr("reprq.report.write_report", lambda *_, **how: found.update(how))
    monkeypatch.setattr("sys.argv", ["reprq", "report", str(tmp_path), *typed])
    main()
    assert found["gallery"] == count
