"""Text tables as spreadsheets, pandas, R and NumPy write them."""

import bz2
import csv
import gzip
import lzma
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reprq.embeddings import load_embeddings
from reprq.errors import InputError, ReprqError

from .conftest import STEM, check

Save = Callable[..., Path]


@pytest.mark.parametrize(
    "how",
    [
        {"sep": ";"},
        {"sep": ";", "decimal": ","},
        {"sep": "\t"},
        {"sep": "\t", "decimal": ","},
        {"sep": "|"},
        {"quoting": csv.QUOTE_ALL},
        {"decimal": ",", "quoting": csv.QUOTE_ALL},
        {"encoding": "utf-8-sig"},
        {"encoding": "utf-16"},
        {"lineterminator": "\r\n"},
        {"lineterminator": "\r"},
        {"float_format": "%.6e"},
        {"index": True},
    ],
    ids=str,
)
def test_however_a_table_is_written(how: dict[str, Any], saved: Save, x: Any, y: Any) -> None:
    check(saved(pd.DataFrame(x, columns=STEM).assign(label=y), **how), x, y)


@settings(max_examples=30, deadline=None)
@given(
    separator=st.sampled_from([";", "\t", "|"]),
    decimal=st.sampled_from([".", ","]),
    places=st.integers(1, 6),
    size=st.tuples(st.integers(2, 9), st.integers(2, 6)),
    seed=st.integers(0, 999),
)
def test_numbers_are_read_as_written_or_refused(
    separator: str, decimal: str, places: int, size: Any, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    values = np.random.default_rng(seed).normal(scale=50, size=size).round(places)
    path = tmp_path_factory.mktemp("t") / "t.csv"
    frame = pd.DataFrame(values, columns=[f"f{i}" for i in range(size[1])])
    frame.to_csv(path, index=False, sep=separator, decimal=decimal, float_format=f"%.{places}f")
    try:
        assert np.array_equal(load_embeddings(path).array, values)
    except InputError as error:
        assert decimal == ","
        assert places == 3
        assert "may be a fraction or thousands" in str(error)  # noqa: PT017


@pytest.mark.parametrize("ending", [".gz", ".bz2", ".xz", ".zip"])
def test_a_packed_table_is_read(ending: str, x: Any, y: Any, tmp_path: Path) -> None:
    text = pd.DataFrame(x, columns=STEM).assign(label=y).to_csv(index=False, sep="\t").encode()
    path = tmp_path / f"my.table.tsv{ending}"
    if ending == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("t.tsv", text)
    else:
        path.write_bytes({".gz": gzip, ".bz2": bz2, ".xz": lzma}[ending].compress(text))  # type: ignore[attr-defined]
    check(path, x, y)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ReprqError, match="my.table.tsv"):
        load_embeddings(path)


def test_a_zip_of_two_files_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.csv.zip", "w") as archive:
        archive.writestr("a.csv", "1")
        archive.writestr("b.csv", "1")
    with pytest.raises(InputError, match=r"t.csv.zip must hold one file, got 2; unpack it and give one"):
        load_embeddings(tmp_path / "t.csv.zip")


@pytest.mark.parametrize("header", ["", "emb_0,emb_1,emb_2,emb_3,emb_4,emb_5,label", "made by me"])
@pytest.mark.parametrize("delimiter", [",", " "])
def test_what_savetxt_writes(header: str, delimiter: str, x: Any, y: Any, tmp_path: Path) -> None:
    names = header.replace(",", delimiter) if "," in header else header
    np.savetxt(tmp_path / "t.csv", np.column_stack([x, y]), delimiter=delimiter, header=names)
    check(tmp_path / "t.csv", x, y, **({} if "," in header else {"labels": "6"}))


@pytest.mark.parametrize("before", ["# made by me\n# 2024\n", "sep=,\n", "\n\n", "#,a,b\n"])
def test_lines_before_the_table(before: str, x: Any, y: Any, tmp_path: Path) -> None:
    table = pd.DataFrame(x, columns=STEM).assign(label=y).to_csv(index=False)
    (tmp_path / "t.csv").write_text(before + table)
    check(tmp_path / "t.csv", x, y)


def test_row_names_as_r_writes_them(x: Any, y: Any, tmp_path: Path) -> None:
    rows = [f'"{i + 1}" {" ".join(map(str, row))} {label}' for i, (row, label) in enumerate(zip(x, y, strict=True))]
    (tmp_path / "t.csv").write_text("\n".join([",".join([*STEM, "label"]), *(r.replace(" ", ",") for r in rows)]))
    check(tmp_path / "t.csv", x, y)
    assert load_embeddings(tmp_path / "t.csv").ids[0] == "1"


def test_a_delimiter_at_the_end_of_every_line(x: Any, y: Any, tmp_path: Path) -> None:
    text = pd.DataFrame(x, columns=STEM).assign(label=y).to_csv(index=False)
    (tmp_path / "t.csv").write_text(text.replace("\n", ",\n"))
    check(tmp_path / "t.csv", x, y)


@pytest.mark.parametrize(
    ("cells", "sentence"),
    [
        (["1,234.5", "2,345.6"], "must hold plain numbers, got '1,234.5'; save it without thousands separators"),
        (["1.234,5", "2.345,6"], "must hold plain numbers, got '1.234,5'; save it without thousands separators"),
        (["1,234", "2,345"], "got '1,234', which may be a fraction or thousands"),
        (["1 234", "2 345"], "column 'a' of .* must hold numbers, got '1 234' in row 0"),
        (["12%", "13%"], "column 'a' of .* must hold numbers, got '12%' in row 0"),
    ],
)
def test_numbers_that_can_be_read_in_two_ways_are_refused(cells: list[str], sentence: str, saved: Save) -> None:
    with pytest.raises(InputError, match=sentence):
        load_embeddings(saved(pd.DataFrame({"a": cells, "b": [0, 2]}), quoting=csv.QUOTE_ALL))


def test_the_same_name_twice_is_two_columns(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,a\n0.5,1.5\n2.5,3.5\n")
    check(tmp_path / "t.csv", np.array([[0.5, 1.5], [2.5, 3.5]]))


def test_a_message_about_a_table_of_many_columns_is_short(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(",".join(f"column {i}" for i in range(999)) + "\n" + ",".join(["x"] * 999) + "\n")
    with pytest.raises(InputError, match="and 991 more") as refused:
        load_embeddings(tmp_path / "t.csv")
    assert len(str(refused.value)) < 600
