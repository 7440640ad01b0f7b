"""What a file is that was given as weights and is none, said from its first bytes or its members."""

import re
import zipfile
from pathlib import Path

_TORCH_MAGIC = b"l\xfc\x9cF\xf9"  # begins the files that torch.save wrote before its zip archives
_AGAIN = "download it again"
_CONVERT = "save the PyTorch network's state_dict instead"

_BEGINNINGS: tuple[tuple[bytes, str, str], ...] = (
    (b"version https://git-lfs", "a pointer of git LFS", "fetch the file itself (git lfs pull)"),
    (b"<", "a page of HTML or XML, as a failed download leaves", _AGAIN),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file, as Keras writes", _CONVERT),
    (b"\x93NUMPY", "an array of NumPy", _CONVERT),
    (b"GGUF", "a GGUF file", _CONVERT),
    (b"MATLAB", "a MATLAB file", _CONVERT),
    (b"\x08\x01\x12", "a SavedModel of TensorFlow", _CONVERT),
    (b"model_checkpoint_path", "the list of a TensorFlow checkpoint", _CONVERT),
    (b"\x1f\x8b", "a gzip archive", "unpack it"),
    (b"\xfd7zXZ", "an xz archive", "unpack it"),
    (b"BZh", "a bzip2 archive", "unpack it"),
    (b"7z\xbc\xaf", "a 7z archive", "unpack it"),
    (b"\x28\xb5\x2f\xfd", "a zstd archive", "unpack it"),
    (b"{", "a file of JSON, as the index of a model in several files is", "give hf:PATH with the model's folder"),
)
_ENDINGS: tuple[tuple[str, str], ...] = (
    (r"\.onnx", "an ONNX graph"),
    (r"\.tflite", "a TensorFlow Lite model"),
    (r"\.(index|meta)|\.data-\d+-of-\d+", "part of a TensorFlow checkpoint"),
    (r"\.msgpack", "a file of Flax"),
    (r"\.caffemodel", "a model of Caffe"),
    (r"\.mlmodel", "a model of Core ML"),
)


def kind_of(start: bytes, path: Path) -> str:
    """Return what a file is, and what to do about it, as " but an HDF5 file; ..."; empty where it is not known.

    Args:
        start: Its first 32 bytes.
        path: The file.
    """
    if not path.stat().st_size:
        return f", but empty; {_AGAIN}"
    for beginning, what, advice in _BEGINNINGS:
        if start.lstrip().startswith(beginning):
            return f" but {what}; {advice}"
    if re.match(rb"\x08[\x03-\x20][\x12\x1a\x3a\x42]", start):
        return f" but an ONNX graph; {_CONVERT}"
    if start[4:8] == b"TFL3":
        return f" but a TensorFlow Lite model; {_CONVERT}"
    if start.startswith(b"\x80") and len(start) > 16 and _TORCH_MAGIC not in start:
        return " but a plain pickle, which is not read; save the state_dict with torch.save"
    for ending, what in _ENDINGS:
        if re.search(rf"({ending})$", path.name.lower()):
            return f" but {what}; {_CONVERT}"
    return ""


def archive_kind(path: Path) -> str:
    """Return what a zip archive is that holds no state dict, as `kind_of` does; empty where it may hold one."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return ""
    inner = {name.partition("/")[2] for name in names}
    if "constants.pkl" in inner or any(name.startswith("code/") for name in inner):
        return " but a TorchScript program; save the state_dict of torch.jit.load(PATH)"
    if "data.pkl" in inner:
        return ""
    if names and all(name.endswith(".npy") for name in names):
        return f" but a .npz archive of NumPy arrays; {_CONVERT}"
    if "model.weights.h5" in names or "config.json" in names:
        return f" but a model of Keras; {_CONVERT}"
    if any("exported_program" in name or name.endswith("models/model.json") for name in names):
        return f" but a program of torch.export; {_CONVERT}"
    return " but another zip archive; unpack it"


def folder_kind(path: Path) -> str:
    """Return what to do about a folder that was given as weights."""
    if any(path.glob("*.distcp")):
        return "join its parts by python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER FILE"
    if (path / "zero_to_fp32.py").is_file():
        return "join its parts by its zero_to_fp32.py"
    if (path / "saved_model.pb").is_file():
        return f"that is a SavedModel of TensorFlow: {_CONVERT}"
    if (path / "config.json").is_file():
        return "give it as the backbone, hf:PATH, or one file of it"
    return "give 'default', 'random' or the path of a file"
