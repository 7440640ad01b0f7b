"""What holds for every source of backbones that is registered, whatever it loads."""

from pathlib import Path

import pandas as pd
import pytest
import torch
from PIL import Image

from reprq.backbones import BACKBONES, Backbone, layer_shapes, load_backbone
from reprq.data import as_dataset
from reprq.data.modality import MODALITIES
from reprq.errors import ReprqError
from reprq.pretext import train_teacher
from reprq.registry import Entry

# A name of each source; one that lists its networks or has an example (`facts`) needs no line here.
SMALL = {
    "reprq": "lenet",
    "torchvision": "squeezenet1_1",
    "timm:NAME": "timm:test_resnet",
    "package.module:callable": "own_network:made",
}


OWN = """
from torchvision.models import squeezenet1_1
from reprq.backbones import as_backbone

def made():
    return as_backbone(squeezenet1_1(), preprocessing={"size": 64})
"""


def example(entry: Entry, request: pytest.FixtureRequest) -> str:
    """A name that the source knows, with its files made."""
    if entry.name == "hf:NAME_OR_PATH":
        return f"hf:{request.getfixturevalue('bert')}"
    if entry.name == "words:PATH":
        path = request.getfixturevalue("tmp_path") / "words.txt"
        path.write_text("a 0.5 1\ncat 2 -1\nsat 0 3\n")
        return f"words:{path}"
    if entry.name == "teacher:PATH":
        out = request.getfixturevalue("tmp_path") / "teacher.safetensors"
        return f"teacher:{train_teacher('random', 'digits', out=out, progress=False)}"
    if entry.name == "package.module:callable":
        folder = request.getfixturevalue("tmp_path")
        (folder / "own_network.py").write_text(OWN)
        request.getfixturevalue("monkeypatch").syspath_prepend(folder)
    if entry.extra:
        pytest.importorskip(entry.extra)
    return SMALL.get(entry.name) or entry.facts.get("example") or entry.facts["names"][0]


@pytest.mark.parametrize("entry", list(BACKBONES), ids=lambda entry: entry.name)
def test_a_source_gives_a_network_with_layers_and_draws_no_number_of_others(
    entry: Entry, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    name = example(entry, request)
    learns = bool(entry.facts.get("learns"))
    whole = learns or entry.facts.get("weightless") or entry.name in ("teacher:PATH", "package.module:callable")
    weights = "default" if whole else "random"
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    backbone = load_backbone(name, weights)
    if learns:
        assert not backbone.is_fitted
        gray = [Image.new("L", (28, 28), value) for value in (0, 90, 200)]
        samples = {
            "image": gray,
            "text": ["a cat sat", "a dog", "the cat and the dog"],
            "table": pd.DataFrame({"x": [1.0, 2.0]}),
        }
        backbone = backbone.fit(as_dataset(samples[entry.inputs]))
    assert torch.equal(torch.rand(2), expected)
    assert isinstance(backbone, Backbone)
    assert not backbone.network.training
    assert entry.inputs == "any" or entry.takes(backbone.preprocessing.modality)
    assert set(entry.inputs.split(", ")) <= {*MODALITIES, "any"}
    names = [layer.name for layer in backbone.layers]
    assert len(set(names)) == len(names) > 0
    assert [layer.number for layer in backbone.layers] == sorted(layer.number for layer in backbone.layers)
    assert len(layer_shapes(backbone)) == len(names)
    if weights == "random":
        digests = [load_backbone(name, weights, seed=seed).weights_digest for seed in (0, 1)]
        assert digests[0] == backbone.weights_digest != digests[1]


@pytest.mark.parametrize("entry", [entry for entry in BACKBONES if entry.prefix], ids=lambda entry: entry.name)
def test_a_name_that_does_not_exist_is_one_sentence(entry: Entry) -> None:
    with pytest.raises(ReprqError) as caught:
        load_backbone(f"{entry.prefix}no_such_network")
    assert "\n" not in str(caught.value)
