"""How does an evaluation read in a browser? One file that needs nothing beside it, and no network.

In: an ``EvaluationReport``. Out: HTML. Whatever comes from the data goes through markup.py, which
escapes it; besides, the page allows no other script or style than its own.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from distill.markup import Markup, element, joined, page
from indexer.comparison import Change, Comparison, PastCase, thresholds_in_words
from indexer.evaluate import Case
from indexer.evaluation_charts import curve_chart, heat_map, outcome_bars
from indexer.evaluation_report import TIMED, EvaluationReport
from indexer.evaluation_text import (
    GROUP_COLUMNS,
    difference_in_words,
    entry_in_words,
    headline,
    interval_in_words,
    percent,
    sign_test_in_words,
)
from indexer.measures import MEASURES, Group
from indexer.reasons import DECISIONS

_STYLE = Path(__file__).with_name("evaluation_report.css").read_text(encoding="utf-8")
_SCRIPT = """
const box = document.getElementById("filter");
const rows = [...document.querySelectorAll("#failures tbody tr")];
const left = document.getElementById("left");
box.addEventListener("input", () => {
  const wanted = box.value.trim().toLowerCase();
  let shown = 0;
  for (const row of rows) {
    const fits = row.textContent.toLowerCase().includes(wanted);
    row.classList.toggle("hidden", !fits);
    shown += fits;
  }
  left.textContent = shown;
});
"""
_MOST_ROWS = 2000  # of a list: a page with more would be slow to open
_CARDS = ("recall_at_1", "answer_precision", "coverage", "out_of_scope_rejected")


def as_html(report: EvaluationReport) -> str:
    """Return the report as one HTML file."""
    failures = report.failures
    body = element(
        "main",
        _top(report),
        _cards(report),
        *([_against(report, report.comparison)] if report.comparison else []),
        _section("它是怎样决定的", outcome_bars(report.cases)),
        _measures(report.overall),
        _section(
            "如果改动直接回答的阈值",
            curve_chart(report.curve, report.thresholds.answer),
            _soft("其余的规则不变; 低于阈值的提问照旧反问或拒答。阈值越高, 答得越少, 通常越准。"),
        ),
        *_groups("按分类 (应有条目的分类)", report.by_category),
        *_groups("按提问类型", report.by_kind),
        _section(
            "哪些分类被混淆",
            element("div", heat_map(report.categories), class_="wide"),
            _soft("行: 应有条目的分类; 列: 顾客先看到的条目的分类。颜色深浅: 在这一行里的份额。"),
        ),
        *_confusions(report),
        *([_failures(report, failures)] if failures else []),
    )
    title = f"检索效果: {report.source}"
    return page(title, _STYLE, body, script=_SCRIPT if failures else "")


def _top(report: EvaluationReport) -> Markup:
    notes = [element("li", note) for note in report.notes]
    return joined(
        element("h1", "检索效果"),
        element("p", headline(report)),
        _soft(f"阈值: {thresholds_in_words(asdict(report.thresholds))}"),
        *([element("ul", *notes, class_="notes")] if notes else []),
    )


def _cards(report: EvaluationReport) -> Markup:
    overall = report.overall
    cards = [
        _card(
            each.title,
            f"{percent(getattr(overall.measures, each.field))} %",
            f"95 % 区间 {interval_in_words(overall, each.field)}",
        )
        for each in MEASURES
        if each.field in _CARDS
    ]
    latency = report.latency
    rest = f"p95 {latency.p95:.2f}, p99 {latency.p99:.2f}"
    return element(
        "div", *cards, _card("延迟 p50", f"{latency.p50:.2f} ms", rest, TIMED), class_="cards"
    )


def _card(title: str, value: str, more: str, tip: str = "") -> Markup:
    tips = {"title": tip} if tip else {}
    return element("div", title, element("b", value), _soft(more), class_="card", **tips)


def _measures(overall: Group) -> Markup:
    rows = [
        (
            _name(each.title),
            _number(percent(getattr(overall.measures, each.field))),
            _number(interval_in_words(overall, each.field)),
            _cell(each.definition),
        )
        for each in MEASURES
    ]
    return _section(
        "指标 (%)",
        _table(("指标", "#值", "#95 % 置信区间", "是什么"), rows),
        _soft("置信区间: 对提问有放回地抽样 1000 次 (bootstrap), 取 2.5 % 和 97.5 % 分位数。"),
    )


def _groups(title: str, groups: Sequence[Group]) -> Iterator[Markup]:
    if not groups:
        return
    rows = [
        (
            _name(each.name),
            _number(str(each.measures.queries)),
            *(_number(percent(getattr(each.measures, field))) for field in GROUP_COLUMNS),
            _number(interval_in_words(each, "decision_accuracy")),
        )
        for each in groups
    ]
    head = ("", "#提问", *(f"#{name}" for name in GROUP_COLUMNS.values()), "#Accuracy 区间")
    yield _section(f"{title} (%)", _table(head, rows), class_="dense")


def _against(report: EvaluationReport, found: Comparison) -> Markup:
    shared = len(found.fixed) + len(found.broken) + len(found.unchanged)
    rows = []
    for each in found.differences:
        moved = difference_in_words(each.before, each.after)
        better = each.measure.more_is_better
        kind = ""
        if better is not None and moved[0] in "+-":
            kind = " up" if (moved[0] == "+") == better else " down"
        rows.append(
            (
                _name(each.measure.title),
                _number(percent(each.before)),
                _number(percent(each.after)),
                element("td", moved, class_=f"number{kind}"),
            )
        )
    still_right = sum(change.after.right for change in found.unchanged)
    summary = (
        f"修好 {len(found.fixed)}, 弄坏 {len(found.broken)}, 不变 {len(found.unchanged)} "
        f"(其中仍对 {still_right})"
    )
    only_before = [(_cell(case.query), _entry(report, case.expected)) for case in found.only_before]
    only_after = [
        (_cell(case.query.query), _entry(report, case.expected)) for case in found.only_after
    ]
    return _section(
        f"与 {found.past} 相比",
        element("p", element("strong", summary)),
        element("p", sign_test_in_words(found)),
        *(element("p", change) for change in found.setup_changes),
        *_changes(report, "弄坏", found.broken, opened=True),
        *_changes(report, "修好", found.fixed, opened=True),
        *_changes(report, "不变", found.unchanged),
        *_folded("只在上次有的提问", ("提问", "应有的条目"), only_before),
        *_folded("只在本次有的提问", ("提问", "应有的条目"), only_after),
        element("h3", f"两次共有的 {shared} 条提问上 (%)"),
        *([_table(("指标", "#上次", "#本次", "#差"), rows)] if shared else []),
    )


def _changes(
    report: EvaluationReport, title: str, changes: Sequence[Change], opened: bool = False
) -> Iterator[Markup]:
    rows = [
        (
            _cell(change.after.query.query),
            _entry(report, change.after.expected),
            _came(report, change.before),
            _came(report, change.after),
        )
        for change in changes
    ]
    yield from _folded(title, ("提问", "应有的条目", "上次", "本次"), rows, opened)


def _confusions(report: EvaluationReport) -> Iterator[Markup]:
    rows = [
        (
            _number(str(pair.count)),
            _entry(report, pair.expected),
            _entry(report, pair.got),
            _cell(pair.example),
        )
        for pair in report.confusions
    ]
    head = ("#次数", "应有的条目", "先看到的条目", "例如")
    yield from _folded("最常认错的条目", head, rows, outer=True)


def _failures(report: EvaluationReport, failures: Sequence[Case]) -> Markup:
    rows = [
        (
            _cell(case.query.query),
            _name(case.query.kind),
            _entry(report, case.expected),
            element(
                "td",
                _decision(report, case),
                element(
                    "details",
                    element("summary", "最近的条目"),
                    *(
                        element(
                            "div",
                            f"{hit.confidence:.2f} {entry_in_words(hit.entry_id, report.entries)}",
                        )
                        for hit in case.result.hits[:5]
                    ),
                ),
            ),
            _number(f"{case.confidence:.2f}"),
            _number(str(case.rank) if case.rank else "–"),
        )
        for case in failures
    ]
    head = ("提问", "类型", "应有的条目", "得到", "#把握", "#名次")
    return _section(
        "没有帮到顾客的提问",
        element("input", id="filter", type="search", placeholder="筛选: 提问、条目、类型……"),
        element("p", element("span", str(min(len(rows), _MOST_ROWS)), id="left"), " 条"),
        _table(head, rows),
        id="failures",
    )


def _folded(
    title: str,
    head: Sequence[str],
    rows: Sequence[Sequence[Markup]],
    opened: bool = False,
    outer: bool = False,
) -> Iterator[Markup]:
    if rows:
        yield element(
            "details",
            element("summary", f"{title}: {len(rows)} 条"),
            _table(head, rows),
            **({"open": ""} if opened else {}),
            **({"class_": "list"} if outer else {}),
        )


def _table(head: Sequence[str], rows: Sequence[Sequence[Markup]]) -> Markup:
    """Return a table; a head that begins with # stands over numbers."""
    heads = [
        element("th", name.lstrip("#"), class_="number" if name.startswith("#") else "")
        for name in head
    ]
    found = element(
        "table",
        element("thead", element("tr", *heads)),
        element("tbody", *(element("tr", *row) for row in rows[:_MOST_ROWS])),
    )
    more = len(rows) - _MOST_ROWS
    rest = [_soft(f"还有 {more} 条, 见 --json 文件")] if more > 0 else []
    return joined(element("div", found, class_="wide"), *rest)


def _decision(report: EvaluationReport, case: Case | PastCase) -> str:
    return f"{DECISIONS[case.decided]} {entry_in_words(case.shown, report.entries, '')}"


def _section(title: str, *children: str, **attributes: str) -> Markup:
    return element("section", element("h2", title), *children, **attributes)


def _soft(text: str) -> Markup:
    return element("p", text, class_="soft")


def _cell(text: str) -> Markup:
    return element("td", text)


def _name(text: str) -> Markup:
    return element("td", text, class_="name")


def _number(text: str) -> Markup:
    return element("td", text, class_="number")


def _entry(report: EvaluationReport, key: str) -> Markup:
    return _cell(entry_in_words(key, report.entries))


def _came(report: EvaluationReport, case: Case | PastCase) -> Markup:
    return _cell(_decision(report, case))
