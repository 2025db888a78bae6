"""What does the student look like? Token embedding → an encoder of tokens → sum by weight.

In: a ``TokenBatch`` as tensors. Out: unit vectors of the teacher's dimension. The pooling weights
are an input, so a keyword's weight can change without training. Which encoder stands in the middle
is the config's ``kind``; another kind is one more class in ``STUDENTS``.
"""

from abc import ABC, abstractmethod

import torch
from torch import nn

from distill.config import StudentConfig
from distill.errors import TrainingError


class Student(nn.Module, ABC):
    """What all kinds share; a kind says how tokens see one another (``states``) and how wide."""

    def __init__(self, config: StudentConfig, vocabulary: int, dropout: float = 0.0) -> None:
        """Make a student with random weights for ``vocabulary`` tokens."""
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, config.embedding)
        self.dropout = nn.Dropout(dropout)
        self.build(config, dropout)
        # Projecting after the sum equals projecting each token: the weights sum to 1.
        self.project = nn.Linear(config.embedding + self.width(config), config.dimension)
        nn.init.normal_(self.embedding.weight, std=0.1)

    @abstractmethod
    def build(self, config: StudentConfig, dropout: float) -> None:
        """Make the layers between embedding and sum."""

    @staticmethod
    @abstractmethod
    def width(config: StudentConfig) -> int:
        """Return how wide ``states`` are."""

    @abstractmethod
    def states(self, embedded: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return float (b, t, w) from embeddings (b, t, e); padding must not reach any text."""

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        """Return float (b, d), unit length, from (b, t) ids, mask and weights.

        The embedding joins the states in the sum, so that what a text is about reaches the vector
        even where the layers above have learnt nothing of its order.
        """
        embedded = self.dropout(self.embedding(input_ids))  # (b, t, e)
        states = torch.cat([embedded, self.states(embedded, attention_mask)], dim=-1)
        pooled = (weights.unsqueeze(1) @ states).squeeze(1)  # (b, 1, t) @ (b, t, e + w)
        return nn.functional.normalize(self.project(pooled), dim=-1)


class BiLstmStudent(Student):
    """LTD-BERT's student: a bidirectional LSTM. ``hidden`` is per direction.

    With several layers the two directions stay apart up to the sum, as in ELMo (Peters et al.
    2018).
    """

    def build(self, config: StudentConfig, dropout: float) -> None:
        """Make one stack of LSTMs a direction."""
        for name in ("forward_lstm", "backward_lstm"):
            lstm = nn.LSTM(config.embedding, config.hidden, config.layers, batch_first=True)
            setattr(self, name, lstm)

    @staticmethod
    def width(config: StudentConfig) -> int:
        """Return both directions' width."""
        return 2 * config.hidden

    def states(self, embedded: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (b, t, 2h)."""
        ahead, _ = self.forward_lstm(embedded)  # (b, t, h); right padding cannot reach back
        # The other direction reads each text from its own last token, so padding never comes
        # before it either: a text's vector does not depend on its batch, without packing.
        reverse = _reversal(mask)
        back, _ = self.backward_lstm(_take(embedded, reverse))
        return torch.cat([ahead, _take(back, reverse)], dim=-1)


class TextCnnStudent(Student):
    """Convolutions over 2, 3 and 5 tokens with ``hidden`` channels each (Kim 2014).

    Deeper layers see further; each adds to the one before.
    """

    WINDOWS = (2, 3, 5)

    def build(self, config: StudentConfig, dropout: float) -> None:
        """Make ``layers`` rows of convolutions."""
        width = self.width(config)
        self.convolutions = nn.ModuleList(
            nn.ModuleList(
                nn.Conv1d(width if layer else config.embedding, config.hidden, window)
                for window in self.WINDOWS
            )
            for layer in range(config.layers)
        )

    @classmethod
    def width(cls, config: StudentConfig) -> int:
        """Return the channels of all windows."""
        return len(cls.WINDOWS) * config.hidden

    def states(self, embedded: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (b, t, 3h)."""
        present = mask.unsqueeze(1).to(embedded.dtype)  # (b, 1, t): padding reads as zeros
        seen = embedded.transpose(1, 2) * present  # (b, e, t)
        for layer, row in enumerate(self.convolutions):
            found = []
            for window, convolution in zip(self.WINDOWS, row, strict=True):
                left = (window - 1) // 2
                padded = nn.functional.pad(seen, (left, window - 1 - left))
                found.append(torch.relu(convolution(padded)))
            found = torch.cat(found, dim=1) * present  # (b, 3h, t)
            seen = seen + found if layer else found
        return seen.transpose(1, 2)


class TransformerStudent(Student):
    """A few transformer layers ``hidden`` wide, with learnt positions (Vaswani et al. 2017)."""

    HEAD = 64  # width of one attention head, as in BERT

    def build(self, config: StudentConfig, dropout: float) -> None:
        """Make positions and layers."""
        if config.hidden % self.HEAD:
            raise TrainingError(
                f"config: a transformer's hidden is a multiple of {self.HEAD}, not {config.hidden}"
            )
        self.widen = nn.Linear(config.embedding, config.hidden)
        self.position = nn.Embedding(config.max_tokens, config.hidden)
        layer = nn.TransformerEncoderLayer(
            config.hidden,
            config.hidden // self.HEAD,
            4 * config.hidden,
            dropout,
            activation="gelu",
            batch_first=True,
            norm_first=True,
        )
        self.encoder = nn.TransformerEncoder(layer, config.layers, enable_nested_tensor=False)
        nn.init.normal_(self.position.weight, std=0.02)

    @staticmethod
    def width(config: StudentConfig) -> int:
        """Return the layers' width."""
        return config.hidden

    def states(self, embedded: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Return (b, t, h)."""
        places = torch.cumsum(torch.ones_like(mask), dim=1) - 1
        seen = self.widen(embedded) + self.position(places)
        return self.encoder(seen, src_key_padding_mask=mask == 0)


STUDENTS = {"bilstm": BiLstmStudent, "textcnn": TextCnnStudent, "transformer": TransformerStudent}


def make_student(config: StudentConfig, vocabulary: int, dropout: float = 0.0) -> Student:
    """Make the kind of student that the config names, with random weights."""
    if config.kind not in STUDENTS:
        raise TrainingError(
            f"config: unknown kind of student {config.kind!r}; known: {', '.join(STUDENTS)}"
        )
    return STUDENTS[config.kind](config, vocabulary, dropout)


def _reversal(mask: torch.Tensor) -> torch.Tensor:
    """Return (b, t) positions that reverse each row's tokens and leave its padding in place."""
    position = torch.cumsum(torch.ones_like(mask), dim=1) - 1
    lengths = mask.sum(dim=1, keepdim=True)
    return torch.where(position < lengths, lengths - 1 - position, position)


def _take(rows: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    return rows.gather(1, positions.unsqueeze(-1).expand(-1, -1, rows.shape[-1]))
