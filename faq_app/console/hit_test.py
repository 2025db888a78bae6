"""命中测试: what would a customer get for this question, and why?

In: a query, or a file of them. Out: hits with confidence, the decision in words, words coloured by
what they do; for a file, a table to download.
"""

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from faq_app.console import parts
from faq_app.console.acting import BUSY, QUIET, explained
from faq_app.console.parts import Markup, element
from faq_app.console.running import Stop
from faq_app.guard import require
from faq_app.operations import cases, trial
from faq_app.operations.desk import Desk
from indexer.errors import Cancelled
from indexer.explain import Explanation, HitExplanation, WordWeight
from indexer.progress import counted
from indexer.reasons import DECISIONS, SIGNALS

_SHOWN = 20  # rows of a batch that are shown; the file has them all
_FAINT = 0.02  # a word that does less than this is not coloured


@dataclass(frozen=True)
class HitTest:
    """The page's parts that other pages are joined to."""

    query: gr.Textbox
    found: gr.HTML


def build(desk: Desk) -> HitTest:
    """Put the page into the surrounding tab."""

    @explained
    def test(query: str) -> tuple[str, str]:
        return _found(desk, query), ""

    @explained
    def judged(request: gr.Request, query: str, event: gr.EventData) -> Markup:
        user = require(request, "editor")
        cases.add(desk, query, event.key, user.name)
        entry = desk.searcher.entries.get(event.key)
        right = f"应由「{entry.question}」回答" if entry else "应拒答"
        return parts.done(f"已加入回归集: 「{query.strip()}」{right}。以后每次改动都会检查它。")

    @explained
    def batch(request: gr.Request, file: str | None) -> tuple[str, Any]:
        if not file:
            return "", gr.DownloadButton(visible=False)
        tell = stop.telling(request, "正在提问")
        try:
            rows = trial.run_batch(desk, trial.read_batch(Path(file)), lambda e: counted(e, tell))
        except Cancelled:
            return parts.cancelled("没有结果"), gr.DownloadButton(visible=False)
        folder = Path(tempfile.mkdtemp(prefix="faq-"))
        trial.write_batch(folder / "命中测试.csv", rows)
        return _batch(rows), gr.DownloadButton(value=folder / "命中测试.csv", visible=True)

    with gr.Row():
        query = gr.Textbox(
            placeholder="用顾客的话写一个问题, 按回车",
            label="顾客的提问",
            scale=5,
            max_lines=3,
            autofocus=True,
            elem_id="test-query",
        )
        go = gr.Button(
            "测试", variant="primary", scale=0, min_width=120, elem_id="test-go",
            elem_classes=["bottom"],
        )  # fmt: skip
    notice = parts.view(elem_id="test-notice")
    found = parts.view(_nothing_yet(), ["edit", "weigh", "judge"], elem_id="test-found")
    with gr.Accordion("用文件批量测试", open=False):
        gr.Markdown(
            "csv、xlsx 或每行一条提问的 txt。有一列「提问」就够; 再有一列「编号」"
            "写明正确的条目 (库外的留空), 就一并算对错。结果可下载。"
        )
        with gr.Row():
            file = gr.File(
                label="提问文件", file_types=[".csv", ".tsv", ".txt", ".xlsx"], height=120
            )
            download = gr.DownloadButton("下载全部结果 (csv)", visible=False, elem_id="batch-file")
        stop = Stop("batch-stop")
        rows = parts.view(elem_id="batch-rows")
    gr.on([query.submit, go.click], test, query, [found, notice], **BUSY)
    found.judge(judged, query, notice, **QUIET)
    stop.wire(file.change, batch, file, [rows, download])
    return HitTest(query, found)


def _found(desk: Desk, query: str) -> Markup:
    if not query.strip():
        return _nothing_yet()
    why = trial.explain_query(desk, query)
    entries = desk.searcher.entries
    chip = parts.decision_chip(why.decision)
    verdict = [element("p", chip, f" {why.sentence}", class_="sentence")]
    if why.by_thresholds != why.decision:
        note = f"只看阈值会{DECISIONS[why.by_thresholds]}, 是规则改变了它。"
        verdict.append(element("p", note, class_="soft"))
    if why.synonyms:
        pairs = "、".join(f"{pair.said} → {pair.read}" for pair in why.synonyms)
        verdict.append(element("p", f"同义词: {pairs}", class_="soft"))
    shown = []
    if why.decision == "answer":
        answer = entries[why.hits[0].entry_id].answer
        shown = [element("h3", "顾客看到"), parts.rendered(answer)]
    elif why.decision == "clarify":
        shown = [
            element("h3", "顾客看到: 您是不是想问"),
            element(
                "ol", *(element("li", parts.theirs(hit.standard_question)) for hit in why.hits)
            ),
        ]
    refuse = parts.button("judge", "这个提问应拒答", key="", title="加入回归集")
    top = element("section", *verdict, *shown, element("p", refuse), class_="card verdict")
    if not why.hits:
        return element("div", top, class_="found")
    hits = [_hit(number, hit, why) for number, hit in enumerate(why.hits, 1)]
    legend = element(
        "p",
        element("mark", "绿色", style="background:rgba(11,122,107,.3)"),
        " 的词使它更像这一条, ",
        element("mark", "红色", style="background:rgba(190,60,40,.3)"),
        " 的词使它更不像; 颜色越深, 作用越大。点一个词可以调它的权重; "
        "点「应由它回答」, 提问就带着正确答案进入回归集。",
        class_="soft",
    )
    return element("div", top, element("h3", "找到的条目"), legend, *hits, class_="found")


def _hit(number: int, hit: HitExplanation, why: Explanation) -> Markup:
    rules = []
    if hit.exact:
        rules.append("与库里的问法一字不差")
    if hit.objection:
        rules.append(f"反例「{hit.objection}」反对, 扣 {-hit.rules:.3f} 分")
    if hit.contradiction:
        rules.append(f"在「{hit.contradiction}」上一个肯定、一个否定")
    head = element(
        "div",
        element("b", f"{number}"),
        element(
            "div",
            parts.link("edit", parts.theirs(hit.standard_question), key=hit.entry_id),
            element("p", f"最近的问法: {hit.question}", class_="soft"),
            *(element("p", rule, class_="rule") for rule in rules),
        ),
        parts.confidence_bar(hit.confidence),
        parts.button("judge", "应由它回答", key=hit.entry_id, title="加入回归集"),
        class_="hit-head",
    )
    effects = {effect.text: effect for effect in hit.words}
    words = element(
        "div",
        *(_word(word, effects[word.text].share if word.text in effects else 0.0)
          for word in why.words),
        class_="words",
    )  # fmt: skip
    return element(
        "article",
        head,
        words,
        element("details", element("summary", "分数从哪里来"), _signals(hit, why)),
        class_="card hit",
    )


def _word(word: WordWeight, share: float) -> Markup:
    depth = min(1.0, abs(share) * 1.6) if abs(share) >= _FAINT else 0.0
    rgb = "11,122,107" if share >= 0 else "190,60,40"
    title = (
        f"{word.text}: IDF {word.idf:.2f} × 倍数 {word.factor:g} = {word.idf * word.factor:.2f}; "
        f"占全句权重 {word.weight:.0%}, 占相似度作用 {share:+.0%}"
    )
    style = f"background:rgba({rgb},{0.75 * depth:.2f})"
    label = element("span", word.text, style=style, translate="no")
    factor = f"×{word.factor:g} " if word.factor != 1 else ""
    under = element("small", f"{factor}{share:+.0%}" if depth else f"{factor}·")
    return element(
        "button", label, under,
        type="button", title=title, data_event="weigh", data_word=word.text,
    )  # fmt: skip


def _signals(hit: HitExplanation, why: Explanation) -> Markup:
    weights, values = asdict(why.weights), asdict(hit.signals)
    rows = [
        (SIGNALS[name], f"{values[name]:.3f}", f"{weights[name]:g}", f"{part:.3f}")
        for name, part in asdict(hit.contributions).items()
    ]
    if hit.rules:
        rows.append((SIGNALS["rules"], "", "", f"{hit.rules:+.3f}"))
    rows.append(("分数", "", "", f"{hit.score:.3f}"))
    return parts.table(("信号", "值›", "权重›", "占的分›"), rows, "narrow")


def _batch(rows: list[trial.Tried]) -> Markup:
    counts = [
        f"{DECISIONS[kind]} {sum(row.decision == kind for row in rows)}" for kind in DECISIONS
    ]
    judged = [row.right for row in rows if row.right is not None]
    right = f"; 对 {sum(judged)}, 错 {len(judged) - sum(judged)}" if judged else ""
    marks = {None: "", True: "对", False: "错"}
    cells = [
        (parts.theirs(row.query), parts.decision_chip(row.decision),
         parts.theirs(row.question or "–"), parts.confidence_bar(row.confidence), marks[row.right])
        for row in rows[:_SHOWN]
    ]  # fmt: skip
    more = f"下面是前 {_SHOWN} 条, 全部在下载的文件里。" if len(rows) > _SHOWN else ""
    return element(
        "div",
        element("p", f"{len(rows)} 条提问: {', '.join(counts)}{right}。{more}"),
        parts.table(("提问", "决定", "最近的条目", "可信度", "对错"), cells),
    )


def _nothing_yet() -> Markup:
    return parts.empty(
        "看看顾客会得到什么",
        "在上面写一个问题。这里会显示找到的条目、可信度、为什么这样决定, 以及每个词起了多大作用。",
        "测试不会记入顾客的提问。",
    )
