"""How does an explanation read on a terminal? Tables of words and signals, a column for each hit.

In: an ``Explanation``. Out: text, with bars and colours if it is a terminal that shows it.
"""

from collections.abc import Iterator
from dataclasses import asdict

import click

from indexer.columns import one_line, table
from indexer.explain import SILENCED, Explanation, HitExplanation, WordWeight
from indexer.reasons import DECISIONS, SIGNALS

_TEXT, _WORD = 70, 16  # columns that a question, and a word, take at most
_BAR = 20
_COLOURS = {"answer": "green", "clarify": "yellow", "reject": "red"}


def as_text(found: Explanation, terminal: bool = False) -> str:
    """Return the whole explanation; only for a ``terminal`` with colours, and bars of the best."""
    text = "\n".join(_lines(found, terminal))
    return text if terminal else click.unstyle(text)


def _lines(found: Explanation, bars: bool) -> Iterator[str]:
    yield f"提问    {one_line(found.query, _TEXT)}"
    if found.read != found.query:
        yield f"读作    {one_line(found.read, _TEXT)}"
    if found.synonyms:
        pairs = ", ".join(f"{pair.said} → {pair.read}" for pair in found.synonyms)
        yield f"同义词  {one_line(pairs, _TEXT)}"
    decision = click.style(DECISIONS[found.decision], fg=_COLOURS[found.decision], bold=True)
    yield f"决定    {decision} ({found.reason})"
    yield f"原因    {one_line(found.sentence, 4 * _TEXT)}"
    if found.by_thresholds != found.decision:
        yield f"        只看阈值会{DECISIONS[found.by_thresholds]}, 是规则改变了它"
    if found.hits:
        yield f"可信度  {found.band} {found.confidence:.1%}; 库里有答案的可能 {found.in_scope:.1%}"
        chosen = found.thresholds
        yield f"阈值    直接回答 ≥ {chosen.answer:.2%}, 反问 ≥ {chosen.clarify:.2%}"
    for number, hit in enumerate(found.hits, 1):
        yield ""
        yield from _hit(number, hit)
    if found.hits:
        yield ""
        yield from _signals(found, bars)
        yield _lead(found)
    if found.words:
        yield ""
        yield from _words(found, bars)


def _hit(number: int, hit: HitExplanation) -> Iterator[str]:
    title = f"第 {number} 条  {hit.entry_id}  {hit.standard_question}"
    yield click.style(one_line(title, _TEXT), bold=True)
    yield f"  最近的问法: {one_line(hit.question, _TEXT - 14)}"
    yield f"  分数 {hit.score:.4f}, 可信度 {hit.band} {hit.confidence:.1%}"
    if hit.exact:
        yield f"  一字不差 (标点不计): 分数由相似度 {hit.similarity:.4f} 改为 1"
    elif hit.objection:
        objection = one_line(hit.objection, _TEXT - 40)
        yield f"  反例「{objection}」: 从相似度 {hit.similarity:.4f} 中扣去 {-hit.rules:.4f}"
    if hit.contradiction:
        yield f"  否定: 提问和条目在「{hit.contradiction}」上一个肯定、一个否定"


def _signals(found: Explanation, bars: bool) -> Iterator[str]:
    yield click.style("信号: 值 → 在相似度中占的分 (权重 × 值 ÷ 权重之和)", bold=True)
    best = found.hits[0].contributions
    rows = []
    for name, weight in asdict(found.weights).items():
        row = [SIGNALS[name], f"{weight:g}"]
        for hit in found.hits:
            row.append(f"{getattr(hit.signals, name):.3f} → {getattr(hit.contributions, name):.3f}")
        if bars:
            row.append(_bar(getattr(best, name)))
        rows.append(row)
    total = ["合计 (相似度)", "", *(f"{hit.similarity:.3f}" for hit in found.hits)]
    rows.append([*total, ""] if bars else total)
    head = ["", "权重", *_columns(found), *([""] if bars else [])]
    yield from table(head, rows, numbers=range(1, 2 + len(found.hits)))


def _lead(found: Explanation) -> str:
    lead = found.lead
    part = asdict(lead.signals).get(lead.decided_by, lead.rules)
    mostly = f"{SIGNALS[lead.decided_by]} ({part:+.4f})"
    if not lead.over:
        return f"没有别的条目可比; 分数主要来自: {mostly}"
    return f"第 1 条领先 {one_line(lead.over, _TEXT)} {lead.score:.4f} 分, 主要靠: {mostly}"


def _words(found: Explanation, bars: bool) -> Iterator[str]:
    """Yield a line for each word that was silenced; without hits, for the first words."""
    title = "词: 在句中的权重; 去掉它, 相似度降低多少 (占各词影响的份额)"
    yield click.style(title if found.hits else "词: 在句中的权重", bold=True)
    effects = [{effect.text: effect for effect in hit.words} for hit in found.hits]
    shown = [word for word in found.words if word.text in effects[0]] if effects else found.words
    rows = []
    for word in shown[:SILENCED]:
        row = [_word(word), f"{word.idf:.2f}", f"{word.factor:g}", f"{word.weight:.1%}"]
        for of_hit in effects:
            effect = of_hit[word.text]
            row.append(f"{effect.fall:+.3f} {f'({round(100 * effect.share)}%)':>6}")
        rows.append([*row, _bar(effects[0][word.text].share)] if bars and effects else row)
    hits = _columns(found)
    head = ["", "IDF", "倍数", "权重", *hits]
    head += [""] if bars and effects else []
    yield from table(head, rows, numbers=range(1, 4 + len(hits)))
    if found.punctuation:
        yield f"标点和符号占权重 {found.punctuation:.1%}"
    if more := len(found.words) - len(rows):
        weight = sum(word.weight for word in found.words if word not in shown[:SILENCED])
        yield f"其余 {more} 个词共占权重 {weight:.1%}, 没有逐个去掉 (只试最重的 {SILENCED} 个)"


def _word(word: WordWeight) -> str:
    times = f" ×{word.count}" if word.count > 1 else ""
    return one_line(word.text, _WORD) + times


def _columns(found: Explanation) -> list[str]:
    return [f"第 {number} 条" for number in range(1, len(found.hits) + 1)]


def _bar(share: float) -> str:
    """Return a share of -1 … 1 as a bar, red where it is negative."""
    return click.style("█" * round(_BAR * abs(share)), fg="red" if share < 0 else "green")
