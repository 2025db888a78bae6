"""What do all operators' actions share? The service, one way to rehearse, one way to publish.

In: a ``Service``. Out: what is worked out once a revision, and the only door through which an
operator changes what customers get.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar

from faq_app.service import Service
from indexer.build import Published, publish
from indexer.publication import Snapshot
from indexer.records import Entry
from indexer.rehearsal import Rehearsal
from indexer.search import Searcher
from indexer.unanswered import Unanswered

T = TypeVar("T")


class Desk:
    """One service, as operators use it; safe to share between threads."""

    def __init__(self, service: Service, note: Callable[[str, str, str], None]) -> None:
        """Work on what ``service`` serves; ``note`` is told who did what, with a detail."""
        self.service = service
        self.note = note
        self._rehearsed: tuple[Any, Searcher] | None = None
        self.vain: Unanswered | None = None  # what customers asked in vain, as last grouped
        self._kept: dict[str, tuple[int, Any]] = {}
        self._working = threading.RLock()

    @property
    def searcher(self) -> Searcher:
        """Return what customers' questions are searched with now."""
        return self.service.searcher

    @property
    def snapshot(self) -> Snapshot:
        """Return the whole FAQ as it is published now."""
        return self.once_a_revision("rehearsal", self._rehearsal).snapshot()

    def once_a_revision(self, name: str, make: Callable[[Searcher], T]) -> T:
        """Return what ``make`` makes of the published revision; made again only for another."""
        searcher = self.searcher
        with self._working:
            revision, made = self._kept.get(name, (-1, None))
            if revision != searcher.revision:
                made = make(searcher)
                self._kept[name] = (searcher.revision, made)
        return made

    def forget(self, name: str) -> None:
        """Let ``once_a_revision`` make this again: something besides the revision changed."""
        with self._working:
            self._kept.pop(name, None)

    def rehearse(
        self,
        changes: Iterable[Entry] = (),
        settings: Mapping[str, Any] | None = None,
        deleted: Collection[str] = (),
    ) -> Searcher:
        """Return what would be searched with if this were published; nothing is.

        What was rehearsed last is kept: it is looked at, then judged, then often published.
        """
        searcher, changes, deleted = self.searcher, tuple(changes), tuple(deleted)
        wanted = (searcher.revision, changes, dict(settings or {}), deleted)
        if (kept := self._rehearsed) and kept[0] == wanted:
            return kept[1]
        rehearsal = Rehearsal(self.once_a_revision("rehearsal", self._rehearsal))
        encoder = self.service.encoder
        publish(rehearsal, rehearsal.snapshot(), encoder, changes, settings, deleted=deleted)
        found = Searcher.load(rehearsal, encoder, searcher)
        self._rehearsed = (wanted, found)
        return found

    def publish(
        self,
        by: str,
        what: str,
        changes: Iterable[Entry] = (),
        settings: Mapping[str, Any] | None = None,
        progress: Callable[[int, int], None] = lambda done, total: None,
        **more: Any,
    ) -> Published:
        """Publish a change; from the next question on, customers are answered by it.

        ``more`` as for ``build.publish``. Raises PublishError if another operator published
        meanwhile, or changed an entry that the change expects otherwise.
        """
        store = self.service.store
        done = publish(
            store, store.snapshot(), self.service.encoder, changes, settings, progress,
            by=by, what=what, **more,
        )  # fmt: skip
        self.published(by, what, done)
        return done

    def published(self, by: str, what: str, done: Published) -> None:
        """Serve a new revision from now on, not from when the next customer asks; note who did."""
        _ = self.service.revision
        self.note(by, what, f"第 {done.revision} 版")

    def _rehearsal(self, _: Searcher) -> Rehearsal:
        return Rehearsal(self.service.store)
