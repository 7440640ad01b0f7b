"""Tasks of texts: guess the words that are masked, or the word that comes next."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from reprq.backbones.batch import MASK, TOKENS
from reprq.data import Dataset
from reprq.data.text.tokenization import Tokenization, Tokens
from reprq.errors import InputError
from reprq.pretext.task import PretextTask, Shapes
from reprq.training import Inputs

SHARE, AS_MASK, AS_OTHER = 0.15, 0.8, 0.1
_NONE = -100  # the target of a token that is not guessed


class WordTask(PretextTask):
    """Cross entropy, in nats, of a linear head on the last hidden state of each token, over the tokens to guess.

    Raises:
        InputError: the network takes no tokens of a tokenizer.
    """

    of_tokens = True

    def __init__(self, shapes: Shapes) -> None:
        super().__init__(shapes)
        if not isinstance(shapes.transform, Tokenization):
            raise InputError(
                "the task must have a network with a tokenizer, such as hf:PATH, got one of"
                f" {shapes.transform.modality}s without; choose another"
            )
        self.tokenizer = shapes.transform.tokenizer

    def head(self, data: Dataset) -> nn.Module:
        """Return a linear layer with one output a token of the vocabulary."""
        return nn.Linear(self.shapes.width, len(self.tokenizer))

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean of -log softmax(outputs)[target] over the tokens that have a target."""
        return functional.cross_entropy(outputs.flatten(0, 1), targets.flatten(), ignore_index=_NONE)

    def accuracy(self, outputs: Tensor, targets: Tensor) -> float:
        """Return the share of the tokens to guess whose largest output is the target."""
        asked = targets != _NONE
        return float((outputs.argmax(2) == targets)[asked].double().mean())


class MaskedWord(WordTask):
    """Guess 15 % of the tokens of a text, at least one, from all others (Devlin et al. 2019, section 3.1).

    Of these 80 % become the mask token, 10 % another token, and 10 % stay; special tokens are not guessed.

    Raises:
        InputError: the tokenizer has no mask token.
    """

    def __init__(self, shapes: Shapes) -> None:
        super().__init__(shapes)
        if self.tokenizer.mask_token_id is None:
            raise InputError("masked-word needs a tokenizer with a mask token, got one without; choose next-word")
        self._special = torch.tensor(sorted(set(self.tokenizer.all_special_ids)))

    def views(self, inputs: Tokens, labels: Tensor) -> tuple[Tokens, Tensor]:
        """Return the batch with tokens replaced, and (n, L) the tokens to guess, -100 elsewhere."""
        ids = inputs[TOKENS]
        countable = (inputs[MASK] != 0) & ~torch.isin(ids, self._special.to(ids.device))
        countable |= (inputs[MASK] != 0) & ~countable.any(dim=1, keepdim=True)  # of special tokens alone
        drawn = torch.rand(ids.shape, device=ids.device).masked_fill(~countable, 2.0)
        asked = (drawn < SHARE) | (drawn == drawn.amin(dim=1, keepdim=True))
        how = torch.rand(ids.shape, device=ids.device)
        other = torch.randint(len(self.tokenizer), ids.shape, device=ids.device)
        shown = torch.where(how < AS_MASK, torch.full_like(ids, int(self.tokenizer.mask_token_id)), ids)
        shown = torch.where((how >= AS_MASK) & (how < AS_MASK + AS_OTHER), other, shown)
        return {**inputs, TOKENS: torch.where(asked, shown, ids)}, ids.masked_fill(~asked, _NONE)


class NextWord(WordTask):
    """Guess each token from those before it (Radford et al. 2018, equation 1).

    Raises:
        InputError: from `prepare`, of a network whose tokens see those that follow.
    """

    def prepare(self, trunk: nn.Module, inputs: Inputs | Tensor) -> None:
        """Check that no token sees those that follow."""
        transform = self.shapes.transform
        sample: Any = transform.noise(1, 0)
        changed = {**sample, TOKENS: sample[TOKENS].clone()}
        changed[TOKENS][:, -1] = changed[TOKENS][:, 0]
        with torch.no_grad():
            before, after = (trunk(each)[:, :-1] for each in (sample, changed))
        if not torch.allclose(before, after, rtol=1e-4, atol=1e-5):
            raise InputError(
                "next-word needs a network that reads from left to right, such as a GPT-2, got one whose tokens see"
                " those that follow; choose masked-word, or another architecture"
            )

    def views(self, inputs: Tokens, labels: Tensor) -> tuple[Tokens, Tensor]:
        """Return the batch, and (n, L) the token after each, -100 where there is none."""
        following = inputs[TOKENS].roll(-1, dims=1)
        there = inputs[MASK].roll(-1, dims=1) != 0
        there[:, -1] = False
        return inputs, following.masked_fill(~there, _NONE)
