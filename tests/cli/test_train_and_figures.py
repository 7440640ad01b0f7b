"""`reprq train` and `reprq figures`, as they are typed."""

import json

from safetensors import safe_open
from safetensors.torch import save_file

from reprq.backbones import build_network
from reprq.data import load_dataset


def record(path):
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["reprq"])


def test_a_teacher_is_trained_on_benign_images_and_measured(reprq, tmp_path):
    out = tmp_path / "t.safetensors"
    done = reprq(
        "train", "rotation", "--data", "digits", "--task", "unimodal:3", "--samples", "20", "--epochs", "1",
        "--out", str(out), "--quiet",
    )  # fmt: skip
    assert (done.status, done.out, done.err) == (0, f"{out}\n", "")
    digits = load_dataset("digits").restrict([*"0123456789"])
    threes = digits.select([i for i, label in enumerate(digits.labels) if label == 3])
    assert record(out)["data"]["fingerprint"] == threes.sample(20).fingerprint
    measured = reprq(
        "measure", "--backbone", f"teacher:{out}", "--layer", "-1", "--data", "digits", "--quiet", "--json"
    )
    assert measured.status == 0
    assert json.loads(measured.out)["rows"]


def test_the_supervised_task_is_taught_benign_against_anomalous(reprq, tmp_path):
    out = tmp_path / "t"
    arguments = ("--data", "digits", "--samples", "20", "--epochs", "1", "--out", str(out), "--quiet")
    done = reprq("train", "supervised", *arguments)
    assert done.status == 1
    assert "needs images of the classes benign and anomalous" in done.err
    assert reprq("train", "supervised", "--task", "unimodal:3", *arguments).status == 0
    assert record(out)["data"]["classes"] == ["benign", "anomalous"]


def test_gray_inputs_and_given_weights_are_what_a_teacher_starts_from(reprq, tmp_path):
    given, out = tmp_path / "given.safetensors", tmp_path / "t.safetensors"
    save_file(build_network("lenet", num_classes=10, seed=7).state_dict(), given)
    asked = ("--data", "digits", "--samples", "20", "--epochs", "1", "--quiet", "--channels", "gray")
    random, started = tmp_path / "random.safetensors", ("--weights", str(given))
    assert reprq("train", "rotation", *asked, "--out", random).status == 0
    assert reprq("train", "rotation", *asked, *started, "--out", out).status == 0
    made = record(out)
    assert (made["preprocessing"]["channels"], made["start"]["weights"]) == ("gray", "file:given.safetensors")
    assert "start" not in record(random)
    with safe_open(out, "pt") as file:
        stem = file.get_tensor("conv1.0.weight")
    assert stem.shape[1] == 1
    summed = build_network("lenet", seed=7).conv1[0].weight.sum(1, keepdim=True)  # one epoch moves it a little
    assert (stem - summed).abs().max() < 0.1 * summed.abs().max()
    for wrong, status, said in (
        (("--channels", "grey"), 2, "'grey' is not one of"),
        (("--weights", str(tmp_path / "none.pt")), 1, "none.pt"),
        (("--weights", "default"), 1, "lenet has no default weights"),
    ):
        done = reprq("train", "rotation", *asked[:-2], *wrong, "--out", tmp_path / "u")
        assert (done.status, done.out, said in done.err) == (status, "", True)
        assert "Traceback" not in done.err
    assert not (tmp_path / "u").exists()


def test_mistakes_are_one_line(reprq, tmp_path):
    out = ("--out", str(tmp_path / "t"))
    for arguments, code, sentence in (
        (("train", "rotatoin", *out), 1, "did you mean 'rotation'"),
        (("train", "rotation"), 2, "Missing option '--out'"),
        (("train", "rotation", *out, "--task", "unimodal"), 1, "--task must name one one-class task"),
        (("train", "rotation", *out, "--classes", "3,x"), 1, "unknown class of digits 'x'"),
        (("train", "rotation", *out, "--device", "gpu"), 1, "--device must be a device of this machine"),
        (("train", "rotation", *out, "--precision", "int8"), 2, "is not one of"),
        (("train", "rotation", *out, "--augment", "spin"), 1, "unknown augmentation 'spin'"),
        (("train", "rotation", *out, "--weight-decay", "-1"), 1, "weight_decay must be a number of at least 0"),
        (("figures", "mai2012"), 1, "did you mean 'mai2021'"),
        (("figures", "mai2021", "--preset", "big"), 1, "unknown preset of mai2021 'big'"),
    ):
        done = reprq(*arguments)
        assert (done.status, done.out) == (code, "")
        assert sentence in done.err
        assert "Traceback" not in done.err
    assert not (tmp_path / "t").exists()


def test_a_teacher_has_its_layers_listed(reprq, tmp_path):
    out = tmp_path / "t.safetensors"
    assert reprq("train", "random", "--out", out, "--samples", 20, "--epochs", 1, "--quiet").status == 0
    listed = json.loads(reprq("layers", f"teacher:{out}", "--json").out)["rows"]
    assert [row["name"] for row in listed][:2] == ["conv1", "conv2"]
    refused = reprq("layers", f"teacher:{out}", "--weights", "random")
    assert (refused.status, "brings its own weights" in refused.err) == (1, True)


def test_what_can_be_regenerated_is_listed(reprq):
    text = reprq("figures").out
    assert "mai2021" in text
    assert "smoke" in text
    rows = json.loads(reprq("figures", "--json").out)["rows"]
    assert {"name", "preset", "what it runs", "paper", "regenerates"} <= set(rows[0])
