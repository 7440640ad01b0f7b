"""Context Vector Data Description: what a text is about, against a few contexts of benign texts (Ruff 2021, 3.2)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from reprq.backbones import Backbone, Layer, Tap
from reprq.backbones.batch import MASK, mask_of
from reprq.data import Batch, Dataset, as_dataset
from reprq.detectors.deep.base import DeepDetector
from reprq.detectors.deep.samples import Samples
from reprq.detectors.deep.scheduled import TrainedDetector
from reprq.detectors.network import check_network, check_same, opened
from reprq.detectors.patch.reader import as_maps, spread
from reprq.detectors.rows.base import check_count
from reprq.embeddings.pooling import LayerOutput
from reprq.errors import InputError, listed
from reprq.numerics.rows import Scores
from reprq.training import Examples, Schedule, Step

Alphas = Sequence[float]
_OUT = "tokens"  # of a network, in a batch that has them already
_MEMORY = 2 * 2**30  # bytes of tokens that are kept
_READ = 64
_LEAST = 1e-8  # length of what a cosine divides by, as `cosine_similarity` has it


@dataclass(kw_only=True, eq=False, repr=False)
class CVDD(TrainedDetector):
    """Distance of what a few attention heads take from a text to contexts that were learned with them.

    Of the token vectors H (d x L) of a text, r heads take M = H A', with A = softmax over tokens of
    tanh(H' W1) W2 (r x L; padding has no share). Head k has a context c_k, and d_k = (1 - cos(m_k, c_k)) / 2, in
    [0, 1]. The loss is the mean over texts of sum_k sigma_k d_k, with sigma_k the softmax of -alpha d_k over k, plus
    `orthogonality` ||C'C - I||_F^2. The score is the mean of d_k over k (equations 3.12 to 3.16). Contexts start at
    the unit centers of k-means over mean vectors. The released code divides the penalty by r^2, and does not mask
    padding, so that its scores depend on the batch; here it is as the thesis prints it.

    Args:
        backbone: A `Backbone`, or the name of one; it stays as it is.
        layers: The one layer that is read; it must put out tokens, or maps, whose positions are then the tokens.
        contexts: r, how many.
        attention: Width of the hidden layer of the attention, d_a.
        orthogonality: Weight of the penalty that keeps contexts apart, lambda.
        alphas: alpha, from 0, which weighs contexts alike; each value holds for `alpha_epochs`, the last to the end.
        alpha_epochs: Epochs of a value of alpha.
        epochs: Passes over the benign texts.
        batch_size: Texts a step.
        lr: The learning rate of Adam, a tenth of it after each of `milestones`.
        milestones: Epochs after which the rate falls.
        clip: The largest norm of the gradient, as in the released code; None for none.
        held_out: Share of the benign texts that does not train, for thresholds.
        seed: Of the weights, the contexts, the hold-out and the order of texts.
        device: A torch device.
        checkpoint: A file for the state between epochs, so that an interrupted fit goes on.
        progress: Whether to show progress on stderr.

    Attributes:
        inputs_: The benign texts that it was fitted on, as the network takes them.
        history_: One row an epoch: epoch, loss, held_out_loss.
        held_out_scores_: Scores of the benign texts held out.

    Example:
        >>> from reprq.backbones import load_backbone
        >>> from reprq.data import load_dataset
        >>> zeros = load_dataset("digits").restrict(["0"]).sample(40)
        >>> detector = CVDD(load_backbone("lenet", "random"), layers=1, contexts=2, epochs=2).fit(zeros)
        >>> detector.context_scores(zeros).shape
        (40, 2)
    """

    backbone: Backbone | str | None = field(default=None, kw_only=False)
    layers: str | int = -1
    contexts: int = 3
    attention: int = 150
    orthogonality: float = 1.0
    alphas: Alphas = (0.0, 1e-4, 1e-3, 1e-2, 1e-1)
    alpha_epochs: int = 20
    epochs: int = 100
    batch_size: int = 64
    lr: float = 0.01
    milestones: tuple[int, ...] | list[int] = (40,)
    clip: float | None = 0.5
    held_out: float = 0.1
    maps_of: ClassVar[frozenset[str]] = frozenset({"image", "text"})
    _not_saved = ("backbone", *DeepDetector._not_saved)

    def check_parameters(self) -> None:
        """Raise an InputError for a parameter that cannot be used, whatever the data."""
        super().check_parameters()
        check_network(self.backbone, "backbone")
        for name in ("contexts", "attention", "alpha_epochs"):
            check_count(name, getattr(self, name))
        if not _is_weight(self.orthogonality):
            raise InputError(f"orthogonality must be a number of at least 0, got {self.orthogonality!r}")
        if not isinstance(self.alphas, list | tuple) or not self.alphas or not all(map(_is_weight, self.alphas)):
            raise InputError(f"alphas must be a list of numbers of at least 0, got {self.alphas!r}")

    def describe(self) -> str:
        """Return for example "cvdd[3,epochs=100,lr=0.01]", r first, and whatever is not at its default."""
        return self._described("contexts")

    def context_scores(self, X: Any) -> Scores:
        """Return d_k of every context: (m, r) float64 in [0, 1], whose mean is the score.

        The best single context is known only by labels: choosing it is an oracle.
        """
        return self._of_samples(lambda x: self._distances(x).double(), X).numpy()

    def attention_weights(self, X: Any) -> list[NDArray[np.float32]]:
        """Return A of every text: m arrays (r, L) with the L of that text; every row sums to 1."""
        self.check_fitted()
        inputs = self._inputs(as_dataset(X))
        found = []
        with torch.no_grad():
            for i in range(len(inputs)):
                taken = self.network_(*self._tokens(self._here(inputs[[i]])))
                found.append(taken.weights[0].cpu().numpy())
        return found

    def anomaly_map(self, X: Any) -> list[NDArray[np.float64]] | NDArray[np.float64]:
        """Return what each token adds to the score, which is their sum.

        m_k is a mean of tokens h_j that A weighs, so that d_k = sum_j A_kj (1 - h_j c_k / (|m_k| |c_k|)) / 2, exactly;
        the mean over k of what j adds is its value. It is of our own: the thesis draws A (`attention_weights`).

        Args:
            X: Samples, in any form that `fit` takes.

        Returns:
            Of texts m arrays (L,) float64, L the tokens of a text; of images (m, H, W) float64, as large as the
            network's input, of which the values of positions times their number are interpolated bilinearly.

        Raises:
            NotFittedError: `fit` has not been called.
        """
        self.check_fitted()
        samples = as_dataset(X)
        inputs, found = self._inputs(samples), []
        with torch.no_grad():
            for i in range(len(inputs)):
                tokens, mask = self._tokens(self._here(inputs[[i]]))
                found.append(self.network_.added(tokens, mask)[0].double().cpu().numpy())  # type: ignore[operator]
        return found if samples.modality == "text" else self._on_images(np.stack(found))

    def top_words(self, X: Any, *, texts: int = 100, words: int = 10) -> list[list[str]]:
        """Return the words that each context looks at, the most frequent first (Tables 3.5 and 3.6).

        Of the `texts` texts that are nearest to a context the `words` words of highest attention are counted.

        Args:
            X: Texts, of whose backbone a word can be told: `words:PATH` or a model with a tokenizer.
            texts: How many of the nearest texts.
            words: How many words of a text, and of the answer.

        Raises:
            InputError: Samples have no words.
        """
        samples = as_dataset(X)
        samples.check_modality("text")
        nearest = np.argsort(self.context_scores(samples), axis=0, kind="stable")[:texts].T
        return [self._words_of(samples.select(rows), context, words) for context, rows in enumerate(nearest)]

    @classmethod
    def load(cls, path: str | Path, backbone: Backbone | str, *, device: str = "cpu") -> Self:  # type: ignore[override]
        """Read a fitted detector that `save` wrote; the backbone is not in the file.

        Args:
            path: The file.
            backbone: The network that it was fitted with.
            device: A torch device.

        Raises:
            InputError: The file is missing, damaged or foreign, or the backbone has other weights.
        """
        return super().load(path, device=device, backbone=backbone)

    def _on_images(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        with torch.no_grad(), Tap(self.backbone_.network, [self._layer], as_maps) as tap:
            (maps,) = tap(self._here(self.transform_.blank(1))).values()  # type: ignore[union-attr]
        grid, shape = (maps.shape[2], maps.shape[3]), self.backbone_.input_shape
        return spread(values * values.shape[1], grid, (shape[1], shape[2]))

    def _words_of(self, nearest: Dataset, context: int, words: int) -> list[str]:
        counts: Counter[str] = Counter()
        for i, weights in enumerate(self.attention_weights(nearest)):
            tokens = self.transform_.words_of(nearest.item(i))  # type: ignore[union-attr]
            order = np.argsort(-weights[context], kind="stable")
            counts.update(list(dict.fromkeys(tokens[j] for j in order))[:words])
        return [word for word, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:words]]

    def _open(self, samples: Samples) -> None:
        assert isinstance(samples, Dataset)
        self._open_backbone(samples)
        if len(samples) < self.contexts:
            raise InputError(f"contexts must be at most the {len(samples)} {samples.noun}s, got {self.contexts}")

    def _open_backbone(self, samples: Dataset | None = None) -> None:
        found = opened(self.backbone, "backbone", self)
        self.backbone_ = found if samples is None else found.taking(samples)
        self.transform_ = self.backbone_.preprocessing
        chosen = self.backbone_.select_layers(self.layers)
        if len(chosen) != 1 or chosen[0].layout == "ND":
            others = [layer.name for layer in self.backbone_.layers if layer.layout != "ND"]
            if not others:
                raise InputError(f"cvdd reads tokens, and {self.backbone_.name} puts out none; give one that does")
            raise InputError(
                f"layers must be one layer of {self.backbone_.name} that puts out tokens or maps, got"
                f" {listed([layer.name for layer in chosen])}; choose of {listed(others)}"
            )
        self._layer: Layer = chosen[0]
        self.backbone_.network.eval().to(torch.device(self.device))
        with torch.no_grad():
            self._width = self._tokens(self._here(self.transform_.blank(1)))[0].shape[2]

    def _known(self) -> dict[str, Any]:
        return {"backbone": self.backbone_.weights_digest}

    def _reopen(self, made: dict[str, Any], path: str | Path) -> None:
        self._open_backbone()
        check_same(self.backbone_, made["backbone"], "backbone", path)

    def _build(self) -> "_Contexts":
        return _Contexts(self._width, self.attention, self.contexts)

    def _prepare(self, schedule: Schedule, kept: NDArray[np.int64]) -> None:
        """Set the contexts to the unit centers of k-means over the mean vectors of the texts that train."""
        from sklearn.cluster import KMeans

        means = self._in_batches(self._mean, self.inputs_, kept).double().numpy()
        distinct = len(np.unique(means, axis=0))
        if distinct < self.contexts:
            raise InputError(
                f"contexts must be at most the number of different texts, {distinct}, got {self.contexts}; give fewer"
            )
        centers = KMeans(self.contexts, n_init=10, random_state=schedule.seed).fit(means).cluster_centers_
        contexts: nn.Parameter = self.network_.contexts  # type: ignore[assignment]
        with torch.no_grad():
            contexts.copy_(F.normalize(torch.from_numpy(centers).float(), dim=1))

    def _step(self, schedule: Schedule) -> Step:
        return _ContextStep(self, schedule)

    def _examples(self) -> Examples:
        """The tokens of the benign texts, computed once where they fit into memory: the backbone stays as it is."""
        found: list[Tensor] = []
        left = _MEMORY
        for rows in torch.split(torch.arange(len(self.inputs_)), _READ):
            tokens, mask = self._tokens(self._here(self.inputs_[rows]))
            found += [each[counts.bool()].cpu() for each, counts in zip(tokens, mask, strict=True)]
            left -= sum(each.nbytes for each in found[-len(rows) :])
            if left < 0:
                return super()._examples()
        return Examples(_Tokens(found))

    def _scores(self, x: Batch) -> Tensor:
        return self._distances(x).double().mean(dim=1)

    def _distances(self, x: Batch) -> Tensor:
        distances: Tensor = self.network_(*self._tokens(x)).distances
        return distances

    def _embedding(self, x: Batch) -> Tensor:
        """What all heads take, side by side."""
        taken: Tensor = self.network_(*self._tokens(x)).taken
        return taken.flatten(1)

    def _mean(self, x: Batch) -> Tensor:
        tokens, mask = self._tokens(x)
        found: Tensor = (tokens * mask[:, :, None]).sum(1) / mask.sum(1)[:, None]
        return found

    def _tokens(self, x: Batch) -> tuple[Tensor, Tensor]:
        """Return (n, L, d) float32, and (n, L) of which tokens count."""
        if isinstance(x, Mapping) and _OUT in x:
            return x[_OUT], x[MASK]

        def take(layer: Layer, output: Tensor) -> Tensor:
            return output.transpose(0, 1) if layer.layout == "LND" else output

        with torch.no_grad(), Tap(self.backbone_.network, [self._layer], take) as tap:
            (output,) = tap(x).values()
        mask = mask_of(x) if self._layer.varying else None
        layout = "NLD" if self._layer.layout == "LND" else self._layer.layout
        leading = 0 if mask is not None else int(self._layer.class_token) + self._layer.registers
        tokens = LayerOutput(output, layout, leading).positions.float()
        return tokens, torch.ones(tokens.shape[:2], device=tokens.device) if mask is None else mask.float()


class _Tokens:
    """What a network put out for some texts, by row: batches as `_tokens` takes them."""

    def __init__(self, texts: Sequence[Tensor]) -> None:
        self._texts = texts

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, rows: Tensor) -> Batch:
        chosen = [self._texts[row] for row in rows.tolist()]
        ones = [torch.ones(len(each)) for each in chosen]
        padded = (nn.utils.rnn.pad_sequence(each, batch_first=True) for each in (chosen, ones))
        return dict(zip((_OUT, MASK), padded, strict=True))


class Taken(NamedTuple):
    """Of n texts: what the r heads took, (n, r, d); their shares, (n, r, L); distances to contexts, (n, r)."""

    taken: Tensor
    weights: Tensor
    distances: Tensor


class _Contexts(nn.Module):
    """The attention W1, W2 and the contexts, (r, d)."""

    def __init__(self, width: int, hidden: int, contexts: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, hidden, bias=False)
        self.heads = nn.Linear(hidden, contexts, bias=False)
        self.contexts = nn.Parameter(torch.randn(contexts, width) / sqrt(width))

    def forward(self, tokens: Tensor, mask: Tensor) -> Taken:
        """Return what the heads take of (n, L, d) tokens, of which (n, L) count."""
        counted = mask.bool()  # most of a batch of texts is padding, which is not worth a product
        scores = tokens.new_full((*mask.shape, len(self.contexts)), -torch.inf)
        scores[counted] = self.heads(torch.tanh(self.hidden(tokens[counted])))
        weights = scores.transpose(1, 2).softmax(dim=2)
        taken = weights @ tokens
        distances = (1 - F.cosine_similarity(taken, self.contexts[None], dim=2)) / 2
        return Taken(taken, weights, distances)

    def added(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Return what each of (n, L, d) tokens adds to the mean distance, (n, L); padding adds nothing."""
        found = self(tokens, mask)
        lengths = found.taken.norm(dim=2).clamp(min=_LEAST) * self.contexts.norm(dim=1).clamp(min=_LEAST)
        likeness = torch.einsum("nld,rd->nrl", tokens, self.contexts) / lengths[:, :, None]
        added: Tensor = (found.weights * (1 - likeness) / 2).mean(dim=1)
        return added


class _ContextStep(Step):
    """The mean over texts of sum_k sigma_k d_k, plus the penalty of contexts that are not orthonormal."""

    def __init__(self, detector: CVDD, schedule: Schedule) -> None:
        super().__init__(detector.network_, schedule)
        self.detector, self.alpha = detector, 0.0

    def start(self, epoch: int) -> None:
        alphas = self.detector.alphas
        self.alpha = float(alphas[min((epoch - 1) // self.detector.alpha_epochs, len(alphas) - 1)])

    def loss(self, batch: Examples, other: Examples | None) -> Tensor:
        return context_loss(
            self.detector._distances(batch.inputs),
            self.model.contexts,  # type: ignore[arg-type]
            self.alpha,
            self.detector.orthogonality,
        )


def context_loss(distances: Tensor, contexts: Tensor, alpha: float, orthogonality: float) -> Tensor:
    """Return the mean of sum_k sigma_k d_k over (n, r) distances, plus the penalty of (r, d) contexts.

    Example:
        >>> float(context_loss(torch.tensor([[0.25, 0.75]]), torch.eye(2), 0.0, 1.0))
        0.5
    """
    weighted = ((-alpha * distances).softmax(dim=1) * distances).sum(dim=1).mean()
    gram = contexts @ contexts.T
    penalty = (gram - torch.eye(len(gram), device=gram.device)).square().sum()
    return weighted + orthogonality * penalty


def _is_weight(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < float("inf")
