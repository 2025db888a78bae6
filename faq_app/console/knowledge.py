"""知识管理: which entries are there, what do they say, and what if one said something else?

In: filters, a form, files. Out: pages of entries, warnings while somebody types, and new revisions
that can be taken back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from faq_app.console import import_export, parts
from faq_app.console.acting import BUSY, QUIET, explained
from faq_app.console.effect import effect_view, insist_view
from faq_app.console.parts import Markup, element
from faq_app.guard import require
from faq_app.operations import drafts, entries, missed
from faq_app.operations.desk import Desk
from faq_app.operations.effects import TooMuchBroken, effect_of
from indexer.records import Entry
from indexer.unanswered import UnansweredQuery

_EXCERPT = 60  # characters of an answer in the list
_FIELDS = (
    "question", "variants", "answer", "category", "enabled", "negatives", "tags", "valid_from",
    "valid_to", "key",
)  # fmt: skip


Queries = Sequence[UnansweredQuery]


@dataclass(frozen=True)
class Knowledge:
    """The page's parts that other pages are joined to."""

    show: Any  # what fills the page when it is opened
    listing: list[Any]
    open_entry: Any  # key → what ``form`` shows
    open_new: Any  # (question, similar questions, queries) → what ``form`` shows
    form: list[Any]


def build(desk: Desk) -> Knowledge:
    """Put the page into the surrounding tab."""

    @explained
    def listed(wanted: str, category: str, status: str, number: float = 0) -> Markup:
        found = entries.find(desk, wanted, category or "", status or "")
        return _listing(found, number, bool(wanted or category or status))

    def shown(wanted: str, category: str, status: str) -> tuple[Any, ...]:
        names = entries.categories(desk)
        choices = [("全部分类", ""), *names]
        return (
            listed(wanted, category, status),
            gr.Dropdown(choices=choices),
            gr.Dropdown(choices=names),
        )

    def turn(wanted: str, category: str, status: str, event: gr.EventData) -> Markup:
        return listed(wanted, category, status, float(event.page))

    @explained
    def opened(key: str) -> tuple[Any, ...]:
        entry, waiting = desk.searcher.entries.get(key), drafts.of_entry(desk, key)
        if waiting and waiting.content:
            note = f"这是草稿里的内容 ({waiting.by}), 还没有发布。"
            form = _form(desk, waiting.content)
            return (entry, *form[1:-1], parts.warning(note))
        if entry is None:
            raise ValueError(f"条目 {key} 已经没有了。怎么办: 刷新列表")
        note = parts.warning(f"草稿里要删除这一条 ({waiting.by})。") if waiting else ""
        return *_form(desk, entry)[:-1], note

    def pick(event: gr.EventData) -> tuple[Any, ...]:
        return opened(event.key)

    def opened_new(
        question: str = "", variants: Sequence[str] = (), pending: Queries = ()
    ) -> tuple[Any, ...]:
        empty = Entry(key="", question=question, answer="", variants=tuple(variants))
        return (None, tuple(pending), *_form(desk, empty)[2:])

    def composed(seen: Entry | None, values: Sequence[Any]) -> Entry:
        return entries.compose(seen, **dict(zip(_FIELDS, values, strict=True)))

    @explained
    def checked(seen: Entry | None, question: str, variants: str) -> Markup | str:
        texts = tuple(line.strip() for line in (variants or "").splitlines() if line.strip())
        key = seen.key if seen else ""
        draft = Entry(key=key, question=(question or "").strip(), variants=texts, answer="")
        return _warnings(entries.nearer_elsewhere(desk, draft, seen))

    @explained
    def tried(seen: Entry | None, *values: Any) -> Markup:
        entry = composed(seen, values)
        if entry == seen:
            raise ValueError("没有改动。怎么办: 改好再看影响")
        return effect_view(effect_of(desk, desk.rehearse([entry])))

    def perform(
        request: gr.Request,
        action: str,
        pending: Queries,
        seen: Entry | None,
        values: Sequence[Any],
        insist: bool,
    ) -> tuple[Any, ...]:
        """Save, switch or delete; return what ``form`` and ``undo`` show then."""
        user = require(request, "publisher")
        if seen is None and action != "save":
            raise ValueError("这是一条还没有保存的条目。怎么办: 先保存")
        if seen and drafts.of_entry(desk, seen.key):
            raise ValueError("这一条在草稿里有改动。怎么办: 到「版本」里发布或放弃它")
        entry = None
        try:
            if action == "save":
                entry = composed(seen, values)
                entry, done = entries.save(desk, entry, seen, user.name, insist)
                undo = entries.undo_of(desk, seen, entry)
                verb = "已保存" if seen else "已新增"
                if pending and seen is None:
                    missed.remember(desk, pending, "entry", entry.key, user.name)
            elif action == "switch":
                entry, done = entries.switch(desk, seen, user.name, insist)
                undo = entries.undo_of(desk, seen, entry)
                verb = "已启用" if entry.enabled else "已停用, 顾客不再看到"
            else:
                undo = entries.undo_of(desk, seen, None)
                done = entries.delete(desk, seen, user.name, insist)
                verb = "已删除"
        except TooMuchBroken as error:
            unchanged = [gr.skip()] * (len(form) - 1)
            return *unchanged, insist_view(error, action=action), gr.skip()
        question = entry.question if entry else seen.question
        said = f"{verb}「{question}」, 已发布第 {done.revision} 版。"
        shown = _form(desk, entry) if entry else opened_new()
        return *shown[:-1], parts.done(said, parts.button("undo", "撤销")), undo

    @explained
    def saved(
        request: gr.Request, pending: Queries, seen: Entry | None, *values: Any
    ) -> tuple[Any, ...]:
        return perform(request, "save", pending, seen, values, insist=False)

    @explained
    def switched(request: gr.Request, seen: Entry | None) -> tuple[Any, ...]:
        return perform(request, "switch", (), seen, (), insist=False)

    @explained
    def deleted(request: gr.Request, seen: Entry | None) -> tuple[Any, ...]:
        return perform(request, "delete", (), seen, (), insist=False)

    @explained
    def insisted(
        request: gr.Request,
        event: gr.EventData,
        pending: Queries,
        seen: Entry | None,
        *values: Any,
    ) -> tuple[Any, ...]:
        return perform(request, event.action, pending, seen, values, insist=True)

    @explained
    def drafted(request: gr.Request, seen: Entry | None, *values: Any) -> tuple[Any, ...]:
        user = require(request, "editor")
        entry = entries.to_draft(desk, composed(seen, values), seen)
        waiting = drafts.of_entry(desk, entry.key)
        drafts.add_entry(desk, entry, waiting.content if waiting else seen, user.name)
        said = f"「{entry.question}」已放进草稿, 到「版本」里一起发布。"
        return seen, gr.Textbox(value=entry.key), parts.done(said)

    @explained
    def deletion_drafted(request: gr.Request, seen: Entry | None) -> Markup:
        user = require(request, "editor")
        if seen is None:
            raise ValueError("这是一条还没有保存的条目。怎么办: 先保存")
        waiting = drafts.of_entry(desk, seen.key)
        if waiting and waiting.content is None:
            raise ValueError("草稿里已经要删除这一条。怎么办: 到「版本」里发布或放弃它")
        drafts.add_deletion(desk, waiting.content if waiting else seen, user.name)
        said = f"「{seen.question}」的删除已放进草稿, 到「版本」里一起发布; 顾客现在还看得到它。"
        return parts.done(said)

    @explained
    def undone(request: gr.Request, undo: entries.Undo | None) -> tuple[Any, ...]:
        user = require(request, "publisher")
        if undo is None:
            raise ValueError("没有可撤销的改动")
        done = entries.take_back(desk, undo, user.name)
        form = _form(desk, undo.before) if undo.before else opened_new()
        return *form[:-1], parts.done(f"已撤销 (第 {done.revision} 版)。"), None

    seen, undo = gr.State(None), gr.State(None)
    pending = gr.State(())  # queries that an entry is being written for, to be remembered with it
    with gr.Row():
        with gr.Column(scale=6, min_width=380):
            with gr.Row():
                wanted = gr.Textbox(
                    label="查找", placeholder="问题、相似问、答案、编号…", scale=3, min_width=160,
                    elem_id="entry-search",
                )  # fmt: skip
                category = gr.Dropdown(
                    [("全部分类", "")], value="", label="分类", scale=2, min_width=110,
                    elem_classes=["theirs"],
                )  # fmt: skip
                status = gr.Dropdown(
                    [("全部状态", ""), *entries.STATUSES], value="", label="状态", scale=2,
                    min_width=100,
                )  # fmt: skip
            listing = parts.view(events=["pick", "turn"], elem_id="entry-list")
        with gr.Column(
            scale=6, min_width=400, elem_classes=["sheet", "guarded"], elem_id="entry-form"
        ):
            with gr.Row():
                title = parts.view(_title(None), elem_id="entry-title")
                new = gr.Button("新增条目", size="sm", scale=0, min_width=100, elem_id="entry-new")
            notice = parts.view(events=["undo", "insist"], elem_id="entry-notice")
            question = gr.Textbox(label="标准问", max_lines=3, elem_id="entry-question")
            variants = gr.Textbox(
                label="相似问 (一行一条)", lines=4, max_lines=12, elem_id="entry-variants"
            )
            warnings = parts.view(events=["pick"], elem_id="entry-warnings")
            answer = gr.Textbox(
                label="答案 (可用 Markdown)", lines=5, max_lines=16, elem_id="entry-answer"
            )
            with gr.Accordion("答案在顾客眼里的样子", open=False):
                look = parts.view(elem_id="entry-look")
            with gr.Row():
                into = gr.Dropdown(
                    [], label="分类", allow_custom_value=True, elem_id="entry-category",
                    elem_classes=["theirs"],
                )  # fmt: skip
                enabled = gr.Checkbox(label="启用", value=True, elem_classes=["bottom"])
            with gr.Accordion("反例、标签、有效期、编号", open=False):
                negatives = gr.Textbox(
                    label="反例 (一行一条): 很像, 但不该由这一条回答的问法", lines=2, max_lines=8
                )
                tags = gr.Textbox(label="标签 (用逗号隔开)")
                with gr.Row():
                    valid_from = gr.Textbox(label="生效日", placeholder="2026-01-31, 空 = 一直")
                    valid_to = gr.Textbox(label="失效日", placeholder="2026-12-31, 空 = 一直")
                    key = gr.Textbox(label="编号", placeholder="留空自动编号")
            with gr.Row():
                small = {"min_width": 90, "size": "md"}
                save = gr.Button(
                    "保存并发布",
                    variant="primary",
                    elem_id="entry-save",
                    **small | {"min_width": 130},
                )
                later = gr.Button("存为草稿", elem_id="entry-draft", **small)
                preview = gr.Button("先看影响", elem_id="entry-try", **small)
            with gr.Row():
                switch = gr.Button("停用", visible=False, elem_id="entry-switch", **small)
                delete = gr.Button("删除", visible=False, elem_id="entry-delete", **small)
                remove = gr.Button(
                    "删除, 存为草稿", visible=False, elem_id="entry-delete-draft", **small
                )
            effect = parts.view(elem_id="entry-effect")

    filters = [wanted, category, status]
    values = [
        question, variants, answer, into, enabled, negatives, tags, valid_from, valid_to, key,
    ]  # fmt: skip
    form = [seen, pending, title, *values, switch, delete, remove, warnings, effect, notice]
    gr.on(
        [wanted.input, category.input, status.input], listed, filters, listing,
        trigger_mode="always_last", **QUIET,
    )  # fmt: skip
    listing.turn(turn, filters, listing, **QUIET)
    listing.pick(pick, None, form, **QUIET)
    warnings.pick(pick, None, form, **QUIET)
    new.click(opened_new, None, form, **QUIET)
    gr.on(
        [question.input, variants.input], checked, [seen, question, variants], warnings,
        trigger_mode="always_last", **QUIET,
    )  # fmt: skip
    answer.change(
        lambda text: parts.rendered(text or ""), answer, look, trigger_mode="always_last", **QUIET
    )
    preview.click(tried, [seen, *values], effect, **BUSY)
    later.click(drafted, [seen, *values], [seen, key, notice], **BUSY)
    remove.click(deletion_drafted, seen, notice, **BUSY)
    again = [listing, category, into]
    for event, handler, inputs in (
        (save.click, saved, [pending, seen, *values]),
        (switch.click, switched, seen),
        (delete.click, deleted, seen),
        (notice.insist, insisted, [pending, seen, *values]),
        (notice.undo, undone, undo),
    ):
        event(handler, inputs, [*form, undo], **BUSY).success(shown, filters, again, **QUIET)
    import_export.build(desk, shown, filters, again)
    return Knowledge(shown, [filters, again], opened, opened_new, form)


def _form(desk: Desk, entry: Entry) -> tuple[Any, ...]:
    """Return what the form shows of an entry: see ``form``."""
    new = not entry.key
    return (
        entry,
        (),
        _title(None if new else entry),
        entry.question,
        "\n".join(entry.variants),
        entry.answer,
        entry.category,
        entry.enabled,
        "\n".join(entry.negatives),
        ", ".join(entry.tags),
        entry.valid_from,
        entry.valid_to,
        gr.Textbox(value=entry.key, interactive=new),
        gr.Button("停用" if entry.enabled else "启用", visible=not new),
        gr.Button(visible=not new),
        gr.Button(visible=not new),
        "",
        "",
        "",
    )


def _title(entry: Entry | None) -> Markup:
    if entry is None:
        return element("h3", "新条目")
    status = entries.status_of(entry)
    chip = element("span", status, class_=f"chip {'on' if status == '启用' else 'off'}")
    return element("h3", f"编辑条目 {entry.key} ", chip)


def _listing(found: Sequence[Entry], number: float, filtered: bool) -> Markup:
    if not found and filtered:
        return parts.empty("没有找到", "换一个词, 或把分类和状态改回「全部」。")
    if not found:
        return parts.empty("还没有条目", "在右边新增一条, 或在下面导入问答表。")
    page = parts.page_of(found, number)
    cells = []
    for entry in page.rows:
        status = entries.status_of(entry)
        more = parts.theirs(_excerpt(entry.answer))
        cells.append(
            (
                element(
                    "div",
                    parts.link("pick", parts.theirs(entry.question), key=entry.key),
                    element(
                        "p",
                        element("span", f"{len(entry.variants)} 条相似问"),
                        " · ",
                        more,
                        class_="soft line",
                    ),
                ),
                element("span", parts.theirs(entry.category), class_="soft"),
                element("span", status, class_=f"chip {'on' if status == '启用' else 'off'}"),
            )
        )
    return element("div", parts.table(("条目", "分类", "状态"), cells), parts.pager(page, "个条目"))


def _warnings(found: Sequence[entries.Nearer]) -> Markup | str:
    if not found:
        return ""
    lines = [
        element(
            "p",
            f"「{each.text}」已是" if each.same else f"「{each.text}」更接近",
            parts.link("pick", parts.theirs(f"「{each.entry.question}」"), key=each.entry.key),
            " 的问法" if each.same else f" (它的问法「{each.question}」)",
        )
        for each in found[:5]
    ]
    if len(found) > len(lines):
        lines.append(element("p", f"另有 {len(found) - len(lines)} 条也更接近别的条目"))
    return element("div", *lines, class_="notice warning")


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _EXCERPT else line[:_EXCERPT] + "…"
