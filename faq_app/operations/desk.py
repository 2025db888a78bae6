"""What do all operators' actions share? The service, one way to rehearse, one way to publish.

In: a ``Service``. Out: what is worked out once a revision, and the only door through which an
operator changes what customers get.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from faq_app.service import Service
from indexer.build import Published, publish
from indexer.records import Entry
from indexer.rehearsal import Rehearsal
from indexer.search import Searcher

T = TypeVar("T")


class Desk:
    """One service, as operators use it; safe to share between threads."""

    def __init__(self, service: Service) -> None:
        """Work on what ``service`` serves."""
        self.service = service
        self._kept: dict[str, tuple[int, Any]] = {}
        self._working = threading.RLock()

    @property
    def searcher(self) -> Searcher:
        """Return what customers' questions are searched with now."""
        return self.service.searcher

    def once_a_revision(self, name: str, make: Callable[[Searcher], T]) -> T:
        """Return what ``make`` makes of the published revision; made again only for another."""
        searcher = self.searcher
        with self._working:
            revision, made = self._kept.get(name, (-1, None))
            if revision != searcher.revision:
                made = make(searcher)
                self._kept[name] = (searcher.revision, made)
        return made

    def rehearse(self, settings: Mapping[str, object], changes: Iterable[Entry] = ()) -> Searcher:
        """Return what would be searched with if this were published; nothing is."""
        searcher = self.searcher
        below = self.once_a_revision("rehearsal", lambda _: Rehearsal(self.service.store))
        rehearsal = Rehearsal(below)
        encoder = self.service.encoder
        publish(rehearsal, rehearsal.snapshot(), encoder, changes, settings)
        return Searcher.load(rehearsal, encoder, searcher)

    def publish(
        self,
        changes: Iterable[Entry] = (),
        settings: Mapping[str, object] | None = None,
    ) -> Published:
        """Publish a change; from the next question on, customers are answered by it.

        Raises PublishError if another operator published meanwhile.
        """
        store = self.service.store
        done = publish(store, store.snapshot(), self.service.encoder, changes, settings)
        _ = self.service.revision  # load it now, not when the next customer asks
        return done
