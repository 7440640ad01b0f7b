import sys
from pathlib import Path

import pytest

from reprq.errors import InputError, UnknownNameError
from reprq.registry import Entry, Registry, markdown


@pytest.fixture
def colors():
    entries = (
        Entry(name="red", target="colorsys:rgb_to_hls"),
        Entry(name="pantone:NUMBER", target="colorsys:rgb_to_yiq"),
    )
    return Registry("color", entries, group="reprq.test_colors")


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Write a package that brings colors by entry points, as an installer leaves it."""

    def install(module: str, entries: dict[str, str], name: str = "paint"):
        Path(tmp_path, f"{name}.py").write_text(module, encoding="utf-8")
        info = Path(tmp_path, f"{name}-1.2.dist-info")
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n", encoding="utf-8")
        lines = [f"{entry} = {target}" for entry, target in entries.items()]
        (info / "entry_points.txt").write_text("\n".join(["[reprq.test_colors]", *lines]), encoding="utf-8")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.delitem(sys.modules, name, raising=False)

    return install


GOOD = "from reprq.registry import Entry\nBLUE = Entry(name='blue', target='colorsys:hls_to_rgb', about='cold')\n"


def test_a_name_finds_its_entry_and_the_entry_its_object(colors):
    import colorsys

    assert colors.find("red").load() is colorsys.rgb_to_hls
    assert colors.find("pantone:12").load() is colorsys.rgb_to_yiq
    assert "red" in colors
    assert "pantone:" not in colors


def test_an_unknown_name_lists_what_there_is(colors):
    with pytest.raises(UnknownNameError, match=r"unknown color 'rod': did you mean 'red'\? Valid: red, pantone:NUMBER"):
        colors.find("rod")


def test_what_is_registered_is_found_and_a_name_is_taken_once(colors):
    green = colors.register(Entry(name="green", target=len))
    assert colors.names() == ("red", "pantone:NUMBER", "green")
    assert colors.find("green") is green
    assert green.load() is len
    for name in ("green", "red"):
        with pytest.raises(InputError, match=f"color '{name}' is taken"):
            colors.register(Entry(name=name, target=max))
    colors.remove("green")
    assert "green" not in colors
    with pytest.raises(InputError, match="was not registered"):
        colors.remove("red")


def test_a_package_brings_an_entry_that_is_imported_on_first_use(colors, installed):
    installed(GOOD, {"blue": "paint:BLUE"})
    assert colors.names() == ("red", "pantone:NUMBER", "blue")
    assert "paint" not in sys.modules
    assert colors.find("blue").about == "cold"
    assert [entry.name for entry in colors] == ["red", "pantone:NUMBER", "blue"]


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("1 / 0", "the color 'blue' of the package paint 1.2 cannot be loaded: ZeroDivisionError: division by zero"),
        ("import nosuchmodule", "package paint 1.2 cannot be loaded: ModuleNotFoundError: No module named"),
        ("x = 1", "of the package paint 1.2 cannot be loaded: AttributeError"),
        ("BLUE = 3", "the color 'blue' of the package paint 1.2 must be a reprq.registry.Entry, got int"),
        (GOOD.replace("'blue'", "'bleu'"), "must have the name of its entry point, got 'bleu'"),
    ],
)
def test_a_broken_package_is_one_sentence_and_breaks_nothing_else(colors, installed, caplog, module, said):
    installed(module, {"blue": "paint:BLUE"})
    with pytest.raises(InputError) as caught:
        colors.find("blue")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    for _ in range(2):
        assert [entry.name for entry in colors] == ["red", "pantone:NUMBER"]
    assert [record.getMessage() for record in caplog.records] == [str(caught.value)]


def test_a_package_cannot_replace_what_is_built_in(colors, installed, caplog):
    installed(GOOD, {"red": "paint:BLUE", "blue": "paint:BLUE"})
    assert colors.find("red").target == "colorsys:rgb_to_hls"
    assert colors.names() == ("red", "pantone:NUMBER", "blue")
    assert caplog.messages == ["the package paint 1.2 brings a color 'red', which is built in; it is left out"]


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nosuchmodule:x", "x cannot be imported from nosuchmodule:x: No module named 'nosuchmodule'"),
        ("colorsys:nosuch", "x must be at colorsys:nosuch, and colorsys has no nosuch"),
    ],
)
def test_a_target_that_is_not_there_is_one_sentence(target, said):
    with pytest.raises(InputError, match=said):
        Entry(name="x", target=target).load()


def test_an_extra_that_is_not_installed_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyod", None)
    with pytest.raises(InputError, match=r"x needs pyod, which is not installed; run pip install 'reprq\[pyod\]'"):
        Entry(name="x", target="pyod:x", extra="pyod").load()


@pytest.mark.parametrize("module", ["nosuchmodule", "math.nosuch"])
def test_an_extra_that_does_not_bring_what_is_missing_is_not_named(module):
    with pytest.raises(InputError, match="x cannot be imported from") as caught:
        Entry(name="x", target=f"{module}:x", extra="pyod").load()
    assert "pip" not in str(caught.value)


def test_a_module_that_fails_for_another_reason_does_not_name_its_extra(tmp_path, monkeypatch):
    (tmp_path / "stale_module.py").write_text("from math import nosuch\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="cannot be imported from stale_module:x: cannot import name 'nosuch'"):
        Entry(name="x", target="stale_module:x", extra="pyod").load()


def test_an_extra_of_another_package_is_its_own(installed):
    installed("import tubes_of_paint\n", {})
    metadata = Path(sys.path[0], "paint-1.2.dist-info", "METADATA")
    needs = 'Requires-Dist: Tubes-of-Paint>=2; extra == "oil"\n'
    metadata.write_text(metadata.read_text(encoding="utf-8") + f"Provides-Extra: oil\n{needs}", encoding="utf-8")
    with pytest.raises(InputError, match=r"needs tubes_of_paint, .*; run pip install 'paint\[oil\]'"):
        Entry(name="x", target="paint:x", extra="paint[oil]").load()


def test_what_is_built_in_stays_what_it_is(colors):
    colors.register(Entry(name="green", target=len))
    assert [entry.name for entry in colors.built_in()] == ["red", "pantone:NUMBER"]


def test_a_table_keeps_its_columns():
    assert markdown([Entry(name="a", target=len, about="|x|")], {"about": lambda entry: entry.about}).endswith(
        "\\|x\\| |"
    )
