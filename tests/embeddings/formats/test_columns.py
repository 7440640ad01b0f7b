"""Which columns of a table are the embedding: decided by names and values, refused where these leave it open."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reprq.column_names import families, is_bookkeeping, label_name
from reprq.embeddings import load_embeddings
from reprq.errors import InputError, UnknownNameError

from .conftest import STEM, WORDS, N, check

Save = Callable[..., Path]
ORDER = np.random.default_rng(1).permutation(N)
BOOKKEEPING: dict[str, Any] = {
    "Unnamed: 0": np.arange(N),
    "Unnamed: 0.1": ORDER,
    "Id": np.arange(1000, 1000 + N),
    "index": ORDER,
    "image_id": ORDER * 7,
    "imageId": ORDER * 7,
    "sample-idx": ORDER,
    "fold": np.arange(N) % 5,
    "split": np.where(ORDER % 2, "train", "test"),
    "path": [f"images/{i}.png" for i in range(N)],
    "nummer": np.sort(ORDER * 3 + 5),  # a name that nobody knows: increasing whole numbers
    "zeile": np.arange(1, N + 1),
    "caption": [f"a picture, number {i}" for i in range(N)],
    "empty": np.full(N, np.nan),
}


@pytest.mark.parametrize("names", [STEM, WORDS], ids=["stem", "words"])
@pytest.mark.parametrize("extra", list(BOOKKEEPING))
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_bookkeeping_is_left_out(extra: str, names: list[str], form: str, x: Any, y: Any, tmp_path: Path) -> None:
    frame = pd.DataFrame(x, columns=names).assign(**{extra: BOOKKEEPING[extra], "label": y})
    path = tmp_path / f"t.{form}"
    frame.to_csv(path, index=False) if form == "csv" else pq.write_table(pa.Table.from_pandas(frame), path)
    check(path, x, y)
    said = load_embeddings(path).provenance["read"]
    assert said.startswith(f"6 columns, {names[0]} to {names[-1]}; labels: label")
    assert extra in said


@pytest.mark.parametrize("names", [STEM, WORDS], ids=["stem", "words"])
@pytest.mark.parametrize(
    "label",
    ["Class", "target", "Label", "is_anomaly", "isAnomaly", "outlier", "ground_truth", "Ground-Truth", "y_true"],
)
def test_labels_are_known_by_their_names(label: str, names: list[str], saved: Save, x: Any, y: Any) -> None:
    check(saved(pd.DataFrame(x, columns=names).assign(**{label: y})), x, y)


@pytest.mark.parametrize("names", [STEM, WORDS, list(map(str, range(6)))], ids=["stem", "words", "numbers"])
@pytest.mark.parametrize("values", [[0, 1], [0.0, 1.0], [-1, 1], ["N", "A"], [False, True]])
def test_a_column_that_could_be_labels_is_refused_until_it_is_named(
    values: list[Any], names: list[str], saved: Save, x: Any, y: Any
) -> None:
    path = saved(pd.DataFrame(x, columns=names).assign(Befund=[values[i] for i in y]))
    with pytest.raises(InputError, match="'Befund' of .* as labels"):
        load_embeddings(path)
    found = load_embeddings(path, labels="Befund", benign=str(int(values[0]) if values != ["N", "A"] else "N"))
    assert found.labels is not None
    assert found.labels.tolist() == y.tolist()
    np.testing.assert_allclose(found.array, x)
    if values[0] not in (False, "N"):
        assert load_embeddings(path, columns="*").width == 7


@pytest.mark.parametrize("last", [lambda y: y, lambda y: y.astype(float), lambda y: y * 2 - 1])
def test_a_label_without_a_header_is_not_taken_for_a_number(last: Any, saved: Save, x: Any, y: Any) -> None:
    path = saved(pd.DataFrame(x).assign(last=last(y)), header=False)
    with pytest.raises(InputError, match="column '6' of .* holds whole numbers where most columns hold fractions"):
        load_embeddings(path)
    check(path, x, last(y), labels="6")
    check(path, x, columns="0,1,2,3,4,5")


def test_an_index_without_a_header_is_left_out(saved: Save, x: Any) -> None:
    path = saved(pd.DataFrame(x), header=False, index=True)
    check(path, x)
    assert load_embeddings(path).provenance["read"] == "6 columns, 1 to 6; left out: 0"


@pytest.mark.parametrize(
    ("extra", "sentence"),
    [
        ({"score": np.linspace(0, 1, N) ** 2}, "emb_0 to emb_5 and beside them score; choose with columns"),
        ({f"txt_{i}": np.linspace(0, i, N) + 0.1 for i in range(6)}, r"several numbered kinds .*emb_0 to .*txt_0 to"),
        ({"emb_6": ["a"] * N}, "column 'emb_6' of .* must hold numbers as 'emb_0' does"),
        ({"Class": np.arange(N) % 2, "target": np.arange(N) % 2}, "must be the labels, got Class, target; name one"),
    ],
)
def test_what_is_in_doubt_is_refused_and_can_be_chosen(extra: Any, sentence: str, saved: Save, x: Any) -> None:
    path = saved(pd.DataFrame(x, columns=STEM).assign(**extra))
    with pytest.raises(InputError, match=sentence):
        load_embeddings(path)
    labels = "Class" if "Class" in extra else None
    found = load_embeddings(path, columns="emb_[0-5]", labels=labels)
    np.testing.assert_allclose(found.array, x)
    np.testing.assert_allclose(load_embeddings(path, columns=["emb_0", "emb_1"], labels=labels).array, x[:, :2])


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_column_that_is_named_is_neither_labels_nor_ids(form: str, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(N, 4))
    frame = pd.DataFrame(rows, columns=["x", "y", "z", "id"]).assign(label=np.arange(N) % 2)
    path = tmp_path / f"t.{form}"
    frame.to_csv(path, index=False) if form == "csv" else pq.write_table(pa.Table.from_pandas(frame), path)
    check(path, rows[:, :3], np.arange(N) % 2, columns="x,y,z")
    if form == "parquet":  # of text an id stays text: 007 is no 7
        check(path, rows, np.arange(N) % 2, columns=["x", "y", "z", "id"])
    with pytest.raises(InputError, match="column 'label' of .* must hold numbers, no labels or ids"):
        load_embeddings(path, columns="x,label", labels="label")
    unlabelled = tmp_path / "u.csv"
    frame[["x", "y", "z"]].to_csv(unlabelled, index=False)
    check(unlabelled, rows[:, :3], columns="x,y,z")
    with pytest.raises(
        InputError,
        match=f"labels 'y' must be .* got {N} that are not, the first .* in row 0 .counted from 0.; .*columns",
    ):
        load_embeddings(unlabelled)


@pytest.mark.parametrize(
    ("label", "got"),
    [
        ([0, 1, None, 1, None, 0], "2 missing, the first in row 2 .counted from 0."),
        (["a", "b", "a", None, "b", "a"], "1 missing, the first in row 3 .counted from 0."),
        ([0, 1, 1, 0.5, 0, 0.25], "2 that are not, the first 0.5 in row 3 .counted from 0."),
    ],
)
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_labels_that_are_missing_or_fractions_are_counted(label: Any, got: str, form: str, tmp_path: Path) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(6, 3)), columns=["a", "b", "c"]).assign(target=label)
    path = tmp_path / f"t.{form}"
    frame.to_csv(path, index=False) if form == "csv" else pq.write_table(pa.Table.from_pandas(frame), path)
    with pytest.raises(
        InputError, match=f"labels 'target' must be whole numbers or text in every row, got {got}; repair"
    ):
        load_embeddings(path)


def test_columns_that_are_not_there(saved: Save, x: Any, tmp_path: Path) -> None:
    path = saved(pd.DataFrame(x, columns=STEM).assign(path="a"))
    with pytest.raises(UnknownNameError, match=r"unknown column of numbers of .* 'emb_x': did you mean"):
        load_embeddings(path, columns="emb_x")
    with pytest.raises(InputError, match="column 'path' of .* must hold numbers, no labels or ids; leave it out"):
        load_embeddings(path, columns="emb_*,path")
    with pytest.raises(InputError, match="key and columns exclude each other"):
        load_embeddings(path, "emb_0", columns="emb_*")
    np.savez(tmp_path / "a.npz", X=x)
    with pytest.raises(InputError, match="columns goes with tables, and .* holds arrays; name one by key"):
        load_embeddings(tmp_path / "a.npz", columns="*")


def test_a_column_named_after_the_benign_is_not_read_the_wrong_way_round(saved: Save, x: Any, y: Any) -> None:
    path = saved(pd.DataFrame(x, columns=STEM).assign(is_normal=1 - y))
    assert load_embeddings(path, labels="is_normal").provenance["classes"] == ["is_normal=0", "is_normal=1"]
    check(path, x, y, labels="is_normal", benign="is_normal=1")


def test_whole_numbers_throughout_are_an_embedding(saved: Save) -> None:
    counts = np.random.default_rng(0).integers(0, 9, size=(N, 5))
    check(saved(pd.DataFrame(counts, columns=WORDS[:5])), counts)
    codes = np.random.default_rng(0).integers(-128, 127, size=(N, 5))
    path = saved(pd.DataFrame(codes, columns=WORDS[:5]).assign(Befund=np.arange(N) % 2))
    with pytest.raises(InputError, match="column 'Befund' of .* holds 2 values where most columns hold many"):
        load_embeddings(path)


@given(st.text(max_size=30), st.integers(0, 999))
def test_no_name_breaks_the_rules_and_numbered_names_are_families(name: str, start: int) -> None:
    assert isinstance(is_bookkeeping(name), bool)
    assert label_name("x", [name], name) == name
    numbered = [f"f{i}" for i in range(start, start + 5)]
    assert families(numbered) == {"f": numbered}
