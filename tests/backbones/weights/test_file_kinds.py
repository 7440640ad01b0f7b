"""Files that are no weights are called what they are, before anything is read of them."""

import io
import pickle
import re
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from reprq.backbones import load_backbone
from reprq.errors import WeightsError


def _archive(*members: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in members:
            archive.writestr(name, b"\x80\x02N.")
    return buffer.getvalue()


def _npz() -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, weight=np.zeros(3))
    return buffer.getvalue()


def _npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros(3))
    return buffer.getvalue()


def _scripted() -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated
        torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), buffer)
    return buffer.getvalue()


FILES: dict[str, tuple[bytes | Callable[[], bytes], str]] = {
    "w.jit": (_scripted, "a TorchScript program; save the state_dict of torch.jit.load(PATH)"),
    "w.npz": (_npz, "a .npz archive of NumPy arrays; save the PyTorch network's state_dict instead"),
    "w.npy": (_npy, "an array of NumPy"),
    "w.h5": (b"\x89HDF\r\n\x1a\n" + bytes(40), "an HDF5 file, as Keras writes"),
    "w.keras": (_archive("metadata.json", "config.json", "model.weights.h5"), "a model of Keras"),
    "w.pt2": (_archive("w/archive_format", "w/models/model.json"), "a program of torch.export"),
    "w.zip": (_archive("notes.txt", "w.pt"), "another zip archive; unpack it"),
    "w.onnx": (b"\x08\x08\x12\x07pytorch\x1a\x05" + bytes(40), "an ONNX graph"),
    "saved_model.pb": (b"\x08\x01\x12\xb2\x04" + bytes(40), "a SavedModel of TensorFlow"),
    "model.ckpt.index": (b"\x00\x00\x0e" + bytes(40), "part of a TensorFlow checkpoint"),
    "model.ckpt-9.data-00000-of-00001": (bytes(range(40)), "part of a TensorFlow checkpoint"),
    "checkpoint": (b'model_checkpoint_path: "model.ckpt-9"\n', "the list of a TensorFlow checkpoint"),
    "w.tflite": (b"\x1c\x00\x00\x00TFL3" + bytes(40), "a TensorFlow Lite model"),
    "w.msgpack": (b"\x82\xa6params" + bytes(40), "a file of Flax"),
    "w.caffemodel": (b"\n\x09AlexNet" + bytes(40), "a model of Caffe"),
    "w.gguf": (b"GGUF" + bytes(40), "a GGUF file"),
    "w.mat": (b"MATLAB 5.0 MAT-file" + bytes(40), "a MATLAB file"),
    "pointer.pt": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "a pointer of git LFS",
    ),
    "page.pt": (
        b"\n<!DOCTYPE html><html><body>404</body></html>",
        "a page of HTML or XML, as a failed download leaves",
    ),
    "denied.pt": (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "a page of HTML or XML"),
    "model.safetensors.index.json": (b'{"metadata": {"total_size": 12}}', "a file of JSON, as the index of a model"),
    "w.tar.gz": (b"\x1f\x8b\x08" + bytes(40), "a gzip archive; unpack it"),
    "w.tar.xz": (b"\xfd7zXZ\x00" + bytes(40), "an xz archive; unpack it"),
    "w.pkl": (
        pickle.dumps({"weight": np.zeros(3)}),
        "a plain pickle, which is not read; save the state_dict with torch",
    ),
    "w.safetensors": (pickle.dumps({"weight": np.zeros(3)}), "a plain pickle, which is not read"),
    "w.pdparams": (pickle.dumps({"a": [1, 2, 3]}, protocol=2), "a plain pickle, which is not read"),
    "none.pt": (b"", "empty; download it again"),
}


@pytest.mark.parametrize("zipped", [True, False])
def test_what_torch_saved_is_read_whatever_its_name_says(zipped: bool, lenet: nn.Module, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    torch.save(lenet.state_dict(), path, _use_new_zipfile_serialization=zipped)
    found = load_backbone("lenet", path).network.state_dict()
    assert all(torch.equal(found[key], value) for key, value in lenet.state_dict().items())


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_called_what_it_is(name: str, tmp_path: Path) -> None:
    content, kind = FILES[name]
    (tmp_path / name).write_bytes(content() if callable(content) else content)
    expected = rf"is not a weights file: neither safetensors nor a PyTorch state dict,? but {re.escape(kind)}"
    with pytest.raises(WeightsError, match=expected) as refused:
        load_backbone("lenet", tmp_path / name)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("member", "advice"),
    [
        ("__0_0.distcp", "join its parts by python -m torch.distributed.checkpoint.format_utils dcp_to_torch"),
        ("zero_to_fp32.py", "join its parts by its zero_to_fp32.py"),
        ("saved_model.pb", "that is a SavedModel of TensorFlow"),
        ("config.json", "give it as the backbone, hf:PATH, or one file of it"),
    ],
)
def test_a_folder_that_is_a_checkpoint_says_how_to_make_a_file_of_it(member: str, advice: str, tmp_path: Path) -> None:
    (tmp_path / member).touch()
    with pytest.raises(WeightsError, match=f"is a folder; {advice}"):
        load_backbone("lenet", tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weight: (weight * 100).to(torch.int8), "is of torch.int8 there and of torch.float32 here"),
        (lambda weight: torch.quantize_per_tensor(weight, 0.1, 0, torch.qint8), "is of torch.qint8 there"),
        (lambda weight: weight.to(torch.complex64), "is of torch.complex64 there"),
        (lambda weight: torch.empty(0), r"is \(0,\) there"),  # what DeepSpeed leaves of a sharded weight
    ],
)
@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_weights_that_are_no_floats_are_refused(
    change: Callable[[torch.Tensor], torch.Tensor], message: str, lenet: nn.Module, tmp_path: Path
) -> None:
    state = lenet.state_dict()
    state["conv2.0.weight"] = change(state["conv2.0.weight"])
    torch.save(state, tmp_path / "w.pt")
    with pytest.raises(WeightsError, match=rf"the weights in w\.pt are not of lenet: 21 of 22 keys .*{message}"):
        load_backbone("lenet", tmp_path / "w.pt")


def test_another_pickle_protocol_is_said(lenet: nn.Module, tmp_path: Path) -> None:
    torch.save(lenet.state_dict(), tmp_path / "w.pt", pickle_protocol=4)
    with pytest.raises(WeightsError, match="not a PyTorch state dict of pickle protocol 2; save the state_dict again"):
        load_backbone("lenet", tmp_path / "w.pt")


def test_mappings_that_hold_each_other_are_read_once(lenet: nn.Module, tmp_path: Path) -> None:
    content: dict[str, object] = {"model": lenet.state_dict()}
    content["self"] = content
    for _ in range(60):
        content = {"a": content, "b": content}
    torch.save({"x": content, "model": lenet.state_dict()}, tmp_path / "w.pt")
    network = load_backbone("lenet", tmp_path / "w.pt").network
    assert torch.equal(network.get_submodule("fc").weight, lenet.get_submodule("fc").weight)
