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
class Hit:
    """An entry found, with its best question.

    ``score`` ranks and decides: the cosine of the encoder's vectors and the lexical cosine, mixed
    (see search.py). All three are in [-1, 1], higher is better, 1 is the same text.
    """

    entry_id: str
    question_id: int
    question: str
    score: float
    cosine: float
    lexical: float


@dataclass(frozen=True, slots=True)
class SearchResult:
    """Hits best first, at most one per entry, all of one revision."""

    text: str
    hits: tuple[Hit, ...]
    revision: int
