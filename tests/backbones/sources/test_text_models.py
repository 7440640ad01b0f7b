"""Text models of Hugging Face as backbones: chosen by their kind, with every layer, told where they cannot serve."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from reprq.backbones import Backbone, Tap, Tokenization, layer_shapes, load_backbone
from reprq.embeddings.pooling import pool_layer
from reprq.errors import InputError, UnknownNameError, WeightsError

transformers: Any = pytest.importorskip("transformers", reason="transformers is an optional extra")
SaveBert = Callable[..., Path]

TEXTS = ["ba be bi", "da", "ga ge gi go gu ka ke ki ko ku", "pa pe pi po pu ra re ri ro ru sa se si so su ta te ti to"]


def _transform(backbone: Backbone) -> Tokenization:
    assert isinstance(backbone.preprocessing, Tokenization)
    return backbone.preprocessing


def _rows(backbone: Backbone, texts: list[str], pooling: str = "mean") -> dict[str, torch.Tensor]:
    transform = _transform(backbone)
    batch = transform.collate([transform(text) for text in texts])
    layers = backbone.select_layers("all")

    def take(layer: Any, output: torch.Tensor) -> torch.Tensor:
        return pool_layer(layer, output, pooling, batch["attention_mask"])

    with torch.inference_mode(), Tap(backbone.network, layers, take) as tap:
        return tap(batch)


def test_its_layers_are_the_embeddings_every_block_and_the_pooled_output(bert: Path) -> None:
    backbone = load_backbone(f"hf:{bert}")
    assert [(layer.number, layer.name) for layer in backbone.layers] == [
        (0, "stem"), (1, "encoder.layer.0"), (2, "encoder.layer.1"), (3, "encoder.layer.2"), (4, "pooled"),
    ]  # fmt: skip
    assert [layer.layout for layer in backbone.layers] == ["NLD"] * 4 + ["ND"]
    assert all(layer.varying and layer.class_token and not layer.registers for layer in backbone.layers[:4])
    assert [shape[-1] for shape in layer_shapes(backbone)] == [16] * 5
    (inner,) = backbone.select_layers("encoder.layer.1.attention")
    assert (inner.number, inner.layout, inner.varying) == (2, "NLD", True)


@pytest.mark.parametrize("pooling", ["mean", "max", "cls"])
def test_its_rows_are_those_of_transformers(pooling: str, bert: Path) -> None:
    model = transformers.BertModel.from_pretrained(bert).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(bert)
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with torch.inference_mode():
        states = model(**batch, output_hidden_states=True)
    mask = batch["attention_mask"][:, :, None]
    found = _rows(load_backbone(f"hf:{bert}"), TEXTS, pooling)
    for name, state in zip(
        ("stem", "encoder.layer.0", "encoder.layer.1", "encoder.layer.2"), states.hidden_states, strict=True
    ):
        expected = {
            "mean": (state * mask).sum(1) / mask.sum(1),  # as Sentence-BERT's code
            "max": torch.where(mask == 1, state, -torch.inf).amax(1),
            "cls": state[:, 0],
        }[pooling]
        torch.testing.assert_close(found[name], expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(found["pooled"], states.pooler_output, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("pooling", ["mean", "max", "cls", "gem"])
def test_a_row_does_not_depend_on_the_padding_of_its_batch(pooling: str, bert: Path) -> None:
    backbone = load_backbone(f"hf:{bert}")
    together = _rows(backbone, TEXTS, pooling)
    for i, text in enumerate(TEXTS):
        alone = _rows(backbone, [text], pooling)
        for name in together:
            torch.testing.assert_close(together[name][i : i + 1], alone[name], rtol=1e-5, atol=2e-6)


def test_random_weights_follow_the_seed_and_the_name_is_enough_to_load_both(bert: Path) -> None:
    trained, first, again, other = (
        load_backbone(f"hf:{bert}", weights, seed=seed)
        for weights, seed in (("default", 0), ("random", 0), ("random", 0), ("random", 1))
    )
    assert first.weights_digest == again.weights_digest
    assert len({each.weights_digest for each in (trained, first, other)}) == 3
    assert trained.preprocessing.to_dict() == first.preprocessing.to_dict()


def test_the_length_is_the_models_a_sentence_models_own_or_as_asked(
    bert: Path, save_bert: SaveBert, tmp_path: Path
) -> None:
    assert _transform(load_backbone(f"hf:{bert}")).max_length == 24
    assert _transform(load_backbone(f"hf:{bert}", preprocessing={"max_length": 9})).max_length == 9
    folder = save_bert(tmp_path / "sentences")
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 16}')
    transform = _transform(load_backbone(f"hf:{folder}"))
    assert (transform.max_length, transform.limit) == (16, 24)
    for wrong in (25, 2, "16", True):
        with pytest.raises(InputError, match="max_length must be a whole number of tokens from 3 to 24"):
            load_backbone(f"hf:{bert}", preprocessing={"max_length": wrong})
    with pytest.raises(InputError, match="preprocessing of texts has no key 'size'; valid is max_length"):
        load_backbone(f"hf:{bert}", preprocessing={"size": 32})


def test_roberta_counts_its_positions_from_behind_the_padding(tmp_path: Path, bert: Path) -> None:
    config = transformers.RobertaConfig(
        vocab_size=70, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=20, pad_token_id=1,
    )  # fmt: skip
    transformers.RobertaModel(config).save_pretrained(tmp_path / "roberta")
    transformers.AutoTokenizer.from_pretrained(bert).save_pretrained(tmp_path / "roberta")
    backbone = load_backbone(f"hf:{tmp_path / 'roberta'}")
    assert _transform(backbone).limit == 18
    assert _rows(backbone, ["ba " * 40])["encoder.layer.0"].shape == (1, 16)


def test_of_a_model_that_translates_the_encoder_is_taken(tmp_path: Path, bert: Path) -> None:
    config = transformers.T5Config(vocab_size=70, d_model=16, d_kv=8, d_ff=32, num_layers=2, num_heads=2)
    transformers.T5Model(config).save_pretrained(tmp_path / "t5")
    transformers.AutoTokenizer.from_pretrained(bert).save_pretrained(tmp_path / "t5")
    backbone = load_backbone(f"hf:{tmp_path / 't5'}")
    rows = _rows(backbone, TEXTS)
    assert rows[backbone.layers[-1].name].shape == (4, 16)
    alone = _rows(backbone, TEXTS[:1])
    for name, each in rows.items():
        torch.testing.assert_close(each[:1], alone[name], rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("kept", [(), ("tokenizer_config.json",)])
def test_a_model_without_a_tokenizer_is_refused(kept: tuple[str, ...], bert: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors", *kept):
        shutil.copy(bert / name, tmp_path / name)
    with pytest.raises(WeightsError, match="has no tokenizer; save one beside it"):
        load_backbone(f"hf:{tmp_path}")


def test_a_tokenizer_of_another_model_is_refused(save_bert: SaveBert, tmp_path: Path) -> None:
    folder = save_bert(tmp_path / "few", vocab_size=20)
    with pytest.raises(WeightsError, match="has 65 tokens and the model 20; save one beside it"):
        load_backbone(f"hf:{folder}")


def test_a_model_of_sound_is_told_by_what_it_takes(tmp_path: Path) -> None:
    config = transformers.Wav2Vec2Config(hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    config.save_pretrained(tmp_path)
    with pytest.raises(InputError, match="takes input_values, and here models take images or texts"):
        load_backbone(f"hf:{tmp_path}", "random")


def test_an_unknown_layer_lists_those_that_there_are(bert: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"Valid: .*stem, 1 encoder\.layer\.0"):
        load_backbone(f"hf:{bert}").select_layers("layer3")


OTHERS: dict[str, Any] = {
    "distilbert": lambda: transformers.DistilBertModel(
        transformers.DistilBertConfig(
            vocab_size=70, dim=16, n_layers=2, n_heads=2, hidden_dim=32, max_position_embeddings=30
        )
    ),
    "llama": lambda: transformers.LlamaModel(
        transformers.LlamaConfig(
            vocab_size=70, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=2,
            intermediate_size=32, max_position_embeddings=30,
        )
    ),
    "modernbert": lambda: transformers.ModernBertModel(
        transformers.ModernBertConfig(
            vocab_size=70, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
            max_position_embeddings=30, pad_token_id=0, bos_token_id=2, cls_token_id=2, eos_token_id=3, sep_token_id=3,
        )
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "layers"),
    [
        ("distilbert", ["stem", "transformer.layer.0", "transformer.layer.1"]),
        ("llama", ["layers.0", "layers.1"]),
        ("modernbert", ["stem", "layers.0", "layers.1"]),
    ],
)
def test_other_families_have_their_blocks_and_no_padding_in_their_rows(
    kind: str, layers: list[str], bert: Path, tmp_path: Path
) -> None:
    OTHERS[kind]().save_pretrained(tmp_path / kind)
    transformers.AutoTokenizer.from_pretrained(bert).save_pretrained(tmp_path / kind)
    backbone = load_backbone(f"hf:{tmp_path / kind}")
    together = _rows(backbone, TEXTS)
    assert list(together) == layers
    for i, text in enumerate(TEXTS):
        for name, rows in _rows(backbone, [text]).items():
            torch.testing.assert_close(together[name][i : i + 1], rows, rtol=1e-5, atol=2e-6)
