"""关键词权重: what would it change if this word weighed more, and shall it?

In: a word, a factor, a customer's query. Out: the ranking before and after, what the change fixes
and breaks, and a new revision that can be undone.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from faq_app.console import parts
from faq_app.console.acting import QUIET, download, explained
from faq_app.console.effect import effect_view, insist_view
from faq_app.console.parts import Markup, element
from faq_app.console.running import Stop
from faq_app.guard import require
from faq_app.operations import drafts, words
from faq_app.operations.desk import Desk
from faq_app.operations.effects import TooMuchBroken
from indexer.errors import Cancelled
from indexer.progress import counted
from indexer.records import Hit

_SUGGESTIONS = 60  # changes that are tried; a minute


@dataclass(frozen=True)
class Keywords:
    """The page's parts that other pages are joined to."""

    show: Any  # what fills the page when it is opened
    listing: list[Any]
    open_word: Any  # (word, query) → what ``editor`` shows
    editor: list[Any]


def build(desk: Desk) -> Keywords:
    """Put the page into the surrounding tab."""

    @explained
    def listed(wanted: str, changed: bool, number: float = 0) -> Markup:
        return _listing(words.words(desk, wanted, changed), number, bool(wanted or changed))

    def turn(wanted: str, changed: bool, event: gr.EventData) -> Markup:
        return listed(wanted, changed, float(event.page))

    @explained
    def opened(word: str, query: str, factor: float | None = None) -> tuple[Any, ...]:
        row = words.word_row(desk, word)
        factor = row.factor if factor is None else factor
        return row.word, factor, query, _preview(desk, row.word, factor, query), ""

    def pick(query: str, event: gr.EventData) -> tuple[Any, ...]:
        return opened(event.word, query, float(event.factor))

    @explained
    def tried(word: str, factor: float, query: str) -> Markup:
        return _preview(desk, word, factor, query)

    @explained
    def judged(word: str, factor: float) -> Markup:
        return _effect(desk, word, factor)

    @explained
    def drafted(request: gr.Request, word: str, factor: float) -> Markup:
        user = require(request, "editor")
        row = words.word_row(desk, word)
        drafts.add_word(desk, row.word, factor, user.name)
        if factor == row.factor:
            return parts.done(f"「{row.word}」和现在一样, 草稿里没有它的改动。")
        said = f"「{row.word}」= {factor:g}" if factor != 1 else f"去掉「{row.word}」的调整"
        return parts.done(f"{said}, 已放进草稿, 到「版本」里一起发布。")

    def save_word(
        request: gr.Request, word: str, factor: float, query: str, insist: bool
    ) -> tuple[Any, ...]:
        user = require(request, "publisher")
        before = words.word_row(desk, word)
        if before.factor == factor:
            raise ValueError(f"「{before.word}」的倍数已经是 {factor:g}。怎么办: 先拖动滑块")
        try:
            done = words.save(desk, word, factor, user.name, insist)
        except TooMuchBroken as error:
            return insist_view(error), gr.skip(), gr.skip(), gr.skip()
        said = f"「{before.word}」的倍数由 {before.factor:g} 改为 {factor:g}"
        said += f", 已发布第 {done.revision} 版, 顾客现在就按它得到答案。"
        notice = parts.done(said, parts.button("undo", "撤销"))
        undo = (before.word, before.factor, factor)
        return notice, undo, factor, _preview(desk, word, factor, query)

    @explained
    def saved(request: gr.Request, word: str, factor: float, query: str) -> tuple[Any, ...]:
        return save_word(request, word, factor, query, insist=False)

    @explained
    def insisted(request: gr.Request, word: str, factor: float, query: str) -> tuple[Any, ...]:
        return save_word(request, word, factor, query, insist=True)

    @explained
    def undone(
        request: gr.Request, undo: tuple[str, float, float] | None, query: str
    ) -> tuple[Any, ...]:
        user = require(request, "publisher")
        if undo is None:
            raise ValueError("没有可撤销的改动")
        word, factor, made = undo
        if words.word_row(desk, word).factor != made:
            raise ValueError(f"「{word}」此后又改过, 没有动它。怎么办: 在「版本」里回到以前的一版")
        done = words.save(desk, word, factor, user.name, insist=True)
        said = f"已撤销: 「{word}」的倍数又是 {factor:g} (第 {done.revision} 版)"
        return parts.done(said), None, word, factor, _preview(desk, word, factor, query)

    @explained
    def suggested(request: gr.Request) -> Markup:
        tell = stop.telling(request, "正在试")
        try:
            return _suggestions(
                words.suggest(desk, _SUGGESTIONS, lambda each: counted([*each], tell))
            )
        except Cancelled:
            return parts.cancelled("没有找出建议")

    def exported() -> Path:
        path = Path(tempfile.mkdtemp(prefix="faq-")) / "关键词权重.csv"
        words.export(desk, path)
        return path

    @explained
    def read(file: str | None) -> tuple[Any, Any]:
        if not file:
            return "", gr.Button(visible=False)
        change = words.read_import(desk, Path(file))
        return _import(change), gr.Button(visible=bool(change.changed))

    def import_words(request: gr.Request, file: str, insist: bool) -> tuple[Any, Any]:
        user = require(request, "publisher")
        try:
            done = words.run_import(desk, Path(file), user.name, insist)
        except TooMuchBroken as error:
            return insist_view(error), gr.skip()
        said = f"已导入, 已发布第 {done.revision} 版。要退回, 到「版本」里回到上一版。"
        return parts.done(said), gr.Button(visible=False)

    @explained
    def imported(request: gr.Request, file: str) -> tuple[Any, Any]:
        return import_words(request, file, insist=False)

    @explained
    def imported_still(request: gr.Request, file: str) -> tuple[Any, Any]:
        return import_words(request, file, insist=True)

    undo = gr.State(None)
    with gr.Row():
        with gr.Column(scale=5, min_width=380):
            with gr.Row():
                wanted = gr.Textbox(
                    placeholder="查找一个词", label="查找", scale=3, elem_id="word-search"
                )
                only = gr.Checkbox(
                    label="只看调整过的", scale=1, min_width=130, elem_classes=["bottom"]
                )
            listing = parts.view(events=["pick", "turn"], elem_id="word-list")
        with gr.Column(
            scale=6, min_width=420, elem_classes=["sheet", "guarded"], elem_id="word-form"
        ):
            with gr.Row():
                word = gr.Textbox(
                    label="关键词", placeholder="在左边点一个词, 或自己写", scale=2,
                    min_width=150, elem_id="word",
                )  # fmt: skip
                factor = gr.Slider(
                    0, 5, 1, step=0.1, scale=3, min_width=220, elem_id="factor",
                    label="倍数 (1 = 不变, 0 = 忽略这个词)", buttons=[],
                )  # fmt: skip
            with gr.Row():
                query = gr.Textbox(
                    label="用一条提问试一试", placeholder="顾客会怎么问? 写完按回车", scale=4,
                    min_width=220, elem_id="word-query",
                )  # fmt: skip
                save = gr.Button(
                    "保存并发布", variant="primary", scale=0, min_width=130, elem_id="word-save",
                    elem_classes=["bottom"],
                )  # fmt: skip
                later = gr.Button(
                    "存为草稿", scale=0, min_width=110, elem_id="word-draft",
                    elem_classes=["bottom"],
                )  # fmt: skip
                reset = gr.Button(
                    "设回 1", scale=0, min_width=90, elem_id="word-reset", elem_classes=["bottom"]
                )
            notice = parts.view(events=["undo", "insist"], elem_id="word-notice")
            preview = parts.view(_nothing_yet(), elem_id="word-preview")
            effect = parts.view(elem_id="word-effect")
    with gr.Accordion("建议: 哪些词调一调会更好", open=False):
        gr.Markdown("逐个试着改变一个词的倍数, 数一数修复和变差的提问。需要一两分钟。")
        with gr.Row():
            suggest = gr.Button("开始找", size="sm", elem_id="word-suggest")
            stop = Stop("word-suggest-stop")
        suggestions = parts.view(events=["pick"], elem_id="word-suggestions")
    with gr.Accordion("批量导入、导出", open=False):
        gr.Markdown("两列: 关键词, 倍数。导入的表代替现在全部的调整; 先给出预览, 确认后才发布。")
        with gr.Row():
            file = gr.File(
                label="关键词表", file_types=[".csv", ".tsv", ".txt", ".xlsx"], height=120
            )
            download("导出现在的调整 (csv)", exported, "word-export")
        to_import = parts.view(events=["insist"])
        confirm = gr.Button("确认导入并发布", variant="primary", visible=False)

    filters = [wanted, only]
    gr.on(
        [wanted.input, only.change], listed, filters, listing, trigger_mode="always_last", **QUIET
    )
    listing.turn(turn, filters, listing, **QUIET)
    editor = [word, factor, query, preview, notice]
    for place in (listing, suggestions):
        place.pick(pick, query, editor, **QUIET)
    gr.on(
        [word.submit, word.blur, factor.change, query.submit, query.blur],
        tried,
        [word, factor, query],
        preview,
        trigger_mode="always_last",
        **QUIET,
    ).success(judged, [word, factor], effect, trigger_mode="always_last", **QUIET)
    for event, handler in ((save.click, saved), (notice.insist, insisted)):
        event(handler, [word, factor, query], [notice, undo, factor, preview], **QUIET).success(
            listed, filters, listing, **QUIET
        )
    later.click(drafted, [word, factor], notice, **QUIET)
    notice.undo(undone, [undo, query], [notice, undo, word, factor, preview], **QUIET).then(
        listed, filters, listing, **QUIET
    )
    reset.click(lambda: 1, None, factor, **QUIET)
    stop.wire(suggest.click, suggested, None, suggestions, [suggest])
    file.change(read, file, [to_import, confirm], **QUIET)
    for event, handler in ((confirm.click, imported), (to_import.insist, imported_still)):
        event(handler, file, [to_import, confirm], **QUIET).success(
            listed, filters, listing, **QUIET
        )
    return Keywords(listed, [filters, listing], opened, editor)


def _listing(rows: Sequence[words.WordRow], number: float, filtered: bool) -> Markup:
    if not rows:
        if filtered:
            return parts.empty(
                "没有这样的词", "换一个词查找; 或者在右边自己写一个, 它会被当作一个整体。"
            )
        return parts.empty("还没有问法", "先在「知识管理」里导入问答表。")
    page = parts.page_of(rows, number)
    cells = [
        (
            parts.link("pick", parts.theirs(row.word), word=row.word, factor=row.factor),
            f"{row.idf:.2f}",
            element("b", f"×{row.factor:g}") if row.factor != 1 else "×1",
            f"{row.weight:.2f}",
            str(row.questions),
            parts.change(row.changed),
        )
        for row in page.rows
    ]
    head = ("词", "IDF›", "倍数›", "权重›", "问法数›", "最近改动")
    return element("div", parts.table(head, cells), parts.pager(page, "个词"))


def _preview(desk: Desk, word: str, factor: float, query: str) -> Markup:
    if not word.strip():
        return _nothing_yet()
    found = words.preview(desk, word, factor, query)
    row = found.row
    facts = (
        f"「{row.word}」: IDF {row.idf:.2f} × 倍数 {factor:g} = 权重 {row.idf * factor:.2f}; "
        f"{row.questions} 条问法里有它。"
    )
    top = [element("p", facts, class_="soft")]
    top += [element("p", note, class_="rule") for note in found.notes]
    rankings = []
    if found.before and found.after:
        places = {hit.entry_id: n for n, hit in enumerate(found.before.hits, 1)}
        changed = factor != row.factor
        rankings.append(_ranking("现在", found.before, {}, desk))
        if changed:
            rankings.append(_ranking(f"倍数 {factor:g}", found.after, places, desk))
    sides = element("div", *rankings, class_="sides") if rankings else ""
    return element("div", *top, sides)


def _effect(desk: Desk, word: str, factor: float) -> Markup:
    if not word.strip():
        return Markup("")
    found = words.effect(desk, word, factor)
    if found is None:
        return element("p", "拖动滑块, 这里就显示它修复和弄坏了哪些提问。", class_="soft")
    return effect_view(found)


def _ranking(title: str, ranking: words.Ranking, places: dict[str, int], desk: Desk) -> Markup:
    def line(number: int, hit: Hit) -> Markup:
        question = desk.searcher.entries[hit.entry_id].question
        before = places.get(hit.entry_id)
        step = before - number if before else 0
        mark = "新" if places and not before else f"{'↑' if step > 0 else '↓'}{abs(step)}"
        moved = element("em", mark, class_="down" if step < 0 else "up")
        said = element("span", parts.theirs(question), " ", moved if step or mark == "新" else "")
        return element("li", element("b", str(number)), said, parts.confidence_bar(hit.confidence))

    lines = [line(number, hit) for number, hit in enumerate(ranking.hits, 1)]
    body = element("ul", *lines) if lines else element("p", "没有找到条目", class_="soft")
    return element(
        "section",
        element("p", element("b", title), " ", parts.decision_chip(ranking.decision)),
        body,
    )


def _suggestions(found: words.Suggestions) -> Markup:
    if not found.found:
        return parts.empty(
            "没有一个词值得调",
            f"{found.queries} 条提问, {found.failed} 条不对; 试了 {found.tried} 种改法。",
        )
    cells = [
        (
            parts.link(
                "pick",
                parts.theirs(each.change.word),
                word=each.change.word,
                factor=each.change.factor,
            ),
            f"{each.change.before:g} → {each.change.factor:g}",
            str(len(each.effect.fixed)),
            str(len(each.effect.broken)),
            parts.theirs("; ".join(each.effect.fixed[:2])),
            "可信" if each.sound else "可能是巧合",
        )
        for each in found.found
    ]
    head = ("词", "倍数", "修复›", "变差›", "例如", "")
    return element(
        "div",
        element(
            "p", f"{found.queries} 条提问里有 {found.failed} 条不对; 点一个词, 在上面看它的作用。"
        ),
        parts.table(head, cells),
    )


def _import(change: words.KeywordImport) -> Markup:
    if not change.changed:
        return parts.empty("和现在的调整一样", "没有什么要导入。")
    cells = [
        (parts.theirs(word), f"{before:g}", f"{after:g}")
        for word, before, after in change.changed[: parts.PAGE_SIZE]
    ]
    more = f", 前 {parts.PAGE_SIZE} 个是" if len(change.changed) > parts.PAGE_SIZE else ""
    return element(
        "div",
        element("p", f"{len(change.changed)} 个词的倍数会变{more}:"),
        parts.table(("词", "现在›", "导入后›"), cells, "narrow"),
        effect_view(change.effect),
    )


def _nothing_yet() -> Markup:
    return parts.empty(
        "选一个词",
        "在左边点一个词 (或自己写一个), 拖动滑块。保存以前就能看到: 一条提问的结果前后对比, "
        "以及它修复和弄坏了哪些提问。",
    )
