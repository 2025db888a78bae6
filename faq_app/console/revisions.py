"""版本: who published what and when, what is different since, and back again.

In: two revisions. Out: what differs in entries, words and settings; a new revision that equals an
old one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from faq_app.console import drafts, parts
from faq_app.console.acting import QUIET, explained
from faq_app.console.parts import Markup, element
from faq_app.console.setting_text import plain, value_of
from faq_app.guard import require
from faq_app.operations import past
from faq_app.operations.desk import Desk
from indexer.history import Changes, EntryChange, FieldChange
from indexer.options import BY
from indexer.revisions import Revision, setting_name

_SHOWN = 100  # changed entries; more are only counted
_KINDS = {"added": ("新增", "on"), "changed": ("修改", ""), "deleted": ("删除", "off")}
_FIELDS = {
    "question": "标准问", "variants": "相似问", "negatives": "反例", "answer": "答案",
    "category": "分类", "tags": "标签", "enabled": "启用", "valid_from": "生效日",
    "valid_to": "失效日", "related": "关联问题", "extra": "其他列",
}  # fmt: skip


@dataclass(frozen=True)
class Revisions:
    """The page's parts that other pages are joined to."""

    show: Any
    listing: list[Any]
    draft: gr.HTML


def build(desk: Desk) -> Revisions:
    """Put the page into the surrounding tab."""

    @explained
    def listed(number: float = 0) -> Markup:
        return _listing(desk, int(number))

    def turn(event: gr.EventData) -> Markup:
        return listed(float(event.page))

    @explained
    def compared(before: float | None, after: float | None) -> Markup:
        if not before or not after:
            raise ValueError("写上要比较的两个版本号")
        return _changes(past.differences(desk, int(before), int(after)), desk.searcher.revision)

    def look(event: gr.EventData) -> tuple[Any, ...]:
        revision = int(event.revision)
        return revision - 1, revision, compared(revision - 1, revision), ""

    def since(event: gr.EventData) -> tuple[Any, ...]:
        revision, now = int(event.revision), desk.searcher.revision
        return revision, now, compared(revision, now), ""

    @explained
    def back(request: gr.Request, event: gr.EventData) -> tuple[Any, ...]:
        user = require(request, "publisher")
        revision = int(event.revision)
        before = desk.searcher.revision
        done = past.go_back(desk, revision, user.name)
        undo = parts.button("back", "撤销", revision=before)
        said = f"已回到第 {revision} 版的内容, 发布为第 {done.revision} 版。"
        return parts.done(said, undo), "", listed()

    draft, draft_shown, join_draft = drafts.build(desk)
    with gr.Row():
        with gr.Column(scale=6, min_width=400):
            listing = parts.view(events=["turn", "look", "since"], elem_id="revision-list")
        with gr.Column(scale=5, min_width=360, elem_classes=["sheet"]):
            notice = parts.view(
                events=["back", "insist", "clear", "restore"], elem_id="revision-notice"
            )
            with gr.Row():
                before = gr.Number(label="从第几版", precision=0, minimum=0, min_width=100)
                after = gr.Number(label="到第几版", precision=0, minimum=0, min_width=100)
                compare = gr.Button(
                    "比较", scale=0, min_width=90, elem_classes=["bottom"], elem_id="revision-go"
                )
            changes = parts.view(_nothing_yet(), ["back"], elem_id="revision-changes")

    listing.turn(turn, None, listing, **QUIET)
    listing.look(look, None, [before, after, changes, notice], **QUIET)
    listing.since(since, None, [before, after, changes, notice], **QUIET)
    compare.click(compared, [before, after], changes, **QUIET)
    for place in (notice, changes):
        place.back(back, None, [notice, changes, listing], **QUIET)
    join_draft(notice, listed, [listing])

    def shown() -> tuple[Markup, Markup]:
        return draft_shown(), listed()

    return Revisions(shown, [[], [draft, listing]], draft)


def _listing(desk: Desk, number: int) -> Markup:
    total = past.revision_count(desk)
    if not total:
        return parts.empty("还没有版本", "每次保存、导入或回退都会在这里留下一版, 可以比较和退回。")
    last = (total - 1) // parts.PAGE_SIZE
    number = min(max(0, number), last)
    found = past.revisions(desk, parts.PAGE_SIZE, number * parts.PAGE_SIZE)
    now = desk.searcher.revision
    cells = [_row(each, now) for each in found]
    head = ("版›", "时间", "谁", "做了什么", "回归", "")
    page = parts.Slice(found, total, number)
    return element("div", parts.table(head, cells), parts.pager(page, "个版本"))


def _row(revision: Revision, now: int) -> tuple[str, ...]:
    number = revision.revision
    if number == now:
        since: Markup = element("span", "现在", class_="chip on")
    else:
        since = element("span", parts.link("since", "回到这版…", revision=number))
    look = parts.link("look", revision.what, revision=number) if number > 1 else revision.what
    when = element("span", parts.local_time(revision.at), class_="soft")
    who = parts.theirs(revision.by) if revision.by not in ("", BY) else BY
    return (
        str(number), when, element("span", who), look,
        _judged(revision.regression), since,
    )  # fmt: skip


def _judged(record: Mapping[str, Any] | None) -> Markup:
    if not record:
        return Markup("")
    fixed, broken = len(record.get("fixed", ())), len(record.get("broken", ()))
    said = f"修复 {fixed}, 变差 {broken}"
    tone = "off" if broken > fixed else "on" if fixed else ""
    return element("span", said, class_=f"chip {tone}")


def _changes(found: Changes, now: int) -> Markup:
    head = [element("h3", f"第 {found.before} 版 → 第 {found.after} 版")]
    body: list[Markup] = []
    if found.keywords:
        rows = [
            (parts.theirs(word.name), f"{word.before:g}", f"{word.after:g}")
            for word in found.keywords
        ]
        body += [element("h3", "关键词"), parts.table(("词", "之前›", "之后›"), rows, "narrow")]
    if found.settings:
        rows = [
            (setting_name(s.name), value_of(s.name, s.before), value_of(s.name, s.after))
            for s in found.settings
        ]
        body += [element("h3", "设置"), parts.table(("设置", "之前", "之后"), rows)]
    if found.entries:
        more = f" (前 {_SHOWN} 个)" if len(found.entries) > _SHOWN else ""
        body.append(element("h3", f"{len(found.entries)} 个条目{more}"))
        body += [_entry(each) for each in found.entries[:_SHOWN]]
    if not body:
        return element("div", *head, element("p", "内容一样。", class_="soft"))
    buttons = [
        parts.button("back", f"回到第 {number} 版", revision=number)
        for number in dict.fromkeys((found.before, found.after))
        if number not in (now, 0)
    ]
    tools = element("p", *buttons, class_="chips")
    return element("div", *head, tools, *body)


def _entry(change: EntryChange) -> Markup:
    name, tone = _KINDS[change.kind]
    entry = change.after or change.before
    question = entry.question if entry else change.key
    rows = [(_FIELDS.get(field.name, field.name), *_pair(field)) for field in change.fields]
    opened = {"open": ""} if change.kind == "changed" else {}
    chip = element("span", name, class_=f"chip {tone}")
    return element(
        "details",
        element("summary", chip, " ", parts.theirs(question)),
        parts.table(("", "之前", "之后"), rows),
        class_="entry-change",
        **opened,
    )


def _pair(field: FieldChange) -> tuple[Markup | str, Markup | str]:
    """Return both sides; of lists only what one side has and the other has not."""
    before, after = field.before, field.after
    if isinstance(before, tuple) and isinstance(after, tuple):
        gone = [text for text in before if text not in after]
        new = [text for text in after if text not in before]
        if gone or new:
            return _lines(gone, "− "), _lines(new, "+ ")
    return _side(before), _side(after)


def _side(value: Any) -> str:
    return plain(value) if isinstance(value, bool) else parts.theirs(plain(value))


def _lines(texts: Sequence[str], mark: str) -> Markup:
    return element("div", *(element("p", parts.theirs(mark + text)) for text in texts))


def _nothing_yet() -> Markup:
    return parts.empty(
        "看看改了什么",
        "在左边点一次改动, 看它改了什么; 点「回到这版…」, 先看和现在的区别, 再决定。"
        "回退也是一个新版本, 同样可以撤销。",
    )
