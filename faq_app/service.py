"""What happens when a customer asks, clicks or rates? One service under the page and the API.

In: a customer's words. Out: a ``Reply``; every question is logged with what was decided. Threads
share a service: each request takes the current ``Searcher`` once and finishes on it.
"""

import logging
import os
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import lru_cache, partial
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from distill.encoder import Encoder
from distill.text import normalise, speaks
from faq_app.answering import Answerers
from faq_app.current import Current, encoder_for
from faq_app.log_writer import LogWriter
from faq_app.popularity import Popularity
from faq_app.reply import Option, Reply, answered, decided
from faq_app.wording import SETTING, Wording
from indexer.errors import StoreError
from indexer.masking import as_asked
from indexer.search import Searcher, applies
from indexer.store import Store
from indexer.typeahead import LONGEST as LONGEST_TYPED

MAX_QUERY_LENGTH = 500
# Queries of a revision and a day whose replies are kept: at 500 characters and 5 hits each, 10 MB.
REMEMBERED = 2000
FREQUENT_SECONDS = 60  # counting the log again for every page would cost more than it tells

Verdict = Literal["useful", "useless", "none_of_these"]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Asked:
    """What the log is told of a question."""

    reply: Reply
    asked_at: str
    milliseconds: float


@dataclass(frozen=True)
class _Today:
    """One searcher on one day: entries come and go with the date, so replies hold for a day."""

    searcher: Searcher
    day: str
    reply: Callable[[str], Reply]  # to a normalised query; remembers the latest


class Service:
    """Answers questions from one database; safe to share between threads."""

    def __init__(
        self,
        store: Store,
        encoder: Encoder,
        remembered: int = REMEMBERED,
        answerers: Answerers | None = None,
        together: int = 0,
    ) -> None:
        """Load the published revision; raises StoreError if there is none to serve.

        ``remembered``: how many recent queries are not searched for again. ``answerers``, closed
        with the service, are asked before it searches by itself. ``together``: how many threads
        search at once; 0 is half the cores.
        """
        self._store = store
        self._writer = LogWriter(self._write_log)
        self._decisions: Counter[tuple[str, str]] = Counter()
        self._remembered = remembered
        self._answerers = answerers
        # Threads that search together wait for Python's lock more often than they gain by it.
        own = together or max(1, (os.cpu_count() or 1) // 2)
        self._turns = threading.BoundedSemaphore(own + (answerers.count if answerers else 0))
        self._current = Current(store, encoder)
        self._today = self._remembering(self._current.loaded, "")
        self._frequent: tuple[float, tuple[str, ...]] = (-FREQUENT_SECONDS, ())
        self._popularity = Popularity(store.entry_hits)

    @classmethod
    def open(cls, db: Path, encoder: Path | None = None, workers: int = 0) -> "Service":
        """Open a database and an encoder bundle, with ``workers`` processes that help to answer.

        Raises IndexerError or DistillError.
        """
        store = Store.open(db)
        answerers = None
        try:
            loaded = encoder_for(store, encoder)
            answerers = Answerers(workers, db, encoder) if workers else None
            return cls(store, loaded, answerers=answerers)
        except BaseException:
            if answerers:
                answerers.close()
            store.close()
            raise

    def close(self) -> None:
        """Write the rest of the log, and close the database."""
        if self._answerers:
            self._answerers.close()
        self._writer.close()
        self._store.close()

    def flush(self) -> None:
        """Write the log up to the latest reply, for whoever reads it next."""
        self._writer.flush()

    @property
    def log_backlog(self) -> int:
        """Return how many questions wait to be written to the log."""
        return self._writer.backlog

    @property
    def log_dropped(self) -> int:
        """Return how many questions are lost to the log, which could not be written for long."""
        return self._writer.dropped

    @property
    def decisions(self) -> Mapping[tuple[str, str], int]:
        """Return how many replies of each decision and reason were logged since the start."""
        return self._decisions.copy()

    @property
    def store(self) -> Store:
        """Return the database, for what operators do to it."""
        return self._store

    @property
    def wording(self) -> Wording:
        """Return what the chat page says in its own words."""
        return Wording.of(self._store.setting(SETTING))

    @property
    def encoder(self) -> Encoder:
        """Return the encoder as it comes, without anybody's keyword weights."""
        return self._current.encoder

    @property
    def answering_processes(self) -> int:
        """Return how many processes help to answer now."""
        return self._answerers.ready if self._answerers else 0

    @property
    def searcher(self) -> Searcher:
        """Return what customers' questions are searched with now, after loading a new revision."""
        return self._current.searcher()

    @property
    def revision(self) -> int:
        """Return the revision being served, after loading a new one."""
        return self._current.searcher().revision

    @property
    def entry_count(self) -> int:
        """Return how many entries can be found."""
        return len(self._current.searcher().live_entries())

    @property
    def encoder_fingerprint(self) -> str:
        """Return the fingerprint of the encoder in use."""
        return self._current.encoder.fingerprint

    @property
    def calibrated(self) -> bool:
        """Say whether the thresholds were chosen on the user's own queries."""
        return bool(self._current.loaded.calibration.source)

    def ask(self, query: str) -> Reply:
        """Search, decide, log, reply. Never raises for what a customer typed."""
        started = time.perf_counter()
        searcher = self._current.searcher()
        trace_id = uuid.uuid4().hex
        # JSON can carry half a character (a lone surrogate), which nothing can store.
        query = query.encode("utf-8", "replace").decode("utf-8")
        text = normalise(query)
        if len(query) > MAX_QUERY_LENGTH or not speaks(text):
            reason = "too_long" if len(query) > MAX_QUERY_LENGTH else "no_text" if text else "empty"
            reply = Reply(trace_id, query, "reject", reason, searcher.revision)
        else:
            reply = replace(self._replies_of(searcher).reply(text), trace_id=trace_id, query=query)
        milliseconds = 1000 * (time.perf_counter() - started)
        asked_at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._writer.add(_Asked(reply, asked_at, milliseconds))
        return reply

    def choose(self, trace_id: str, entry_id: str) -> Reply:
        """Answer with the entry that the customer clicked; raises KeyError for unknown ids."""
        searcher = self._current.searcher()
        if not applies(searcher.entries[entry_id], date.today().isoformat()):
            raise KeyError(entry_id)
        try:
            self._mark(trace_id, chosen=entry_id)
        except StoreError as error:
            _log.error("a choice could not be logged: %s", error)
        reply = Reply(trace_id, "", "answer", "chosen", searcher.revision)
        return answered(reply, searcher, entry_id)

    def feedback(self, trace_id: str, verdict: Verdict) -> None:
        """Store what the customer said of a reply: on disk when this returns.

        Raises KeyError for an unknown trace_id.
        """
        self._mark(trace_id, feedback=verdict)

    def _mark(self, trace_id: str, **marks: str) -> None:
        self.flush()  # the reply itself may still wait
        self._store.mark_query(trace_id, **marks)

    def suggest(self, typed: str, k: int) -> tuple[Option, ...]:
        """Return questions that somebody may be typing, an entry once; nothing is logged.

        Where too few hold what was typed, those most like it follow: a slip of the pen shall not
        empty the list.
        """
        searcher = self._current.searcher()
        found: dict[str, str] = {}
        today = date.today().isoformat()
        matches = searcher.typeahead.matches(typed, self._popularity.counts)
        likely = ((match.entry_id, match.question) for match in matches)
        for key, question in chain(likely, self._alike(searcher, typed, k)):
            if key not in found and applies(searcher.entries[key], today):
                found[key] = question
                if len(found) == k:
                    break
        return tuple(Option(key, question) for key, question in found.items())

    def _alike(self, searcher: Searcher, typed: str, k: int) -> Iterator[tuple[str, str]]:
        """Yield what comes in question only once the list is too short."""
        for key in searcher.alike(typed[:LONGEST_TYPED], 2 * k):
            yield key, searcher.entries[key].question

    def frequent_questions(self, count: int = 6) -> tuple[str, ...]:
        """Return the questions to offer: those an operator chose, else standard questions.

        Of these the most asked first, then one of each category in turn.
        """
        if chosen := self.wording.frequent:
            return chosen
        made, questions = self._frequent
        if time.monotonic() - made < FREQUENT_SECONDS and len(questions) >= count:
            return questions[:count]
        searcher = self._current.searcher()
        live = searcher.live_entries()
        self.flush()
        asked = [key for key in self._store.entry_hits() if key in live]
        seen: dict[str, int] = {}
        turn = {}
        for key, entry in live.items():
            turn[key] = seen[entry.category] = seen.get(entry.category, -1) + 1
        in_turn = sorted(live, key=turn.__getitem__)
        keys = list(dict.fromkeys(asked + in_turn))[: max(count, 10)]
        questions = tuple(live[key].question for key in keys)
        self._frequent = (time.monotonic(), questions)
        return questions[:count]

    def _replies_of(self, searcher: Searcher) -> _Today:
        """Return the memory of a searcher's replies; of today's, whatever the clock does."""
        day, today = date.today().isoformat(), self._today
        if today.searcher is not searcher or today.day != day:
            today = self._today = self._remembering(searcher, day)
        return today

    def _remembering(self, searcher: Searcher, day: str) -> _Today:
        return _Today(searcher, day, lru_cache(self._remembered)(partial(self._decided, searcher)))

    def _decided(self, searcher: Searcher, text: str) -> Reply:
        with self._turns:
            reply = self._answerers and self._answerers.reply(searcher.revision, text)
            return reply or decided(searcher, text)

    def _write_log(self, asked: Sequence[_Asked]) -> None:
        self._store.log_queries([_log_row(each) for each in asked])
        # Here, where one thread at a time is: in a request it would need a lock.
        self._decisions.update((each.reply.decision, each.reply.reason) for each in asked)


def _log_row(asked: _Asked) -> dict[str, Any]:
    reply = asked.reply
    # Text beyond the limit is not worth its place in the log.
    query = reply.query[: MAX_QUERY_LENGTH + 1]
    return {
        "trace_id": reply.trace_id,
        "asked_at": asked.asked_at,
        "query": query,
        "text": as_asked(query),
        "decision": reply.decision,
        "reason": reply.reason,
        "entry_key": reply.entry_id,
        "hits": [
            {"entry_id": h.entry_id, "question": h.question, "score": h.score} for h in reply.hits
        ],
        "revision": reply.revision,
        "milliseconds": round(asked.milliseconds, 1),
    }
