"""What would a setting do? A store in memory, laid over another, in which it can be tried out.

In: a store. Out: one that reads the same until settings are published to it. What is published
stays here: ``build.publish`` and ``Searcher.load`` work on it as on a database, and the database
never knows.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from indexer.errors import PublishError
from indexer.store import Publication, Snapshot, Store


class Rehearsal(Store):
    """The revision that a store had when this was made, and what was published since, here only.

    Vectors once read are kept, so a rehearsal of a rehearsal reads nothing twice.
    """

    def __init__(self, store: Store) -> None:
        """Take the present revision of ``store``, which may be a rehearsal itself."""
        super().__init__(store.path)
        self._below = store
        self._snapshot = store.snapshot()
        self._vectors: dict[str, np.ndarray] = {}

    def snapshot(self) -> Snapshot:
        """Return the whole FAQ as it would be."""
        return self._snapshot

    def setting(self, name: str, default: Any = None) -> Any:
        """Return a setting as it would be."""
        return self._snapshot.settings.get(name, default)

    def vectors(self, keys: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the vectors, float32 (d,), of those keys that have one, here or below."""
        unknown = [key for key in keys if key not in self._vectors]
        if unknown:
            self._vectors |= self._below.vectors(unknown)
        return {key: self._vectors[key] for key in keys if key in self._vectors}

    def publish(self, change: Publication) -> int:
        """Take settings and the vectors that they ask for; return the new revision.

        Raises ValueError for changed entries, whose questions only a database gives ids.
        """
        if change.entries:
            raise ValueError("a rehearsal takes settings, no entries")
        if change.base_revision != self._snapshot.revision:
            raise PublishError(f"{self.path}: 试算基于第 {change.base_revision} 版, 不是现在这一版")
        self._vectors |= change.vectors
        revision = self._snapshot.revision + 1
        self._snapshot = replace(
            self._snapshot,
            revision=revision,
            settings={**self._snapshot.settings, **change.settings, "revision": revision},
            vector_keys={
                question.id: change.vector_keys[question.entry_key, question.text]
                for question in self._snapshot.questions
            },
        )
        return revision
