"""What exactly does a model see? A ``WeightedText`` becomes token ids with a weight each.

In: weighted texts and a tokenizer (ours, or a BERT teacher's own). Out: a ``TokenBatch``. Tokens
and their weights are made here only, so teacher, student and server cannot drift apart.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from tokenizers import Regex as TokenizerRegex
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from distill.errors import TextError
from distill.text import normalise
from distill.weights import WeightedText

UNKNOWN, PADDING = "[UNK]", "[PAD]"

# A run of Latin letters, a run of digits, or any other single character: "apple12😀" is three
# pieces, where a word-piece model left alone makes one unknown token over all of it.
_PIECE = r"[a-z]+|[0-9]+|[^\sa-z0-9]"
_PIECES = re.compile(_PIECE)


@dataclass(frozen=True)
class TokenBatch:
    """Padded tokens: ``input_ids`` and ``attention_mask`` int64 (b, t), ``weights`` float32 (b, t).

    Weights are zero on padding and special tokens and sum to 1 in each row.
    """

    input_ids: np.ndarray
    attention_mask: np.ndarray
    weights: np.ndarray


def tokenise(
    tokenizer: Tokenizer, texts: Sequence[WeightedText], max_tokens: int, *, specials: bool = False
) -> TokenBatch:
    """Turn weighted texts into one padded batch.

    A token carries the sum of its characters' weights. Beyond ``max_tokens`` tokens are cut off
    and the rest is scaled to sum 1 again. ``specials`` adds the tokenizer's own ([CLS] … [SEP])
    with weight 0, as a BERT teacher expects. Raises TextError for a text without any token.
    """
    rows = [_row(tokenizer, text, max_tokens, specials) for text in texts]
    longest = max((len(ids) for ids, _ in rows), default=0)
    input_ids = np.full((len(rows), longest), tokenizer.token_to_id(PADDING) or 0, dtype=np.int64)
    mask = np.zeros((len(rows), longest), dtype=np.int64)
    weights = np.zeros((len(rows), longest), dtype=np.float32)
    for i, (ids, shares) in enumerate(rows):
        input_ids[i, : len(ids)] = ids
        mask[i, : len(ids)] = 1
        weights[i, : len(ids)] = shares
    return TokenBatch(input_ids, mask, weights)


def train_tokenizer(sentences: Iterable[str], size: int) -> Tokenizer:
    """Learn a vocabulary: single Han characters and symbols, word pieces for Latin and digits.

    Its own pre-tokenizer cuts as ``tokenise`` does, so the saved file also works by itself.
    """
    tokenizer = Tokenizer(models.WordPiece(unk_token=UNKNOWN, max_input_chars_per_word=64))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Split(TokenizerRegex(_PIECE), behavior="isolated"),
        ]
    )
    trainer = trainers.WordPieceTrainer(
        vocab_size=size,
        limit_alphabet=size * 3 // 4,
        min_frequency=2,
        special_tokens=[PADDING, UNKNOWN],
        show_progress=False,
    )
    tokenizer.train_from_iterator((normalise(s) for s in sentences), trainer)
    return tokenizer


def _row(
    tokenizer: Tokenizer, text: WeightedText, max_tokens: int, specials: bool
) -> tuple[list[int], np.ndarray]:
    pieces = [(m.group(), m.start()) for m in _PIECES.finditer(text.text)]
    encoding = tokenizer.encode(
        [piece for piece, _ in pieces], is_pretokenized=True, add_special_tokens=specials
    )
    # cumulative[j] - cumulative[i] is the weight of characters i … j-1.
    cumulative = np.concatenate(([0.0], np.cumsum(text.weights, dtype=np.float64)))
    shares = np.zeros(len(encoding.ids))
    for i, (word, (start, end)) in enumerate(zip(encoding.word_ids, encoding.offsets, strict=True)):
        if word is not None:
            base = pieces[word][1]
            shares[i] = cumulative[base + end] - cumulative[base + start]
    ids = encoding.ids
    if len(ids) > max_tokens:
        # Keep the closing special token: a BERT teacher was never shown a text without it.
        keep = [*range(max_tokens - specials), *range(len(ids) - specials, len(ids))]
        ids, shares = [ids[i] for i in keep], shares[keep]
    total = shares.sum()
    if total <= 0:
        raise TextError(f"nothing to encode in {text.text[:40]!r}: give at least one character")
    return ids, (shares / total).astype(np.float32)
