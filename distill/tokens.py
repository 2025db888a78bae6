"""What exactly does a model see? A ``WeightedText`` becomes token ids with a weight each.

In: weighted texts and a tokenizer (ours, or a BERT teacher's own). Out: a ``TokenBatch``. Tokens
and their weights are made here only, so teacher, student and server cannot drift apart.
"""

import string
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from tempfile import SpooledTemporaryFile, gettempdir

import numpy as np
from tokenizers import Regex as TokenizerRegex
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from distill.errors import TextError, TrainingError
from distill.text import normalise
from distill.weights import WeightedText

UNKNOWN, PADDING = "[UNK]", "[PAD]"

# A run of Latin letters, a run of digits, or any other single character: "apple12😀" is three
# pieces, where a word-piece model left alone makes one unknown token over all of it.
_PIECE = r"[a-z]+|[0-9]+|[^\sa-z0-9]"
_IN_MEMORY = 64 << 20  # bytes of sentences; more of them go to a file
# What stands within a piece, not at its beginning.
_INSIDE = [f"##{character}" for character in string.ascii_lowercase + string.digits]


@dataclass(frozen=True)
class TokenBatch:
    """Padded tokens: ``input_ids`` and ``attention_mask`` int64 (b, t), ``weights`` float32 (b, t).

    Weights are zero on padding and special tokens and sum to 1 in each row.
    """

    input_ids: np.ndarray
    attention_mask: np.ndarray
    weights: np.ndarray


def tokenise(tokenizer: Tokenizer, texts: Sequence[WeightedText], max_tokens: int) -> TokenBatch:
    """Turn weighted texts into one padded batch.

    A token carries the sum of its characters' weights. Beyond ``max_tokens`` tokens are cut off
    and the rest is scaled to sum 1 again. Raises TextError for a text without any token.
    """
    rows = [_row(tokenizer, text, max_tokens) for text in texts]
    if len(rows) == 1:  # nothing to pad: what a question is encoded with, as fast as can be
        ids, shares = rows[0]
        input_ids = np.array([ids], dtype=np.int64)
        return TokenBatch(input_ids, np.ones_like(input_ids), shares[np.newaxis])
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

    Its pre-tokenizer cuts the pieces, so the saved file works by itself. The same sentences give
    the same vocabulary: left alone, the trainer picks among equally frequent characters by chance.
    Raises TrainingError if there is no room for the sentences.
    """
    frequency: Counter[str] = Counter()
    # Millions of sentences are read twice.
    with _room(), SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8") as kept:
        for sentence in map(normalise, sentences):
            frequency.update(sentence)
            kept.write(f"{sentence}\n")
        kept.seek(0)
        characters = [c for c in frequency if not c.isspace()]
        characters.sort(key=lambda c: (-frequency[c], c))
        alphabet = characters[: size * 3 // 4]
        trainer = trainers.WordPieceTrainer(
            vocab_size=size,
            initial_alphabet=alphabet,
            limit_alphabet=len(alphabet),
            min_frequency=2,
            special_tokens=[PADDING, UNKNOWN, *_INSIDE],  # in this order, not as they come up
            show_progress=False,
        )
        learning = _tokenizer(models.WordPiece(unk_token=UNKNOWN))
        learning.train_from_iterator(kept, trainer)
    vocabulary = learning.get_vocab()
    tokenizer = _tokenizer(
        models.WordPiece(vocabulary, unk_token=UNKNOWN, max_input_chars_per_word=64)
    )
    tokenizer.add_special_tokens([PADDING, UNKNOWN])
    return tokenizer


@contextmanager
def _room() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.filename:  # a file of the corpus
            raise
        raise TrainingError(
            f"{gettempdir()}: cannot be written ({error.strerror}). Make room there, or name "
            f"another directory: TMPDIR=…"
        ) from error


def _tokenizer(model: models.Model) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.WhitespaceSplit(),
            pre_tokenizers.Split(TokenizerRegex(_PIECE), behavior="isolated"),
        ]
    )
    return tokenizer


def tokenise_for_teacher(
    tokenizer: Tokenizer, text: WeightedText, max_tokens: int, prefix: str = ""
) -> tuple[list[int], np.ndarray]:
    """Return a teacher's own token ids, special ones included, and a weight for each: (t,).

    The teacher's tokenizer cuts the whole text, ``prefix`` before it, as it was trained to; the
    offsets say which characters a token stands for. Special tokens and the prefix weigh nothing.
    """
    encoding = tokenizer.encode(prefix + text.text)
    ids = encoding.ids
    shares = _shares(text, encoding.offsets, len(prefix))
    if len(ids) > max_tokens:
        # Keep the closing special token: a teacher was never shown a text without it.
        keep = [*range(max_tokens - 1), len(ids) - 1]
        ids, shares = [ids[i] for i in keep], shares[keep]
    return ids, _to_sum_one(shares, text)


def _row(tokenizer: Tokenizer, text: WeightedText, max_tokens: int) -> tuple[list[int], np.ndarray]:
    encoding = tokenizer.encode(text.text, add_special_tokens=False)
    shares = _shares(text, encoding.offsets[:max_tokens])
    return encoding.ids[:max_tokens], _to_sum_one(shares, text)


def _shares(text: WeightedText, offsets: Sequence[tuple[int, int]], prefix: int = 0) -> np.ndarray:
    """Sum the weights of the characters that each token covers: float64 (t,).

    ``offsets`` count from the first of ``prefix`` characters that stand before the text.
    """
    # cumulative[j] - cumulative[i] is the weight of characters i … j-1. Lists: a sentence is too
    # short for numpy to pay.
    cumulative = [0.0] * prefix + list(accumulate(text.weights.tolist(), initial=0.0))
    return np.array([cumulative[end] - cumulative[start] for start, end in offsets])


def _to_sum_one(shares: np.ndarray, text: WeightedText) -> np.ndarray:
    total = shares.sum()
    if total <= 0:
        raise TextError(f"nothing to encode in {text.text[:40]!r}: give at least one character")
    return (shares / total).astype(np.float32)
