"""The weight of every token of a text, learned from benign texts: what the pooling "tfidf" weighs by."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from reprq.backbones.batch import TOKENS
from reprq.backbones.learning import Lesson
from reprq.data import Dataset, Transform

NAME = "term_weights"


@dataclass(frozen=True, eq=False)
class TermWeights:
    """The inverse document frequency of the tokens of a network of texts, which itself stays as it is.

    idf(t) = ln((1 + n) / (1 + n_t)) + 1, n_t of n benign texts having token t, as scikit-learn smooths it. A token that
    none has is weighed as if n_t were 0.

    Args:
        network: The network.
        transform: From a text to its tokens.
    """

    network: nn.Module
    transform: Transform

    def learn(self, benign: Dataset) -> Lesson:
        """Return the weights, (V + 1,) float32 by the number of the token, the last of those that no text has."""
        counts: NDArray[np.int64] = np.zeros(1, np.int64)
        for row in range(len(benign)):
            own = np.unique(self.transform(benign.item(row))[TOKENS].numpy())
            if own[-1] + 2 > len(counts):
                counts = np.pad(counts, (0, int(own[-1]) + 2 - len(counts)))
            counts[own] += 1
        return Lesson({NAME: (np.log((1 + len(benign)) / (1 + counts)) + 1).astype(np.float32)}, {})

    def build(self, lesson: Lesson) -> tuple[nn.Module, Transform]:
        """Return both as they are."""
        if NAME not in lesson.arrays:
            raise KeyError(NAME)
        return self.network, self.transform


def weights_of(table: torch.Tensor | None, inputs: Any) -> torch.Tensor | None:
    """Return the weight of each token of a batch, (n, L); None where there is no table of them."""
    return None if table is None else table[inputs[TOKENS].clamp(max=len(table) - 1)]
