"""Tables: files of every kind give the same rows, what is no table is told in a sentence, and rows become numbers."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reprq.data import Dataset, as_dataset, load_dataset
from reprq.data.table.encoding import Encoding, Variable
from reprq.errors import DataError, InputError, ReprqError

N = 40
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame(
    {
        "age": RNG.integers(20, 60, N).astype(float),
        "sex": RNG.choice(["f", "m"], N),
        "smokes": RNG.random(N) < 0.3,
        "diagnosis": RNG.permutation(np.repeat(["ill", "well"], [10, 30])),
    }
)


def write(folder: Path, form: str, frame: pd.DataFrame = FRAME) -> Path:
    path = folder / f"rows.{form}"
    if form == "csv":
        frame.to_csv(path, index=False)
    elif form == "semicolons.csv":
        frame.to_csv(path, index=False, sep=";")
    elif form == "tsv":
        frame.to_csv(path, index=False, sep="\t")
    elif form == "jsonl":
        frame.to_json(path, orient="records", lines=True)
    elif form == "json":
        frame.to_json(path, orient="records")
    else:
        pytest.importorskip("pyarrow")
        frame.to_parquet(path, index=False)
    return path


@pytest.mark.parametrize("form", ["csv", "semicolons.csv", "tsv", "jsonl", "json", "parquet"])
def test_a_file_is_read_the_same_in_every_form(form: str, tmp_path: Path) -> None:
    data = load_dataset(f"table:{write(tmp_path, form)}#diagnosis", whole=True)
    assert (data.modality, data.noun, data.classes, len(data)) == ("table", "row", ("ill", "well"), N)
    first = FRAME.iloc[0]
    assert data.item(0) == {"age": first["age"], "sex": first["sex"], "smokes": float(first["smokes"])}
    assert [data.classes[label] for label in data.labels] == FRAME["diagnosis"].tolist()
    held = as_dataset(FRAME.rename(columns={"diagnosis": "class"}))
    np.testing.assert_array_equal(held.content, data.content)
    assert "3 columns: ill 10, well 30" in data.notes[0]


def test_sides_are_split_here_or_by_a_column(tmp_path: Path) -> None:
    path = write(tmp_path, "csv")
    sides = [load_dataset(f"table:{path}#diagnosis", side, seed=1) for side in ("train", "test")]
    assert [len(side) for side in sides] == [28, 12]
    assert not set(sides[0].ids) & set(sides[1].ids)
    FRAME.assign(split=["train"] * 30 + ["test"] * 10, id=[f"p{i}" for i in range(N)]).to_csv(path, index=False)
    sides = [load_dataset(f"table:{path}#diagnosis", side) for side in ("train", "test")]
    assert [len(side) for side in sides] == [30, 10]
    assert sides[1].ids.tolist() == [f"p{i}" for i in range(30, 40)]
    assert set(sides[0].item(0)) == {"age", "sex", "smokes"}
    assert "left out: id" in sides[0].notes[0]


def test_the_arrays_of_a_file_are_columns(tmp_path: Path) -> None:
    x, y = RNG.normal(size=(6, 2)), np.array([0, 0, 0, 0, 1, 1])
    np.savez(tmp_path / "a.npz", X=x, y=y)
    data = load_dataset(f"table:{tmp_path / 'a.npz'}", whole=True)
    assert data.item(4) == {"x0": x[4, 0], "x1": x[4, 1]}
    assert (data.classes, data.labels.tolist()) == (("0", "1"), y.tolist())
    np.savez(tmp_path / "b.npz", X=x)
    assert load_dataset(f"table:{tmp_path / 'b.npz'}", whole=True).classes == ("unlabelled",)


def csv_of(text: str) -> Any:
    return lambda folder: (folder / "rows.csv").write_text(text) and folder / "rows.csv"


def npz_of(**arrays: Any) -> Any:
    def made(folder: Path) -> Path:
        np.savez(folder / "rows.npz", **arrays)
        return folder / "rows.npz"

    return made


REFUSED = {
    "two of one name": (csv_of("a,b,a\n1,2,3\n"), "columns of different names, got 'a' twice"),
    "no header": (csv_of("1,2\n3,4\n"), "must have a header"),
    "header alone": (csv_of("a,b\n"), "must have rows, got a header alone"),
    "labels alone": (csv_of("label\n1\n0\n"), "must have columns besides labels and ids"),
    "uneven": (csv_of("a,b\n1,2\n3\n"), "must have 2 columns in every row, got 1 in row 1"),
    "mixed": (csv_of("a,b\n1,2\nlow,3\n"), "column 'a' of .* got numbers and, in 1 of 2 rows, words such as 'low'"),
    "dates": (csv_of("a,b\n2024-01-02,2\n2024-01-03,3\n"), "column 'a' of .* got dates"),
    "infinite": (csv_of("a,b\n1,inf\n2,3\n"), "column 'b' of .* must hold finite numbers, got inf in row 0"),
    "huge whole numbers": (csv_of("a,b\n12345678901234567890,1\n1,3\n"), "up to 2.53, got 12345678901234567890"),
    "two labels": (csv_of("a,label,target\n1,0,1\n"), "must be the labels, got label, target"),
    "no such label": (lambda folder: str(csv_of("a,b\n1,2\n")(folder)) + "#c", "unknown column of .* 'c'"),
    "a row without label": (csv_of("a,label\n1,x\n2,\n"), "must hold a label in every row, got none in row 1"),
    "no file": (lambda folder: folder / "none.csv", "must name a file, got no file"),
    "a folder": (lambda folder: folder, "must name a file, got no file"),
    "an archive": (lambda folder: (folder / "r.csv").write_bytes(b"PK\x03\x04a") and folder / "r.csv", "is an archive"),
    "empty": (csv_of("\n"), "is empty"),
    "no X": (npz_of(a=np.eye(2)), "must hold X, .n, d. numbers"),
    "X of words": (npz_of(X=np.array([["a"]])), "must hold X, .n, d. numbers"),
    "pickled": (npz_of(X=np.array([[object()]], dtype=object)), "cannot be read as arrays"),
    "y of another length": (npz_of(X=np.eye(3), y=np.zeros(2)), "a label for each of 3 rows"),
    "nested": (lambda f: (f / "r.jsonl").write_text('{"a": [1]}\n') and f / "r.jsonl", "got a list in row 0"),
    "no objects": (lambda f: (f / "r.jsonl").write_text("[1, 2]\n") and f / "r.jsonl", "must hold JSON objects"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_table_is_told_in_one_sentence(kind: str, tmp_path: Path) -> None:
    make, said = REFUSED[kind]
    with pytest.raises(ReprqError, match=said) as caught:
        load_dataset(f"table:{make(tmp_path)}", whole=True)
    assert "\n" not in str(caught.value)


def test_a_damaged_parquet_and_typed_values_that_are_no_numbers_are_told(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        load_dataset(f"table:{tmp_path / 'a.parquet'}")
    times = pd.DataFrame({"when": pd.to_datetime(["2024-01-02", None]), "x": [1, 2]})
    with pytest.raises(DataError, match="column 'when' of the DataFrame .* got dates"):
        as_dataset(times)
    with pytest.raises(DataError, match="got numbers and words such as 'a' .row 1."):
        as_dataset(pd.DataFrame({"mixed": pd.Series([1, "a"], dtype=object), "x": [1, 2]}))
    with pytest.raises(DataError, match="columns of different names, got 'x' twice"):
        as_dataset(pd.DataFrame([[1, 2]], columns=["x", "x"]))
    with pytest.raises(DataError, match="must have rows, got none"):
        as_dataset(pd.DataFrame({"x": []}))


def of(**columns: Any) -> Dataset:
    return as_dataset(pd.DataFrame(columns))


def test_a_row_is_numbers_then_a_one_for_its_category() -> None:
    benign = of(kind=["b", "a", "b"], size=[1.0, 2.0, 6.0])
    encoding = Encoding("standard").learned(benign)
    mean, spread = 3.0, np.std([1.0, 2.0, 6.0])
    assert encoding.shape == (3,)
    np.testing.assert_allclose(encoding({"size": 6.0, "kind": "a"}), [(6 - mean) / spread, 1, 0], rtol=1e-6)
    np.testing.assert_allclose(encoding({"kind": "new", "size": 3.0, "more": 1.0}), [0, 0, 0], atol=1e-7)
    assert encoding.groups.tolist() == [0, 1, 1]
    seen = encoding.seen(of(size=[1.0, 2.0], kind=["a", "new"], more=[1.0, 2.0]))
    assert seen.record["table"] == {"unseen": 1, "imputed": 0}
    assert "kind 1" in seen.notes[0]
    assert "passed over: more" in seen.notes[1]


def test_missing_cells_are_refused_or_filled_in_from_benign_rows() -> None:
    benign = of(size=[1.0, None, 6.0, 2.0], kind=["a", "b", None, "b"])
    with pytest.raises(DataError, match="column 'size' must have a value in every row, got 1 missing in the 4 benign"):
        Encoding().learned(benign)
    median = Encoding(impute="median").learned(benign)
    assert median({"size": float("nan"), "kind": None}).tolist() == [2.0, 0.0, 1.0]
    assert Encoding(impute="mean").learned(benign)({"size": float("nan"), "kind": "a"}).tolist() == [3.0, 1.0, 0.0]
    assert "2 missing cells" in median.seen(benign).notes[0]
    whole = Encoding().learned(of(size=[1.0, 2.0], kind=["a", "b"]))
    with pytest.raises(InputError, match="column 'size' must have a value in every row, got a missing one"):
        whole({"size": float("nan"), "kind": "a"})
    with pytest.raises(DataError, match="column 'size' must have a value in some row, got none in the 2 benign rows"):
        Encoding(impute="mean").learned(of(size=[np.nan, np.nan], kind=["a", "b"]))


def test_columns_are_matched_by_name_and_kind() -> None:
    encoding = Encoding().learned(of(size=[1.0, 2.0], kind=["1", "x"]))
    with pytest.raises(InputError, match="rows must have the column 'kind', which .* have, got size"):
        encoding({"size": 1.0})
    with pytest.raises(InputError, match="column 'size' must hold numbers, as in the benign training rows, got 'big'"):
        encoding({"size": "big", "kind": "x"})
    assert encoding({"size": 2.0, "kind": 1.0}).tolist() == [2.0, 1.0, 0.0]  # a file of few rows held numbers alone
    with pytest.raises(DataError, match="column 'name' must hold categories, got 30 different values"):
        Encoding().learned(of(name=[f"n{i}" for i in range(30)], size=np.arange(30.0)))


def test_what_32_bits_lose_is_said() -> None:
    far = of(size=1e9 + np.arange(4.0))
    assert "32 bits round away some of size" in Encoding().learned(far).seen(far).notes[0]
    fine = Encoding("standard").learned(far)
    assert not fine.seen(far).notes
    assert len({float(fine(far.item(i))[0]) for i in range(4)}) == 4


def test_a_record_of_the_columns_comes_back() -> None:
    encoding = Encoding("quantile", "mean").learned(of(size=[1.0, 2.0, 9.0], kind=["a", "b", "b"]))
    record = json.loads(json.dumps(encoding.record()))
    again = Encoding("quantile", "mean").with_record(record, encoding.scales)
    assert again.columns == encoding.columns
    assert isinstance(again.columns[1], Variable)
    row = {"size": 3.0, "kind": "a"}
    np.testing.assert_array_equal(again(row), encoding(row))


@pytest.mark.parametrize(("key", "value"), [("scaler", "max"), ("impute", "zero"), ("scale", "standard")])
def test_wrong_preprocessing_is_told(key: str, value: str) -> None:
    with pytest.raises(InputError, match=f"preprocessing .*{key}"):
        Encoding().replace(**{key: value})


@pytest.mark.parametrize(
    ("name", "file"), [("cardio", "6_cardio"), ("satellite", "30_satellite"), ("thyroid", "38_thyroid")]
)
def test_a_named_set_trains_on_half_of_its_benign_rows(name: str, file: str, tmp_path: Path) -> None:
    x, y = RNG.normal(size=(12, 3)), np.repeat([0, 1], [10, 2])
    (tmp_path / "Classical").mkdir()
    np.savez(tmp_path / "Classical" / f"{file}.npz", X=x, y=y)
    train, test = (load_dataset(name, side, root=tmp_path, seed=3) for side in ("train", "test"))
    assert (len(train), len(test), train.labels.sum(), test.labels.sum()) == (5, 7, 0, 2)
    assert not set(train.ids) & set(test.ids)
    assert (train.classes, train.modality) == (("benign", "anomalous"), "table")
    other = load_dataset(name, root=tmp_path, seed=4)
    assert set(other.ids) != set(train.ids)
    with pytest.raises(DataError, match=f"{name} is not in .* must hold {file}.npz"):
        load_dataset(name, root=tmp_path / "none")
    np.savez(tmp_path / "Classical" / f"{file}.npz", X=x, y=np.arange(12))
    with pytest.raises(DataError, match="must hold y, 0 for benign and 1 for anomalous"):
        load_dataset(name, root=tmp_path)
