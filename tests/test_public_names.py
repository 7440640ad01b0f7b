import json
import subprocess
import sys

import pytest

import reprq


def test_importing_reprq_and_its_command_line_loads_no_heavy_package() -> None:
    code = "import sys, json, reprq, reprq.cli; print(json.dumps(sorted(sys.modules)))"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"torch", "matplotlib", "pandas", "sklearn", "faiss", "scipy", "numpy"} & set(json.loads(out))


def test_the_public_names_are_pinned() -> None:
    assert sorted(reprq.__all__) == [
        "EmbeddingCache", "Embeddings", "ReprqError", "__version__", "analysis", "backbones", "correlate", "data",
        "detectors", "embeddings", "errors", "evaluation", "extract", "load_backbone", "load_dataset", "measure",
        "metrics", "plots", "pretext", "recommend", "run_study", "statistics", "study",
    ]  # fmt: skip


@pytest.mark.parametrize("name", reprq.__all__)
def test_every_public_name_exists(name: str) -> None:
    assert getattr(reprq, name) is not None


def test_an_unknown_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'extrakt'"):
        reprq.extrakt  # noqa: B018
