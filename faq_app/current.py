"""Which revision answers now? The published one, loaded when it is new.

In: a database and an encoder. Out: the ``Searcher`` of what was published last; while that loads,
or if it cannot be served, of what was published before.
"""

import ctypes
import logging
import os
import threading
from pathlib import Path

from distill.encoder import Encoder
from distill.errors import DistillError
from indexer.errors import StoreError
from indexer.search import Searcher
from indexer.store import Store

DEFAULT_ENCODER = Path("data/encoder")

_log = logging.getLogger(__name__)


class Current:
    """The searcher in use; safe to share between threads."""

    def __init__(self, store: Store, encoder: Encoder) -> None:
        """Load the published revision; raises StoreError if there is none to serve."""
        self._store = store
        self._reloading = threading.Lock()
        self._unservable = -1
        self._unreadable = False
        self.encoder = encoder  # as it comes, without anybody's keyword weights
        self.loaded = Searcher.load(store, encoder)

    def searcher(self) -> Searcher:
        """Return the searcher of the published revision, loading it if it is new.

        Who meets a reload under way goes on with the old one: nobody waits for another's.
        """
        try:
            revision = self._store.revision()
        except StoreError as error:
            # The file is gone or cannot be read: what is in memory answers all the same.
            if not self._unreadable:
                _log.error("answering from memory: %s", error)
            self._unreadable = True
            return self.loaded
        self._unreadable = False
        known = revision in (self.loaded.revision, self._unservable)
        if not known and self._reloading.acquire(blocking=False):
            try:
                self._load(revision)
            finally:
                self._reloading.release()
        return self.loaded

    def _load(self, revision: int) -> None:
        if revision == self.loaded.revision:  # another thread was quicker
            return
        try:
            encoder = self._published_encoder()
            self.loaded = Searcher.load(self._store, encoder, self.loaded)
            self.encoder = encoder
            _give_back()
        except (StoreError, DistillError) as error:
            # Vectors of an encoder that is not there: keep answering from what is loaded.
            self._unservable = revision
            _log.error("revision %d cannot be served: %s", revision, error)

    def _published_encoder(self) -> Encoder:
        """Return the encoder that the published vectors are of, if it lies where it lay then."""
        wanted, path = self._store.setting("encoder"), self._store.setting("encoder_path")
        if wanted == self.encoder.fingerprint or not path:
            return self.encoder
        return Encoder.load(Path(path))


def encoder_for(store: Store, path: Path | None) -> Encoder:
    """Return the encoder at ``path``; without one the default, or what operators published with.

    Raises DistillError.
    """
    if path:
        return Encoder.load(path)
    encoder = Encoder.load(DEFAULT_ENCODER)
    published = store.setting("encoder_path")
    other = published and store.setting("encoder") != encoder.fingerprint
    return Encoder.load(Path(published)) if other and Path(published).is_dir() else encoder


def _give_back() -> None:
    """Let the system have the memory that loading a revision took and left in pieces.

    glibc would keep it: with each publish the process grew by some tens of MB, up to a limit.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim:
        trim(0)
