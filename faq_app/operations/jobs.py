"""What takes longer than a request should? Work of programs: one after the other, to be watched.

In: a function that takes a progress callback. Out: a ``Job`` that says how far it is, and then what
came of it. A job is stopped through its callback, which raises Cancelled: before the commit, so
that nothing of it is published.
"""

import logging
import secrets
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from indexer.errors import Cancelled, IndexerError
from indexer.progress import Progress

State = Literal["waiting", "running", "done", "failed", "cancelled"]
Work = Callable[[Progress], Any]

MOST_WAITING = 8
MOST_KEPT = 50  # finished jobs whose results can still be asked for
_log = logging.getLogger(__name__)


class Busy(IndexerError):
    """So many jobs wait already that no other is taken."""


class Finished(IndexerError):
    """A job that is over cannot be stopped."""


@dataclass(frozen=True)
class Job:
    """A piece of work as it stands. Times are UTC, ISO 8601, "" if not yet; ``total`` 0: unknown.

    ``result`` is what the work returned, once it is done; ``error`` what it raised.
    """

    id: str
    kind: str
    by: str
    created: str
    state: State = "waiting"
    done: int = 0
    total: int = 0
    started: str = ""
    finished: str = ""
    result: Any = None
    error: Exception | None = None


class Jobs:
    """A queue of work and the one thread that does it; safe to share between threads."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}  # oldest first
        self._waiting: deque[tuple[str, Work]] = deque()
        self._stopping: set[str] = set()
        self._lock = threading.Lock()
        self._running = False

    def submit(self, kind: str, by: str, work: Work) -> Job:
        """Let some work be done when its turn comes. Raises Busy if too much waits already."""
        with self._lock:
            if len(self._waiting) >= MOST_WAITING:
                raise Busy(f"已有 {MOST_WAITING} 个任务在等待。怎么办: 等它们完成，或取消几个")
            job = Job(secrets.token_hex(8), kind, by, _now())
            self._jobs[job.id] = job
            self._waiting.append((job.id, work))
            if not self._running:
                self._running = True
                # A daemon: a server that stops does not wait for a long import. What it had not
                # committed never was.
                threading.Thread(target=self._run, name="jobs", daemon=True).start()
        return job

    def all(self) -> list[Job]:
        """Return all jobs that are known, the latest first."""
        with self._lock:
            return list(self._jobs.values())[::-1]

    def find(self, number: str) -> Job:
        """Return a job as it stands; raises KeyError for one that is not known (any more)."""
        with self._lock:
            return self._jobs[number]

    def cancel(self, number: str) -> Job:
        """Stop a job: at once if it waits, before its commit if it runs.

        One that is committing just now ends as done. Raises KeyError as ``find`` does, and Finished
        if it is over.
        """
        with self._lock:
            job = self._jobs[number]
            if job.state not in ("waiting", "running"):
                raise Finished(f"任务 {number} 已经结束，不能取消。怎么办: 已发布的可以回退")
            if job.state == "running":
                self._stopping.add(number)
                return job
            self._waiting = deque(each for each in self._waiting if each[0] != number)
            return self._finish(number, state="cancelled")

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._running = False
                    return
                number, work = self._waiting.popleft()
                self._change(number, state="running", started=_now())
            ended = self._ended(number, work)
            with self._lock:
                self._stopping.discard(number)
                self._finish(number, **ended)

    def _ended(self, number: str, work: Work) -> dict[str, Any]:
        def progress(done: int, total: int) -> None:
            with self._lock:
                if number in self._stopping:
                    raise Cancelled(number)
                self._change(number, done=done, total=total)

        try:
            return {"state": "done", "result": work(progress)}
        except Cancelled:
            return {"state": "cancelled"}
        except Exception as error:
            _log.info("job %s failed", number, exc_info=error)
            return {"state": "failed", "error": error}

    def _change(self, number: str, **changes: Any) -> Job:
        job = self._jobs[number] = replace(self._jobs[number], **changes)
        return job

    def _finish(self, number: str, **changes: Any) -> Job:
        job = self._change(number, finished=_now(), **changes)
        over = [each.id for each in self._jobs.values() if each.finished]
        for old in over[:-MOST_KEPT]:
            del self._jobs[old]
        return job


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
