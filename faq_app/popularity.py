"""How often was each entry asked? Counted again once a minute, by a thread nobody waits for.

In: a function that counts the log, which takes long where it is long. Out: counts by entry, those
of a moment ago.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping

from indexer.errors import StoreError

SECONDS = 60.0  # how old the counts may become
_log = logging.getLogger(__name__)


class Popularity:
    """Counts, and the thread that makes them anew; safe to share between threads."""

    def __init__(self, count: Callable[[], Mapping[str, int]]) -> None:
        """Nothing is counted before somebody asks."""
        self._count = count
        self._counting = threading.Lock()
        self._counted_at = float("-inf")
        self._counts: Mapping[str, int] = {}

    @property
    def counts(self) -> Mapping[str, int]:
        """Return the counts there are; where they are old, have them made anew meanwhile."""
        if time.monotonic() - self._counted_at > SECONDS:
            self._counted_at = time.monotonic()
            threading.Thread(target=self.recount, name="popularity", daemon=True).start()
        return self._counts

    def recount(self) -> None:
        """Count now."""
        with self._counting:
            try:
                self._counts = self._count()
            except StoreError as error:
                _log.error("the entries' popularity could not be counted: %s", error)
