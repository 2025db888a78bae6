"""Which texts does fine-tuning learn from, and which say whether it helped?

In: files of labelled pairs. Out: pairs to train on, drawn so that no batch contradicts itself, and
texts held out with all that mean the same, so that none of them was trained on.
"""

import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from distill.bundle import IDF, TOKENIZER, Bundle
from distill.config import FinetuneConfig
from distill.corpus import NOTHING, HeldOut, dedup_key, read_pairs, read_sentences
from distill.dataset import PairData, Ragged, Tokeniser
from distill.errors import CorpusError, TrainingError
from distill.idf import WordIdf
from distill.weights import Weighting

POSITIVE = 0.8  # from this label on two texts mean the same, as in losses.pair_loss
_JUDGED = 1000  # texts held out that are looked up after each epoch


@dataclass(frozen=True)
class FinetuneData:
    """All that fine-tuning reads: n texts, and m pairs of them to train on.

    ``dev`` selects the best epoch; without it the texts held out do, which are in no pair.
    """

    texts: Ragged
    meaning: np.ndarray  # int64 (n,): equal where positive pairs join texts
    held_out: np.ndarray  # int64: rows of texts, each with a partner of equal meaning
    first: np.ndarray  # int64 (m,): rows of texts
    second: np.ndarray  # int64 (m,)
    labels: np.ndarray  # float32 (m,)
    general: Ragged | None = None
    dev: Mapping[str, PairData] = field(default_factory=dict)


def read_finetune_data(
    config: FinetuneConfig,
    bundle: Bundle,
    pairs: Iterable[Path],
    *,
    dev: Iterable[Path] = (),
    general: Iterable[Path] = (),
    excluded: HeldOut = NOTHING,
    workers: int = 1,
) -> FinetuneData:
    """Read and tokenise everything; ``excluded`` is dropped from all but ``dev``.

    Raises CorpusError for a file that cannot be used, TrainingError if no positive pair is left to
    train on.
    """
    labelled = list(read_pairs(pairs, excluded))
    selecting = {f"{path.parent.name}/{path.stem}": list(read_pairs([path])) for path in dev}
    for name, rows in selecting.items():
        if len({pair.label for pair in rows}) < 2:
            raise CorpusError(f"{name}: all labels are equal, so it cannot select: leave it out")
    sentences = dict.fromkeys(read_sentences(general, excluded)) if general else {}
    drawn = sorted(sentences, key=_draw)[: config.general_texts]

    texts = list(dict.fromkeys(text for pair in labelled for text in (pair.first, pair.second)))
    tokeniser = Tokeniser(
        Weighting(WordIdf.load(bundle.path / IDF), bundle.manifest.smoothing),
        Tokenizer.from_file(str(bundle.path / TOKENIZER)),
        bundle.manifest.max_tokens,
        workers,
    )
    [tokens] = tokeniser.ragged(texts)
    row = {text: i for i, text in enumerate(texts)}
    first = np.array([row[pair.first] for pair in labelled])
    second = np.array([row[pair.second] for pair in labelled])
    labels = np.array([pair.label for pair in labelled], dtype=np.float32)
    meaning = _meanings(texts, first[labels >= POSITIVE], second[labels >= POSITIVE])
    held = np.zeros(len(texts), bool) if selecting else _hold_out(meaning, config)
    barred = held | (tokens.lengths == 0)
    learned = ~(barred[first] | barred[second])
    if not (labels[learned] >= POSITIVE).any():
        raise TrainingError(
            f"{(labels >= POSITIVE).sum()} of {len(labels)} pairs are positive (label ≥ {POSITIVE})"
            f", and none is left to train on beside those held out. Give more, or --dev FILE"
        )
    return FinetuneData(
        tokens,
        meaning,
        np.random.default_rng(config.seed).permutation(np.flatnonzero(held))[:_JUDGED],
        first[learned],
        second[learned],
        labels[learned],
        tokeniser.ragged(drawn)[0] if drawn else None,
        {name: tokeniser.pairs(rows) for name, rows in selecting.items()},
    )


def pair_batches(data: FinetuneData, config: FinetuneConfig, epoch: int) -> Iterator[np.ndarray]:
    """Yield rows of pairs, shuffled, no meaning twice in a batch.

    For InfoNCE the other sentences of the batch mean something else than the pair; two pairs of
    one entry would teach that its questions do. What is left too alike to fill half a batch waits
    for the next epoch.
    """
    rng = np.random.default_rng((config.seed, epoch))
    waiting = deque(rng.permutation(len(data.labels)).tolist())
    fewest = 1.0
    while waiting:
        batch, taken, passed = [], set(), []
        while waiting and len(batch) < config.batch:
            row = waiting.popleft()
            own = {data.meaning[data.first[row]], data.meaning[data.second[row]]}
            if taken.isdisjoint(own):
                batch.append(row)
                taken |= own
            else:
                passed.append(row)
        if len(batch) < fewest:
            return
        fewest = max(fewest, len(batch) / 2)
        waiting.extendleft(reversed(passed))
        yield np.array(batch)


def _meanings(texts: Sequence[str], first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return int64 (n,), equal for texts that pairs (first, second) join, by however many steps.

    Texts that differ in punctuation only are joined as well.
    """
    spelt: dict[str, int] = {}
    same = np.array([spelt.setdefault(dedup_key(text) or text, i) for i, text in enumerate(texts)])
    first = np.concatenate([first, np.arange(len(texts))])
    second = np.concatenate([second, same])
    meaning = np.arange(len(texts))
    while True:
        lowest = meaning.copy()
        np.minimum.at(lowest, first, meaning[second])
        np.minimum.at(lowest, second, meaning[first])
        lowest = lowest[lowest]
        if (lowest == meaning).all():
            return meaning
        meaning = lowest


def _hold_out(meaning: np.ndarray, config: FinetuneConfig) -> np.ndarray:
    """Draw whole meanings of two texts or more; return bool (n,)."""
    sizes = np.bincount(meaning)
    drawn = np.random.default_rng(config.seed).permutation(np.flatnonzero(sizes > 1))
    texts = np.cumsum(sizes[drawn])
    enough = np.searchsorted(texts, config.held_out * texts[-1]) + 1 if len(drawn) else 0
    return np.isin(meaning, drawn[:enough])


def _draw(text: str) -> int:
    """Return the same pseudo-random number for the same text, in every process."""
    return zlib.crc32(text.encode())
