"""What can an encoder learn from this FAQ? Labelled sentence pairs of the published revision.

In: a store. Out: questions of one entry (label 1); near questions of different entries, and an
entry's question with its 反例 (label 0: hard negatives). No encoder is loaded: the stored vectors
say what is near.
"""

import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import numpy as np

from distill.corpus import LabelledPair
from distill.text import normalise
from indexer.errors import StoreError
from indexer.records import Entry
from indexer.store import Store


@dataclass(frozen=True)
class PairLimits:
    """How many pairs are made; the same FAQ and limits give the same pairs."""

    per_entry: int = 20  # of each label: 200 similar questions must not drown the other entries
    near_entries: int = 3  # that each question is told from


@dataclass(frozen=True)
class _Group:
    """One entry with its questions' texts and vectors, float32 (n, d); the standard one first."""

    entry: Entry
    texts: Sequence[str]
    vectors: np.ndarray


def training_pairs(store: Store, limits: PairLimits) -> Iterator[LabelledPair]:
    """Yield the pairs of each entry that is switched on, in file order; no pair comes twice.

    Entries with equal answers are not told from one another. Raises StoreError if there is no FAQ
    in the database, or a vector is missing.
    """
    groups = _read(store)
    near = _Neighbours(groups)
    seen: set[frozenset[str]] = set()
    for number, group in enumerate(groups):
        texts = group.texts[: limits.per_entry]
        counter_examples = _counter_examples(group, limits.near_entries)
        negatives = chain(counter_examples, near.of(number, len(texts), limits.near_entries))
        for label, pairs in ((1.0, _ring(texts)), (0.0, negatives)):
            yield from islice(_new(pairs, label, seen), limits.per_entry)


def _read(store: Store) -> list[_Group]:
    snapshot = store.snapshot()
    if snapshot.revision == 0:
        raise StoreError(
            f"{store.path}: 里面还没有问答。先建库: "
            f"python -m indexer build 问答表 --db {store.path}"
        )
    stored = store.vectors(sorted(set(snapshot.vector_keys.values())))
    questions = {key: [] for key, entry in snapshot.entries.items() if entry.enabled}
    for question in snapshot.questions:
        if question.entry_key in questions:
            questions[question.entry_key].append(question)
    groups = []
    for key, own in questions.items():
        # The similar ones in an order that their text decides, so that a limit takes a mixture.
        own.sort(key=lambda q: (q.kind != "standard", zlib.crc32(q.text.encode()), q.text))
        vectors = [stored.get(snapshot.vector_keys[question.id]) for question in own]
        if any(vector is None for vector in vectors):
            raise StoreError(
                f"{store.path}: 条目 {key} 缺少向量。"
                f"重算: python -m indexer refresh --db {store.path}"
            )
        groups.append(
            _Group(snapshot.entries[key], [question.text for question in own], np.stack(vectors))
        )
    return groups


def _ring(texts: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield all pairs, neighbours on a ring first: cut off anywhere, every text is in as many."""
    for step in range(1, len(texts) // 2 + 1):
        for i, text in enumerate(texts):
            yield text, texts[(i + step) % len(texts)]


def _counter_examples(group: _Group, questions: int) -> Iterator[tuple[str, str]]:
    """Yield each 反例 with the entry's first questions."""
    own = {normalise(text) for text in group.texts}
    for text in group.entry.negatives:
        if normalise(text) and normalise(text) not in own:
            yield from ((question, text) for question in group.texts[:questions])


class _Neighbours:
    """The nearest questions of other entries, by the stored vectors."""

    def __init__(self, groups: Sequence[_Group]) -> None:
        self._groups = groups
        self._vectors = np.concatenate([group.vectors for group in groups] or [np.zeros((0, 1))])
        self._start = np.cumsum([0, *(len(group.texts) for group in groups)])[:-1]
        self._answers = np.array([normalise(group.entry.answer) for group in groups])

    def of(self, number: int, questions: int, entries: int) -> Iterator[tuple[str, str]]:
        """Yield the first ``questions`` of an entry, each with the nearest of ``entries`` others.

        All questions' nearest come first, then their second nearest, and so on.
        """
        texts, vectors = self._groups[number].texts, self._groups[number].vectors[:questions]
        others = np.flatnonzero(self._answers != self._answers[number])
        cosines = vectors @ self._vectors.T  # (questions, n)
        best = np.maximum.reduceat(cosines, self._start, axis=1)[:, others]
        for column in np.argsort(-best, axis=1, kind="stable")[:, :entries].T:
            for text, vector, other in zip(texts, vectors, others[column], strict=False):
                nearest = int((self._groups[other].vectors @ vector).argmax())
                yield text, self._groups[other].texts[nearest]


def _new(
    pairs: Iterable[tuple[str, str]], label: float, seen: set[frozenset[str]]
) -> Iterator[LabelledPair]:
    for first, second in pairs:
        if (pair := frozenset((first, second))) not in seen:
            seen.add(pair)
            yield LabelledPair(first, second, label)
