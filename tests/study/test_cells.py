from pathlib import Path

import pytest

from reprq.errors import ReprqError
from reprq.study.cells import CellStore


def test_what_was_added_is_there_when_the_file_is_opened_again(tmp_path: Path) -> None:
    store = CellStore(tmp_path / "cells.jsonl")
    store.add("a", [{"value": 0.1, "notes": None}])
    assert "a" in store
    assert CellStore(tmp_path / "cells.jsonl")["a"] == [{"value": 0.1, "notes": None}]


@pytest.mark.parametrize("cut", range(1, 30, 4))
def test_a_line_that_was_cut_short_is_dropped_and_the_rest_kept(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "cells.jsonl"
    store = CellStore(path)
    store.add("a", [{"value": 1}])
    whole = path.read_bytes()
    store.add("b", [{"value": 2}])
    path.write_bytes(path.read_bytes()[: len(whole) + cut])
    again = CellStore(path)
    assert "a" in again
    assert "b" not in again
    again.add("b", [{"value": 2}])
    assert path.read_bytes().count(b"\n") == 2
    assert "b" in CellStore(path)


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cells.jsonl"
    path.write_text('{"key": "a", "rows": []}\nnot json\n')
    with pytest.raises(ReprqError, match=r"cells\.jsonl is damaged at line 2; delete the file"):
        CellStore(path)


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ReprqError, match="cannot be written: No such file or directory"):
        CellStore(tmp_path / "none" / "cells.jsonl").add("a", [])


def test_rows_are_read_in_any_order_also_beside_those_of_another_run(tmp_path: Path) -> None:
    path = tmp_path / "cells.jsonl"
    store, other = CellStore(path), CellStore(path)
    store.add("a", [{"value": "é"}])
    other.add("b", [{"value": 2}])
    store.add_all({"d": [], "c": [{"value": 3}, {"value": 4}]})
    assert store["d"] == []
    assert [*store.read(["c", "a", "c"])] == [
        [{"value": 3}, {"value": 4}],
        [{"value": "é"}],
        [{"value": 3}, {"value": 4}],
    ]
    assert len(store) == 3
    assert len(CellStore(path)) == 4
    with pytest.raises(KeyError):
        store["b"]


def test_a_file_that_was_changed_meanwhile_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "cells.jsonl"
    store = CellStore(path)
    store.add("a", [])
    path.write_text('{"key": "b", "rows": []}\n')
    with pytest.raises(ReprqError, match=r"cells\.jsonl was changed by another run; start again"):
        store["a"]
    path.unlink()
    with pytest.raises(ReprqError, match=r"cells\.jsonl cannot be read: No such file"):
        store["a"]


def test_while_the_file_is_kept_open_every_cell_is_on_disk_at_once_also_beside_those_of_another_run(
    tmp_path: Path,
) -> None:
    path = tmp_path / "cells.jsonl"
    store = CellStore(path)
    with store.kept_open():
        store.add("a", [{"value": 1}])
        assert "a" in CellStore(path)
        CellStore(path).add("b", [{"value": 2}])
        store.add("c", [{"value": 3}])
    store.add("d", [{"value": 4}])
    assert [*store.read("acd")] == [[{"value": 1}], [{"value": 3}], [{"value": 4}]]
    assert len(CellStore(path)) == 4
    with pytest.raises(ReprqError, match="cannot be written"), CellStore(tmp_path / "none" / "c.jsonl").kept_open():
        pass
