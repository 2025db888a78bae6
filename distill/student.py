"""What does the student look like? A bidirectional LSTM whose token vectors are summed by weight.

In: a ``TokenBatch`` as tensors. Out: unit vectors of the teacher's dimension. The pooling weights
are an input, so a keyword's weight can change without training.
"""

import torch
from torch import nn

from distill.config import StudentConfig


class BiLstmStudent(nn.Module):
    """Token embedding → BiLSTM → weighted sum → projection → unit vector.

    The embedding joins the LSTM's states in the sum, so that what a text is about reaches the
    vector even where the LSTM has learnt nothing of its order.
    """

    def __init__(self, config: StudentConfig, vocabulary: int, dropout: float = 0.0) -> None:
        """Make a student with random weights for ``vocabulary`` tokens."""
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, config.embedding)
        self.dropout = nn.Dropout(dropout)
        self.forward_lstm = nn.LSTM(config.embedding, config.hidden, batch_first=True)
        self.backward_lstm = nn.LSTM(config.embedding, config.hidden, batch_first=True)
        # Projecting after the sum equals projecting each token: the weights sum to 1.
        self.project = nn.Linear(config.embedding + 2 * config.hidden, config.dimension)
        nn.init.normal_(self.embedding.weight, std=0.1)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        """Return float (b, d), unit length, from (b, t) ids, mask and weights."""
        embedded = self.dropout(self.embedding(input_ids))  # (b, t, e)
        ahead, _ = self.forward_lstm(embedded)  # (b, t, h); right padding cannot reach back
        # The other direction reads each text from its own last token, so padding never comes
        # before it either: a text's vector does not depend on its batch, without packing.
        reverse = _reversal(attention_mask)
        back, _ = self.backward_lstm(_take(embedded, reverse))
        states = torch.cat([embedded, ahead, _take(back, reverse)], dim=-1)
        pooled = (weights.unsqueeze(1) @ states).squeeze(1)  # (b, 1, t) @ (b, t, e + 2h)
        return nn.functional.normalize(self.project(pooled), dim=-1)


def _reversal(mask: torch.Tensor) -> torch.Tensor:
    """Return (b, t) positions that reverse each row's tokens and leave its padding in place."""
    position = torch.cumsum(torch.ones_like(mask), dim=1) - 1
    lengths = mask.sum(dim=1, keepdim=True)
    return torch.where(position < lengths, lengths - 1 - position, position)


def _take(rows: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    return rows.gather(1, positions.unsqueeze(-1).expand(-1, -1, rows.shape[-1]))
