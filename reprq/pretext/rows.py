"""Tasks on rows of tables: VIME guesses what was corrupted, SCARF finds the corrupted copy of a row."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from reprq.data import Dataset
from reprq.data.table.encoding import Encoding
from reprq.errors import InputError
from reprq.pretext.task import PretextTask, Shapes
from reprq.training import Inputs

MASKED, ALPHA = 0.3, 2.0
CORRUPTED, TEMPERATURE = 0.6, 1.0
_HEAD = 256


class RowTask(PretextTask):
    """A task that corrupts columns of rows by values that other benign rows have there.

    A value is drawn from a random row of the training data, another for each column: the product of the empirical
    marginals. The numbers of a category come from one row together, so that one-hot stays one-hot; the papers corrupt
    number by number.

    Raises:
        InputError: the network takes something else.
    """

    def __init__(self, shapes: Shapes) -> None:
        super().__init__(shapes)
        if not isinstance(shapes.transform, Encoding):
            raise InputError(f"the task must have rows, got a network of {shapes.transform.modality}; choose another")
        self.groups = torch.from_numpy(shapes.transform.groups)
        self.columns = int(self.groups.max()) + 1
        self._rows = torch.empty(0)

    def remember(self, data: Dataset) -> None:
        """Keep the rows whose values corrupt those of others."""
        self._rows = Inputs(data, self.shapes.transform)[range(len(data))]

    def corrupted(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """Return rows whose masked columns have values of other rows.

        Args:
            inputs: (n, d) rows.
            mask: (n, columns), True where a column is corrupted.
        """
        groups, rows = self.groups.to(inputs.device), self._rows.to(inputs.device)
        drawn = torch.randint(len(rows), mask.shape, device=inputs.device)
        other = rows.gather(0, drawn[:, groups])
        return torch.where(mask[:, groups], other, inputs)


class VIME(RowTask):
    """Which columns were corrupted, and what they held (Yoon et al. 2020, equations 3 to 6).

    x~ = m * x_bar + (1 - m) * x with m_j ~ Bernoulli(0.3) and x_bar from the marginals; the loss is the binary cross
    entropy of the mask, in nats, plus 2 times the mean squared error of x. Both are means over columns and rows. p_m
    and alpha are the authors' code's, which, as here, counts a column as masked only where its value differs. Their
    encoder is one layer; here it is the network's.
    """

    def head(self, data: Dataset) -> nn.Module:
        """Return a linear layer for the mask and the row, side by side."""
        self.remember(data)
        return nn.Linear(self.shapes.width, self.columns + len(self.groups))

    def views(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return corrupted rows, and beside each other (n, columns) which columns differ and (n, d) the rows."""
        mask = torch.rand(len(inputs), self.columns, device=inputs.device) < MASKED
        found = self.corrupted(inputs, mask)
        changed = inputs.new_zeros(len(inputs), self.columns)
        changed = changed.index_add(1, self.groups.to(inputs.device), (found != inputs).to(inputs.dtype)).clamp(max=1)
        return found, torch.cat([changed, inputs], dim=1)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return l_m + 2 l_r."""
        m = self.columns
        guessed, rebuilt, mask, rows = outputs[:, :m], outputs[:, m:], targets[:, :m], targets[:, m:]
        return functional.binary_cross_entropy_with_logits(guessed.float(), mask) + ALPHA * functional.mse_loss(
            rebuilt.float(), rows
        )


class SCARF(RowTask):
    """Find the corrupted copy of a row in the batch (Bahri et al. 2022, algorithm 1).

    Of each row floor(0.6 M) of M columns, at least one, are corrupted. The loss is the mean over rows i of
    -log(exp(s_ii / t) / ((1 / n) sum_k exp(s_ik / t))), s_ij the cosine of the projections of row i and of the
    corrupted row j, t = 1, in nats.
    """

    def head(self, data: Dataset) -> nn.Module:
        """Return the projection: one hidden layer, 256 outputs."""
        self.remember(data)
        return nn.Sequential(nn.Linear(self.shapes.width, _HEAD), nn.ReLU(), nn.Linear(_HEAD, _HEAD))

    def views(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return the (2n, d) rows and then their corrupted copies, and the number of the row of each."""
        drawn = torch.rand(len(inputs), self.columns, device=inputs.device).argsort(dim=1)
        mask = drawn < max(1, int(CORRUPTED * self.columns))
        numbers = torch.arange(len(inputs), device=inputs.device)
        return torch.cat([inputs, self.corrupted(inputs, mask)]), numbers.repeat(2)

    def loss(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Return the mean of -log(exp(s_ii / t) / mean_k exp(s_ik / t))."""
        rows, copies = functional.normalize(outputs.float()).chunk(2)
        similarity = rows @ copies.T / TEMPERATURE
        own = torch.arange(len(rows), device=outputs.device)
        return functional.cross_entropy(similarity, own) - torch.log(torch.tensor(float(len(rows))))
