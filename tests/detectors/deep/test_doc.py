"""DOC: its two losses against loops and closed forms, and the labelled reference set."""

import numpy as np
import pytest
import torch
from torch import nn

from reprq.backbones import load_backbone
from reprq.data import as_dataset, load_dataset
from reprq.detectors import DOC, create, load
from reprq.detectors.deep.doc import compactness
from reprq.errors import DataError, InputError
from reprq.training import Examples

QUICK = {"epochs": 1, "batch_size": 8, "lr": 0.001}


@pytest.fixture(scope="module")
def benign():
    return load_dataset("digits").restrict(["0"]).sample(24)


@pytest.fixture(scope="module")
def reference():
    return load_dataset("digits").restrict(["1", "4", "7"]).sample(30)


@pytest.fixture(scope="module")
def start():
    return load_backbone("lenet", "random", seed=3)


@pytest.mark.parametrize("n", [2, 3, 17])
def test_compactness_is_the_distance_to_the_mean_of_the_others(n):
    x = torch.randn(n, 5, generator=torch.Generator().manual_seed(n), dtype=torch.float64)
    slow = 0.0
    for i in range(n):
        others = sum(x[j] for j in range(n) if j != i) / (n - 1)
        slow += float((x[i] - others) @ (x[i] - others))
    assert float(compactness(x)) == pytest.approx(slow / (n * 5))
    assert float(compactness(x)) == pytest.approx((n / (n - 1)) ** 2 * float(x.var(0, correction=0).mean()))
    assert float(compactness(3 * x + 7)) == pytest.approx(9 * float(compactness(x)))
    assert float(compactness(torch.ones(n, 5))) == 0


def test_a_step_is_cross_entropy_on_the_reference_and_a_tenth_of_compactness(start, benign, reference):
    detector = DOC(backbone=start, **QUICK, augmentations=()).fit(benign, auxiliary=reference)
    step, net = detector._step(detector.schedule()), detector.network_.train()
    xs = [torch.randn(n, 3, 32, 32, generator=torch.Generator().manual_seed(n)) for n in (6, 4)]
    y = torch.tensor([0, 2, 1, 1])
    found = step.loss(Examples(xs[0]), Examples(xs[1], y)).detach()
    rows = net.encoder.rows(torch.cat(xs)).detach().double()
    logits = rows[6:] @ net.head.weight.detach().double().T + net.head.bias.detach().double()
    entropy = -sum(float(logits[i].log_softmax(0)[y[i]]) for i in range(4)) / 4
    assert float(found) == pytest.approx(entropy + 0.1 * float(compactness(rows[:6])), rel=1e-4)


def test_the_score_is_the_distance_to_the_nearest_template(start, benign, reference):
    detector = DOC(backbone=start, **QUICK, templates=5, held_out=0.25).fit(benign, auxiliary=reference)
    z, t = detector.embed(reference).astype(float), detector.network_.templates.double().numpy()
    slow = [min(np.linalg.norm(row - each) for each in t) for row in z]
    np.testing.assert_allclose(detector.anomaly_score(reference), slow, rtol=1e-10)
    of_benign = detector.embed(benign)
    assert all(np.abs(of_benign - each).max(1).min() < 1e-5 for each in t)  # templates are benign images
    every = DOC(backbone=start, **QUICK, held_out=0.25).fit(benign, auxiliary=reference)
    assert np.sort(every.anomaly_score(benign))[17] < 1e-4 < np.sort(every.anomaly_score(benign))[18]


def test_the_reference_classes_are_learned_and_benign_images_get_compact(start, benign, reference):
    def fitted(weight):
        how = {"epochs": 12, "batch_size": 8, "lr": 0.02, "augmentations": (), "milestones": ()}
        how |= {"statistics": "frozen"}  # running ones follow slowly, and what is told depends on rounding
        return DOC(backbone=start, **how, compactness=weight).fit(benign, auxiliary=reference)

    plain, compact = fitted(0.0), fitted(10.0)
    net = plain.network_
    with torch.no_grad():
        x = torch.stack([plain.transform_(reference.item(i)) for i in range(len(reference))])
        told = net.head(net.encoder.rows(x)).argmax(1).numpy()
    assert (told == np.unique(reference.labels, return_inverse=True)[1]).mean() > 0.75  # a third by chance
    assert compact.embed(benign).var(0).mean() < 0.5 * plain.embed(benign).var(0).mean()


def test_a_file_holds_templates_and_classes(start, benign, reference, tmp_path):
    detector = DOC(backbone=start, **QUICK, templates=7).fit(benign, auxiliary=reference)
    detector.save(tmp_path / "d.safetensors")
    again = load(tmp_path / "d.safetensors", backbone=start)
    np.testing.assert_array_equal(again.anomaly_score(reference), detector.anomaly_score(reference))
    assert again.describe() == "doc[epochs=1,lr=0.001,batch_size=8,templates=7]"
    assert isinstance(again.network_.head, nn.Linear)
    assert again.network_.head.out_features == 3


def test_what_it_cannot_do_is_said(start, benign, reference):
    with pytest.raises(InputError, match="doc learns from a corpus besides benign images, got none; give auxiliary"):
        DOC(backbone=start).fit(benign)
    with pytest.raises(DataError, match="doc tells the classes of auxiliary apart, got images of one"):
        DOC(backbone=start).fit(benign, auxiliary=reference.restrict(["4"]))
    with pytest.raises(DataError, match="got images of one"):
        DOC(backbone=start).fit(benign, auxiliary=as_dataset(np.zeros((4, 8, 8, 3), dtype=np.uint8)))
    with pytest.raises(InputError, match="templates must be at most 22, all benign training images, got 23"):
        DOC(backbone=start, templates=23).fit(benign, auxiliary=reference)
    for parameters, message in (({"compactness": -1}, "compactness must be"), ({"templates": 0}, "templates must be")):
        with pytest.raises(InputError, match=message):
            create({"name": "doc", **parameters}).check_parameters()
