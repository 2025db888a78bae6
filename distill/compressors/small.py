"""What do the small students look like? A network over our vocabulary, and a linear layer on top.

In: the tokenizer, IDF table and size of a bundle. Out: ``TaskModel``s: a BiLSTM of the bundled
encoder's size, or a TextCNN; of a pair each text is read by itself.
"""

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import nn

from distill.bundle import IDF, TOKENIZER, Bundle
from distill.compressors.augmentation import MASK
from distill.compressors.examples import CHARACTERS, Examples
from distill.compressors.task_model import Outputs, TaskModel, Tokens
from distill.config import StudentConfig
from distill.dataset import Ragged, Tokeniser
from distill.errors import TrainingError
from distill.idf import WordIdf
from distill.student import make_student
from distill.weights import Weighting

SCALE = 16.0  # of unit vectors before a layer learns on them: their elements are small
DROPOUT = 0.2  # of embeddings


def shape(bundle: Bundle) -> StudentConfig:
    """Return the size of a bundle's student; raises TrainingError if it does not tell."""
    try:
        return StudentConfig(**bundle.manifest.training["config"]["student"])
    except (KeyError, TypeError) as error:
        raise TrainingError(
            f"{bundle.path}: 没有写明学生的大小 ({error})。"
            f"怎么办: 重新导出: python -m distill export RUN -o {bundle.path}"
        ) from error


def reader(bundle: Bundle) -> Tokeniser:
    """Return what reads as the bundle's encoder does; a masked word weighs nothing."""
    weighting = Weighting(WordIdf.load(bundle.path / IDF), bundle.manifest.smoothing)
    tokenizer = Tokenizer.from_file(str(bundle.path / TOKENIZER))
    return Tokeniser(weighting.with_keywords({MASK: 0.0}), tokenizer, CHARACTERS)


class SmallModel(TaskModel):
    """A network that turns a text into a vector, and a linear layer.

    Of a pair the layer sees the distance and the product of the two vectors, element by element
    (as Tang et al. 2019 and Conneau et al. 2017).
    """

    def __init__(
        self, reads: Tokeniser, network: nn.Module, width: int, classes: int, *, pairs: bool
    ) -> None:
        """Put a layer for ``classes`` labels upon ``network``, whose vectors are ``width`` wide."""
        super().__init__()
        self._reads = reads
        self.network = network
        self.head = nn.Linear(width * (1 + pairs), classes)

    def read(self, examples: Examples) -> Tokens:
        """Tokenise and weigh each text."""
        sides = (examples.texts, examples.others) if examples.pairs else (examples.texts,)
        return tuple(self._reads.ragged(list(side))[0] for side in sides)

    def forward(self, tokens: Tokens, rows: np.ndarray, *, inside: bool = False) -> Outputs:
        """Score these rows; nothing inside is to be had."""
        vectors = [SCALE * self.vectors(side, rows) for side in tokens]
        if len(vectors) == 1:
            return Outputs(self.head(vectors[0]))
        first, second = vectors
        seen = torch.cat([(first - second).abs(), first * second / SCALE], dim=-1)
        return Outputs(self.head(seen))

    def vectors(self, side: Ragged, rows: np.ndarray) -> torch.Tensor:
        """Return the network's vectors of these rows, (b, d)."""
        batch = side.batch(rows)
        return self.network(
            torch.from_numpy(batch.input_ids),
            torch.from_numpy(batch.attention_mask),
            torch.from_numpy(batch.weights),
        )


class CosineModel(SmallModel):
    """Pairs whose score is the cosine of the two vectors; there is no layer on top."""

    def __init__(self, reads: Tokeniser, network: nn.Module) -> None:
        """Compare the vectors of ``network``."""
        super().__init__(reads, network, 1, 2, pairs=True)
        self.head = nn.Identity()

    def forward(self, tokens: Tokens, rows: np.ndarray, *, inside: bool = False) -> Outputs:
        """Score these rows."""
        first, second = (self.vectors(side, rows) for side in tokens)
        cosine = (first * second).sum(-1)
        return Outputs(torch.stack([-cosine, cosine], dim=-1) / 2)


class TextCnn(nn.Module):
    """Convolutions over 2, 3 and 5 tokens and the highest of each channel (Kim 2014; Chia 2019).

    As in Chia et al.'s BlendCNN the highest of every layer's channels reach the vector.
    """

    WINDOWS = (2, 3, 5)

    def __init__(self, vocabulary: int, embedding: int, channels: int, layers: int = 2) -> None:
        """Make it with random weights; ``channels`` are those of one window."""
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.dropout = nn.Dropout(DROPOUT)
        self.width = layers * len(self.WINDOWS) * channels
        self.convolutions = nn.ModuleList(
            nn.ModuleList(
                nn.Conv1d(len(self.WINDOWS) * channels if layer else embedding, channels, window)
                for window in self.WINDOWS
            )
            for layer in range(layers)
        )
        nn.init.normal_(self.embedding.weight, std=0.1)

    def forward(
        self, input_ids: torch.Tensor, mask: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        """Return (b, width), unit length; the weights of tokens are not used."""
        present = mask.unsqueeze(1).to(weights.dtype)  # (b, 1, t)
        seen = self.dropout(self.embedding(input_ids)).transpose(1, 2) * present
        highest = []
        for row in self.convolutions:
            found = []
            for window, convolution in zip(self.WINDOWS, row, strict=True):
                left = (window - 1) // 2
                padded = nn.functional.pad(seen, (left, window - 1 - left))
                found.append(torch.relu(convolution(padded)))
            seen = torch.cat(found, dim=1) * present  # (b, 3c, t), padding 0: never the highest
            highest.append(seen.amax(dim=-1))
        return nn.functional.normalize(torch.cat(highest, dim=-1), dim=-1)


def bilstm(bundle: Bundle, classes: int, *, pairs: bool) -> SmallModel:
    """Make a student of the bundled encoder's size, with random weights."""
    reads, config = reader(bundle), shape(bundle)
    network = make_student(config, reads.tokenizer.get_vocab_size(), DROPOUT)
    return SmallModel(reads, network, config.dimension, classes, pairs=pairs)


def cnn(bundle: Bundle, classes: int, *, pairs: bool) -> SmallModel:
    """Make a TextCNN with as many channels as the encoder's LSTM has, with random weights."""
    reads, config = reader(bundle), shape(bundle)
    vocabulary = reads.tokenizer.get_vocab_size()
    network = TextCnn(vocabulary, config.embedding, config.hidden // 2)
    return SmallModel(reads, network, network.width, classes, pairs=pairs)
