"""未命中: what did customers ask in vain, and which entry should answer it?

In: the query log of a period. Out: groups of queries with their nearest entries; at a click, new
similar questions, a new entry, or the memory that nothing is to be done.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from faq_app.console import parts
from faq_app.console.acting import BUSY, QUIET, explained
from faq_app.console.effect import insist_view
from faq_app.console.parts import Markup, element
from faq_app.guard import require
from faq_app.operations import entries, missed
from faq_app.operations.desk import Desk
from faq_app.operations.effects import TooMuchBroken
from indexer.unanswered import REASONS, QueryGroup, Unanswered, UnansweredQuery

_PERIODS = [("最近 7 天", 7), ("最近 30 天", 30), ("最近 90 天", 90), ("最近一年", 365)]
_GROUPS = 10  # on a page
_SHOWN = 100  # queries of a group
_OPEN = 8  # so few are shown at once


@dataclass(frozen=True)
class UnansweredPage:
    """The page's parts that other pages are joined to."""

    show: Any
    listing: list[Any]
    found: gr.HTML
    group_of: Callable[[gr.EventData], QueryGroup]  # what is ticked of the group clicked on


def build(desk: Desk) -> UnansweredPage:
    """Put the page into the surrounding tab."""

    @explained
    def listed(days: int, number: float = 0) -> Markup:
        return _listing(desk, missed.groups(desk, int(days)), int(number))

    def turn(days: int, event: gr.EventData) -> Markup:
        return listed(days, float(event.page))

    def add_group(
        request: gr.Request, event: gr.EventData, days: int, insist: bool
    ) -> tuple[Any, ...]:
        user = require(request, "publisher")
        without = json.loads(event.left_out) if insist else event.without
        group = missed.group(desk, event.group, without)
        try:
            seen, entry, done = missed.add_as_similar(desk, group, event.key, user.name, insist)
        except TooMuchBroken as error:
            again = {"group": event.group, "key": event.key, "left_out": json.dumps(without)}
            return insist_view(error, **again), gr.skip(), gr.skip()
        undo = (entries.undo_of(desk, seen, entry), tuple(q.text for q in group.queries))
        count = len(group.queries)
        said = f"「{group.representative}」等 {count} 条已加为「{entry.question}」的相似问"
        said += f", 已发布第 {done.revision} 版, 并加入回归集。"
        return parts.done(said, parts.button("undo", "撤销")), undo, listed(days)

    @explained
    def added(request: gr.Request, event: gr.EventData, days: int) -> tuple[Any, ...]:
        return add_group(request, event, days, insist=False)

    @explained
    def insisted(request: gr.Request, event: gr.EventData, days: int) -> tuple[Any, ...]:
        return add_group(request, event, days, insist=True)

    @explained
    def ignored(request: gr.Request, event: gr.EventData, days: int) -> tuple[Any, ...]:
        user = require(request, "editor")
        group = missed.group(desk, event.group, event.without)
        missed.remember(desk, group.queries, "ignored", "", user.name)
        undo = (None, tuple(query.text for query in group.queries))
        said = f"「{group.representative}」等 {len(group.queries)} 条不再列出。"
        return parts.done(said, parts.button("undo", "撤销")), undo, listed(days)

    @explained
    def undone(request: gr.Request, undo: Any, days: int) -> tuple[Any, ...]:
        if undo is None:
            raise ValueError("没有可撤销的改动")
        change, texts = undo
        user = require(request, "publisher" if change else "editor")
        if change:
            entries.take_back(desk, change, user.name)
        missed.forget(desk, texts, user.name)
        said = "已撤销, 这些提问重新列出。"
        if change:
            said += "它们还在回归集里, 不要的话到「回归集」删去。"
        return parts.done(said), None, listed(days)

    undo = gr.State(None)
    with gr.Row():
        days = gr.Dropdown(
            _PERIODS, value=30, label="时段", scale=0, min_width=170, elem_id="vain-days"
        )
        explain = element(
            "p",
            "被拒答、反问后没有点选、选了「都不是」或评为没用的提问, 意思相近的归为一组, "
            "问得最多的在前。加为相似问以后, 它们也进入回归集。",
            class_="soft",
        )
        parts.view(explain)
    notice = parts.view(events=["undo", "insist"], elem_id="vain-notice")
    found = parts.view(events=["turn", "attach", "create", "ignore"], elem_id="vain-list")
    days.input(listed, days, found, **BUSY)
    found.turn(turn, days, found, **QUIET)
    outcome = [notice, undo, found]
    found.attach(added, days, outcome, **BUSY)
    found.ignore(ignored, days, outcome, **BUSY)
    notice.insist(insisted, days, outcome, **BUSY)
    notice.undo(undone, [undo, days], outcome, **BUSY)
    return UnansweredPage(
        listed, [days, found], found, lambda event: missed.group(desk, event.group, event.without)
    )


def _listing(desk: Desk, found: Unanswered, number: int) -> Markup:
    if not found.groups:
        return parts.empty(
            "这段时间没有未命中的提问",
            "顾客问了而没有得到答案的, 会出现在这里。可以选更长的时段。",
        )
    last = (len(found.groups) - 1) // _GROUPS
    number = min(max(0, number), last)
    shown = found.groups[number * _GROUPS : (number + 1) * _GROUPS]
    summary = (
        f"{found.count} 次提问没有得到答案, {found.queries} 种问法, 归为 {len(found.groups)} 组"
    )
    if found.left_out:
        summary += f"; 另有 {found.left_out} 种更少见的没有列入"
    page = parts.Slice(shown, len(found.groups), number, _GROUPS)
    cards = [_group(desk, group) for group in shown]
    return element("div", element("p", summary), *cards, parts.pager(page, "组"))


def _group(desk: Desk, group: QueryGroup) -> Markup:
    name = group.representative
    reasons = [
        element("span", f"{REASONS[reason]} {count}", class_="chip")
        for reason, count in group.reasons.items()
    ]
    head = element(
        "div",
        element("b", str(group.count)),
        element(
            "div",
            element("b", parts.theirs(name)),
            element("p", *reasons, f" 最近 {parts.local_time(group.last_asked)}", class_="soft"),
        ),
        parts.button("create", "新建条目", group=name),
        parts.button("ignore", "不处理", group=name),
        class_="hit-head",
    )
    nearest = [
        element(
            "li",
            element("span", parts.theirs(desk.searcher.entries[hit.entry_id].question)),
            parts.confidence_bar(hit.confidence),
            parts.button("attach", "加为它的相似问", group=name, key=hit.entry_id),
        )
        for hit in group.nearest(desk.searcher)
    ]
    queries = [_query(query) for query in group.queries[:_SHOWN]]
    if len(group.queries) > _SHOWN:
        queries.append(element("li", f"另有 {len(group.queries) - _SHOWN} 种"))
    every = (
        element(
            "details",
            element("summary", f"这一组的 {len(group.queries)} 种问法 (不该在一起的, 去掉勾)"),
            element("ul", *queries, class_="ticks"),
            **({"open": ""} if len(queries) <= _OPEN else {}),
        )
        if len(queries) > 1
        else Markup("")
    )
    return element(
        "article", head, element("ul", *nearest, class_="nearest"), every, class_="card group"
    )


def _query(query: UnansweredQuery) -> Markup:
    again = [" · ", element("span", "以前处理过")] if query.handled_before else []
    box = element("input", type="checkbox", checked="", value=query.text)
    text, times = parts.theirs(query.text), element("span", f"({query.count} 次)")
    return element("li", element("label", box, " ", text, " ", times, *again))
