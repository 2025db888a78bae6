"""How does text reach the training loop fast? Tokenised once, kept ragged, drawn by length.

In: texts. Out: batches of token ids and weights in which all rows have nearly one length, so that
almost nothing is computed on padding. Batch ``step`` is a function of (seed, step): a resumed run
sees the same batches.
"""

import functools
import json
import multiprocessing
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from distill.config import TrainConfig
from distill.corpus import NOTHING, HeldOut, LabelledPair, read_pairs
from distill.errors import CorpusError, TextError
from distill.files import write_whole
from distill.idf import WordIdf
from distill.noise import asks, bury, corrupt
from distill.shards import read_shards
from distill.text import normalise
from distill.tokens import TokenBatch, tokenise
from distill.weights import WeightedText, Weighting

Variant = Callable[[WeightedText], WeightedText | None]  # None: no such variant of this text


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
        lengths = self.start[np.add(rows, 1)] - self.start[rows]
        shape = (len(rows), int(lengths.max()))
        mask = np.arange(shape[1]) < lengths[:, None]
        ids, weights = np.zeros(shape, np.int64), np.zeros(shape, np.float32)
        flat = np.concatenate([np.arange(self.start[r], self.start[r + 1]) for r in rows])
        ids[mask], weights[mask] = self.ids[flat], self.weights[flat]
        return TokenBatch(ids, mask.astype(np.int64), weights)


@dataclass(frozen=True)
class VectorData:
    """Texts with a teacher's vector, in the forms in which the student reads them.

    ``perturbed[k]`` are the same tokens with other weights and belong to ``vectors[:, 1 + k]``;
    ``noised`` are the texts as customers type them, of length 0 where there is none.
    """

    texts: Ragged
    perturbed: tuple[Ragged, ...]
    noised: Ragged
    vectors: np.ndarray  # float16 (n, 1 + K, d), unit length
    mean: np.ndarray  # float32 (d,), of vectors[:, 0]


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
    """All that a run reads."""

    vocabulary: int
    vectors: VectorData
    pairs: PairData | None = None
    dev: Mapping[str, PairData] = field(default_factory=dict)

    def save(self, directory: Path) -> None:
        """Write everything as arrays; ``data.json`` comes last and says that all is there."""
        try:
            self._save(directory)
        except OSError as error:  # numpy's own names no file
            raise CorpusError(
                f"{directory}: cannot be written ({error}). Make room and run the same command "
                f"again"
            ) from error

    def _save(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        vectors = self.vectors
        _save_ragged(directory / "texts", vectors.texts)
        _save_ragged(directory / "noised", vectors.noised)
        for k, ragged in enumerate(vectors.perturbed):
            _save_ragged(directory / f"perturbed{k}", ragged)
        _save_array(directory / "vectors.npy", vectors.vectors)
        _save_array(directory / "mean.npy", vectors.mean)
        sets = [*self.dev.values(), *([self.pairs] if self.pairs else [])]
        for number, pairs in enumerate(sets):
            _save_ragged(directory / f"pairs{number}-first", pairs.first)
            _save_ragged(directory / f"pairs{number}-second", pairs.second)
            _save_array(directory / f"pairs{number}-labels.npy", pairs.labels)
        index = {
            "vocabulary": self.vocabulary,
            "perturbed": len(vectors.perturbed),
            "dev": list(self.dev),
            "pairs": self.pairs is not None,
        }
        write_whole(directory / "data.json", json.dumps(index).encode())

    @classmethod
    def load(cls, directory: Path) -> "TrainingData | None":
        """Map what ``save`` wrote into memory, shared by all processes; None if not all there.

        Raises CorpusError if a file is damaged.
        """
        if not (directory / "data.json").exists():
            return None
        try:
            return cls._load(directory)
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            raise CorpusError(
                f"{directory}: is damaged ({error}). Delete it and run the same command again: "
                f"it is made anew"
            ) from error

    @classmethod
    def _load(cls, directory: Path) -> "TrainingData":
        index = json.loads((directory / "data.json").read_text(encoding="utf-8"))
        sets = [
            PairData(
                _load_ragged(directory / f"pairs{number}-first"),
                _load_ragged(directory / f"pairs{number}-second"),
                np.load(directory / f"pairs{number}-labels.npy"),
            )
            for number in range(len(index["dev"]) + index["pairs"])
        ]
        perturbed = (_load_ragged(directory / f"perturbed{k}") for k in range(index["perturbed"]))
        return cls(
            index["vocabulary"],
            VectorData(
                _load_ragged(directory / "texts"),
                tuple(perturbed),
                _load_ragged(directory / "noised"),
                np.load(directory / "vectors.npy", mmap_mode="r"),
                np.load(directory / "mean.npy"),
            ),
            sets.pop() if index["pairs"] else None,
            dict(zip(index["dev"], sets, strict=True)),
        )


def read_training_data(
    config: TrainConfig,
    *,
    shards: Iterable[Path],
    idf: Path,
    tokenizer: Path,
    pairs: Iterable[Path] = (),
    dev: Iterable[Path] = (),
    held_out: HeldOut = NOTHING,
    workers: int = 1,
) -> TrainingData:
    """Read and tokenise everything; what is held out is dropped from all but ``dev``."""
    # Read everything before the slow part, so that a faulty file is reported at once.
    labelled = list(read_pairs(pairs, held_out)) if pairs else []
    selecting = {
        f"{path.parent.name}/{path.stem}": list(read_pairs([path]))[: config.dev_pairs]
        for path in dev
    }
    for name, rows in selecting.items():
        if len({pair.label for pair in rows}) < 2:
            raise CorpusError(f"{name}: all labels are equal, so it cannot select: leave it out")
    tokeniser = Tokeniser(
        Weighting(WordIdf.load(idf), config.smoothing),
        Tokenizer.from_file(str(tokenizer)),
        config.student.max_tokens,
        workers,
    )
    texts, vectors = [], []
    for directory in shards:
        for shard in read_shards(directory):
            keep = [i for i, text in enumerate(shard.texts) if not held_out.holds(text)]
            texts += [shard.texts[i] for i in keep]
            vectors.append(shard.vectors[keep])
    if len({part.shape[1:] for part in vectors}) != 1:
        raise CorpusError("the shards differ in dimension or perturbations: train on one kind")
    vectors = np.concatenate(vectors)
    variants = [lambda weighted: weighted]
    for seed in range(1, vectors.shape[1]):
        variants.append(functools.partial(tokeniser.weighting.perturb, seed=seed))
    variants.append(as_customers_type(tokeniser.weighting, texts, config))
    plain, *perturbed, noised = tokeniser.ragged(texts, variants)
    return TrainingData(
        tokeniser.tokenizer.get_vocab_size(),
        VectorData(
            plain,
            tuple(perturbed),
            noised,
            vectors,
            vectors[:, 0].mean(axis=0, dtype=np.float32),
        ),
        tokeniser.pairs(labelled) if labelled else None,
        {name: tokeniser.pairs(rows) for name, rows in selecting.items()},
    )


def as_customers_type(
    weighting: Weighting, texts: Sequence[str], config: TrainConfig
) -> Callable[[WeightedText], WeightedText | None]:
    """Return what adds slips to some texts, and a story around some questions; None to the rest.

    Stories are other sentences of ``texts`` that ask nothing.
    """
    sample = random.Random(config.seed).sample(texts, min(len(texts), 50_000))
    normal = (normalise(text) for text in sample)
    contexts = [text for text in normal if len(text) >= 6 and not asks(text)]

    def disturb(weighted: WeightedText) -> WeightedText | None:
        rng = random.Random(f"{config.seed + 1} {weighted.text}")
        if rng.random() >= config.noised_rows:
            return None
        text, draw = weighted.text, rng.random()
        if contexts and asks(text) and draw < config.buried_questions:
            text = bury(text, contexts, config.seed)
            if draw > config.buried_questions / 3:
                return weighting.weigh(text)
        return weighting.weigh(corrupt(text, config.seed + 1))

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
        [first] = self.ragged([pair.first for pair in pairs])
        [second] = self.ragged([pair.second for pair in pairs])
        return PairData(first, second, np.array([pair.label for pair in pairs], dtype=np.float32))

    def ragged(
        self, texts: Sequence[str], variants: Sequence[Variant] = (lambda weighted: weighted,)
    ) -> list[Ragged]:
        """Tokenise what each variant makes of the weighted texts: one ``Ragged`` a variant."""
        global _shared
        _shared = (self, variants)
        chunks = [texts[i : i + 4000] for i in range(0, len(texts), 4000)]
        if self.workers == 1 or len(chunks) == 1:
            parts = [_tokenise_chunk(chunk) for chunk in chunks]
        else:
            # fork hands the dictionary and IDF table to the workers without a copy.
            with multiprocessing.get_context("fork").Pool(self.workers) as pool:
                parts = pool.map(_tokenise_chunk, chunks, chunksize=1)
        joined = []
        for variant in range(len(variants)):
            columns = zip(*(part[variant] for part in parts), strict=True)
            lengths, ids, weights = (np.concatenate(column) for column in columns)
            start = np.concatenate(([0], np.cumsum(lengths, dtype=np.int64)))
            joined.append(Ragged(start, ids, weights))
        return joined


def _save_ragged(prefix: Path, ragged: Ragged) -> None:
    for name, values in vars(ragged).items():
        _save_array(prefix.with_name(f"{prefix.name}-{name}.npy"), values)


def _save_array(path: Path, values: np.ndarray) -> None:
    np.save(path, values)
    if path.stat().st_size < values.nbytes:  # numpy does not always hear of a full disk
        raise OSError(f"{path.name} is cut off")


def _load_ragged(prefix: Path) -> Ragged:
    names = ("start", "ids", "weights")
    return Ragged(
        *(np.load(prefix.with_name(f"{prefix.name}-{n}.npy"), mmap_mode="r") for n in names)
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


_shared: tuple[Tokeniser, Sequence[Variant]]
_Columns = tuple[np.ndarray, np.ndarray, np.ndarray]  # lengths, ids and weights of some texts


def _tokenise_chunk(texts: Sequence[str]) -> list[_Columns]:
    tokeniser, variants = _shared
    rows: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in variants]
    nothing = (np.zeros(0, np.int32), np.zeros(0, np.float32))
    for text in texts:
        weighted = tokeniser.weighting.weigh(text)
        for variant, found in zip(variants, rows, strict=True):
            other = variant(weighted)
            try:
                if other is None:
                    found.append(nothing)
                else:
                    batch = tokenise(tokeniser.tokenizer, [other], tokeniser.max_tokens)
                    found.append((batch.input_ids[0].astype(np.int32), batch.weights[0]))
            except TextError:
                found.append(nothing)
    return [
        (
            np.array([len(ids) for ids, _ in found], dtype=np.int64),
            np.concatenate([ids for ids, _ in found]),
            np.concatenate([weights for _, weights in found]),
        )
        for found in rows
    ]
