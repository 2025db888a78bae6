"""How does an evaluation read on a terminal? Tables of text, and the first of every long list.

In: an ``EvaluationReport``. Out: lines. Chinese characters are two columns wide.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from indexer.columns import table
from indexer.comparison import Change, Comparison, thresholds_in_words
from indexer.confusions import OUT_OF_SCOPE
from indexer.evaluate import Case
from indexer.evaluation_report import TIMED, EvaluationReport
from indexer.measures import MEASURES, Group
from indexer.reasons import DECISIONS
from indexer.records import Entry

# Measures that are shown of each category and kind of query, by the head of their column.
GROUP_COLUMNS = {
    "recall_at_1": "Recall@1",
    "recall_at_3": "Recall@3",
    "recall_at_5": "Recall@5",
    "mrr_at_10": "MRR@10",
    "decision_accuracy": "Accuracy",
    "answer_precision": "Precision",
    "coverage": "Coverage",
    "answered": "直接回答",
    "clarified": "反问",
    "rejected": "拒答",
    "clarify_right": "反问有用",
}
_SHOWN = 20  # of a list, before the rest is counted
_QUERY_WIDTH = 60


def as_text(report: EvaluationReport) -> str:
    """Return the whole report as text, without what could steer a terminal."""
    text = "\n".join(_lines(report))
    return "".join(char if char.isprintable() or char == "\n" else " " for char in text)


def percent(value: float | None) -> str:
    """Return a share as per cent, – if there was nothing to measure."""
    return "–" if value is None else f"{100 * value:.1f}"


def interval_in_words(each: Group, field: str) -> str:
    """Return a measure's 95 % interval in per cent."""
    interval = each.intervals[field]
    return f"{percent(interval.low)} – {percent(interval.high)}" if interval else "–"


def difference_in_words(before: float | None, after: float | None) -> str:
    """Return by how many percentage points a measure moved."""
    if before is None or after is None:
        return "–"
    moved = f"{100 * (after - before):+.1f}"
    return "0.0" if moved in ("+0.0", "-0.0") else moved


def entry_in_words(key: str, entries: Mapping[str, Entry], none: str = OUT_OF_SCOPE) -> str:
    """Return an entry's id and standard question; ``none`` for ""."""
    if not key:
        return none
    return f"{key} {entries[key].question}" if key in entries else f"{key} (现在的库里没有)"


def headline(report: EvaluationReport) -> str:
    """Return what was asked of what."""
    counts = report.overall.measures
    outside = counts.queries - counts.in_scope
    split = f", {report.split} 部分" if report.split != "all" else ""
    return (
        f"{report.source}{split}: {counts.queries} 条提问 (库内 {counts.in_scope}, 库外 {outside})"
        f"; 库第 {report.revision} 版, 编码器 {report.encoder}"
    )


def sign_test_in_words(found: Comparison) -> str:
    """Return what the sign test says, with its formula."""
    fixed, broken = len(found.fixed), len(found.broken)
    verdict = (
        "没有提问变化"
        if not fixed + broken
        else "差别不像是偶然"
        if found.p_value < 0.05
        else "差别可能只是偶然"
    )
    return (
        f"符号检验 (精确, 双侧) p = {found.p_value:.3g}: {verdict} "
        f"[n = {fixed + broken}, k = {min(fixed, broken)}, p = min(1, 2·Σ C(n,i)/2ⁿ, i = 0…k)]"
    )


def _lines(report: EvaluationReport) -> Iterator[str]:
    yield headline(report)
    yield f"阈值: {thresholds_in_words(asdict(report.thresholds))}"
    for note in report.notes:
        yield f"注意: {note}"
    yield ""
    overall = report.overall
    yield from table(
        ("指标", "%", "95 % 置信区间", "--fail-under 名", "是什么"),
        [
            (
                each.title,
                percent(getattr(overall.measures, each.field)),
                interval_in_words(overall, each.field),
                each.name if each.more_is_better else "",
                each.definition,
            )
            for each in MEASURES
        ],
        numbers=(1, 2),
    )
    latency = report.latency
    yield ""
    yield f"延迟 ms: p50 {latency.p50:.2f}, p95 {latency.p95:.2f}, p99 {latency.p99:.2f}; {TIMED}"
    if report.comparison:
        yield from _against(report, report.comparison)
    for title, groups in (("按分类", report.by_category), ("按提问类型", report.by_kind)):
        if groups:
            yield from ("", f"{title} (%)")
            yield from _groups(groups)
    if report.confusions:
        yield from ("", "最常认错的条目 (应有的 → 顾客先看到的)")
        yield from _first(
            f"{pair.count:4} 次  {entry_in_words(pair.expected, report.entries)} → "
            f"{entry_in_words(pair.got, report.entries)}"
            for pair in report.confusions
        )
    if failures := report.failures:
        yield from ("", f"没有帮到顾客的提问: {len(failures)} 条")
        yield from _first(_failure(case, report.entries) for case in failures)


def _against(report: EvaluationReport, found: Comparison) -> Iterator[str]:
    yield from ("", f"与 {found.past} 相比 (本次 {report.source})")
    yield from found.setup_changes
    counts = (
        f"修好 {len(found.fixed)}, 弄坏 {len(found.broken)}, 不变 {len(found.unchanged)} "
        f"(其中仍对 {sum(change.after.right for change in found.unchanged)})"
    )
    yield counts
    yield sign_test_in_words(found)
    for title, past in (("修好", found.fixed), ("弄坏", found.broken)):
        if past:
            yield f"{title}:"
            yield from _first(_change(change, report.entries) for change in past)
    for title, queries in (
        ("只在上次有的提问", [case.query for case in found.only_before]),
        ("只在本次有的提问", [case.query.query for case in found.only_after]),
    ):
        if queries:
            yield f"{title}: {len(queries)} 条"
            yield from _first(f"  {_cut(query)}" for query in queries)
    shared = len(found.fixed) + len(found.broken) + len(found.unchanged)
    yield f"两次共有的 {shared} 条提问上 (%):" if shared else "两次没有共有的提问, 无从比较"
    if not shared:
        return
    yield from table(
        ("指标", "上次", "本次", "差"),
        [
            (
                each.measure.title,
                percent(each.before),
                percent(each.after),
                difference_in_words(each.before, each.after),
            )
            for each in found.differences
        ],
        numbers=(1, 2, 3),
    )


def _groups(groups: Sequence[Group]) -> Iterator[str]:
    rows = [
        (
            each.name,
            str(each.measures.queries),
            *(percent(getattr(each.measures, field)) for field in GROUP_COLUMNS),
            interval_in_words(each, "decision_accuracy"),
        )
        for each in groups
    ]
    head = ("", "提问", *GROUP_COLUMNS.values(), "Accuracy 的 95 % 区间")
    return table(head, rows, numbers=range(1, len(head)))


def _failure(case: Case, entries: Mapping[str, Entry]) -> str:
    return (
        f"  {_cut(case.query.query)}\n"
        f"      应有: {entry_in_words(case.expected, entries)}\n"
        f"      得到: {DECISIONS[case.decided]} "
        f"{entry_in_words(case.shown, entries, '')} ({case.confidence:.2f})"
    )


def _change(change: Change, entries: Mapping[str, Entry]) -> str:
    before, after = (
        f"{DECISIONS[case.decided]} {entry_in_words(case.shown, entries, '')}".strip()
        for case in (change.before, change.after)
    )
    return (
        f"  {_cut(change.after.query.query)}\n"
        f"      应有: {entry_in_words(change.after.expected, entries)}\n"
        f"      {before} → {after}"
    )


def _first(lines: Iterator[str] | Sequence[str]) -> Iterator[str]:
    for number, line in enumerate(all_lines := list(lines)):
        if number == _SHOWN:
            yield f"  … 还有 {len(all_lines) - _SHOWN} 条 (--json 文件 或 --html 文件 可看全部)"
            return
        yield line


def _cut(text: str) -> str:
    """Return a query on one line, short enough to read."""
    line = " ".join(text.split())
    return line if len(line) <= _QUERY_WIDTH else f"{line[:_QUERY_WIDTH]}… ({len(line)} 字)"
