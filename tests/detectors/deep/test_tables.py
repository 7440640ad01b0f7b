"""Detectors that take rows read tables: as the (n, d) numbers that the backbone `identity` makes of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from reprq import extract
from reprq.backbones import load_backbone
from reprq.data import Dataset, as_dataset
from reprq.detectors import create, load
from reprq.errors import DataError, InputError

SPECS: dict[str, dict[str, Any]] = {
    "deep_svdd": {},
    "deep_sad": {},
    "autoencoder": {},
    "vae": {},
    "flow": {"couplings": 2},
    "dagmm": {"dim": 3},
    "hsc": {},
    "hybrid:knn": {"k": 2},
}


def table(n: int, seed: int, missing: bool = False) -> Dataset:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"kind": rng.choice(["f", "m"], n), "age": rng.normal(50, 9, n), "level": rng.normal(size=n)})
    if missing:
        frame.loc[3, "age"] = np.nan
    return as_dataset(frame)


def numbers(benign: Dataset, data: Dataset, tmp_path: Path) -> Any:
    identity = load_backbone("identity").fit(benign)
    return extract(identity, data, progress=False, cache_dir=tmp_path)["rows"].array


@pytest.mark.parametrize("name", SPECS)
def test_a_table_is_the_rows_of_identity(name: str, tmp_path: Path) -> None:
    spec = {"name": name, "epochs": 2, "batch_size": 8, "lr": 0.01, **SPECS[name]}
    benign, new, others = table(24, 0), table(9, 1), table(6, 2)
    besides = {"hsc": "auxiliary", "deep_sad": "labelled"}.get(name)
    of_table = create(spec).fit(benign, **({besides: others} if besides else {}))
    rows = {id(each): numbers(benign, each, tmp_path) for each in (benign, new, others)}
    of_rows = create(spec).fit(rows[id(benign)], **({besides: rows[id(others)]} if besides else {}))
    scores = of_table.anomaly_score(new)
    np.testing.assert_array_equal(scores, of_rows.anomaly_score(rows[id(new)]))
    if not name.startswith("hybrid"):
        of_table.save(tmp_path / "model.safetensors")
        np.testing.assert_array_equal(load(tmp_path / "model.safetensors").anomaly_score(new), scores)


def test_scales_and_fills_are_those_of_the_benign_rows_and_come_back_from_the_file(tmp_path: Path) -> None:
    drawing = {"impute": "median", "scaler": "quantile"}
    spec = {"name": "autoencoder", "epochs": 1, "batch_size": 8, "drawing": drawing}
    benign, new = table(24, 0, missing=True), table(9, 1, missing=True)
    fitted = create(spec).fit(benign)
    fitted.save(tmp_path / "model.safetensors")
    again = load(tmp_path / "model.safetensors")
    np.testing.assert_array_equal(again.anomaly_score(new), fitted.anomaly_score(new))
    assert again.transform_.columns == fitted.transform_.columns
    assert again.transform_.scaler == "quantile"


def test_what_does_not_fit_is_said() -> None:
    spec = {"name": "autoencoder", "epochs": 1, "batch_size": 8}
    with pytest.raises(DataError, match="column 'age' must have a value in every row, got 1 missing"):
        create(spec).fit(table(24, 0, missing=True))
    with pytest.raises(InputError, match="preprocessing of tables has no key 'seconds'; valid are scaler, impute"):
        create({**spec, "drawing": {"seconds": 2}}).fit(table(24, 0))
    with pytest.raises(InputError, match="network mnist takes images, got rows"):
        create({**spec, "network": "mnist"}).fit(table(24, 0))
    fitted = create(spec).fit(table(24, 0))
    with pytest.raises(InputError, match="anomaly_map is of images, and this detector was fitted on rows"):
        fitted.anomaly_map(table(9, 1))
    with pytest.raises(InputError, match="X must be table samples, as those it was fitted on, got rows; give such"):
        fitted.anomaly_score(np.zeros((3, 4)))
