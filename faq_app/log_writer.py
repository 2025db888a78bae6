"""How is every question logged without a reply that waits for the disk? One thread, in batches.

In: records, from any thread. Out: all of them given to ``write``, in their order, a moment later. A
batch that cannot be written is kept and tried again; when the queue is full, the oldest record is
dropped, and counted. What a killed process had not written yet (an interval's records) is lost.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Generic, TypeVar

from indexer.errors import StoreError

INTERVAL = 0.05  # seconds from the first record of a batch to its writing
BATCH = 500  # records in a transaction: other writers have their turn in between
MOST = 10_000  # records waiting, some 30 MB of replies: minutes of a busy day on a full disk
RETRY = 1.0  # seconds after a batch that could not be written

_Record = TypeVar("_Record")
_log = logging.getLogger(__name__)


class LogWriter(Generic[_Record]):
    """A bounded queue and the thread that empties it; safe to share between threads."""

    def __init__(
        self, write: Callable[[Sequence[_Record]], None], interval: float = INTERVAL
    ) -> None:
        """``write`` commits a batch whole or raises StoreError."""
        self._write = write
        self._interval = interval
        self._waiting: deque[_Record] = deque()
        self._queueing = threading.Lock()  # held for a moment only
        self._writing = threading.Lock()  # held while a batch is written
        self._some = threading.Event()
        self._closing = threading.Event()
        self._failing = False
        self._dropped = 0
        self._thread: threading.Thread | None = None

    @property
    def backlog(self) -> int:
        """Return how many records wait to be written."""
        return len(self._waiting)

    @property
    def dropped(self) -> int:
        """Return how many records were dropped because the queue was full."""
        return self._dropped

    def add(self, record: _Record) -> None:
        """Queue a record; never waits for the disk, never raises."""
        with self._queueing:
            self._waiting.append(record)
            dropped = len(self._waiting) > MOST
            if dropped:
                self._waiting.popleft()
                self._dropped += 1
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._run, name="query log", daemon=True)
                self._thread.start()
        if dropped and self._dropped % 1000 == 1:
            _log.error(
                "the query log cannot be written: %d questions are lost to it so far. "
                "怎么办: 检查磁盘是否已满、数据库文件是否可写",
                self._dropped,
            )
        self._some.set()

    def flush(self) -> bool:
        """Write what was added until now; say whether all of it is in the database."""
        with self._writing:
            left, most = len(self._waiting), BATCH
            while left > 0:
                with self._queueing:
                    batch = list(islice(self._waiting, min(left, most)))
                    lost = self._dropped
                if not batch:
                    break
                try:
                    self._write(batch)
                except StoreError as error:
                    if not self._failing:  # once, not every second until the disk has room
                        _log.error("questions could not be logged, trying again: %s", error)
                    self._failing = True
                    return False
                except Exception:  # a record that nobody foresaw must not stop those after it
                    if len(batch) > 1:
                        most = 1  # which of them is it?
                        continue
                    _log.exception("a question is lost to the log")
                    unwritable, most = 1, BATCH
                else:
                    unwritable = 0
                self._failing = False
                with self._queueing:
                    # Some of the batch may have been dropped while it was being written.
                    for _ in range(len(batch) - (self._dropped - lost)):
                        self._waiting.popleft()
                    self._dropped += unwritable
                left -= len(batch)
        return True

    def close(self) -> None:
        """Write what waits, and end the thread."""
        self._closing.set()
        self._some.set()
        if self._thread is not None:
            self._thread.join()
        if not self.flush():
            _log.error("%d questions are lost to the query log", self.backlog)

    def _run(self) -> None:
        while not self._closing.is_set():
            self._some.wait()
            self._some.clear()
            self._closing.wait(self._interval)
            while not self.flush() and not self._closing.wait(RETRY):
                pass
