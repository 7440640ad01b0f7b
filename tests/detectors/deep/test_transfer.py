"""ADIB, ADRA and the grid of losses and regularizers, against their formulas written out."""

import copy

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import nn

from reprq.backbones import as_backbone, load_backbone
from reprq.data import load_dataset
from reprq.detectors import ADIB, ADRA, DOC, Transfer, create, load
from reprq.detectors.deep.adapters import AdaptedConvolution, adapt, folded_normalizations, normalizations
from reprq.detectors.deep.losses import LOSSES
from reprq.detectors.deep.regularizers import ewc, fisher_information, l2_sp, l2_sp_unsquared, start_of
from reprq.errors import DataError, InputError
from reprq.training import Examples

QUICK = {"epochs": 1, "batch_size": 8, "lr": 0.01}


@pytest.fixture(scope="module")
def benign():
    return load_dataset("digits").restrict(["0"]).sample(24)


@pytest.fixture(scope="module")
def corpus():
    return load_dataset("digits").restrict(["1", "2"]).sample(20)


@pytest.fixture(scope="module")
def start():
    """A backbone whose normalizations have learned statistics and weights."""
    backbone = load_backbone("lenet", "random", seed=3)
    generator = torch.Generator().manual_seed(0)
    for module in backbone.network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for value in (module.weight, module.bias, module.running_mean, module.running_var):
                value.data.copy_(0.5 + torch.rand(value.shape, generator=generator))
    return backbone


def built(detector, samples):
    detector._open(samples)
    torch.manual_seed(0)
    return detector._build()


@pytest.mark.parametrize(("kind", "learned"), [(ADIB, 5_834_305), (ADRA, 655_425)])
def test_resnet26_learns_as_many_weights_as_released(kind, learned, benign):
    backbone = load_backbone("resnet26", "random")
    network = built(kind(backbone=backbone), benign)
    assert sum(weight.numel() for weight in network.parameters() if weight.requires_grad) == learned
    adapters = [each.adapter.weight for each in network.modules() if isinstance(each, AdaptedConvolution)]
    if kind is ADRA:
        assert (len(adapters), sum(weight.numel() for weight in adapters)) == (25, 647_360)
        stem = network.encoder.network.pre_conv.adapter.weight
        wide = network.encoder.network.layer3[3].conv2.adapter.weight
        assert float(stem.detach().std()) == pytest.approx((2 / 64) ** 0.5, rel=0.15)
        assert float(wide.detach().std()) == pytest.approx((2 / 256) ** 0.5, rel=0.02)
    assert all(weight.requires_grad for weight in load_backbone("resnet26", "random").network.parameters())


@pytest.mark.parametrize("name", ["lenet", "mobilenet_v2", "resnet18"])
def test_adapters_of_zero_are_the_frozen_network_to_the_bit(name, start):
    backbone = start if name == "lenet" else load_backbone(name, "random", preprocessing={"size": 32})
    network = copy.deepcopy(backbone.network)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    adapted = adapt(network)
    x = torch.randn(3, *backbone.input_shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert not torch.equal(network.eval()(x), backbone.network(x))
        for each in adapted:
            nn.init.zeros_(network.get_submodule(each).adapter.weight)
        assert torch.equal(network(x), backbone.network(x))
    assert all(torch.equal(before[key], value) for key, value in backbone.network.state_dict().items())


def test_beside_a_depthwise_convolution_stands_a_number_a_channel():
    network = load_backbone("mobilenet_v2", "random").network
    adapted = adapt(network)
    first = network.get_submodule(adapted[0]).adapter
    assert first.weight.shape == (32, 3, 1, 1)
    depthwise = [network.get_submodule(name).adapter for name in adapted[1:]]
    assert all(each.weight.shape[1] == 1 and each.groups == each.out_channels for each in depthwise)
    learned = {name.rpartition(".")[0] for name, _ in network.named_parameters()}
    normal = {name for name, each in network.named_modules() if isinstance(each, nn.BatchNorm2d)}
    assert learned == normal | {f"{name}.adapter" for name in adapted}  # every convolution of 1 x 1 is frozen


def test_an_adapted_convolution_is_the_sum_pixel_by_pixel():
    torch.manual_seed(0)
    frozen = nn.Conv2d(2, 3, 3, stride=2, padding=1, bias=False)
    weight = frozen.weight.detach().clone()
    adapted = AdaptedConvolution(frozen)
    x = torch.randn(1, 2, 6, 6)
    v, y = adapted.adapter.weight[:, :, 0, 0].detach(), adapted(x).detach()
    padded = nn.functional.pad(x, [1, 1, 1, 1])
    for i in range(3):
        for j in range(3):
            patch = padded[0, :, 2 * i : 2 * i + 3, 2 * j : 2 * j + 3]
            expected = (weight * patch).sum((1, 2, 3)) + v @ x[0, :, 2 * i, 2 * j]
            torch.testing.assert_close(y[0, :, i, j], expected)
    assert list(adapted.state_dict()) == ["adapter.weight"]


def test_no_adapter_is_a_strided_convolution():
    # torch corrupts its memory in the gradient of one of few channels, channels last: 224 pixels of a stem in training.
    network = load_backbone("resnet18", "random").network
    adapt(network)
    adapters = [each.adapter for each in network.modules() if isinstance(each, AdaptedConvolution)]
    assert {each.stride for each in adapters} == {(1, 1)}
    network.train().to(memory_format=torch.channels_last)
    network(torch.randn(8, 3, 224, 224).contiguous(memory_format=torch.channels_last)).sum().backward()
    assert all(torch.isfinite(each.weight.grad).all() for each in adapters)


def small():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3))


def moved(network, by):
    with torch.no_grad():
        for weight in network.parameters():
            weight += by * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
    return network


def test_l2_sp_is_a_sum_over_all_weights_and_its_gradient_grows():
    network = small()
    start = start_of(network)
    moved(network, 0.1)
    loss = l2_sp(start, 0.01)(network)
    slow = sum(
        float((w.detach() - start[name]).double().flatten() @ (w.detach() - start[name]).double().flatten())
        for name, w in network.named_parameters()
    )
    assert float(loss.detach()) == pytest.approx(0.01 * slow, rel=1e-5)
    loss.backward()
    for name, weight in network.named_parameters():
        torch.testing.assert_close(weight.grad, 2 * 0.01 * (weight.detach() - start[name]))


@pytest.mark.parametrize("by", [0.0, 1e-3, 10.0])
def test_unsquared_pulls_with_the_same_length_and_not_at_the_start(by):
    network = small()
    penalty = l2_sp_unsquared(start_of(network), 0.01, network)
    moved(network, by)
    loss = penalty(network)
    loss.backward()
    assert float(network[0].weight.grad.norm()) == pytest.approx(0.01 if by else 0.0, rel=1e-4)
    assert network[0].bias.grad is None  # of 3 x 3 convolutions alone
    assert network[2].weight.grad is None
    with pytest.raises(InputError, match="norm unsquared is over 3 x 3 convolutions, and the backbone has none"):
        l2_sp_unsquared({}, 0.01, nn.Linear(2, 2))


def test_ewc_is_a_weighted_sum():
    network = small()
    start = start_of(network)
    fisher = {name: torch.rand(w.shape, generator=torch.Generator().manual_seed(2)) for name, w in start.items()}
    moved(network, 0.1)
    slow = 0.0
    for name, weight in network.named_parameters():
        for f, w, w0 in zip(fisher[name].flatten(), weight.flatten(), start[name].flatten(), strict=True):
            slow += float(f) * (float(w.detach()) - float(w0)) ** 2
    assert float(ewc(start, fisher, 400.0)(network).detach()) == pytest.approx(200 * slow, rel=1e-4)


def test_the_fisher_information_of_a_linear_classifier():
    """Of logits W x: F_kj = E x_j^2 p_k (1 - p_k); with known classes E x_j^2 (1[y = k] - p_k)^2."""
    torch.manual_seed(0)
    network, x = nn.Linear(3, 4, bias=False), torch.randn(20, 3)
    p = network(x).softmax(1).detach()
    y = torch.arange(20) % 4
    empirical = fisher_information(network, x, y)["weight"]
    wanted = ((nn.functional.one_hot(y, 4) - p).square()[:, :, None] * x.square()[:, None]).mean(0)
    torch.testing.assert_close(empirical, wanted)
    often = fisher_information(network, x.repeat(200, 1), None)["weight"]
    wanted = ((p * (1 - p))[:, :, None] * x.square()[:, None]).mean(0)
    torch.testing.assert_close(often, wanted, rtol=0.1, atol=0.003)
    batch = torch.autograd.grad(nn.functional.cross_entropy(network(x), y), network.weight)[0].square()
    assert float((batch - empirical).abs().max()) > 0.1 * float(empirical.max())  # no square of a mean


@pytest.mark.parametrize("loss", list(LOSSES))
def test_a_step_is_the_mean_of_both_halves_and_the_penalty(loss, start, benign, corpus):
    how = {**QUICK, "lr": 1e-4, "augmentations": ()}
    detector = Transfer(backbone=start, loss=loss, regularizer="l2_sp", alpha=0.5, **how)
    detector.fit(benign, auxiliary=corpus)
    net = detector.network_.train()
    step = detector._step(detector.schedule())
    xs = [torch.randn(n, 3, 32, 32, generator=torch.Generator().manual_seed(n)) for n in (6, 4)]
    found = step.loss(Examples(xs[0]), Examples(xs[1]) if LOSSES[loss].corpus else None).detach()
    z = net.encoder(torch.cat(xs) if LOSSES[loss].corpus else xs[0]).double().detach()
    total = 0.0
    for i, row in enumerate(z):
        anomalous = i >= 6
        if loss == "bce":
            p = 1 / (1 + np.exp(-float(row[0])))
            total += -np.log(p if anomalous else 1 - p)
        elif loss == "hsc":
            h = np.sqrt(float(row @ row) + 1) - 1
            total += -np.log(1 - np.exp(-h)) if anomalous else h
        else:
            d = float((row - net.center.double()).square().sum())
            total += 1 / (d + 1e-6) if anomalous else d
    theta0 = dict(start.network.named_parameters())
    drift = sum(
        float((w - theta0[n]).detach().double().square().sum()) for n, w in net.encoder.network.named_parameters()
    )
    assert drift > 0
    assert float(found) == pytest.approx(total / len(z) + 0.5 * drift, rel=1e-4)


def test_the_score_is_the_logit_which_does_not_saturate(start, benign, corpus):
    detector = ADIB(backbone=start, **QUICK).fit(benign, auxiliary=corpus)
    nn.init.constant_(detector.network_.encoder.last.bias, 90.0)
    scores = detector.anomaly_score(corpus)
    assert len(np.unique(scores)) == len(scores)
    assert (torch.from_numpy(scores).float().sigmoid() == 1).all()


def test_what_a_file_of_adra_holds(start, benign, corpus, tmp_path):
    detector = ADRA(backbone=start, **QUICK).fit(benign, auxiliary=corpus)
    detector.save(tmp_path / "a.safetensors")
    with safe_open(tmp_path / "a.safetensors", framework="pt") as file:
        held = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    held.pop("held_out_scores")
    adapters = 4 * (3 * 32 + 32 * 64 + 64 * 128)
    assert detector.stored_bytes_ == {
        "adapters": adapters,
        "normalizations": 4 * 4 * (32 + 64 + 128) + 3 * 8,
        "head": 4 * (128 + 1),
        "others": 0,
    }
    assert sum(value.nbytes for value in held.values()) == sum(detector.stored_bytes_.values())
    again = load(tmp_path / "a.safetensors", backbone=start)
    np.testing.assert_array_equal(again.anomaly_score(corpus), detector.anomaly_score(corpus))
    with pytest.raises(InputError, match="backbone must be the one that .* was fitted with, got other weights"):
        load(tmp_path / "a.safetensors", backbone=load_backbone("lenet", "random", seed=4))
    with pytest.raises(InputError, match="is a adra, whose network is not in the file"):
        load(tmp_path / "a.safetensors")


@pytest.mark.parametrize("kind", [Transfer, ADIB, ADRA, DOC])
def test_frozen_statistics_stay_and_the_weights_learn(kind, start, benign, corpus) -> None:
    fitted = kind(backbone=start, statistics="frozen", **QUICK).fit(benign, auxiliary=corpus)
    norms = dict(zip(normalizations(fitted.network_.encoder), normalizations(start.network), strict=True))
    assert len(norms) == 3
    for ours, before in norms.items():
        assert torch.equal(ours.running_mean, before.running_mean)
        assert torch.equal(ours.running_var, before.running_var)
        assert not torch.equal(ours.weight, before.weight)
    assert "statistics=frozen" in fitted.describe()


def test_live_statistics_put_benign_images_far_from_the_center_and_frozen_ones_do_not(start, benign) -> None:
    found = {}
    for statistics in ("live", "frozen"):
        how = {"loss": "dsvdd", "regularizer": "none", "statistics": statistics, "held_out": 0.0, "augmentations": ()}
        fitted = Transfer(backbone=start, **{**QUICK, "lr": 1e-9}, **how).fit(benign)
        found[statistics] = float(np.median(fitted.anomaly_score(benign)))
    assert found["live"] > 10 * found["frozen"]


def test_unknown_statistics_are_said(start, benign) -> None:
    with pytest.raises(InputError, match="statistics must be .*live.*frozen.*'dead'"):
        Transfer(backbone=start, statistics="dead").fit(benign)


@pytest.mark.parametrize("folded", [True, False])
def test_statistics_that_were_folded_away_stay(folded, start, benign, corpus):
    backbone = load_backbone("lenet", "random", seed=3)
    for module in backbone.network.modules():
        if folded and isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.bias)  # what is left of a normalization that was folded
    assert len(folded_normalizations(backbone.network)) == 3 * folded
    assert not folded_normalizations(start.network)
    detector = ADIB(backbone=backbone, **QUICK).fit(benign, auxiliary=corpus)
    means = [each.running_mean for each in detector.network_.modules() if isinstance(each, nn.BatchNorm2d)]
    assert [bool(mean.any()) for mean in means] == [not folded] * 3


def test_the_backbone_is_left_as_it_was(start, benign, corpus):
    before = {name: value.clone() for name, value in start.network.state_dict().items()}
    for kind in (ADIB, ADRA):
        kind(backbone=start, **QUICK).fit(benign, auxiliary=corpus)
    assert all(torch.equal(before[name], value) for name, value in start.network.state_dict().items())
    assert not start.network.training


def test_early_stop_counts_steps(start, benign):
    detector = create({"name": "transfer", "backbone": start, **QUICK, "regularizer": "early_stop"})
    detector.set_params(epochs=9, most_steps=7, held_out=0.0, lr=1e-4)
    assert len(detector.fit(benign).history_) == 2  # of three steps each


@pytest.mark.parametrize("loss", ["dsvdd", "hsc"])
def test_sample_wise_stopping_is_the_largest_share_of_the_benign_mean(loss, start, benign, corpus):
    """PANDA: over networks kept after epochs 2, 4 and 5, the score over its mean over the benign training images."""
    looks = []

    def look(detector, epoch):
        if epoch["epoch"] in (2, 4, 5):
            own = detector.network_.score
            means = detector._of_samples(own, benign).double().mean()
            scored = [detector._of_samples(own, each).double() for each in (corpus, benign)]
            looks.append((torch.cat(scored) / means).numpy())

    how = {**QUICK, "lr": 1e-4, "epochs": 5, "held_out": 0.0, "loss": loss, "regularizer": "early_stop"}
    detector = Transfer(backbone=start, **how, stop="sample_wise", stop_every=2, on_epoch=look)
    found = detector.fit(benign, auxiliary=corpus).anomaly_score(corpus)
    assert len(looks) == 3
    found = np.concatenate([found, detector.anomaly_score(benign)])
    np.testing.assert_allclose(found, np.max(looks, axis=0), rtol=1e-6)
    assert len(np.unique(np.argmax(looks, axis=0))) > 1  # not all by one network
    late = Transfer(backbone=start, **how, stop="sample_wise", stop_every=9).fit(benign, auxiliary=corpus)
    np.testing.assert_allclose(late.anomaly_score(corpus), looks[-1][: len(corpus)], rtol=1e-6)


def test_networks_kept_are_in_files_and_checkpoints(start, benign, tmp_path):
    def stop(detector, epoch):
        if epoch["epoch"] == 3:
            raise KeyboardInterrupt

    how = {**QUICK, "lr": 1e-4, "epochs": 4, "regularizer": "early_stop", "stop": "sample_wise", "stop_every": 2}
    whole = Transfer(backbone=start, **how).fit(benign)
    parts = Transfer(backbone=start, **how, checkpoint=tmp_path / "c", on_epoch=stop)
    with pytest.raises(KeyboardInterrupt):
        parts.fit(benign)
    again = Transfer(backbone=start, **how, checkpoint=tmp_path / "c").fit(benign)
    np.testing.assert_array_equal(again.anomaly_score(benign), whole.anomaly_score(benign))
    whole.save(tmp_path / "w.safetensors")
    loaded = load(tmp_path / "w.safetensors", backbone=start)
    np.testing.assert_array_equal(loaded.anomaly_score(benign), whole.anomaly_score(benign))
    assert (
        whole.describe() == "transfer[dsvdd,early_stop,epochs=4,lr=0.0001,batch_size=8,stop=sample_wise,stop_every=2]"
    )


def test_strong_regularizers_keep_the_network_and_none_lets_it_go(start, benign, corpus):
    def drift(**parameters):
        detector = Transfer(backbone=start, loss="bce", **{**QUICK, "epochs": 3}, **parameters)
        fitted = detector.fit(benign, auxiliary=corpus).network_.encoder.network
        theta0 = dict(start.network.named_parameters())
        return sum(float((w - theta0[n]).detach().square().sum()) for n, w in fitted.named_parameters())

    free = drift(regularizer="none")
    assert drift(regularizer="l2_sp", alpha=10.0) < 0.5 * free
    assert drift(regularizer="ewc", alpha=1e4, fisher_samples=8) < free


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"loss": "bse"}, "loss must be"),
        ({"regularizer": "l2"}, "regularizer must be"),
        ({"alpha": -1}, "alpha must be a number of at least 0, got -1"),
        ({"alpha": float("nan")}, "alpha must be a number of at least 0, got nan"),
        ({"momentum": 1.0}, r"momentum must be in \[0, 1\), got 1.0"),
        ({"augmentations": "flip"}, "augmentations must be a list of names"),
        ({"most_steps": 0}, "most_steps must be"),
        ({"stop_every": 0}, "stop_every must be"),
        ({"stop": "never"}, "stop must be"),
        (
            {"loss": "bce", "regularizer": "early_stop", "stop": "sample_wise"},
            "stop sample_wise compares distances .* loss bce has none; use hsc, deep_sad, dsvdd, or stop=steps",
        ),
        ({"backbone": 3}, "backbone must be a Backbone or its name, got int"),
    ],
)
def test_parameters_that_cannot_be_used(parameters, message):
    with pytest.raises((InputError, KeyError), match=message):
        create({"name": "transfer", **parameters})


def test_what_it_cannot_do_is_said(start, benign, corpus):
    with pytest.raises(InputError, match="loss bce learns from a corpus besides benign images, got none"):
        ADIB(backbone=start).fit(benign)
    with pytest.raises(InputError, match="regularizer ewc learns from a corpus"):
        Transfer(backbone=start, regularizer="ewc").fit(benign)
    with pytest.raises(InputError, match=r"backbone must be a Backbone or its name, got None; give ADIB\(backbone="):
        ADIB().fit(benign, auxiliary=corpus)
    with pytest.raises(DataError, match="auxiliary holds 3 images of X, to the byte; leave out what is benign"):
        ADIB(backbone=start).fit(benign, auxiliary=benign.select([0, 5, 7]))
    with pytest.raises(InputError, match="fisher empirical takes the classes of the corpus for those of lenet"):
        Transfer(backbone=start, regularizer="ewc", fisher="empirical").fit(benign, auxiliary=corpus)
    with pytest.raises(InputError, match="adapters stand beside convolutions wider than 1 x 1, and the backbone has"):
        adapt(nn.Sequential(nn.Flatten(), nn.Linear(48, 4)))
    valid = as_backbone(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)),
        preprocessing=start.preprocessing,
    )
    with pytest.raises(InputError, match="adapters need convolutions that are padded to keep their size"):
        ADRA(backbone=valid, **QUICK).fit(benign, auxiliary=corpus)


def test_empirical_fisher_takes_the_corpus_classes(benign):
    backbone = load_backbone("lenet", "random")
    corpus = load_dataset("digits").sample(12, seed=5).select(range(12))
    kept = corpus.select(np.flatnonzero(corpus.labels != 0))
    detector = Transfer(backbone=backbone, regularizer="ewc", fisher="empirical", fisher_samples=4, **QUICK)
    assert np.isfinite(detector.fit(benign, auxiliary=kept).anomaly_score(kept)).all()


@pytest.mark.parametrize("kind", [ADIB, ADRA, Transfer, DOC])
def test_images_of_a_side_that_the_network_cannot_take_are_said(kind, benign, corpus):
    odd = load_backbone("resnet26", "random", preprocessing={"size": 10, "resize": 10})
    with pytest.raises(InputError, match=r"the network must run on images of shape \(3, 10, 10\), got RuntimeError"):
        kind(backbone=odd, epochs=1).fit(benign, auxiliary=corpus)
