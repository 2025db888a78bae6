"""Which entries fit a question? One immutable ``Searcher`` a revision.

In: a customer's words. Out: a ``SearchResult``, at most one hit per entry. Whether that is good
enough to answer is decision.py's matter.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from distill.encoder import Encoder
from distill.errors import TextError
from distill.text import speaks
from indexer.decision import Thresholds, thresholds_of
from indexer.errors import StoreError
from indexer.lexical import Features, LexicalIndex, features
from indexer.records import Entry, Hit, Question, SearchResult
from indexer.store import Store
from indexer.vector_index import VectorIndex

# score = (1 - share) × cosine of the vectors + share × lexical cosine. Chosen on split dev of
# data/queries.csv; benchmarks/results/faq.json has each channel alone.
LEXICAL_SHARE = 0.5
# Questions that each channel proposes; the score is computed for all of them.
_CANDIDATES = 100


@dataclass(frozen=True)
class Searcher:
    """Encoder, indexes, texts and thresholds of one revision; safe to share between threads."""

    revision: int
    encoder: Encoder
    entries: Mapping[str, Entry]
    thresholds: Thresholds
    _questions: tuple[Question, ...]
    _vectors: VectorIndex
    _lexical: LexicalIndex
    _features: Mapping[str, Features]  # by vector key: what the next revision need not recompute

    @classmethod
    def load(cls, store: Store, encoder: Encoder, previous: "Searcher | None" = None) -> "Searcher":
        """Load the published revision, faster with the ``previous`` one at hand.

        Raises StoreError if its vectors are another encoder's.
        """
        snapshot = store.snapshot()
        if snapshot.revision == 0:
            raise StoreError(
                f"{store.path}: 里面还没有问答。先建库: "
                f"python -m indexer build 问答表 --db {store.path}"
            )
        if snapshot.settings.get("encoder") != encoder.fingerprint:
            raise StoreError(
                f"{store.path}: 向量是用编码器 {snapshot.settings.get('encoder')} 算的, "
                f"{encoder.bundle.path} 是 {encoder.fingerprint}。重算: python -m indexer refresh "
                f"--db {store.path} --encoder {encoder.bundle.path}"
            )
        keys = sorted(set(snapshot.vector_keys.values()))
        vectors = store.vectors(keys)
        if len(vectors) < len(keys):
            raise StoreError(
                f"{store.path}: 缺 {len(keys) - len(vectors)} 个向量。重算: "
                f"python -m indexer refresh --db {store.path} --encoder {encoder.bundle.path}"
            )
        # Switched-off entries are not searched at all.
        questions = tuple(q for q in snapshot.questions if snapshot.entries[q.entry_key].enabled)
        own = [snapshot.vector_keys[question.id] for question in questions]
        known = previous._features if previous else {}
        found = {
            key: known.get(key) or features(encoder.weigh(question.text))
            for key, question in zip(own, questions, strict=True)
        }
        matrix = np.zeros((len(own), encoder.dimension), dtype=np.float32)
        for row, key in enumerate(own):
            matrix[row] = vectors[key]
        return cls(
            snapshot.revision,
            encoder,
            snapshot.entries,
            thresholds_of(snapshot.settings, encoder.fingerprint),
            questions,
            VectorIndex(matrix),
            LexicalIndex([found[key] for key in own]),
            found,
        )

    def live_entries(self) -> dict[str, Entry]:
        """Return the entries that may be shown today, in file order."""
        today = date.today().isoformat()
        return {key: entry for key, entry in self.entries.items() if applies(entry, today)}

    @property
    def questions(self) -> tuple[Question, ...]:
        """Return the questions that are searched: all of the entries that are switched on."""
        return self._questions

    def search(self, query: str, k: int = 5, without: Collection[int] = ()) -> SearchResult:
        """Return the k best entries by the score of their best question.

        A query without a single letter, digit or Chinese character has no hits. The questions
        whose ids are in ``without`` are passed over, as though they had never been imported.
        """
        weighted = self.encoder.weigh(query)
        if not speaks(weighted.text):
            return SearchResult(query, (), self.revision)
        try:
            vector = self.encoder.encode([weighted])[0]
        except TextError:  # an operator's weight 0 on all that was said
            return SearchResult(query, (), self.revision)
        lexical = self._lexical.cosines(features(weighted))
        # Those passed over take no candidate's place.
        depth = max(_CANDIDATES, 8 * k) + len(without)
        while True:
            hits = self._best_entries(vector, lexical, depth, k, without)
            if len(hits) == k or depth >= len(self._questions):
                return SearchResult(query, tuple(hits), self.revision)
            # A few entries' many similar questions filled the list: look further down.
            depth *= 4

    def _best_entries(
        self,
        vector: np.ndarray,
        lexical: np.ndarray,
        depth: int,
        k: int,
        without: Collection[int],
    ) -> list[Hit]:
        near = self._vectors.search(vector, depth)
        alike = np.argsort(-lexical, kind="stable")[:depth]
        rows = np.union1d(near, alike)
        cosines = self._vectors.cosines(vector, rows)
        # Rounded to what float32 can tell: the same text scores 1, not 0.99999994.
        scores = ((1 - LEXICAL_SHARE) * cosines + LEXICAL_SHARE * lexical[rows]).round(5)
        today = date.today().isoformat()
        best: dict[str, Hit] = {}
        for i in np.argsort(-scores, kind="stable"):
            question = self._questions[rows[i]]
            if question.id in without:
                continue
            if question.entry_key not in best and applies(self.entries[question.entry_key], today):
                best[question.entry_key] = Hit(
                    question.entry_key,
                    question.id,
                    question.text,
                    *(_bounded(x) for x in (scores[i], cosines[i], lexical[rows[i]])),
                )
                if len(best) == k:
                    break
        return list(best.values())


def applies(entry: Entry, today: str) -> bool:
    """Say whether an entry may be shown on a day (YYYY-MM-DD): switched on, and valid then."""
    return (
        entry.enabled
        and (not entry.valid_from or entry.valid_from <= today)
        and (not entry.valid_to or today <= entry.valid_to)
    )


def _bounded(value: np.floating) -> float:
    return max(-1.0, min(1.0, round(float(value), 5)))
