"""Which entries fit a question? One immutable ``Searcher`` a revision.

In: a customer's words. Out: a ``SearchResult``, at most one hit per entry. Whether that is good
enough to answer is decision.py's matter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from distill.encoder import Encoder
from distill.errors import TextError
from distill.text import speaks
from indexer.decision import Thresholds, thresholds_of
from indexer.errors import StoreError
from indexer.records import Entry, Hit, Question, SearchResult
from indexer.store import Snapshot, Store
from indexer.vector_index import VectorIndex


@dataclass(frozen=True)
class Searcher:
    """Encoder, index, texts and thresholds of one revision; safe to share between threads."""

    revision: int
    encoder: Encoder
    entries: Mapping[str, Entry]
    thresholds: Thresholds
    _questions: Mapping[int, Question]
    _index: VectorIndex

    @classmethod
    def load(cls, store: Store, encoder: Encoder) -> "Searcher":
        """Load the published revision; raises StoreError if its vectors are another encoder's."""
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
        return cls.of(snapshot, vectors, encoder)

    @classmethod
    def of(
        cls, snapshot: Snapshot, vectors: Mapping[str, np.ndarray], encoder: Encoder
    ) -> "Searcher":
        """Make a searcher from a snapshot and its vectors by key; disabled entries are left out."""
        questions = [q for q in snapshot.questions if snapshot.entries[q.entry_key].enabled]
        matrix = np.zeros((len(questions), encoder.dimension), dtype=np.float32)
        for row, question in enumerate(questions):
            matrix[row] = vectors[snapshot.vector_keys[question.id]]
        return cls(
            snapshot.revision,
            encoder,
            snapshot.entries,
            thresholds_of(snapshot.settings, encoder.fingerprint),
            {question.id: question for question in questions},
            VectorIndex([question.id for question in questions], matrix),
        )

    def search(self, query: str, k: int = 5) -> SearchResult:
        """Return the k best entries by the cosine of their nearest question.

        A query without a single letter, digit or Chinese character has no hits.
        """
        weighted = self.encoder.weigh(query)
        if not speaks(weighted.text):
            return SearchResult(query, (), self.revision)
        try:
            vector = self.encoder.encode([weighted])[0]
        except TextError:  # an operator's weight 0 on all that was said
            return SearchResult(query, (), self.revision)
        today = date.today().isoformat()
        wanted = 8 * k
        while True:
            found = self._index.search(vector, wanted)
            best: dict[str, Hit] = {}
            for question_id, cosine in found:
                question = self._questions[question_id]
                if question.entry_key not in best and _valid(
                    self.entries[question.entry_key], today
                ):
                    hit = Hit(question.entry_key, question_id, question.text, cosine)
                    best[question.entry_key] = hit
            if len(best) >= k or wanted >= len(self._index):
                return SearchResult(query, tuple(best.values())[:k], self.revision)
            # One entry's many similar questions filled the list: look further down.
            wanted *= 4


def _valid(entry: Entry, today: str) -> bool:
    return (not entry.valid_from or entry.valid_from <= today) and (
        not entry.valid_to or today <= entry.valid_to
    )
