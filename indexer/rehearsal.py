"""What would a change do? A store in memory, laid over another, in which it can be tried out.

In: a store. Out: one that reads the same until something is published to it: entries, settings,
or both. What is published stays here: ``build.publish`` and ``Searcher.load`` work on it as on a
database, and the database never knows.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from indexer.errors import PublishError
from indexer.publication import Publication, Snapshot, outcome, steps_of
from indexer.revisions import Revision
from indexer.store import Store


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
        """Take a change whole; return the new revision. New questions get provisional ids."""
        if change.base.revision != self._snapshot.revision:
            raise PublishError(f"{self.path}: 试算基于第 {change.base.revision} 版, 不是现在这一版")
        after = outcome(change, steps_of(change))
        self._vectors |= change.vectors
        self._snapshot = after
        return after.revision

    def publish_settings(
        self,
        settings: Mapping[str, Any],
        by: str = "",
        what: str = "",
        regression: Mapping[str, Any] | None = None,
    ) -> int:
        """Take settings that decide replies; return the new revision."""
        base = self._snapshot
        return self.publish(Publication(base, (), base.text_keys(), {}, settings))

    def last_change(self, key: str) -> Revision | None:
        """Return the revision in which an entry changed last below; what is tried has no author."""
        return self._below.last_change(key)

    def transaction(self) -> NoReturn:
        """Refuse: nothing that is tried out may reach the database."""
        raise TypeError("a rehearsal writes nothing")
