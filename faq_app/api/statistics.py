"""How is it going? What the query log says of a period, as JSON or csv.

In: days. Out: counts a day, response times, entries by hits, questions asked most.
"""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Annotated, Any, Literal, Protocol

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from faq_app.api.callers import Reader
from faq_app.api.errors import refusals
from faq_app.api.fields import Limit
from faq_app.api.tables import sent
from faq_app.operations.desk import Desk
from indexer import statistics
from indexer.errors import InputError
from indexer.period import MOST_DAYS, Period
from indexer.statistics import AskedQuery, Counts, EntryHits, ResponseTime
from indexer.table_export import write_rows

_CSV: dict[int | str, dict[str, Any]] = {
    200: {"description": "表", "content": {"text/csv": {"schema": {"type": "string"}}}}
}


class _Row(Protocol):
    def cells(self) -> tuple[str, ...]: ...


class PeriodReply(BaseModel):
    """Whole days, the first and the last included, and in which time zone they are days."""

    first: date
    last: date
    zone: str


class DayCounts(BaseModel):
    """Counts of all days together, and of each."""

    period: PeriodReply
    total: Counts
    days: list[Counts]


class ResponseTimes(BaseModel):
    """Milliseconds from a question's arrival to the decision: of all days (day "") and of each."""

    period: PeriodReply
    times: list[ResponseTime]


class HitsReply(BaseModel):
    """How often an entry was the answer: unasked, or clicked under 您是不是想问."""

    model_config = ConfigDict(from_attributes=True)
    entry_id: str = Field(validation_alias="key")
    question: str = Field(description='"" if the entry is no longer there')
    category: str
    answered: int
    chosen: int
    useful: int
    useless: int


class EntriesByHits(BaseModel):
    """Entries and how often each was the answer."""

    period: PeriodReply
    entries: list[HitsReply]
    total: int


class TopQueries(BaseModel):
    """The questions asked most, normalised."""

    period: PeriodReply
    queries: list[AskedQuery]


def _period(
    days: Annotated[int, Query(ge=1, le=MOST_DAYS, description="最近多少天")] = 30,
    first: Annotated[date | None, Query(description="或者从哪一天，2026-01-01")] = None,
    last: Annotated[date | None, Query(description="到哪一天")] = None,
) -> Period:
    if first is None and last is None:
        return Period.lasting(days)
    if first is None or last is None:
        raise InputError("first 和 last 要一起写。怎么办: 都写上，或只写 days")
    return Period(first, last)


Wanted = Annotated[Period, Depends(_period)]
Form = Annotated[Literal["json", "csv"], Query(description="json，或下载 csv")]


def routes(desk: Desk) -> APIRouter:
    """Return the routes over the query log of ``desk``'s service."""
    router = APIRouter(prefix="/api/v1/statistics", tags=["统计"], responses=refusals())
    store = desk.service.store

    @router.get("/days", response_model=DayCounts, responses=_CSV)
    def days(caller: Reader, period: Wanted, format: Form = "json") -> object:
        """每天的提问、直接回答、反问、拒答、点选、满意度。"""
        desk.service.flush()
        rows = statistics.counts_by_day(store, period)
        if format == "csv":
            return _csv("每天", Counts.TITLES, rows)
        total = statistics.total(rows)
        return DayCounts(period=_reply(period), total=total, days=list(rows))

    @router.get("/response-times", response_model=ResponseTimes, responses=_CSV)
    def response_times(caller: Reader, period: Wanted, format: Form = "json") -> object:
        """响应时间的百分位。"""
        desk.service.flush()
        rows = statistics.response_times(store, period)
        if format == "csv":
            return _csv("响应时间", ResponseTime.TITLES, rows)
        return ResponseTimes(period=_reply(period), times=list(rows))

    @router.get("/entries", response_model=EntriesByHits, responses=_CSV)
    def entry_hits(
        caller: Reader, period: Wanted, limit: Limit = 100, format: Form = "json"
    ) -> object:
        """命中最多的条目；csv 有全部。"""
        return hits("命中最多的条目", statistics.entry_hits, period, limit, format)

    @router.get("/never-hit", response_model=EntriesByHits, responses=_CSV)
    def never_hit(
        caller: Reader, period: Wanted, limit: Limit = 100, format: Form = "json"
    ) -> object:
        """从未命中的条目；csv 有全部。"""
        return hits("从未命中的条目", statistics.never_hit, period, limit, format)

    @router.get("/queries", response_model=TopQueries, responses=_CSV)
    def queries(
        caller: Reader, period: Wanted, limit: Limit = 100, format: Form = "json"
    ) -> object:
        """问得最多的提问。"""
        desk.service.flush()
        rows = statistics.top_queries(store, period, limit)
        if format == "csv":
            return _csv("问得最多的提问", AskedQuery.TITLES, rows)
        return TopQueries(period=_reply(period), queries=list(rows))

    def hits(
        name: str,
        counted: Callable[..., Sequence[EntryHits]],
        period: Period,
        limit: int,
        format: str,
    ) -> object:
        desk.service.flush()
        rows = counted(store, period)
        if format == "csv":
            return _csv(name, EntryHits.TITLES, rows)
        shown = [HitsReply.model_validate(row) for row in rows[:limit]]
        return EntriesByHits(period=_reply(period), entries=shown, total=len(rows))

    return router


def _reply(period: Period) -> PeriodReply:
    return PeriodReply(first=period.first, last=period.last, zone=period.zone_name)


def _csv(name: str, titles: Sequence[str], rows: Sequence[_Row]) -> Response:
    cells = [row.cells() for row in rows]
    return sent(f"{name}.csv", lambda path: write_rows(path, titles, cells))
