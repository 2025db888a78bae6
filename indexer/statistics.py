"""How is it going? What the query log says of a period, in tables that a csv can take.

In: a store and a ``Period``. Out: rows with their titles. Everything is counted by SQLite, from the
one index that holds all that is counted: a million rows are never read one by one.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import ClassVar

from indexer.period import Period
from indexer.store import Store

_COUNTS = (
    "count(*) as asked,"
    " total(decision = 'answer') as answered,"
    " total(decision = 'clarify') as clarified,"
    " total(decision = 'reject') as rejected,"
    " total(decision = 'clarify' and chosen <> '') as clicked,"
    " total(feedback = 'none_of_these') as none_of_these,"
    " total(feedback = 'useful') as useful,"
    " total(feedback = 'useless') as useless"
)
_WITHIN = "from query_log where asked_at >= ? and asked_at < ?"


@dataclass(frozen=True)
class Counts:
    """What became of the questions of a day, or of all days together (``day`` is "")."""

    day: str  # 2026-01-31
    asked: int
    answered: int
    clarified: int
    rejected: int
    clicked: int  # clarified, and an entry of the list was clicked
    none_of_these: int
    useful: int
    useless: int

    TITLES: ClassVar[tuple[str, ...]] = (
        *("日期", "提问", "直接回答", "反问", "拒答", "反问后点选", "点选率", "都不是"),
        *("有用", "没用", "满意度"),
    )

    @property
    def click_through(self) -> float | None:
        """Return the share of lists from which an entry was clicked; None if none was shown."""
        return self.clicked / self.clarified if self.clarified else None

    @property
    def satisfaction(self) -> float | None:
        """Return 👍 / (👍 + 👎); None if nobody rated. 都不是 rates a list, no answer."""
        rated = self.useful + self.useless
        return self.useful / rated if rated else None

    def cells(self) -> tuple[str, ...]:
        """Return what stands under TITLES."""
        figures = (self.asked, self.answered, self.clarified, self.rejected, self.clicked)
        return (
            *(self.day, *map(str, figures), _share(self.click_through), str(self.none_of_these)),
            *(str(self.useful), str(self.useless), _share(self.satisfaction)),
        )


@dataclass(frozen=True)
class ResponseTime:
    """Milliseconds from the question's arrival to the decision; nothing of the network.

    Percentiles by nearest rank: the least time that so many percent of the questions did not
    exceed. None where no time was measured.
    """

    day: str  # "": all days together
    measured: int
    p50: float | None
    p95: float | None
    p99: float | None

    TITLES: ClassVar[tuple[str, ...]] = ("日期", "计时的提问", "P50 毫秒", "P95 毫秒", "P99 毫秒")

    def cells(self) -> tuple[str, ...]:
        """Return what stands under TITLES."""
        times = (self.p50, self.p95, self.p99)
        return (self.day, str(self.measured), *("" if t is None else f"{t:.1f}" for t in times))


@dataclass(frozen=True)
class EntryHits:
    """How often an entry was the answer, and what customers said of it."""

    key: str
    question: str  # "" if the entry is no longer there
    category: str
    answered: int
    chosen: int  # clicked under 您是不是想问
    useful: int
    useless: int

    TITLES: ClassVar[tuple[str, ...]] = (
        *("编号", "标准问", "分类", "命中", "直接回答", "点选", "有用", "没用"),
    )

    @property
    def hits(self) -> int:
        """Return how often customers got to see its answer."""
        return self.answered + self.chosen

    def cells(self) -> tuple[str, ...]:
        """Return what stands under TITLES."""
        figures = (self.hits, self.answered, self.chosen, self.useful, self.useless)
        return (self.key, self.question, self.category, *map(str, figures))


@dataclass(frozen=True)
class AskedQuery:
    """A question that was asked, under its normalised text, and what became of it."""

    text: str
    asked: int
    answered: int
    clarified: int
    rejected: int

    TITLES: ClassVar[tuple[str, ...]] = ("提问", "次数", "直接回答", "反问", "拒答")

    def cells(self) -> tuple[str, ...]:
        """Return what stands under TITLES."""
        return (self.text, *map(str, (self.asked, self.answered, self.clarified, self.rejected)))


def counts_by_day(store: Store, period: Period) -> tuple[Counts, ...]:
    """Return the counts of each day of the period, also of those on which nobody asked."""
    found = []
    with store.reading() as db:
        for day, begins, ends in period.by_day():
            [row] = db.query(f"select {_COUNTS} {_WITHIN}", [begins, ends])
            figures = {name: int(value) for name, value in row.items()}
            found.append(Counts(day.isoformat(), **figures))
    return tuple(found)


def total(days: Iterable[Counts]) -> Counts:
    """Return the counts of several days together."""
    days = list(days)
    names = [each.name for each in fields(Counts) if each.name != "day"]
    return Counts("", **{name: sum(getattr(day, name) for day in days) for name in names})


def response_times(store: Store, period: Period) -> tuple[ResponseTime, ...]:
    """Return the percentiles of all days together, then of each day."""
    # The log keeps tenths of a millisecond: counting equal ones sorts nothing and loses nothing.
    sql = f"select milliseconds, count(*) {_WITHIN} and milliseconds is not null group by 1"
    every: Counter[float] = Counter()
    by_day = []
    with store.reading() as db:
        for day, begins, ends in period.by_day():
            counted = dict(db.execute(sql, [begins, ends]).fetchall())
            every.update(counted)
            by_day.append(_percentiles(day.isoformat(), counted))
    return (_percentiles("", every), *by_day)


def entry_hits(store: Store, period: Period) -> tuple[EntryHits, ...]:
    """Return the entries that were an answer, most often first."""
    sql = (
        "select key, coalesce(entries.question, '') as question,"
        " coalesce(entries.category, '') as category, answered, chosen, useful, useless from ("
        " select case when chosen <> '' then chosen else entry_key end as key,"
        " sum(chosen = '') as answered, sum(chosen <> '') as chosen,"
        " sum(feedback = 'useful') as useful, sum(feedback = 'useless') as useless"
        f" {_WITHIN} and (chosen <> '' or entry_key <> '') group by 1)"
        " left join entries using (key) order by answered + chosen desc, key"
    )
    with store.reading() as db:
        rows = list(db.query(sql, [period.begins, period.ends]))
    return tuple(EntryHits(**row) for row in rows)


def never_hit(store: Store, period: Period) -> tuple[EntryHits, ...]:
    """Return the entries that are switched on and were no answer in the period, in file order."""
    # A union, not an `or`, so that each half is looked up in the index.
    sql = (
        "select key, question, coalesce(category, '') as category, 0 as answered, 0 as chosen,"
        " 0 as useful, 0 as useless from entries where enabled and key not in ("
        f" select entry_key {_WITHIN} and chosen = '' union select chosen {_WITHIN})"
        " order by position, key"
    )
    bounds = [period.begins, period.ends]
    with store.reading() as db:
        rows = list(db.query(sql, bounds + bounds))
    return tuple(EntryHits(**row) for row in rows)


def top_queries(store: Store, period: Period, limit: int = 100) -> tuple[AskedQuery, ...]:
    """Return the questions asked most often; one that says nothing (only 😀) is none."""
    sql = (
        "select text, count(*) as asked, sum(decision = 'answer') as answered,"
        " sum(decision = 'clarify') as clarified, sum(decision = 'reject') as rejected"
        f" {_WITHIN} and text <> '' and reason <> 'no_text' group by text"
        " order by asked desc, text limit ?"
    )
    with store.reading() as db:
        rows = list(db.query(sql, [period.begins, period.ends, limit]))
    return tuple(AskedQuery(**row) for row in rows)


def _percentiles(day: str, counted: Mapping[float, int]) -> ResponseTime:
    measured = sum(counted.values())
    found = []
    for percent in (50, 95, 99):
        rank = -(-measured * percent // 100)  # rounded up
        passed = 0
        for milliseconds in sorted(counted):
            passed += counted[milliseconds]
            if passed >= rank:
                found.append(milliseconds)
                break
        else:
            found.append(None)
    return ResponseTime(day, measured, *found)


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"
