"""Texts as counts of terms, learned from benign texts: bag of words, tf-idf and latent semantic analysis."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from reprq.backbones.backbone import Backbone
from reprq.backbones.layers.selection import Layer
from reprq.backbones.learning import UNFITTED, Learned, Lesson, Unfitted
from reprq.data import Dataset
from reprq.data.modality import modality_named
from reprq.data.text.terms import Terms
from reprq.errors import InputError
from reprq.provenance import digest

BOW, TFIDF, LSA = "bow", "tfidf", "lsa"
_LAYERS = {BOW: "counts", TFIDF: "weighted", LSA: "components"}
_VERSION = 1  # joins the digest of every backbone: rows that are computed otherwise must not be found again
_COMMON = ("max_features", "stop_words", "ngram_range")
_FRESH = {
    BOW: Terms(_COMMON),
    TFIDF: Terms((*_COMMON, "sublinear_tf")),
    LSA: Terms((*_COMMON, "sublinear_tf", "components"), max_features=20_000),
}


class WeighedTerms(nn.Module):
    """Counts of terms, (N, V), as they are, weighed (N, V), or projected (N, k).

    With weights idf_j a row is x_j = tf_j idf_j / ||tf idf||, of no term zero; tf is the count, or 1 + ln(count). With
    directions (k, V) it is their products with x.
    """

    idf: torch.Tensor | None
    directions: torch.Tensor | None

    def __init__(self, arrays: Mapping[str, NDArray[Any]], *, sublinear: bool) -> None:
        super().__init__()
        self.sublinear = sublinear
        for name in ("idf", "directions"):
            array = arrays.get(name)
            self.register_buffer(name, None if array is None else torch.from_numpy(np.asarray(array, np.float32)))

    def forward(self, counts: torch.Tensor) -> torch.Tensor:
        """Return the rows of a batch."""
        if self.idf is None:
            return counts
        tf = torch.where(counts > 0, 1 + counts.clamp(min=1).log(), counts) if self.sublinear else counts
        weighed = nn.functional.normalize(tf * self.idf, dim=1)
        return weighed if self.directions is None else weighed @ self.directions.T


@dataclass(frozen=True, eq=False)
class TermRecipe:
    """What scikit-learn's vectorizers and `TruncatedSVD` learn.

    Args:
        name: "bow", "tfidf" or "lsa".
        terms: How a text is cut.
        seed: Of the randomized singular value decomposition.
    """

    name: str
    terms: Terms
    seed: int

    def learn(self, benign: Dataset) -> Lesson:
        """Return the vocabulary, idf_j = ln((1 + n) / (1 + n_j)) + 1, and the right singular vectors of the rows."""
        from sklearn.feature_extraction.text import TfidfVectorizer

        how = {**self.terms.vectorizer_options(), "sublinear_tf": self.terms.sublinear_tf}
        vectorizer = TfidfVectorizer(**how)
        try:
            rows = vectorizer.fit_transform(benign.item(row) for row in range(len(benign)))
        except ValueError as error:
            raise InputError(
                f"{self.name} must find a term in {len(benign)} benign {benign.noun}s of {benign.name}, got none: words"
                " of two letters and more count, without stop_words where those are left out; give other texts"
            ) from error
        arrays: dict[str, NDArray[Any]] = {"idf": vectorizer.idf_.astype(np.float32)} if self.name != BOW else {}
        if self.name == LSA:
            arrays["directions"] = _directions(rows, self.terms.components, self.seed)
        return Lesson(arrays, {"name": self.name, "vocabulary": vectorizer.get_feature_names_out().tolist()})

    def build(self, lesson: Lesson) -> tuple[nn.Module, Terms]:
        """Return the network and the terms with their vocabulary."""
        if lesson.record["name"] != self.name:
            raise ValueError(lesson.record["name"])
        terms = replace(self.terms, vocabulary=tuple(lesson.record["vocabulary"]))
        return WeighedTerms(lesson.arrays, sublinear=terms.sublinear_tf), terms


def _directions(rows: Any, components: int, seed: int) -> NDArray[np.float32]:
    """(k, V) the first right singular vectors, k as many as asked for and as there can be."""
    from sklearn.decomposition import TruncatedSVD

    most = min(components, *rows.shape)
    if rows.shape[1] == 1:
        return np.ones((1, 1), np.float32)
    with np.errstate(invalid="ignore", divide="ignore"):  # shares of a variance that is 0, which nobody asked for
        found: NDArray[np.floating] = TruncatedSVD(most, random_state=seed).fit(rows).components_
    return found.astype(np.float32)


def load_terms(name: str, weights: str | Path, preprocessing: Mapping[str, Any] | None, seed: int) -> Backbone:
    """Return `bow`, `tfidf` or `lsa`, which learn their terms from benign training texts; see `load_backbone`.

    The one layer is called "counts", "weighted" or "components". Rows have as many columns as there are terms, 2,000 at
    most, those that the benign texts have most often (`max_features`); of `lsa` 100 at most (`components`), of 20,000
    terms.

    Args:
        name: "bow" (counts), "tfidf" (Salton & Buckley 1988, rows of unit length) or "lsa" (Deerwester et al. 1990:
            its projection on the first singular vectors, not scaled).
        weights: "default", which has yet to learn (`Backbone.fit`), or the file of what it learned.
        preprocessing: `max_features`, `stop_words`, `ngram_range`; `sublinear_tf`, `components` where they count.
        seed: Of the singular value decomposition.

    Raises:
        InputError: Random weights, or wrong preprocessing.
        WeightsError: A file that is missing or another's.
    """
    if str(weights) == "random":
        raise InputError(f"{name} has no random weights: it learns from benign texts; leave the weights out")
    terms = _FRESH[name].replace(**(preprocessing or {}))
    backbone = Backbone(
        name=name,
        network=Unfitted(name, modality_named(terms.modality).item).eval(),
        preprocessing=terms,
        layers=(Layer(0, _LAYERS[name], "", layout="ND"),),
        weights=UNFITTED,
        weights_digest=digest(_decides(name, terms, seed)),
        recipe=TermRecipe(name, terms, seed),
    )
    if str(weights) == "default":
        return backbone
    return backbone.with_learned(Learned.load(Path(weights).expanduser()))


def _decides(name: str, terms: Terms, seed: int) -> dict[str, Any]:
    """What decides what is learned from given samples."""
    return {"recipe": name, "version": _VERSION, **terms.overrides(), **({"seed": seed} if name == LSA else {})}
