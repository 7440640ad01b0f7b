"""Words of one modality stay where that modality is; names of the core do for every kind of sample."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import reprq

PACKAGE = Path(reprq.__file__).parent
OF_IMAGES = re.compile("image|pixel|photo", re.IGNORECASE)
# What is of images by its nature: their files and preprocessing, networks and detectors of images, pictures of them.
OF_IMAGES_BY_NATURE = (
    "backbones/__init__.py",  # where a public name is
    "backbones/entries.py",
    "backbones/sources/",
    "backbones/weights/fitting.py",  # a vision transformer's own attribute
    "cli/cache.py",  # a key of --json that programs know
    "cli/cases.py",  # figures of pixels are called so, here and in the evaluation and studies
    "cli/detect.py",
    "cli/galleries.py",
    "cli/layers.py",
    "cli/options.py",
    "cli/score.py",
    "cli/train.py",
    "data/__init__.py",  # public names
    "data/adapters.py",
    "data/audio/decoding.py",  # what files are that are no sounds
    "data/audio/picture.py",  # of sounds, for networks of images
    "data/columns.py",
    "data/dataset.py",
    "data/folders/",  # what folders and masks are called
    "data/image/",
    "data/modality.py",
    "data/registry.py",
    "data/text/folder.py",  # files that are no documents
    "detectors/deep/",
    "detectors/files.py",
    "detectors/patch/",
    "detectors/raw.py",
    "detectors/entries.py",
    "column_names.py",  # columns of other people's files
    "embeddings/registry.py",
    "evaluation/__init__.py",
    "evaluation/detection.py",
    "evaluation/localization.py",
    "evaluation/pixels.py",
    "evaluation/regions.py",
    "evaluation/suspicion.py",
    "models/export.py",
    "models/graph.py",
    "models/maps.py",
    "papers/",
    "plots/",
    "pretext/",
    "explain/pictures.py",
    "report/explained.py",
    "report/galleries.py",
    "report/pictures.py",
    "study/compute.py",
    "study/config.py",  # a study insists on figures of pixels
    "study/plan.py",
)


def words_of(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every identifier and every string that is no docstring, with its line."""
    bodies = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    prose = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, bodies) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        for field in ("id", "attr", "arg", "name"):
            if isinstance(found := getattr(node, field, None), str):
                yield line, found
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            yield line, node.value


def test_the_core_has_no_word_of_images() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}:{line}: {word}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if not str(path.relative_to(PACKAGE)).startswith(OF_IMAGES_BY_NATURE)
        for line, word in words_of(ast.parse(path.read_text(encoding="utf-8")))
        if OF_IMAGES.search(word)
    ]
    assert found == []


@pytest.mark.parametrize("place", OF_IMAGES_BY_NATURE)
def test_what_may_speak_of_images_does(place: str) -> None:
    path = PACKAGE / place
    files = path.rglob("*.py") if path.is_dir() else [path] if path.exists() else []
    words = [word for file in files for _, word in words_of(ast.parse(file.read_text(encoding="utf-8")))]
    assert any(map(OF_IMAGES.search, words))
