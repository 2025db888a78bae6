"""What did customers ask in vain, and what is done about it? /api/v1/unanswered.

In: a period; queries of it, by their text. Out: groups, most frequent first; new similar questions,
a new entry, or the memory that nothing is to be done.
"""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from faq_app.api.callers import Editor, Publisher, Reader, signature
from faq_app.api.customers import Hit
from faq_app.api.entries import SavedEntry
from faq_app.api.errors import refusals
from faq_app.api.fields import Count, Insist, Limit, Offset, Text
from faq_app.api.records import Name, NewEntry, PublishedReply, composed, entry_reply, present
from faq_app.operations import entries, missed
from faq_app.operations.desk import Desk
from indexer.period import MOST_DAYS
from indexer.records import Entry
from indexer.unanswered import MOST_QUERIES, QueryGroup, Reason

MOST_SHOWN = 500  # queries of a group

Days = Annotated[int, Query(ge=1, le=MOST_DAYS, description="最近多少天")]


class QueryReply(BaseModel):
    """A query, normalised and masked, how often it went wrong by reason, and when last (UTC)."""

    model_config = ConfigDict(from_attributes=True)
    text: str
    count: int
    reasons: dict[Reason, int]
    last_asked: str
    handled_before: bool


class GroupReply(BaseModel):
    """Queries that mean much the same, and the entries nearest to the most central of them."""

    representative: str
    count: int
    reasons: dict[Reason, int]
    last_asked: str
    queries: list[QueryReply]
    more: int = Field(description="没有列出的提问还有多少条")
    nearest: list[Hit]


class GroupPage(BaseModel):
    """Some of the groups, most frequent first; counts are of all."""

    groups: list[GroupReply]
    total: int
    queries: int
    count: int


class Which(BaseModel):
    """Queries, by their text as listed, of the last days."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"queries": ["咋寄回去"]}}
    )
    queries: Annotated[list[Text], Field(min_length=1, max_length=MOST_QUERIES)]
    days: Annotated[Count, Field(ge=1, le=MOST_DAYS)] = 30


class ToEntry(Which):
    """The entry that should answer them."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"queries": ["咋寄回去"], "entry_id": "refund"}},
    )
    entry_id: Name


class ToNewEntry(Which):
    """A new entry that answers them; whether they are among its wordings is its author's choice."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "queries": ["附近有停车场吗"],
                "entry": {"question": "有停车场吗？", "answer": "有，免费两小时。"},
            }
        },
    )
    entry: NewEntry


class Remembered(BaseModel):
    """How many queries this was."""

    queries: int


def routes(desk: Desk) -> APIRouter:
    """Return the routes over what customers asked ``desk``'s service in vain."""
    router = APIRouter(prefix="/api/v1", tags=["未命中"], responses=refusals())

    @router.get("/unanswered")
    def list_groups(
        caller: Reader, days: Days = 30, offset: Offset = 0, limit: Limit = 20
    ) -> GroupPage:
        """拒答、没有点选、都不是、没用的提问，按意思归并，最多的在前。"""
        found = missed.groups(desk, days)
        searcher = desk.searcher
        return GroupPage(
            groups=[
                _group(group, [*group.nearest(searcher)])
                for group in found.groups[offset : offset + limit]
            ],
            total=len(found.groups),
            queries=found.queries,
            count=found.count,
        )

    @router.post("/unanswered:similar", responses=refusals(404, 409))
    def add_similar(caller: Publisher, wanted: ToEntry, insist: Insist = False) -> SavedEntry:
        """加为一个条目的相似问并发布；也进入回归集。"""
        present(desk, wanted.entry_id)
        group, by = missed.named(desk, wanted.queries, wanted.days), signature(caller)
        _, entry, done = missed.add_as_similar(desk, group, wanted.entry_id, by, insist)
        return _saved(entry, PublishedReply.model_validate(done))

    @router.post("/unanswered:entry", status_code=201, responses=refusals(409))
    def add_entry(caller: Publisher, wanted: ToNewEntry, insist: Insist = False) -> SavedEntry:
        """为它们新建一个条目并发布；也进入回归集。"""
        group, by = missed.named(desk, wanted.queries, wanted.days), signature(caller)
        entry = composed(wanted.entry, None, wanted.entry.entry_id)
        entry, done = entries.save(desk, entry, None, by, insist)
        missed.remember(desk, group.queries, "entry", entry.key, by)
        return _saved(entry, PublishedReply.model_validate(done))

    @router.post("/unanswered:dismiss")
    def dismiss(caller: Editor, wanted: Which) -> Remembered:
        """不处理：不再列出。"""
        group = missed.named(desk, wanted.queries, wanted.days)
        missed.remember(desk, group.queries, "ignored", "", signature(caller))
        return Remembered(queries=len(group.queries))

    @router.post("/unanswered:reopen")
    def reopen(caller: Editor, wanted: Which) -> Remembered:
        """重新列出处理过的提问。"""
        missed.forget(desk, wanted.queries, signature(caller))
        return Remembered(queries=len(wanted.queries))

    return router


def _group(group: QueryGroup, nearest: list[object]) -> GroupReply:
    shown = group.queries[:MOST_SHOWN]
    return GroupReply(
        representative=group.representative,
        count=group.count,
        reasons=group.reasons,
        last_asked=group.last_asked,
        queries=[QueryReply.model_validate(query) for query in shown],
        more=len(group.queries) - len(shown),
        nearest=[Hit.model_validate(hit) for hit in nearest],
    )


def _saved(entry: Entry, published: PublishedReply) -> SavedEntry:
    return SavedEntry(entry=entry_reply(entry), published=published)
