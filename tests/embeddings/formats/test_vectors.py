"""Vectors in one column of a table: as text, as lists, as tensors."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather
import pyarrow.parquet as pq
import pytest
import torch

from reprq.embeddings import load_embeddings
from reprq.embeddings.formats.vectors import is_vector
from reprq.errors import InputError, ReprqError

from .conftest import N, check

Save = Callable[..., Path]
WRITTEN: dict[str, Callable[[Any], str]] = {
    "json": lambda row: json.dumps(row.tolist()),
    "numpy": str,
    "array": repr,
    "float32": lambda row: repr(row.astype(np.float32)),
    "tensor": lambda row: str(torch.tensor(row.tolist())),
    "scalars": lambda row: "[" + ", ".join(f"np.float64({value!r})" for value in row.tolist()) + "]",
    "scalars of one kind": lambda row: "(" + ", ".join(f"numpy.float32({value!r})" for value in row.tolist()) + ")",
    "tensors": lambda row: "[" + ", ".join(f"tensor({value!r}, dtype=torch.float64)" for value in row.tolist()) + "]",
    "tuple": lambda row: str(tuple(row.tolist())),
    "nested": lambda row: json.dumps([row.tolist()]),
    "spaces": lambda row: " ".join(map(str, row.tolist())),
    "semicolons": lambda row: "[" + "; ".join(map(str, row.tolist())) + "]",
}


@pytest.mark.parametrize("form", list(WRITTEN))
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_vector_in_writing_is_read(form: str, ending: str, x: Any, y: Any, tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"path": [f"{i}.png" for i in range(N)], "embedding": [WRITTEN[form](row) for row in x], "y": y}
    )
    path = tmp_path / f"t.{ending}"
    frame.to_csv(path, index=False) if ending == "csv" else pq.write_table(pa.Table.from_pandas(frame), path)
    found = load_embeddings(path)
    np.testing.assert_allclose(found.array, x, atol=1e-4 if form == "tensor" else 1e-6)
    assert found.labels is not None
    assert found.labels.tolist() == y.tolist()
    assert found.provenance["read"] == "embedding; labels: y; ids: path"


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (
            ["[0.1, 0.2]", "[0.1 ... 0.2]"],
            "must hold whole vectors, got one with '...' in row 1 .counted from 0., whose numbers",
        ),
        (["[0.1, 0.2]", "[0.1]"], "must hold vectors of one length, got 2 numbers in row 0 and 1 in row 1"),
        (
            ["[0.1, 0.2]", "0.1, cat"],
            "must hold vectors, got '0.1, cat' in row 1 .counted from 0.; repair or remove it",
        ),
        (["[0.1, 0.2]", None], "must have a vector in every row, got nan in row 1 .counted from 0.; remove that row"),
        (
            ["[[0.1], [0.2]]", "[[0.1], [0.2]]"],
            "must hold one vector a row, got several in row 0 .counted from 0.; average them",
        ),
        (["[0.1, nan]", "[0.1, 2]"], "must be finite, got nan at row 0, column 1"),
    ],
)
def test_vectors_that_are_none_are_named(cells: list[Any], sentence: str, saved: Save) -> None:
    with pytest.raises(InputError, match=sentence):
        load_embeddings(saved(pd.DataFrame({"embedding": cells, "y": [0, 1]})))


@pytest.mark.parametrize("ending", ["csv", "parquet", "jsonl"])
def test_a_first_vector_that_is_missing_does_not_make_it_text(ending: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"e": [None, "[0.5, 1]", "[2, 3]"], "score": [0.5, 1.5, 2.5]})
    path = tmp_path / f"t.{ending}"
    if ending == "csv":
        frame.to_csv(path, index=False)
    elif ending == "parquet":
        pq.write_table(pa.Table.from_pandas(frame), path)
    else:
        frame.to_json(path, orient="records", lines=True)
    with pytest.raises(InputError, match="column 'e' of .* must have a v"):
        load_embeddings(path)


def test_vectors_beside_numbered_columns_ask_which(x: Any, tmp_path: Path) -> None:
    pq.write_table(pa.table({"box": x[:, :4].tolist(), **{f"e{i}": x[:, i] for i in range(6)}}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=r"holds the vectors box and the columns e0 to e5; name .*--key box"):
        load_embeddings(tmp_path / "t.parquet")
    check(tmp_path / "t.parquet", x, columns="e*")
    check(tmp_path / "t.parquet", x[:, :4], key="box")


def test_an_array_that_numpy_abbreviated_is_refused(saved: Save) -> None:
    rows = [str(row) for row in np.random.default_rng(0).normal(size=(3, 2000))]
    with pytest.raises(InputError, match=r"column 'e' of .*t.csv must hold whole vectors, got one with '...' in row 0"):
        load_embeddings(saved(pd.DataFrame({"e": rows})))


@pytest.mark.parametrize("text", ["a cat", "cat (0.5)", "2020-01-02", "3.5", "", "[CLS] a cat", "(see 3)", None, 1.5])
def test_other_text_is_no_vector(text: Any) -> None:
    assert not is_vector(text)


def tensors(x: Any, *shape: int) -> Any:
    return pa.FixedShapeTensorArray.from_numpy_ndarray(np.ascontiguousarray(x.reshape(len(x), *shape)))


@pytest.mark.parametrize(
    "column",
    [
        lambda x: tensors(x, 6),
        lambda x: tensors(x, 1, 6),
        lambda x: pa.array([[row] for row in x.tolist()]),
        lambda x: pa.array([[[value] for value in row] for row in x.tolist()]),
        lambda x: pa.array(x.tolist(), pa.list_(pa.float64(), 6)),
        lambda x: pa.array(x.tolist(), pa.large_list(pa.float64())),
    ],
)
@pytest.mark.parametrize("ending", ["parquet", "feather", "arrow"])
def test_lists_and_tensors_of_arrow(column: Any, ending: str, x: Any, y: Any, tmp_path: Path) -> None:
    table, path = pa.table({"embedding": column(x), "label": y}), tmp_path / f"t.{ending}"
    if ending == "parquet":
        pq.write_table(table, path, row_group_size=7)
    elif ending == "feather":
        feather.write_feather(table, path)
    else:
        with pa.ipc.new_stream(str(path), table.schema) as stream:
            stream.write_table(table)
    check(path, x, y)


@pytest.mark.parametrize(
    ("column", "sentence"),
    [
        (lambda x: tensors(x, 2, 3), r"must hold one vector a row, got tensors of shape \(2, 3\); average them first"),
        (lambda x: pa.array([[r, r] for r in x.tolist()]), "must hold one vector a row, got 2 vectors of 6 numbers"),
        (lambda x: pa.array([[r] * (1 + i % 3) for i, r in enumerate(x.tolist())]), "one length, got 1 and 3"),
        (lambda x: pa.array([[r[: 5 + i % 2]] for i, r in enumerate(x.tolist())]), "one length, got 5 and 6"),
        (lambda x: pa.array([None, *x.tolist()[1:]]), "must have a value in every row, got 1 missing"),
        (lambda x: pa.array([[None], *[[r] for r in x.tolist()[1:]]]), "must have one length, got a missing one"),
        (lambda x: pa.array([[None] * 6, *x.tolist()[1:]]), "must be whole, got 6 nulls"),
    ],
)
def test_lists_of_arrow_that_are_no_matrix(column: Any, sentence: str, x: Any, tmp_path: Path) -> None:
    pq.write_table(pa.table({"embedding": column(x)}), tmp_path / "t.parquet")
    with pytest.raises(InputError, match=sentence):
        load_embeddings(tmp_path / "t.parquet")


def test_dictionaries_decimals_and_bytes_of_arrow(x: Any, y: Any, tmp_path: Path) -> None:
    columns = {f"f{i}": pa.array(x[:, i]).dictionary_encode() for i in range(4)}
    columns |= {f"f{i}": pa.array(x[:, i].round(4)).cast(pa.decimal128(20, 4)) for i in (4, 5)}
    labels = pa.array([[b"good", b"bad"][i] for i in y]).dictionary_encode()
    pq.write_table(pa.table({**columns, "label": labels}), tmp_path / "t.parquet")
    found = load_embeddings(tmp_path / "t.parquet", benign="good")
    np.testing.assert_allclose(found.array, x, atol=1e-4)
    assert found.labels is not None
    assert found.labels.tolist() == y.tolist()


def test_a_folder_of_parquet_files_is_one_table_in_the_order_of_their_numbers(x: Any, y: Any, tmp_path: Path) -> None:
    for form in (
        "part-{}",
        "train-000{:02d}-of-00012",
        "part-000{:02d}-0f1e2d3c-aaaa-bbbb-cccc-000000000000-c000.snappy",
    ):
        folder = tmp_path / form[:7]
        folder.mkdir(exist_ok=True)
        for i in range(12):
            rows = slice(5 * i, 5 * i + 5)
            table = pa.table({"embedding": x[rows].tolist(), "label": y[rows]})
            pq.write_table(table, folder / f"{form.format(i)}.parquet")
        check(folder, x, y)
        for file in folder.iterdir():
            file.unlink()


@pytest.mark.parametrize(
    ("names", "sentence"),
    [
        (["train-0", "test-0"], "must hold the files of one table, got test, train; give one by itself"),
        (["part-0", "part-2"], "must be numbered without gaps"),
        (["split=a/part-0", "split=b/part-0"], "got the partition split=.; give one such folder"),
    ],
)
def test_a_folder_of_several_tables_is_refused(names: list[str], sentence: str, x: Any, tmp_path: Path) -> None:
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        pq.write_table(pa.table({"embedding": x.tolist()}), tmp_path / f"{name}.parquet")
    with pytest.raises(InputError, match=sentence):
        load_embeddings(tmp_path)


def test_parts_with_other_columns_or_lengths_are_refused(x: Any, tmp_path: Path) -> None:
    pq.write_table(pa.table({"embedding": x.tolist()}), tmp_path / "p-0.parquet")
    pq.write_table(pa.table({"embedding": x[:, :3].tolist()}), tmp_path / "p-1.parquet")
    with pytest.raises(InputError, match="'embedding' must have vectors of one length in all files"):
        load_embeddings(tmp_path)
    pq.write_table(pa.table({"other": x.tolist()}), tmp_path / "p-1.parquet")
    with pytest.raises(InputError, match=r"p-1.parquet must have the columns of .*p-0.parquet"):
        load_embeddings(tmp_path)


def test_json_lines(x: Any, y: Any, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    rows = [
        {"id": f"i{i}", "embedding": row, "label": int(label)}
        for i, (row, label) in enumerate(zip(x.tolist(), y, strict=True))
    ]
    path.write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    check(path, x, y)
    assert load_embeddings(path).ids[1] == "i1"
    path.write_text("\n".join(json.dumps({"Id": i, **dict(enumerate(row))}) for i, row in enumerate(x.tolist())))
    check(path, x)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('{"e": [1, 2]}\n{"f": [1, 2]}', r"line 2 of .*t.jsonl must be an object with the keys \['e'\], got"),
        ("[1, 2]\n[3, 4]", r"line 1 of .*t.jsonl must be an object, got '\[1, 2\]'; repair it"),
        ('{"e": [1, 2]}\n{"e": [1]}', "column 'e' of .* must hold lists of numbers, all of one length"),
        ('{"e": [1, 2]}\n{"e": ["a", "b"]}', "column 'e' of .* must hold lists of numbers, all of one length"),
        ('{"e": [[1, 2], [3, 4]]}\n{"e": [[1, 2], [3, 4]]}', "must hold one vector a row"),
        ('{"e": 1}\n{"e": "x"}', "column 'e' of .* must hold a number in every row"),
        ('{"e": [1, 2]', r"line 1 of .*t.jsonl must be an object, got '{\"e\": \[1, 2\]'; repair it"),
        (
            '{"e": [1, 2]}\n\n{"e": [3, 4]}\n{"e": [5',
            r"line 4 of .*t.jsonl must be an object with the keys \['e'\], got",
        ),
    ],
)
def test_json_lines_that_are_no_matrix(text: str, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "t.jsonl").write_text(text)
    with pytest.raises(ReprqError, match=sentence):
        load_embeddings(tmp_path / "t.jsonl")
