"""How does a health check read? What was found and what to do about it, as text and as JSON.

In: a ``QualityReport``, and ``Suggestions`` if they were asked for. Out: lines for a terminal, the
first of every long list; JSON with all of it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from indexer.quality import Defeat, Duplicate, Overlap, QualityReport, Wording
from indexer.suggestions import Effect, Suggestion, Suggestions

_SHOWN = 20  # of a list, before the rest is counted
_QUERIES_SHOWN = 5  # of those that a suggestion fixes or breaks
_TEXT_WIDTH = 60
_FAULTS = {"too_short": "太短", "unspecific": "太泛", "too_long": "太长"}


@dataclass(frozen=True)
class _Section:
    """One kind of finding: its name in JSON, what it is called, and what to do about it."""

    name: str
    title: str
    remedy: str
    found: Sequence[Duplicate | Defeat | Wording | Overlap]


def as_text(report: QualityReport, suggestions: Suggestions | None = None) -> str:
    """Return the report as text, without what could steer a terminal."""
    lines = [*_lines(report), *(_suggested(suggestions) if suggestions else ())]
    text = "\n".join(lines)
    return "".join(char if char.isprintable() or char == "\n" else " " for char in text)


def as_json(report: QualityReport, suggestions: Suggestions | None = None) -> str:
    """Return all findings as JSON: what a program, or another check later, may read."""
    found: dict[str, Any] = {
        "revision": report.revision,
        "encoder": report.encoder,
        "entries": report.entries,
        "questions": report.questions,
        "notes": report.notes,
    }
    for section in _sections(report):
        found[section.name] = {
            "title": section.title,
            "remedy": section.remedy,
            "found": [asdict(each) for each in section.found],
        }
    if suggestions:
        found["keyword_suggestions"] = {
            **asdict(suggestions),
            "found": [_suggestion_as_json(each) for each in suggestions.found],
            "best": suggestions.best and _suggestion_as_json(suggestions.best),
        }
    return json.dumps(found, ensure_ascii=False, indent=1)


def _sections(report: QualityReport) -> tuple[_Section, ...]:
    return (
        _Section(
            "near_duplicates",
            "问的几乎一样、答案不同的条目",
            "是一回事就合并成一个; 不是一回事就在标准问里写明区别, 并给双方加「反例」",
            report.duplicates,
        ),
        _Section(
            "lost_standard_questions",
            "去掉标准问自己以后, 用它提问先找到别的条目",
            "给应有的条目补充相似问; 两个条目说的是一回事就合并",
            [defeat for defeat in report.defeats if defeat.standard],
        ),
        _Section(
            "misplaced_similar_questions",
            "相似问更像别的条目 (去掉它自己再提问)",
            "放错了就移到先找到的条目; 没有放错就多写几个同样说法的, 或给先找到的条目加「反例」",
            [defeat for defeat in report.defeats if not defeat.standard],
        ),
        _Section(
            "wordings",
            "太短、太泛或太长的问法",
            "太短太泛的写明问的是什么; 太长的只留要问的那一句, 分成几个相似问",
            report.wordings,
        ),
        _Section(
            "category_overlaps",
            "互相混淆的分类",
            "把说同一件事的条目放进同一个分类, 或合并这两个分类",
            report.overlaps,
        ),
    )


def _lines(report: QualityReport) -> Iterator[str]:
    yield (
        f"{report.entries} 个条目, {report.questions} 个问法; "
        f"库第 {report.revision} 版, 编码器 {report.encoder}"
    )
    for note in report.notes:
        yield f"注意: {note}"
    for section in _sections(report):
        yield ""
        yield f"{section.title}: {len(section.found) or '没有'}"
        if section.found:
            yield f"怎么办: {section.remedy}"
        for each in section.found[:_SHOWN]:
            yield from _finding(each)
        if (more := len(section.found) - _SHOWN) > 0:
            yield f"  … 还有 {more} 个 (--json 文件 可看全部)"


def _finding(found: Duplicate | Defeat | Wording | Overlap) -> Iterator[str]:
    match found:
        case Duplicate():
            yield f"  向量 {found.cosine:.3f}, 字词 {found.characters:.3f}"
            for entry, question in zip(found.entries, found.questions, strict=True):
                yield f"      {entry} {_cut(question)}"
        case Defeat():
            own = "–" if found.score is None else f"{found.score:.3f}"
            yield f"  {found.entry} {_cut(found.question)} ({own})"
            first = f"{found.winner} {_cut(found.winner_question)}"
            yield f"      先找到 {first} ({found.winner_score:.3f})"
        case Wording():
            yield (
                f"  {_FAULTS[found.fault]}: {found.entry} {_cut(found.question)} "
                f"({found.length} 字)"
            )
        case Overlap():
            yield (
                f"  {found.category} → {found.other}: "
                f"{found.count} / {found.asked} 个提问 ({found.share:.0%})"
            )
            for defeat in found.examples:
                yield f"      {defeat.entry} {_cut(defeat.question)} → {defeat.winner}"


def _suggested(suggestions: Suggestions) -> Iterator[str]:
    yield ""
    yield f"改一个词的权重能修好提问的: {len(suggestions.found) or '没有'}"
    yield (
        f"{suggestions.queries} 条提问中 {suggestions.failed} 条没有帮到顾客; "
        f"可能有用的改动 {suggestions.promising} 种, 试了最有希望的 {suggestions.tried} 种"
        + (
            f", 其余 {suggestions.promising - suggestions.tried} 种没有试 (--limit 可改)"
            if suggestions.tried < suggestions.promising
            else ""
        )
    )
    if suggestions.found:
        yield (
            "怎么办: 挑说得通的改, 改后用没有参与挑选的提问 (test 部分) 再评测一次; "
            "试得越多, 碰巧显得有用的也越多"
        )
        for suggestion in suggestions.found:
            yield from _suggestion(suggestion)
        if suggestions.left_out:
            yield f"  … 还有 {suggestions.left_out} 个词看来也有用, 没有细测"
    elif suggestions.best:
        yield "修好的都不比弄坏的多。最接近的是:"
        yield from _suggestion(suggestions.best)


def _suggestion(each: Suggestion) -> Iterator[str]:
    yield f"  {command(each)}"
    own = f"; 相似问 (留一法) {_counts(each.own)}" if each.own else ""
    yield (
        f"      {_counts(each.effect)} (符号检验 p = {each.p_value:.2g}); "
        f"排第一的 {each.first_before} → {each.first_after}{own}"
        + ("" if each.sound else "; 存疑: 排序或相似问变差了")
    )
    for title, queries in (("修好", each.effect.fixed), ("弄坏", each.effect.broken)):
        for query in queries[:_QUERIES_SHOWN]:
            yield f"      {title}: {_cut(query)}"
        if (more := len(queries) - _QUERIES_SHOWN) > 0:
            yield f"      {title}: … 还有 {more} 条"


def command(suggestion: Suggestion) -> str:
    """Return the command that makes the change."""
    change = suggestion.change
    if change.factor == 1:
        return f"python -m indexer keywords remove {change.word}"
    return f"python -m indexer keywords set {change.word} {change.factor:g}"


def _suggestion_as_json(suggestion: Suggestion) -> Mapping[str, Any]:
    return {**asdict(suggestion), "command": command(suggestion)}


def _counts(effect: Effect) -> str:
    return f"修好 {len(effect.fixed)}, 弄坏 {len(effect.broken)}"


def _cut(text: str) -> str:
    """Return a text on one line, short enough to read."""
    line = " ".join(text.split())
    return line if len(line) <= _TEXT_WIDTH else f"{line[:_TEXT_WIDTH]}… ({len(line)} 字)"
