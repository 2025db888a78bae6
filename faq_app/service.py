"""What happens when a customer asks, clicks or rates? One service under the page and the API.

In: a customer's words. Out: a ``Reply``; every question is logged with what was decided. Threads
share a service: each request takes the current ``Searcher`` once and finishes on it.
"""

import ctypes
import logging
import os
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from distill.encoder import Encoder
from distill.errors import DistillError
from distill.text import normalise, speaks
from faq_app.log_writer import LogWriter
from faq_app.popularity import Popularity
from faq_app.wording import SETTING, Wording
from indexer.decision import Band, band, decide
from indexer.errors import StoreError
from indexer.masking import as_asked
from indexer.records import Hit
from indexer.search import Searcher, applies
from indexer.store import Store
from indexer.typeahead import LONGEST as LONGEST_TYPED

MAX_QUERY_LENGTH = 500
# Queries of a revision and a day whose replies are kept: at 500 characters and 5 hits each, 10 MB.
REMEMBERED = 2000
FREQUENT_SECONDS = 60  # counting the log again for every page would cost more than it tells
DEFAULT_ENCODER = Path("data/encoder")

Verdict = Literal["useful", "useless", "none_of_these"]
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Option:
    """One button of 您是不是想问: an entry, under the question that was nearest."""

    entry_id: str
    question: str


@dataclass(frozen=True)
class Reply:
    """What the customer gets. ``answer`` is the entry's, verbatim; "" unless decision is answer."""

    trace_id: str
    query: str
    decision: Literal["answer", "clarify", "reject"]
    reason: str
    revision: int
    entry_id: str = ""
    question: str = ""
    category: str = ""
    answer: str = ""
    options: tuple[Option, ...] = ()
    hits: tuple[Hit, ...] = ()
    in_scope: float = 0.0  # the probability that the FAQ answers this at all

    @property
    def confidence(self) -> float:
        """Return the probability that the first hit is the right one."""
        return self.hits[0].confidence if self.hits else 0.0

    @property
    def band(self) -> Band:
        """Return the confidence as people read it."""
        return band(self.confidence)


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

    def __init__(self, store: Store, encoder: Encoder, remembered: int = REMEMBERED) -> None:
        """Load the published revision; raises StoreError if there is none to serve.

        ``remembered``: how many recent queries are not searched for again.
        """
        self._store = store
        self._writer = LogWriter(self._write_log)
        self._decisions: Counter[tuple[str, str]] = Counter()
        self._remembered = remembered
        self._encoder = encoder
        self._reloading = threading.Lock()
        self._searcher = Searcher.load(store, encoder)
        self._today = self._remembering(self._searcher, "")
        self._unservable = -1
        self._unreadable = False
        self._frequent: tuple[float, tuple[str, ...]] = (-FREQUENT_SECONDS, ())
        self._popularity = Popularity(store.entry_hits)

    @classmethod
    def open(cls, db: Path, encoder: Path | None = None) -> "Service":
        """Open a database and an encoder bundle; raises IndexerError or DistillError."""
        store = Store.open(db)
        try:
            return cls(store, Encoder.load(encoder) if encoder else _encoder_of(store))
        except BaseException:
            store.close()
            raise

    def close(self) -> None:
        """Write the rest of the log, and close the database."""
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
        return self._encoder

    @property
    def searcher(self) -> Searcher:
        """Return what customers' questions are searched with now, after loading a new revision."""
        return self._current()

    @property
    def revision(self) -> int:
        """Return the revision being served, after loading a new one."""
        return self._current().revision

    @property
    def entry_count(self) -> int:
        """Return how many entries can be found."""
        return len(self._current().live_entries())

    @property
    def encoder_fingerprint(self) -> str:
        """Return the fingerprint of the encoder in use."""
        return self._encoder.fingerprint

    @property
    def calibrated(self) -> bool:
        """Say whether the thresholds were chosen on the user's own queries."""
        return bool(self._searcher.calibration.source)

    def ask(self, query: str) -> Reply:
        """Search, decide, log, reply. Never raises for what a customer typed."""
        started = time.perf_counter()
        searcher = self._current()
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
        searcher = self._current()
        if not applies(searcher.entries[entry_id], date.today().isoformat()):
            raise KeyError(entry_id)
        try:
            self._mark(trace_id, chosen=entry_id)
        except StoreError as error:
            _log.error("a choice could not be logged: %s", error)
        reply = Reply(trace_id, "", "answer", "chosen", searcher.revision)
        return _answered(reply, searcher, entry_id)

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
        searcher = self._current()
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
        searcher = self._current()
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

    def _current(self) -> Searcher:
        """Return the searcher of the published revision, loading it if it is new.

        A request that meets a reload under way goes on with the old one: it never waits.
        """
        try:
            revision = self._store.revision()
        except StoreError as error:
            # The file is gone or cannot be read: what is in memory answers all the same.
            if not self._unreadable:
                _log.error("answering from memory: %s", error)
            self._unreadable = True
            return self._searcher
        self._unreadable = False
        fresh = revision in (self._searcher.revision, self._unservable)
        if not fresh and self._reloading.acquire(blocking=False):
            try:
                encoder = self._published_encoder()
                self._searcher = Searcher.load(self._store, encoder, self._searcher)
                self._encoder = encoder
                _give_back()
            except (StoreError, DistillError) as error:
                # Vectors of an encoder that is not there: keep answering from what is loaded.
                self._unservable = revision
                _log.error("revision %d cannot be served: %s", revision, error)
            finally:
                self._reloading.release()
        return self._searcher

    def _published_encoder(self) -> Encoder:
        """Return the encoder that the published vectors are of, if it lies where it lay then."""
        wanted, path = self._store.setting("encoder"), self._store.setting("encoder_path")
        if wanted == self._encoder.fingerprint or not path:
            return self._encoder
        return Encoder.load(Path(path))

    def _replies_of(self, searcher: Searcher) -> _Today:
        """Return the memory of a searcher's replies; of today's, whatever the clock does."""
        day, today = date.today().isoformat(), self._today
        if today.searcher is not searcher or today.day != day:
            today = self._today = self._remembering(searcher, day)
        return today

    def _remembering(self, searcher: Searcher, day: str) -> _Today:
        return _Today(searcher, day, lru_cache(self._remembered)(lambda q: _decided(searcher, q)))

    def _write_log(self, asked: Sequence[_Asked]) -> None:
        self._store.log_queries([_log_row(each) for each in asked])
        # Here, where one thread at a time is: in a request it would need a lock.
        self._decisions.update((each.reply.decision, each.reply.reason) for each in asked)


def _decided(searcher: Searcher, text: str) -> Reply:
    """Return the reply to a normalised query, but for who asked."""
    result = searcher.search(text)
    decision = decide(result, searcher.thresholds)
    reply = Reply(
        "",
        "",
        decision.kind,
        decision.reason,
        searcher.revision,
        hits=result.hits,
        in_scope=result.in_scope,
    )
    if decision.kind == "answer":
        return _answered(reply, searcher, decision.hits[0].entry_id)
    if decision.kind == "clarify":
        options = (
            Option(hit.entry_id, searcher.entries[hit.entry_id].question) for hit in decision.hits
        )
        return replace(reply, options=tuple(options))
    return reply


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


def _give_back() -> None:
    """Let the system have the memory that loading a revision took and left in pieces.

    glibc would keep it: with each publish the process grew by some tens of MB, up to a limit.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim:
        trim(0)


def _encoder_of(store: Store) -> Encoder:
    """Return the default encoder, or the one that operators published with another."""
    encoder = Encoder.load(DEFAULT_ENCODER)
    path = store.setting("encoder_path")
    if path and store.setting("encoder") != encoder.fingerprint and Path(path).is_dir():
        return Encoder.load(Path(path))
    return encoder


def _answered(reply: Reply, searcher: Searcher, entry_id: str) -> Reply:
    entry = searcher.entries[entry_id]
    question = next((h.question for h in reply.hits if h.entry_id == entry_id), entry.question)
    return replace(
        reply, entry_id=entry_id, question=question, category=entry.category, answer=entry.answer
    )
