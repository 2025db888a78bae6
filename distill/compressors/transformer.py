"""How do the teacher, and students made of its layers, read a task? With the teacher's vocabulary.

In: a BERT-family checkpoint, by path or hub name. Out: ``TaskModel``s over all of its layers or
some. Two texts of a pair are read together. The table of word vectors is the teacher's own, shared
by all and never trained: of a multilingual teacher it is four fifths of the weights.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from tokenizers import Encoding, Tokenizer
from torch import nn
from transformers import PreTrainedModel

from distill.compressors.augmentation import MASK
from distill.compressors.examples import CHARACTERS, Examples
from distill.compressors.methods import Pooling
from distill.compressors.small import SCALE
from distill.compressors.task_model import Outputs, TaskModel, Tokens
from distill.dataset import Ragged
from distill.errors import TrainingError
from distill.teacher import load_checkpoint, weights_sha256
from distill.weights import WeightedText, Weighting


@dataclass(frozen=True)
class Checkpoint:
    """A teacher as it was pre-trained. ``prefix`` stands before each text that is read alone."""

    name: str
    tokenizer: Tokenizer
    mask: str  # the token that stands for a masked word
    bert: PreTrainedModel
    weighting: Weighting
    prefix: str

    @classmethod
    def load(cls, name_or_path: str, weighting: Weighting, prefix: str = "") -> "Checkpoint":
        """Load a teacher; raises TrainingError if it is not like BERT."""
        tokenizer, bert = load_checkpoint(name_or_path, torch.float32)
        if not hasattr(getattr(bert, "encoder", None), "layer"):
            raise TrainingError(
                f"{name_or_path}: {type(bert).__name__} 没有 encoder.layer, 取不出它的层。"
                f"怎么办: 换一个 BERT 一类的模型 (BertModel, XLMRobertaModel …)"
            )
        bert.pooler = None
        bert.get_input_embeddings().weight.requires_grad_(False)
        backend = tokenizer.backend_tokenizer
        backend.no_padding()
        backend.no_truncation()
        mask = tokenizer.mask_token or tokenizer.unk_token
        return cls(name_or_path, backend, mask, bert, weighting, prefix)

    @property
    def layers(self) -> int:
        """Return how many there are."""
        return len(self.bert.encoder.layer)

    @cached_property
    def sha256(self) -> str:
        """A checksum of the weights."""
        return weights_sha256(self.bert)


def some_layers(bert: PreTrainedModel, layers: Sequence[int]) -> PreTrainedModel:
    """Return a copy that has these layers only, from 0; the word vectors are shared."""
    words = bert.get_input_embeddings()
    copied = copy.deepcopy(bert, {id(words): words})
    copied.encoder.layer = nn.ModuleList(copied.encoder.layer[i] for i in layers)
    copied.config.num_hidden_layers = len(layers)
    return copied


class TransformerModel(TaskModel):
    """Some of the teacher's layers, the weighted sum of their last states, and a linear layer.

    ``pooling`` is the weights: all tokens alike, the first alone, or word IDF spread over tokens.
    ``apart``: the texts of a pair are read each by itself, and what stands upon their vectors is a
    small network (Barkan et al. 2019).
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        classes: int,
        pooling: Pooling = "mean",
        *,
        layers: Sequence[int] | None = None,
        apart: bool = False,
    ) -> None:
        """Copy the layers, from 0; all of them by default."""
        super().__init__()
        self.checkpoint, self.pooling, self.apart = checkpoint, pooling, apart
        self.mixed = True  # matrix products in bfloat16
        self.bert = some_layers(
            checkpoint.bert, range(checkpoint.layers) if layers is None else layers
        )
        width = self.bert.config.hidden_size
        self.dropout = nn.Dropout(0.1)
        if apart:
            self.head = nn.Sequential(
                nn.Linear(4 * width, width), nn.ReLU(), nn.Linear(width, classes)
            )
        else:
            self.head = nn.Linear(width, classes)

    def read(self, examples: Examples) -> Tokens:
        """Tokenise: texts or pairs, then the type of each token; apart: both of each text."""
        if self.apart:
            return (*self._tokens(examples.texts), *self._tokens(examples.others))
        return self._tokens(examples.texts, examples.others)

    def forward(self, tokens: Tokens, rows: np.ndarray, *, inside: bool = False) -> Outputs:
        """Score these rows; attentions are there only after ``show_attention``."""
        first, kept = self._pooled(tokens[:2], rows, inside=inside)
        if not self.apart:
            return Outputs(self.head(self.dropout(first)), **kept)
        second, _ = self._pooled(tokens[2:], rows, inside=False)
        seen = [first, second, (first - second).abs(), first * second / SCALE]
        return Outputs(self.head(self.dropout(torch.cat(seen, dim=-1))))

    def show_attention(self) -> None:
        """Compute attention so that it can be looked at: more slowly, and the same."""
        self.bert.set_attn_implementation("eager")

    def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Return float32 (n, d), unit length, of texts read alone."""
        tokens = self._tokens(texts)
        vectors = self.of_all(tokens, lambda rows: self._pooled(tokens, rows, inside=False)[0])
        return vectors / SCALE

    def _pooled(
        self, tokens: Tokens, rows: np.ndarray, *, inside: bool
    ) -> tuple[torch.Tensor, dict[str, Any]]:
        """Return vectors (b, d) of length ``SCALE``, and what ``Outputs`` has of the inside."""
        ids, types = (side.batch(rows) for side in tokens)
        mask = torch.from_numpy(ids.attention_mask)
        shown = inside and self.bert.config._attn_implementation == "eager"
        with torch.autocast("cpu", torch.bfloat16, enabled=self.mixed):
            found = self.bert(
                input_ids=torch.from_numpy(ids.input_ids),
                attention_mask=mask,
                token_type_ids=torch.from_numpy(types.input_ids),
                output_hidden_states=inside,
                output_attentions=shown,
            )
        # (b, 1, t) @ (b, t, d)
        pooled = torch.from_numpy(ids.weights).unsqueeze(1) @ found.last_hidden_state.float()
        kept = {}
        if inside:
            kept = {
                "states": tuple(each.float() for each in found.hidden_states),
                "attentions": tuple(each.float() for each in found.attentions or ()),
                "mask": mask,
            }
        return SCALE * nn.functional.normalize(pooled.squeeze(1), dim=-1), kept

    def _tokens(self, texts: Sequence[str], others: Sequence[str] = ()) -> Tokens:
        limit = min(2 * CHARACTERS, self.bert.config.max_position_embeddings - 2)
        prefix = "" if others else self.checkpoint.prefix
        kinds = min(2, self.bert.config.type_vocab_size)
        columns: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        for row, text in enumerate(texts):
            pair = (others[row],) if others else ()
            read = [each.replace(MASK, self.checkpoint.mask) for each in (prefix + text, *pair)]
            encoding = self.checkpoint.tokenizer.encode(*read)
            keep = np.arange(len(encoding.ids))
            if len(keep) > limit:
                keep = np.append(keep[: limit - 1], keep[-1])
            weights = self._weights(encoding, (text, *pair), len(prefix))[keep]
            total = weights.sum()
            weights = weights / total if total > 0 else np.full(len(keep), 1 / len(keep))
            ids = np.array(encoding.ids, np.int32)[keep]
            types = np.minimum(np.array(encoding.type_ids, np.int32), kinds - 1)[keep]
            columns.append((ids, types, weights.astype(np.float32)))
        start = np.concatenate(([0], np.cumsum([len(ids) for ids, _, _ in columns])))
        ids, types, weights = (np.concatenate(column) for column in zip(*columns, strict=True))
        return Ragged(start, ids, weights), Ragged(start, types, weights)

    def _weights(self, encoding: Encoding, texts: Sequence[str], prefix: int) -> np.ndarray:
        """Return how much each token counts, (t,), of any sum."""
        if self.pooling == "mean":
            return np.ones(len(encoding.ids))
        if self.pooling == "cls":
            return np.eye(1, len(encoding.ids))[0]
        sums = [_cumulative(self.checkpoint.weighting.weigh(text)) for text in texts]
        sums[0] = np.concatenate([np.zeros(prefix), sums[0]])
        found = np.zeros(len(encoding.ids))
        for token, (side, (start, end)) in enumerate(
            zip(encoding.sequence_ids, encoding.offsets, strict=True)
        ):
            if side is not None:
                last = len(sums[side]) - 1  # a text that weighing normalised may be shorter
                found[token] = sums[side][min(end, last)] - sums[side][min(start, last)]
        return found


def _cumulative(text: WeightedText) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(text.weights, dtype=np.float64)])
