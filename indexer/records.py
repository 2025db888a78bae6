"""What crosses the borders of the indexer: frozen records, no behaviour of their own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

QuestionKind = Literal["standard", "similar", "negative"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One FAQ entry. ``key`` is its stable text id; "" in a table row that has none yet."""

    key: str
    question: str
    variants: tuple[str, ...] = ()
    negatives: tuple[str, ...] = ()
    answer: str
    category: str = ""
    tags: tuple[str, ...] = ()
    enabled: bool = True
    valid_from: str = ""
    valid_to: str = ""
    related: tuple[str, ...] = ()
    extra: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class FaqRow(Entry):
    """An entry as read from a file; ``line`` is where it starts there (1 = first line)."""

    line: int


@dataclass(frozen=True, slots=True)
class Question:
    """One stored wording of an entry; ``id`` is also its id in FAISS and never reused."""

    id: int
    entry_key: str
    text: str
    kind: QuestionKind


@dataclass(frozen=True, slots=True)
class Signals:
    """One number for each signal of a match: what it weighs in the score, or what it says.

    What they say are cosines in [-1, 1]: of the query's vector with the entry's nearest wording,
    with the entry as a whole (all its wordings), of the characters and of the sounds of query and
    entry, and of the query's vector with that of the entry's answer. ``coverage`` is the share,
    0 … 1, of what the query says that the entry says, too.
    """

    wording: float = 0.0
    whole: float = 0.0
    characters: float = 0.0
    coverage: float = 0.0
    sound: float = 0.0
    answer: float = 0.0


@dataclass(frozen=True, slots=True)
class Hit:
    """An entry found, with its nearest question.

    ``score`` ranks: the weighted mean of the signals, less what a 反例 (``objection``) takes away;
    1 if the query is one of the entry's questions (``exact``). ``contradiction`` is a word that the
    query affirms and the entry denies, or the other way round; of the best hit only.
    ``confidence`` is the calibrated probability that this entry answers the query.
    """

    entry_id: str
    question_id: int
    question: str
    score: float
    signals: Signals = Signals()
    exact: bool = False
    objection: str = ""
    contradiction: str = ""
    confidence: float = 0.0


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits best first, at most one per entry, all of one revision.

    ``in_scope`` is the calibrated probability that the FAQ answers the query at all; ``evidence``
    what it and the confidences were computed from (see calibration.py).
    """

    text: str
    hits: tuple[Hit, ...]
    revision: int
    in_scope: float = 0.0
    evidence: tuple[float, ...] = ()
