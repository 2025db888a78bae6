"""What is a model of a task? It reads examples once as tokens, and scores rows of them.

In: examples. Out: a score for each label, and what stands inside for whoever learns from it. How a
model reads and what it is made of is for its kind to say.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from distill.compressors.examples import Examples
from distill.dataset import Ragged

Tokens = tuple[Ragged, ...]  # all with n rows; what each is belongs to the kind of model
_TOGETHER = 64  # texts scored at a time


@dataclass(frozen=True)
class Outputs:
    """Scores (b, k); and, where asked for, what a transformer holds on the way to them.

    ``states``: (b, t, d) below the first layer and after each; ``attentions``: (b, heads, t, t) of
    each layer; ``mask`` (b, t) is 1 where there is a token.
    """

    scores: torch.Tensor
    states: tuple[torch.Tensor, ...] = ()
    attentions: tuple[torch.Tensor, ...] = ()
    mask: torch.Tensor | None = None


class TaskModel(nn.Module, ABC):
    """A model of one task; ``head`` is what stands on top of the vectors."""

    head: nn.Module

    @abstractmethod
    def read(self, examples: Examples) -> Tokens:
        """Tokenise."""

    @abstractmethod
    def forward(self, tokens: Tokens, rows: np.ndarray, *, inside: bool = False) -> Outputs:
        """Score these rows; ``inside`` asks for states and attentions too."""

    def score_all(self, tokens: Tokens) -> np.ndarray:
        """Return float32 (n, k), without dropout."""
        return self.of_all(tokens, lambda rows: self(tokens, rows).scores)

    @torch.inference_mode()
    def of_all(self, tokens: Tokens, give: Callable[[np.ndarray], torch.Tensor]) -> np.ndarray:
        """Return what ``give`` returns (b, w) of some rows, for all: float32 (n, w)."""
        was, _ = self.training, self.eval()
        order = np.argsort(lengths_of(tokens), kind="stable")
        parts = [order[i : i + _TOGETHER] for i in range(0, len(order), _TOGETHER)]
        found = [give(part) for part in parts]
        whole = np.empty((len(order), found[0].shape[1]), np.float32)
        for part, values in zip(parts, found, strict=True):
            whole[part] = values.numpy()
        self.train(was)
        return whole

    def learning(self) -> dict[str, nn.Parameter]:
        """Return the parameters that learn, by name."""
        return {name: p for name, p in self.named_parameters() if p.requires_grad}


def lengths_of(tokens: Tokens) -> np.ndarray:
    """Return the tokens of each example, int64 (n,); 0 where a part of it has none."""
    lengths = np.array([ragged.lengths for ragged in tokens])
    return lengths.sum(axis=0) * (lengths > 0).all(axis=0)
