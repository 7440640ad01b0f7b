"""CVDD against its equations in NumPy, and on texts whose topics are known."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from reprq.backbones import load_backbone
from reprq.data import Split, as_dataset
from reprq.detectors.deep.cvdd import CVDD, _Contexts, _ContextStep, context_loss
from reprq.errors import InputError
from reprq.evaluation import auroc, hold_out
from reprq.evaluation.detection import evaluate

TOPICS = {"sea": ["ship", "wave", "sail", "port"], "farm": ["cow", "hay", "barn", "plow"], "sky": ["star", "moon"]}
WIDTH = 6


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> object:
    """Vectors of words near the axis of their topic."""
    rng, lines = np.random.default_rng(0), []
    for axis, members in enumerate([*TOPICS.values(), ["the", "and"]]):
        for word in members:
            vector = 0.2 * rng.normal(size=WIDTH) + 2 * np.eye(WIDTH)[axis]
            lines.append(" ".join([word, *(f"{x:.5f}" for x in vector)]))
    path = tmp_path_factory.mktemp("words") / "vectors.txt"
    path.write_text("\n".join(lines) + "\n")
    return load_backbone(f"words:{path}")


def texts(topics: list[str], n: int, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return [
        " ".join(rng.permutation([*rng.choice(TOPICS[topics[i % len(topics)]], rng.integers(2, 6)), "the", "and"]))
        for i in range(n)
    ]


@pytest.fixture(scope="module")
def fitted(words: object) -> CVDD:
    return CVDD(words, contexts=2, epochs=30, attention=8, milestones=(20,), alpha_epochs=5).fit(
        texts(["sea", "farm"], 80)
    )


def softmax(x: np.ndarray, axis: int) -> np.ndarray:
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def test_distances_are_those_of_the_equations() -> None:
    torch.manual_seed(0)
    network = _Contexts(5, 7, 3)
    tokens, lengths = torch.randn(2, 4, 5), [4, 2]
    mask = torch.tensor([[1.0, 1, 1, 1], [1, 1, 0, 0]])
    with torch.no_grad():
        found = network(tokens, mask)
    first, second = network.hidden.weight.detach().double().numpy().T, network.heads.weight.detach().double().numpy().T
    contexts = network.contexts.detach().double().numpy()
    for i, length in enumerate(lengths):
        h = tokens[i, :length].double().numpy().T  # d x L
        weights = softmax(np.tanh(h.T @ first) @ second, axis=0).T  # r x L
        m = h @ weights.T  # d x r
        cosines = [m[:, k] @ contexts[k] / np.linalg.norm(m[:, k]) / np.linalg.norm(contexts[k]) for k in range(3)]
        np.testing.assert_allclose(found.weights[i, :, :length], weights, rtol=1e-5)
        assert not found.weights[i, :, length:].any()
        np.testing.assert_allclose(found.distances[i], (1 - np.array(cosines)) / 2, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("alpha", [0.0, 0.1, 50.0])
def test_the_loss_weighs_near_contexts_more_as_alpha_grows(alpha: float) -> None:
    rng = np.random.default_rng(1)
    distances, contexts = rng.uniform(size=(6, 3)), rng.normal(size=(3, 4))
    weights = softmax(-alpha * distances, axis=1)
    gram = contexts @ contexts.T - np.eye(3)
    expected = (weights * distances).sum(1).mean() + 2.5 * (gram**2).sum()
    found = float(context_loss(torch.from_numpy(distances), torch.from_numpy(contexts), alpha, 2.5))
    assert math.isclose(found, expected, rel_tol=1e-12)


def test_a_gradient_over_padded_batches_is_that_of_the_texts_one_by_one(fitted: CVDD) -> None:
    many = texts(["sea", "farm"], 6, seed=3)
    inputs = fitted._inputs(as_dataset(many))
    parameters = list(fitted.network_.parameters())
    padded = context_loss(fitted._distances(inputs[range(6)]), fitted.network_.contexts, 0.1, 2.0)  # type: ignore
    found = torch.autograd.grad(padded, parameters)

    first, second, contexts = parameters[1].T, parameters[2].T, parameters[0].T
    total = 2.0 * (contexts.T @ contexts - torch.eye(2)).square().sum()
    for text in many:
        h = fitted._tokens(fitted.transform_.collate([fitted.transform_(text)]))[0][0].T  # type: ignore[union-attr]
        m = h @ torch.softmax(torch.tanh(h.T @ first) @ second, dim=0)
        cosines = [m[:, k] @ contexts[:, k] / m[:, k].norm() / contexts[:, k].norm() for k in range(2)]
        distances = (1 - torch.stack(cosines)) / 2
        total = total + (torch.softmax(-0.1 * distances, dim=0) * distances).sum() / len(many)
    for ours, expected in zip(found, torch.autograd.grad(total, parameters), strict=True):
        torch.testing.assert_close(ours, expected, rtol=1e-4, atol=1e-6)


def test_what_tokens_add_is_the_score_and_the_strange_word_adds_most(fitted: CVDD) -> None:
    many = [*texts(["sea", "farm"], 5, seed=4), "ship wave moon sail", "nobody knows"]
    maps = fitted.anomaly_map(many)
    assert [each.shape for each in maps] == [(len(fitted.transform_.words_of(text)),) for text in many]  # type: ignore
    np.testing.assert_allclose([each.sum() for each in maps], fitted.anomaly_score(many), rtol=1e-6)
    share = fitted.attention_weights([many[5], many[5]])[0].mean(axis=0)
    assert np.argmax(maps[5] / share) == 2
    assert maps[6].tolist() == [0.5]


def test_the_map_of_an_image_has_the_score_as_its_mean() -> None:
    images = np.random.default_rng(0).integers(0, 255, (12, 32, 32), dtype=np.uint8)
    detector = CVDD(load_backbone("lenet", "random"), layers=1, contexts=2, epochs=1, attention=4).fit(images)
    maps = detector.anomaly_map(images)
    assert maps.shape == (12, 32, 32)  # type: ignore[union-attr]
    np.testing.assert_allclose(maps.mean(axis=(1, 2)), detector.anomaly_score(images), rtol=1e-3)  # type: ignore


def test_contexts_start_at_unit_centers_of_kmeans(words: object) -> None:
    many = texts(["sea", "farm"], 40)  # one after the other
    detector = CVDD(words, contexts=2, epochs=1, lr=1e-12, attention=4, held_out=0.0).fit(many)
    transform, vectors = detector.transform_, detector.backbone_.network.vectors.weight.detach()
    means = torch.stack([vectors[transform(text)["input_ids"]].mean(dim=0) for text in many])  # type: ignore
    centers = [means[topic::2].mean(dim=0) for topic in range(2)]
    expected = sorted((center / center.norm()).tolist() for center in centers)
    found = sorted(detector.network_.contexts.tolist())  # type: ignore[operator]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_best_context_is_an_oracles_and_marked_so(words: object) -> None:
    train, test = as_dataset(texts(["sea", "farm"], 60)), as_dataset(texts(["sea", "farm", "sky", "sky"], 80, seed=2))
    split = Split.whole(60, np.tile([0, 0, 1, 1], 20))
    spec = {"name": "cvdd", "contexts": 2, "epochs": 5, "attention": 4}
    plain = evaluate(spec, split, train, test, given={"backbone": words})
    best = evaluate(spec, split, train, test, given={"backbone": words}, oracle=True)
    assert best.detector == f"{plain.detector[:-1]},oracle]"
    assert len(best.scores) == 72
    distances = plain.fitted.context_scores(test)
    left = np.setdiff1d(np.arange(80), hold_out(split.labels))
    chosen = hold_out(split.labels)
    on_chosen = [auroc(split.labels[chosen], column[chosen]).value for column in distances.T]
    np.testing.assert_allclose(best.scores, distances[left, int(np.argmax(on_chosen))], rtol=1e-6)
    assert [len(each) for each in plain.top_words] == [10, 10]
    assert plain.top_words == tuple(map(tuple, plain.fitted.top_words(train)))


def test_it_reads_the_tokens_of_a_language_model(bert: Path) -> None:
    rng = np.random.default_rng(0)
    own = [[a + b for b in "aeiou"] for a in "bdgk"]
    benign = [" ".join(rng.choice(own[0] + own[1], rng.integers(3, 12))) for _ in range(60)]
    other = [" ".join(rng.choice(own[2] + own[3], rng.integers(3, 12))) for _ in range(30)]
    network = load_backbone(f"hf:{bert}")
    detector = CVDD(network, layers="encoder.layer.0", contexts=2, epochs=25, attention=16, alpha_epochs=5).fit(benign)
    scores = detector.anomaly_score(benign + other)
    assert auroc(np.repeat([0, 1], [60, 30]), scores).value > 0.75
    alone = np.concatenate([detector.anomaly_score([text, text])[:1] for text in benign[:5]])
    np.testing.assert_allclose(scores[:5], alone, rtol=1e-4)
    tokens = network.preprocessing.words_of(benign[0])  # type: ignore[union-attr]
    assert (tokens[0], tokens[-1]) == ("[CLS]", "[SEP]")
    (values, _) = detector.anomaly_map(benign[:2])
    assert values.shape == (len(tokens),)
    np.testing.assert_allclose(values.sum(), scores[0], rtol=1e-4)


def test_it_tells_texts_of_another_topic_and_finds_the_words_of_its_contexts(fitted: CVDD) -> None:
    benign, other = texts(["sea", "farm"], 30, seed=1), texts(["sky"], 30, seed=1)
    scores = fitted.anomaly_score(benign + other)
    assert auroc(np.repeat([0, 1], 30), scores).value > 0.9
    np.testing.assert_allclose(scores, fitted.context_scores(benign + other).mean(axis=1), rtol=1e-12)
    tops = fitted.top_words(benign, texts=8, words=3)
    found = [{topic for topic, members in TOPICS.items() if set(top) & set(members)} for top in tops]
    assert sorted(map(sorted, found)) == [["farm"], ["sea"]]


def test_a_score_hangs_on_no_batch_and_attention_has_the_length_of_its_text(fitted: CVDD) -> None:
    mixed = ["ship cow", "cow hay barn", "ship wave sail port the and " * 5]
    alone = np.concatenate([fitted.anomaly_score([text]) for text in mixed])
    np.testing.assert_allclose(fitted.anomaly_score(mixed), alone, rtol=1e-6)
    shares = fitted.attention_weights(mixed)
    assert [share.shape for share in shares] == [(2, 2), (2, 3), (2, 30)]
    for share in shares:
        np.testing.assert_allclose(share.sum(axis=1), 1, rtol=1e-5)


def test_a_text_of_unknown_words_is_half_way_from_every_context(fitted: CVDD) -> None:
    np.testing.assert_array_equal(fitted.context_scores(["nobody knows"]), [[0.5, 0.5]])


def test_alpha_goes_by_epochs_and_the_contexts_start_as_unit_centers(
    words: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    alphas, norms = [], []
    start = _ContextStep.start

    def watched(step: _ContextStep, epoch: int) -> None:
        start(step, epoch)
        alphas.append(step.alpha)
        norms.append(step.model.contexts.detach().norm(dim=1).clone())  # type: ignore[operator]

    monkeypatch.setattr(_ContextStep, "start", watched)
    CVDD(words, contexts=2, epochs=5, alphas=(0.0, 0.5), alpha_epochs=2, attention=4).fit(texts(["sea", "farm"], 20))
    assert alphas == [0.0, 0.0, 0.5, 0.5, 0.5]
    np.testing.assert_allclose(norms[0], 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"contexts": 0}, "contexts must be"),
        ({"attention": 1.5}, "attention must be"),
        ({"orthogonality": -1}, "orthogonality must be a number of at least 0, got -1"),
        ({"alphas": ()}, "alphas must be a list of numbers of at least 0"),
        ({"alphas": (0, "a")}, "alphas must be"),
        ({"backbone": 3}, "backbone must be a Backbone or its name, got int"),
        ({"backbone": None}, "backbone must be a Backbone or its name, got None"),
        ({"contexts": 30}, "contexts must be at most the 20 documents, got 30"),
    ],
)
def test_what_it_cannot_do_is_said(words: object, wrong: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        CVDD(**{"backbone": words, "epochs": 1, **wrong}).fit(texts(["sea"], 20))  # type: ignore[arg-type]


def test_texts_that_are_all_alike_have_no_two_contexts(words: object) -> None:
    with pytest.raises(InputError, match="contexts must be at most the number of different texts, 1, got 2"):
        CVDD(words, contexts=2, epochs=1).fit(["ship cow"] * 10)


def test_other_samples_and_layers_are_refused(words: object, fitted: CVDD, tmp_path: Path) -> None:
    images = np.zeros((5, 8, 8), np.uint8)
    with pytest.raises(InputError, match="takes documents"):
        CVDD(words, epochs=1).fit(images)
    lenet = load_backbone("lenet", "random")
    with pytest.raises(InputError, match="layers must be one layer of lenet that puts out tokens or maps"):
        CVDD(lenet, epochs=1).fit(images)
    with pytest.raises(InputError, match="must hold documents here"):
        CVDD(lenet, layers=1, contexts=1, epochs=1).fit(
            np.eye(8, dtype=np.uint8)[:, None].repeat(8, 1) * 255
        ).top_words(as_dataset(images))
    fitted.save(tmp_path / "cvdd.safetensors")
    with pytest.raises(InputError, match="got other weights"):
        CVDD.load(tmp_path / "cvdd.safetensors", load_backbone(words.name, "random"))  # type: ignore[attr-defined]
