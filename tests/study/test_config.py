from pathlib import Path
from typing import Any

import pytest

from reprq.errors import ConfigError
from reprq.study import StudyConfig, load_config

SMALL: dict[str, Any] = {"data": {"name": "digits"}, "backbones": [{"name": "lenet", "weights": "random"}]}


def write(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text)
    return path


def test_a_file_and_a_mapping_of_the_same_shape_are_the_same_study(tmp_path: Path) -> None:
    path = write(tmp_path, '[data]\nname = "digits"\n[[backbones]]\nname = "lenet"\nweights = "random"\n')
    assert load_config(path) == load_config(SMALL)


def test_a_label_is_made_from_name_and_weights() -> None:
    config = load_config(
        {
            "data": {"name": "digits"},
            "backbones": [
                {"name": "lenet", "weights": "random"},
                {"name": "lenet", "weights": "w/birds.safetensors"},
                {"name": "lenet", "pretext": {"task": "rotation", "data": "digits"}},
                {"name": "lenet", "label": "mine"},
            ],
        }
    )
    assert [b.label for b in config.backbones] == ["lenet random", "lenet birds", "lenet rotation", "mine"]


def test_relative_paths_start_at_the_file_and_variables_are_expanded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REPRQ_TEST_WEIGHTS", "/somewhere")
    text = (
        '[data]\nname = "folder:images"\nroot = "r"\n'
        '[[backbones]]\nname = "lenet"\nweights = "a.safetensors"\n'
        '[[backbones]]\nname = "lenet"\nweights = "${REPRQ_TEST_WEIGHTS}/b.safetensors"\n'
        '[[backbones]]\nname = "teacher:t.safetensors"\nlabel = "t"\n'
    )
    config = load_config(write(tmp_path, text))
    assert config.data.name == f"folder:{tmp_path / 'images'}"
    assert config.data.root == str(tmp_path / "r")
    assert [b.weights for b in config.backbones[:2]] == [str(tmp_path / "a.safetensors"), "/somewhere/b.safetensors"]
    assert config.backbones[2].name == f"teacher:{tmp_path / 't.safetensors'}"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"sedes": [0]}, "unknown key sedes; did you mean 'seeds'? Valid: backbones, batch_size"),
        ({"data": {"nmae": "digits", "name": "digits"}}, "unknown key data.nmae; did you mean 'name'?"),
        ({"data": {}}, "the key data.name is missing"),
        ({"data": {"name": 3}}, "data.name: input should be a valid string, got 3"),
        ({"seeds": ["a"]}, "seeds[0]: input should be a valid integer, got 'a'"),
        ({"seeds": [0, -1]}, "seeds[1]: input should be greater than or equal to 0, got -1"),
        ({"seeds": [2**32]}, "seeds[0]: input should be less than or equal to 4294967295, got 4294967296"),
        ({"seeds": [0, 1, 0]}, "seeds holds 0 more than once; give each seed once"),
        ({"seeds": []}, "seeds: list should have at least 1 item"),
        ({"backbones": [{"name": "lenet", "weigths": "a"}]}, "key backbones[0].weigths; did you mean 'weights'?"),
        ({"backbones": [{"name": "a", "pretext": {"task": 1, "data": "b"}}]}, "backbones[0].pretext.task: input"),
        ({"backbones": [{"name": "a"}, {"name": "a"}]}, "two backbones are called 'a default'"),
        (
            {"backbones": [{"name": "a", "weights": "random", "pretext": {"task": "random", "data": "digits"}}]},
            "backbone 'a random' has a pretext: remove its weights and preprocessing",
        ),
        ({"data": {"name": "digits", "train_per_class": 0}}, "data.train_per_class: input should be greater than"),
        ({"metrics": []}, "metrics: list should have at least 1 item"),
        ({"tasks": 3}, "tasks: input should be a valid string, got 3"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_sentence_with_its_path(change: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config({**SMALL, **change})
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_a_broken_file_and_an_unset_variable(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml does not exist"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="cannot be read as TOML: Invalid value"):
        load_config(write(tmp_path, "data = [\n"))
    with pytest.raises(ConfigError, match="needs the environment variable REPRQ_NOT_SET; set it"):
        load_config(write(tmp_path, 'title = "${REPRQ_NOT_SET}"\n'))
    with pytest.raises(ConfigError, match="has a '\\$' that names no variable"):
        load_config(write(tmp_path, 'title = "5 $"\n'))


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "figures").rglob("*.toml")), ids=lambda p: p.name)
def test_every_study_under_figures_is_valid(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("REPRQ_CIFAR10_JPEG", "REPRQ_TILES", "REPRQ_WEIGHTS", "REPRQ_TEXTS", "REPRQ_MINILM", "REPRQ_TABLES")
    names += ("REPRQ_ESC10",)
    for name in (*names, "REPRQ_MODALITIES", "REPRQ_ANSWER"):
        monkeypatch.setenv(name, "/data")
    assert isinstance(load_config(path), StudyConfig)


def test_a_mapping_may_hold_paths_and_says_what_no_study_can_hold() -> None:
    config = load_config(
        {
            "data": {"name": Path("images"), "root": Path("there")},
            "backbones": [{"name": "lenet", "weights": Path("w/birds.safetensors")}],
        }
    )
    assert (config.data.name, config.data.root) == ("folder:images", "there")
    assert config.backbones[0].weights == "w/birds.safetensors"
    for section, value in (("data", {"name": object()}), ("data", object()), ("backbones", [object()])):
        with pytest.raises(ConfigError, match="got a object, which a study cannot hold: its file names") as caught:
            load_config({**SMALL, section: value})
        assert len(str(caught.value)) < 250
    with pytest.raises(ConfigError, match=r"got \[0, 0, .* \.\.\.") as caught:
        load_config({**SMALL, "data": [0] * 1000})
    assert len(str(caught.value)) < 300
    with pytest.raises(ConfigError, match="config must be a TOML file, a mapping or a StudyConfig, got NoneType"):
        load_config(None)  # type: ignore[arg-type]
