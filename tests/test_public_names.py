"""What is public, pinned: the names that `reprq`, its packages and the modules without a package list in `__all__`."""

import importlib.util
import pkgutil
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from types import ModuleType

import pytest

import reprq

ROOT = Path(__file__).resolve().parents[1]
PINNED = Path(__file__).with_name("public_names.txt")


def public() -> Iterator[ModuleType]:
    """Every module that lists its public names; of the modules inside packages none does."""
    yield reprq
    for found in pkgutil.walk_packages(reprq.__path__, "reprq."):
        if found.ispkg or found.name.count(".") == 1:
            module = importlib.import_module(found.name) if found.name != "reprq.__main__" else reprq
            if module is not reprq and hasattr(module, "__all__"):
                yield module


def test_the_public_names_are_pinned() -> None:
    names = sorted(f"{module.__name__}.{name}" for module in public() for name in module.__all__)
    assert names == PINNED.read_text(encoding="utf-8").split(), "a name that is gone breaks its users: see CHANGELOG.md"


def test_every_public_name_exists_and_is_no_module_of_its_package() -> None:
    """A name that is imported on first use would be hidden by a module of the same name, once that is imported."""
    for module in public():
        for name in module.__all__:
            assert getattr(module, name) is not None
            if "__getattr__" in vars(module) and module is not reprq:
                assert importlib.util.find_spec(f"{module.__name__}.{name}") is None, f"{module.__name__}.{name}"


def test_what_is_public_is_listed_in_order_and_once() -> None:
    for module in public():
        assert len(set(module.__all__)) == len(module.__all__), module.__name__


def test_documentation_uses_public_names_alone() -> None:
    known = {module.__name__: set(module.__all__) for module in public()}
    pages = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "notebooks").glob("*.ipynb")]
    for page in pages:
        for module, names in re.findall(r"from (reprq[\w.]*) import ([\w, ]+)", page.read_text(encoding="utf-8")):
            assert module in known, f"{page.name}: {module} is internal"
            assert {name.strip() for name in names.split(",")} <= known[module], f"{page.name}: {module} {names}"


def test_types_ship_with_the_package() -> None:
    assert resources.files("reprq").joinpath("py.typed").is_file()


def test_an_unknown_attribute_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'extrakt'"):
        reprq.extrakt  # noqa: B018


@pytest.mark.parametrize("package", ["backbones", "data", "detectors", "metrics", "papers", "pretext"])
def test_one_function_lists_what_a_package_knows_by_name(package: str) -> None:
    module = importlib.import_module(f"reprq.{package}")
    names = module.names()
    assert isinstance(names, tuple)
    assert all(isinstance(name, str) for name in names)
    if "available" in module.__all__:
        assert tuple(known.name for known in module.available()) == names
    assert not {"listed", "reproductions", "protocols", "source_names"} & set(module.__all__)
