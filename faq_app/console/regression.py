"""回归集: by which queries is every change judged, and how do they come out now?

In: queries with the entry that should answer each. Out: the set, page by page; what fails now; the
curve of past runs.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from faq_app.console import parts
from faq_app.console.acting import BUSY, QUIET, download, explained
from faq_app.console.charts import share_line
from faq_app.console.parts import Markup, element
from faq_app.console.running import Stop
from faq_app.guard import require
from faq_app.operations import cases
from faq_app.operations.desk import Desk
from indexer.errors import Cancelled
from indexer.evaluate import Case
from indexer.reasons import DECISIONS
from indexer.regression import RegressionCase, Run

_SHOWN = 20  # failures
_CURVE = 40  # latest runs that are drawn


@dataclass(frozen=True)
class RegressionPage:
    """The page's parts that other pages are joined to."""

    show: Any
    listing: list[Any]


def build(desk: Desk) -> RegressionPage:
    """Put the page into the surrounding tab."""

    @explained
    def listed(search: str, number: float = 0) -> Markup:
        return _listing(desk, search or "", int(number))

    def shown(search: str) -> tuple[Any, ...]:
        return listed(search), _curve(desk)

    def turn(search: str, event: gr.EventData) -> Markup:
        return listed(search, float(event.page))

    @explained
    def added(request: gr.Request, query: str, key: str, search: str) -> tuple[Any, ...]:
        user = require(request, "editor")
        done = cases.add(desk, query or "", key or "", user.name)
        said = (
            "已加入回归集。" if done.added else "原来的标注已改。" if done.changed else "已经有了。"
        )
        return parts.done(said), "", "", listed(search)

    @explained
    def removed(request: gr.Request, event: gr.EventData, search: str) -> tuple[Any, ...]:
        user = require(request, "editor")
        number = int(event.case)
        found = cases.page(desk, event.query, 0, parts.PAGE_SIZE).cases
        case = next((each for each in found if each.id == number), None)
        cases.remove(desk, number, user.name)
        undo = [parts.button("undo", "撤销")] if case else []
        return parts.done(f"已从回归集删去「{event.query}」。", *undo), case, listed(search)

    @explained
    def undone(request: gr.Request, case: RegressionCase | None, search: str) -> tuple[Any, ...]:
        user = require(request, "editor")
        if case is None:
            raise ValueError("没有可撤销的改动")
        cases.put_back(desk, case, user.name)
        return parts.done(f"「{case.query}」又在回归集里。"), None, listed(search)

    @explained
    def switched(request: gr.Request, event: gr.EventData, search: str) -> Markup:
        user = require(request, "editor")
        cases.switch(desk, int(event.case), event.on == "1", user.name)
        return listed(search)

    @explained
    def imported(request: gr.Request, file: str | None, search: str) -> tuple[Any, ...]:
        user = require(request, "editor")
        if not file:
            return gr.skip(), gr.skip()
        done = cases.import_file(desk, Path(file), user.name)
        said = f"新增 {done.added} 条, 改标注 {done.changed} 条, 不变 {done.unchanged} 条。"
        return parts.done(said), listed(search)

    @explained
    def ran(request: gr.Request) -> tuple[Any, ...]:
        user = require(request, "editor")
        try:
            done = cases.run(desk, user.name, stop.telling(request, "正在提问"))
        except Cancelled:
            return parts.cancelled("这次运行没有记下"), gr.skip()
        return _run(desk, done), _curve(desk)

    def exported() -> Path:
        path = Path(tempfile.mkdtemp(prefix="faq-")) / "回归集.csv"
        cases.export(desk, path)
        return path

    gone = gr.State(None)
    with gr.Row():
        with gr.Column(scale=6, min_width=400):
            search = gr.Textbox(
                label="查找", placeholder="提问里的字, 或条目编号", elem_id="case-search"
            )
            listing = parts.view(events=["turn", "remove", "switch"], elem_id="case-list")
        with gr.Column(
            scale=5, min_width=360, elem_classes=["sheet", "guarded"], elem_id="case-form"
        ):
            notice = parts.view(events=["undo"], elem_id="case-notice")
            with gr.Row():
                query = gr.Textbox(
                    label="新增一条: 顾客的提问", scale=3, min_width=180, elem_id="case-query"
                )
                key = gr.Textbox(
                    label="条目编号 (留空 = 应拒答)", scale=2, min_width=130, elem_id="case-key"
                )
                add = gr.Button(
                    "加入", scale=0, min_width=80, elem_classes=["bottom"], elem_id="case-add"
                )
            with gr.Row():
                run = gr.Button("现在运行", variant="primary", elem_id="case-run")
                stop = Stop("case-stop")
            curve = parts.view(elem_id="case-curve")
            outcome = parts.view(elem_id="case-outcome")
    with gr.Accordion("导入、导出", open=False):
        gr.Markdown(
            "列 query (提问) 和 entry_id (条目编号, 应拒答的留空)。"
            "有列 split 的, 只用其中的 dev 部分。"
        )
        with gr.Row():
            file = gr.File(label="提问表", file_types=[".csv", ".tsv", ".txt", ".xlsx"], height=120)
            download("导出回归集 (csv)", exported, "case-export")

    search.input(listed, search, listing, trigger_mode="always_last", **QUIET)
    listing.turn(turn, search, listing, **QUIET)
    gr.on(
        [add.click, key.submit], added, [query, key, search], [notice, query, key, listing], **BUSY
    )
    listing.remove(removed, search, [notice, gone, listing], **QUIET)
    listing.switch(switched, search, listing, **QUIET)
    notice.undo(undone, [gone, search], [notice, gone, listing], **QUIET)
    file.upload(imported, [file, search], [notice, listing], **BUSY)
    stop.wire(run.click, ran, None, [outcome, curve], [run])
    return RegressionPage(shown, [[search], [listing, curve]])


def _listing(desk: Desk, search: str, number: int) -> Markup:
    number = max(0, number)
    found = cases.page(desk, search, number * parts.PAGE_SIZE, parts.PAGE_SIZE)
    if not found.cases and number:
        return _listing(desk, search, (found.total - 1) // parts.PAGE_SIZE)
    if not found.total and search:
        return parts.empty("没有找到", "换一个词查找。")
    if not found.total:
        return parts.empty(
            "还没有回归集",
            "加入顾客真正问过的话和它们应有的条目, 以后每次改动都会先说修复和弄坏了哪些。",
            "可以在右边一条条加, 在下面导入, 或在「未命中」里处理提问: 它们会自动进来。",
        )
    rows = [_row(desk, case) for case in found.cases]
    page = parts.Slice(found.cases, found.total, number)
    head = ("提问", "应有的条目", "来源", "")
    return element("div", parts.table(head, rows), parts.pager(page, "条提问"))


def _row(desk: Desk, case: RegressionCase) -> tuple[str, ...]:
    entry = desk.searcher.entries.get(case.entry_key)
    wanted = parts.theirs(entry.question) if entry else f"{case.entry_key} (没有这个条目)"
    if not case.entry_key:
        wanted = "应拒答"
    switch, on = ("停用", 0) if case.enabled else ("启用", 1)
    tools = element(
        "span",
        parts.link("switch", switch, case=case.id, on=on),
        " ",
        parts.link("remove", "删除", case=case.id, query=case.query),
    )
    rest = "" if case.enabled else element("span", "停用", class_="chip off")
    origin = element("span", f"{case.origin} {case.added_by}", class_="soft")
    return element("div", parts.theirs(case.query), " ", rest), wanted, origin, tools


def _run(desk: Desk, done: Run) -> Markup:
    if not done.cases:
        return parts.empty("没有可运行的提问", "先加入几条, 或启用停用的。")
    measures = done.measures
    figures = (
        ("决定正确", measures.decision_accuracy),
        ("直接回答中答对的", measures.answer_precision),
        ("库外被拒答的", measures.out_of_scope_rejected),
    )
    tiles = [
        element("div", element("b", f"{share:.1%}"), label, class_="card")
        for label, share in figures
        if share is not None
    ]
    rows = [_failure(desk, case) for case in done.failures[:_SHOWN]]
    more = f" (前 {_SHOWN} 条)" if len(done.failures) > _SHOWN else ""
    failures = []
    if rows:
        summary = element("summary", f"不对的 {len(done.failures)} 条{more}")
        table = parts.table(("提问", "得到", "应为"), rows)
        failures = [element("details", summary, table, open="")]
    lost = []
    if done.lost:
        text = f"{len(done.lost)} 条的条目已删除、停用或不在有效期: 改标注, 或从回归集删去。"
        lost = [parts.warning(text)]
    return element(
        "div",
        element("p", f"第 {done.revision} 版, {len(done.cases)} 条提问:"),
        element("div", *tiles, class_="tiles"),
        *lost,
        *failures,
        class_="effect",
    )


def _failure(desk: Desk, case: Case) -> tuple[str, str, str]:
    entries = desk.searcher.entries
    shown, wanted = entries.get(case.shown), entries.get(case.expected)
    got = f"{DECISIONS[case.decided]}: {shown.question}" if shown else DECISIONS[case.decided]
    expected = parts.theirs(wanted.question if wanted else case.expected)
    return parts.theirs(case.query.query), got, expected if case.expected else "应拒答"


def _curve(desk: Desk) -> Markup:
    runs = cases.curve(desk)[-_CURVE:]
    if len(runs) < 2:
        return element("p", "运行两次以后, 这里画出决定正确的比例随版本的变化。", class_="soft")
    labels = [f"第 {each.revision} 版" for each in runs]
    shares = [each.measures.decision_accuracy for each in runs]
    return element(
        "div",
        element("h3", "决定正确的比例, 历次运行"),
        element("div", share_line(labels, shares), class_="card"),
    )
