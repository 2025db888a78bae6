"""How does text reach the training loop fast? Tokenised once, kept ragged, drawn by length.

In: texts. Out: batches of token ids and weights in which all rows have nearly one length, so that
almost nothing is computed on padding. Batch ``step`` is a function of (seed, step): a resumed run
sees the same batches.
"""

import multiprocessing
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from distill.config import TrainConfig
from distill.corpus import NOTHING, HeldOut, LabelledPair, read_pairs, read_sentences
from distill.errors import CorpusError, TextError
from distill.idf import WordIdf
from distill.noise import asks, bury, corrupt
from distill.shards import read_shards
from distill.text import normalise
from distill.tokens import TokenBatch, tokenise
from distill.weights import Weighting


@dataclass(frozen=True)
class Ragged:
    """Tokenised texts end to end: row i is ``ids[start[i]:start[i + 1]]``; weights alike."""

    start: np.ndarray  # int64 (n + 1,)
    ids: np.ndarray  # int32 (sum of tokens,)
    weights: np.ndarray  # float32 (sum of tokens,)

    def __len__(self) -> int:
        return len(self.start) - 1

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of each row, int64 (n,); 0 for a text with nothing to encode."""
        return np.diff(self.start)

    def batch(self, rows: Sequence[int] | np.ndarray) -> TokenBatch:
        """Pad these rows into one batch."""
        lengths = self.lengths[rows]
        shape = (len(rows), int(lengths.max()))
        mask = np.arange(shape[1]) < lengths[:, None]
        ids, weights = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
        flat = np.concatenate([np.arange(self.start[r], self.start[r + 1]) for r in rows])
        ids[mask], weights[mask] = self.ids[flat], self.weights[flat]
        return TokenBatch(ids, mask.astype(np.int64), weights)


@dataclass(frozen=True)
class VectorData:
    """Texts, the same with typos, and the teacher's vectors float16 (n, d)."""

    texts: Ragged
    noised: Ragged
    vectors: np.ndarray


@dataclass(frozen=True)
class PairData:
    """Sentence pairs with labels float32 (n,) from 0 to 1."""

    first: Ragged
    second: Ragged
    labels: np.ndarray

    @property
    def lengths(self) -> np.ndarray:
        """Tokens of both sides, int64 (n,); 0 where a side has nothing to encode."""
        first, second = self.first.lengths, self.second.lengths
        return (first + second) * (first > 0) * (second > 0)


@dataclass(frozen=True)
class TrainingData:
    """All that a run reads. ``copies``: texts and the same as customers type, labelled 1."""

    vocabulary: int
    vectors: VectorData
    pairs: PairData | None = None
    copies: PairData | None = None
    dev: Mapping[str, PairData] = field(default_factory=dict)


def read_training_data(
    config: TrainConfig,
    *,
    shards: Path,
    idf: Path,
    tokenizer: Path,
    pairs: Iterable[Path] = (),
    copies: Iterable[Path] = (),
    dev: Iterable[Path] = (),
    held_out: HeldOut = NOTHING,
    workers: int = 1,
) -> TrainingData:
    """Read and tokenise everything; what is held out is dropped from all but ``dev``."""
    # Read everything before the slow part, so that a faulty file is reported at once.
    labelled = list(read_pairs(pairs, held_out)) if pairs else []
    selecting = {f"{path.parent.name}/{path.stem}": list(read_pairs([path])) for path in dev}
    for name, rows in selecting.items():
        if len({pair.label for pair in rows}) < 2:
            raise CorpusError(f"{name}: all labels are equal, so it cannot select: leave it out")
    sentences = list(dict.fromkeys(read_sentences(copies, held_out))) if copies else []
    tokeniser = Tokeniser(
        Weighting(WordIdf.load(idf)),
        Tokenizer.from_file(str(tokenizer)),
        config.student.max_tokens,
        workers,
    )
    texts, vectors = [], []
    for shard in read_shards(shards):
        keep = [i for i, text in enumerate(shard.texts) if not held_out.holds(text)]
        texts += [shard.texts[i] for i in keep]
        vectors.append(shard.vectors[keep])
    return TrainingData(
        tokeniser.tokenizer.get_vocab_size(),
        VectorData(
            tokeniser.ragged(texts),
            tokeniser.ragged(texts, lambda text: corrupt(text, config.seed)),
            np.concatenate(vectors),
        ),
        tokeniser.pairs(labelled) if labelled else None,
        PairData(
            tokeniser.ragged(sentences),
            tokeniser.ragged(sentences, as_customers_type(sentences, config)),
            np.ones(len(sentences), np.float32),
        )
        if sentences
        else None,
        {name: tokeniser.pairs(rows) for name, rows in selecting.items()},
    )


def as_customers_type(sentences: Sequence[str], config: TrainConfig) -> Callable[[str], str]:
    """Return what makes the second of each pair of copies: a slip, a story around it, or both.

    Stories are other sentences of ``sentences`` that ask nothing.
    """
    normal = (normalise(sentence) for sentence in sentences)
    contexts = [text for text in normal if len(text) >= 6 and not asks(text)]

    def disturb(text: str) -> str:
        draw = random.Random(f"{config.seed + 1} {text}").random()
        if contexts and asks(text) and draw < config.buried_questions:
            text = bury(text, contexts, config.seed)
            return corrupt(text, config.seed) if draw < config.buried_questions / 3 else text
        return corrupt(text, config.seed + 1)

    return disturb


class Tokeniser:
    """Turns many texts into a ``Ragged``, in several processes."""

    def __init__(
        self, weighting: Weighting, tokenizer: Tokenizer, max_tokens: int, workers: int = 1
    ) -> None:
        """Keep what is needed to weigh and tokenise."""
        self.weighting, self.tokenizer = weighting, tokenizer
        self.max_tokens, self.workers = max_tokens, workers

    def pairs(self, pairs: Sequence[LabelledPair]) -> PairData:
        """Tokenise labelled pairs."""
        return PairData(
            self.ragged([pair.first for pair in pairs]),
            self.ragged([pair.second for pair in pairs]),
            np.array([pair.label for pair in pairs], dtype=np.float32),
        )

    def ragged(
        self, texts: Sequence[str], disturb: Callable[[str], str] = lambda text: text
    ) -> Ragged:
        """Tokenise what ``disturb`` makes of the normalised texts."""
        global _shared
        _shared = (self, disturb)
        chunks = [texts[i : i + 4000] for i in range(0, len(texts), 4000)]
        if self.workers == 1 or len(chunks) == 1:
            parts = [part for chunk in chunks for part in _tokenise_chunk(chunk)]
        else:
            # fork hands the dictionary and IDF table to the workers without a copy.
            with multiprocessing.get_context("fork").Pool(self.workers) as pool:
                parts = [part for chunk in pool.imap(_tokenise_chunk, chunks) for part in chunk]
        start = np.concatenate(([0], np.cumsum([len(ids) for ids, _ in parts], dtype=np.int64)))
        empty = [np.zeros(0, np.int32)]
        return Ragged(
            start,
            np.concatenate([ids for ids, _ in parts] or empty),
            np.concatenate([weights for _, weights in parts] or empty).astype(np.float32),
        )


def length_batches(lengths: np.ndarray, size: int, seed: int) -> Iterator[np.ndarray]:
    """Yield batches of row numbers for ever: each epoch all rows of length > 0 once, shuffled.

    Rows of like length share a batch, and the batches come in random order.
    """
    epoch = 0
    usable = np.flatnonzero(lengths)
    while True:
        rng = np.random.default_rng((seed, epoch))
        order = rng.permutation(usable)
        order = order[np.argsort(lengths[order], kind="stable")]
        # A short last batch joins the one before it.
        cuts = np.arange(0, max(1, len(order) - size // 2), size)
        batches = np.split(order, cuts[1:])
        for i in rng.permutation(len(batches)):
            yield batches[i]
        epoch += 1


_shared: tuple[Tokeniser, Callable[[str], str]]


def _tokenise_chunk(texts: Sequence[str]) -> list[tuple[np.ndarray, np.ndarray]]:
    tokeniser, disturb = _shared
    rows = []
    for text in texts:
        try:
            weighted = tokeniser.weighting.weigh(disturb(normalise(text)))
            batch = tokenise(tokeniser.tokenizer, [weighted], tokeniser.max_tokens)
            rows.append((batch.input_ids[0].astype(np.int32), batch.weights[0]))
        except TextError:
            rows.append((np.zeros(0, np.int32), np.zeros(0, np.float32)))
    return rows
