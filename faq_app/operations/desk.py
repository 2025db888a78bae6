"""What do all operators' actions share? The service, one way to rehearse, one way to publish.

In: a ``Service``. Out: what is worked out once a revision, and the only door through which an
operator changes what customers get.
"""

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, TypeVar

from faq_app.service import Service
from indexer.build import Published, publish
from indexer.errors import PublishError
from indexer.progress import Progress, silent
from indexer.publication import Snapshot
from indexer.records import Entry
from indexer.rehearsal import Rehearsal
from indexer.search import Searcher
from indexer.stored_settings import require_sound
from indexer.unanswered import Unanswered

T = TypeVar("T")
_LOADING_SECONDS = 10.0  # how long a publish waits until its revision is served
_log = logging.getLogger(__name__)


class Desk:
    """One service, as operators use it; safe to share between threads."""

    def __init__(self, service: Service, note: Callable[[str, str, str], None]) -> None:
        """Work on what ``service`` serves; ``note`` is told who did what, with a detail."""
        self.service = service
        self.note = note
        self._rehearsed: tuple[Any, Rehearsal, Searcher] | None = None
        self.vain: Unanswered | None = None  # what customers asked in vain, as last grouped
        self._kept: dict[str, tuple[int, Any]] = {}
        self._making: dict[str, threading.RLock] = {}
        self._locking = threading.Lock()
        self._wanted: tuple[Callable[[], Any], ...] = ()
        self._warming: threading.Thread | None = None

    @property
    def searcher(self) -> Searcher:
        """Return what customers' questions are searched with now."""
        return self.service.searcher

    @property
    def snapshot(self) -> Snapshot:
        """Return the whole FAQ as it is published now."""
        return self.once_a_revision("rehearsal", self._rehearsal).snapshot()

    def once_a_revision(self, name: str, make: Callable[[Searcher], T]) -> T:
        """Return what ``make`` makes of the published revision; made again only for another.

        Whoever asks while it is being made waits for it, and for nothing else.
        """
        searcher = self.searcher
        with self._lock_of(name):
            revision, made = self._kept.get(name, (-1, None))
            if revision != searcher.revision:
                made = make(searcher)
                self._kept[name] = (searcher.revision, made)
        return made

    def last(self, name: str) -> Any:
        """Return what ``once_a_revision`` made last, of whichever revision; None if nothing."""
        return self._kept.get(name, (-1, None))[1]

    def is_ready(self, name: str) -> bool:
        """Say whether ``once_a_revision`` has this of the published revision."""
        return self._kept.get(name, (-1, None))[0] == self.searcher.revision

    def forget(self, name: str) -> None:
        """Let ``once_a_revision`` make this again: something besides the revision changed."""
        with self._lock_of(name):
            self._kept.pop(name, None)

    def keep_ready(self, *wanted: Callable[[], Any]) -> None:
        """Say what pages will ask for, in order: it is made in the background by ``warm``."""
        self._wanted = wanted

    def warm(self) -> None:
        """Begin to make what pages will ask for of the published revision; return at once."""
        with self._locking:
            if self._wanted and self._warming is None:
                # A daemon: a server that stops does not wait for what nobody will look at.
                self._warming = threading.Thread(target=self._warm, name="console", daemon=True)
                self._warming.start()

    def rehearse(
        self,
        changes: Iterable[Entry] = (),
        settings: Mapping[str, Any] | None = None,
        deleted: Collection[str] = (),
        progress: Progress = silent,
    ) -> Searcher:
        """Return what would be searched with if this were published; nothing is.

        What was rehearsed last is kept: it is looked at, then judged, then often published.
        """
        searcher, changes, deleted = self.searcher, tuple(changes), tuple(deleted)
        wanted = (searcher.revision, changes, dict(settings or {}), deleted)
        if (kept := self._rehearsed) and kept[0] == wanted:
            return kept[2]
        self._rehearsed = None  # before the next one takes its memory
        rehearsal = Rehearsal(self.once_a_revision("rehearsal", self._rehearsal))
        encoder = self.service.encoder
        publish(
            rehearsal, rehearsal.snapshot(), encoder, changes, settings, progress, deleted=deleted
        )
        found = Searcher.load(rehearsal, encoder, searcher)
        self._rehearsed = (wanted, rehearsal, found)
        return found

    def publish(
        self,
        by: str,
        what: str,
        changes: Iterable[Entry] = (),
        settings: Mapping[str, Any] | None = None,
        progress: Progress = silent,
        **more: Any,
    ) -> Published:
        """Publish a change; from the next question on, customers are answered by it.

        ``more`` as for ``build.publish``. Raises PublishError if another operator published
        meanwhile, or changed an entry that the change expects otherwise; StoreError if somebody
        wrote a setting by hand that cannot be served.
        """
        store = self.service.store
        snapshot = store.snapshot()
        require_sound({**snapshot.settings, **(settings or {})}, store.path)
        kept = self._rehearsed
        done = publish(
            store, snapshot, self.service.encoder, changes, settings, progress,
            by=by, what=what, rehearsed=kept[1] if kept else None, **more,
        )  # fmt: skip
        self.published(by, what, done)
        return done

    def published(self, by: str, what: str, done: Published) -> None:
        """Serve a new revision from now on, not from when the next customer asks; note who did.

        Raises PublishError if the server cannot load it: it is published all the same.
        """
        self.note(by, what, f"第 {done.revision} 版")
        end = time.monotonic() + _LOADING_SECONDS
        # A customer's request may be loading it just now.
        while (served := self.service.revision) < done.revision and time.monotonic() < end:
            time.sleep(0.01)
        if served < done.revision:
            raise PublishError(
                f"已发布第 {done.revision} 版, 但服务器不能加载它, 顾客仍按第 {served} 版得到答案。"
                "怎么办: 到「版本」里回到上一版, 原因见服务器日志"
            )
        self._rehearsed = None  # a whole searcher, which nobody will ask for again
        self.warm()

    def _lock_of(self, name: str) -> threading.RLock:
        with self._locking:
            return self._making.setdefault(name, threading.RLock())

    def _warm(self) -> None:
        """Make all that is wanted; begin again when another revision was published meanwhile."""
        try:
            while True:
                searcher = self.searcher
                for make in self._wanted:
                    if self.searcher is searcher:
                        make()
                with self._locking:
                    if self.searcher is searcher:
                        self._warming = None
                        return
        except Exception as error:  # whoever opens the page is told
            _log.warning("pages could not be prepared: %s", error)
            self._warming = None

    def _rehearsal(self, _: Searcher) -> Rehearsal:
        return Rehearsal(self.service.store)
