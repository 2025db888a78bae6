"""统计: how is it going? Questions a day, what became of them, which entries serve, how fast.

In: a period. Out: figures, a chart, tables page by page, and each as csv.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Protocol

import gradio as gr

from faq_app.console import parts
from faq_app.console.acting import QUIET, download, explained
from faq_app.console.charts import stacked_bars
from faq_app.console.parts import Markup, element
from faq_app.operations.desk import Desk
from indexer import statistics
from indexer.errors import InputError
from indexer.period import Period
from indexer.store import Store
from indexer.table_export import write_rows

_PERIODS = [("最近 7 天", 7), ("最近 30 天", 30), ("最近 90 天", 90), ("最近一年", 365)]


class _Row(Protocol):
    def cells(self) -> tuple[str, ...]: ...


@dataclass(frozen=True)
class _Report:
    """A table of a period: what it is called, its titles, and what makes its rows."""

    titles: tuple[str, ...]
    rows: Callable[[Store, Period], Sequence[_Row]]


_REPORTS = {
    "问得最多的提问": _Report(statistics.AskedQuery.TITLES, statistics.top_queries),
    "命中最多的条目": _Report(statistics.EntryHits.TITLES, statistics.entry_hits),
    "从未命中的条目": _Report(statistics.EntryHits.TITLES, statistics.never_hit),
    "每天": _Report(statistics.Counts.TITLES, statistics.counts_by_day),
    "响应时间": _Report(statistics.ResponseTime.TITLES, statistics.response_times),
}


@dataclass(frozen=True)
class StatisticsPage:
    """The page's parts that other pages are joined to."""

    show: Any
    listing: list[Any]


def build(desk: Desk) -> StatisticsPage:
    """Put the page into the surrounding tab."""

    @explained
    def shown(days: int, first: str, last: str, report: str) -> tuple[Any, Any]:
        period = _period(days, first, last)
        store = desk.service.store
        desk.service.flush()
        return _overview(store, period), _table(store, period, report, 0)

    @explained
    def listed(days: int, first: str, last: str, report: str, number: float = 0) -> Markup:
        return _table(desk.service.store, _period(days, first, last), report, number)

    def turn(days: int, first: str, last: str, report: str, event: gr.EventData) -> Markup:
        return listed(days, first, last, report, float(event.page))

    def written(days: int, first: str, last: str, report: str) -> Path:
        period, chosen = _period(days, first, last), _REPORTS[report]
        name = f"{report} {period.first} 至 {period.last}.csv"
        path = Path(tempfile.mkdtemp(prefix="faq-")) / name
        rows = chosen.rows(desk.service.store, period)
        write_rows(path, chosen.titles, [row.cells() for row in rows])
        return path

    with gr.Row():
        days = gr.Dropdown(
            _PERIODS, value=30, label="时段", scale=1, min_width=140, elem_id="stats-days"
        )
        with gr.Row(scale=2):
            first = gr.Textbox(label="或者从 (回车)", placeholder="2026-01-01", min_width=130)
            last = gr.Textbox(label="到 (回车)", placeholder="2026-01-31", min_width=130)
    overview = parts.view(elem_id="stats-overview")
    with gr.Row():
        report = gr.Radio(list(_REPORTS), value="问得最多的提问", show_label=False, scale=5)
        chosen = [days, first, last, report]
        download("下载这张表 (csv)", written, "stats-export", chosen, scale=0, min_width=170)
    table = parts.view(events=["turn"], elem_id="stats-table")
    gr.on([days.input, first.submit, last.submit], shown, chosen, [overview, table], **QUIET)
    report.input(listed, chosen, table, **QUIET)
    table.turn(turn, chosen, table, **QUIET)
    return StatisticsPage(shown, [chosen, [overview, table]])


def _period(days: int, first: str, last: str) -> Period:
    if not (first or "").strip() and not (last or "").strip():
        return Period.lasting(int(days))
    try:
        return Period(date.fromisoformat(first.strip()), date.fromisoformat(last.strip()))
    except ValueError as error:
        raise InputError("日期要写成 2026-01-31, 两个都要写。怎么办: 改好后按回车") from error


def _overview(store: Store, period: Period) -> Markup:
    days = statistics.counts_by_day(store, period)
    total = statistics.total(days)
    if not total.asked:
        return parts.empty(
            "这段时间没有提问", "顾客在聊天页或通过接口问了以后, 这里就有数字。可以选更长的时段。"
        )
    every, *_ = statistics.response_times(store, period)
    figures = [
        ("提问", str(total.asked)),
        ("直接回答", f"{total.answered / total.asked:.0%}"),
        ("反问", f"{total.clarified / total.asked:.0%}"),
        ("拒答", f"{total.rejected / total.asked:.0%}"),
        ("反问后点选", _share(total.click_through)),
        ("满意度", _share(total.satisfaction)),
        ("响应 P50 / P95 毫秒", _times(every)),
    ]
    tiles = [element("div", element("b", value), name, class_="card") for name, value in figures]
    chart = stacked_bars(
        [day.day[5:] for day in days],
        [
            ("answered", "直接回答", [day.answered for day in days]),
            ("clarified", "反问", [day.clarified for day in days]),
            ("rejected", "拒答", [day.rejected for day in days]),
        ],
    )
    said = f"{period.first} 至 {period.last}, {period.zone_name}"
    return element(
        "div",
        element("div", *tiles, class_="tiles"),
        element("div", chart, element("p", said, class_="soft"), class_="card"),
    )


def _table(store: Store, period: Period, report: str, number: float) -> Markup:
    chosen = _REPORTS[report]
    rows = chosen.rows(store, period)
    if not rows:
        return parts.empty("这张表是空的", "换一个时段。")
    page = parts.page_of(rows, number)
    numeric = page.rows[0].cells()
    head = tuple(
        f"{title}›" if cell[:1].isdigit() and place else title
        for place, (title, cell) in enumerate(zip(chosen.titles, numeric, strict=True))
    )
    cells = [tuple(parts.theirs(cell or "–") for cell in row.cells()) for row in page.rows]
    return element("div", parts.table(head, cells), parts.pager(page, "行"))


def _share(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _times(times: statistics.ResponseTime) -> str:
    if times.p50 is None or times.p95 is None:
        return "–"
    return f"{times.p50:.0f} / {times.p95:.0f}"
