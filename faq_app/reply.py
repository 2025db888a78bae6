"""What is a customer told? The decision on a question, with all that a page or program shows of it.

In: a searcher and a question. Out: a ``Reply``. Who asked, and the log, are service.py's matter.
"""

from dataclasses import dataclass, replace
from typing import Literal

from indexer.decision import Band, band, decide
from indexer.records import Hit
from indexer.search import Searcher


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


def decided(searcher: Searcher, text: str) -> Reply:
    """Return the reply to a normalised question, but for who asked: no trace_id, no query."""
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
        return answered(reply, searcher, decision.hits[0].entry_id)
    if decision.kind == "clarify":
        options = (
            Option(hit.entry_id, searcher.entries[hit.entry_id].question) for hit in decision.hits
        )
        return replace(reply, options=tuple(options))
    return reply


def answered(reply: Reply, searcher: Searcher, entry_id: str) -> Reply:
    """Return a reply with an entry's answer."""
    entry = searcher.entries[entry_id]
    question = next((h.question for h in reply.hits if h.entry_id == entry_id), entry.question)
    return replace(
        reply, entry_id=entry_id, question=question, category=entry.category, answer=entry.answer
    )
