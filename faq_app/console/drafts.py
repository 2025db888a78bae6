"""草稿: which changes wait, what do they do together, and shall they be published?

In: the draft. Out: its changes by name, what they mend and break, one new revision.
"""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from faq_app.console import parts
from faq_app.console.acting import BUSY, QUIET, explained
from faq_app.console.effect import effect_view, insist_view
from faq_app.console.parts import Markup, element
from faq_app.console.setting_text import value_of
from faq_app.guard import require
from faq_app.operations import drafts
from faq_app.operations.desk import Desk
from faq_app.operations.effects import TooMuchBroken
from indexer.draft import Item


def build(desk: Desk) -> tuple[gr.HTML, Callable[[], Markup], Callable[..., None]]:
    """Put the draft into the surrounding page.

    Returns its place, what fills it, and what is to be told which parts show past revisions.
    """

    def shown() -> Markup:
        return _listing(desk)

    @explained
    def discarded(request: gr.Request, event: gr.EventData) -> tuple[Any, ...]:
        user = require(request, "editor")
        item = drafts.discard(desk, event.kind, event.name, user.name)
        undo = [parts.button("restore", "撤销")] if item else []
        return _listing(desk), parts.done("已从草稿里放弃。", *undo), item

    @explained
    def restored(request: gr.Request, item: Item | None) -> tuple[Any, ...]:
        user = require(request, "editor")
        if item is None:
            raise ValueError("没有可撤销的改动")
        drafts.put_back(desk, item, user.name)
        return _listing(desk), parts.done("又在草稿里了。"), None

    @explained
    def asked(request: gr.Request) -> Markup:
        require(request, "editor")
        count = len(drafts.items(desk))
        return parts.warning(
            f"要放弃草稿里的 {count} 处改动吗? 放弃以后找不回来。",
            button=parts.button("clear", f"放弃这 {count} 处改动"),
        )

    @explained
    def cleared(request: gr.Request) -> tuple[Any, ...]:
        user = require(request, "editor")
        count = drafts.discard_all(desk, user.name)
        return _listing(desk), parts.done(f"草稿已清空, 放弃了 {count} 处改动。")

    @explained
    def tried() -> Markup:
        return effect_view(drafts.effect(desk))

    def publish(request: gr.Request, insist: bool) -> tuple[Any, ...]:
        user = require(request, "publisher")
        before = desk.searcher.revision
        try:
            done = drafts.publish(desk, user.name, insist)
        except TooMuchBroken as error:
            return gr.skip(), insist_view(error)
        undo = parts.button("back", "撤销", revision=before)
        return _listing(desk), parts.done(f"草稿已发布为第 {done.revision} 版。", undo)

    @explained
    def published(request: gr.Request) -> tuple[Any, ...]:
        return publish(request, insist=False)

    @explained
    def insisted(request: gr.Request) -> tuple[Any, ...]:
        return publish(request, insist=True)

    gone = gr.State(None)  # what was taken out of the draft last
    place = parts.view(events=["discard", "empty", "edit", "try", "publish"], elem_id="draft")

    def join(notice: gr.HTML, refresh: Callable[..., Any], listing: Sequence[Any]) -> None:
        place.discard(discarded, None, [place, notice, gone], **BUSY)
        notice.restore(restored, gone, [place, notice, gone], **BUSY)
        place.empty(asked, None, notice, **QUIET)
        notice.clear(cleared, None, [place, notice], **BUSY)
        getattr(place, "try")(tried, None, notice, **BUSY)
        for event, handler in ((place.publish, published), (notice.insist, insisted)):
            event(handler, None, [place, notice], **BUSY).success(
                refresh, None, list(listing), **BUSY
            )

    return place, shown, join


def _listing(desk: Desk) -> Markup:
    found, late = drafts.items(desk), drafts.stale(desk)
    if not found:
        return Markup("")
    rows = []
    for item in found:
        name = element("span", item.in_words)
        if item.kind == "entry" and item.content is not None:
            name = parts.link("edit", item.in_words, key=item.name)
        elif item.kind == "setting":
            value = element("p", f"→ {value_of(item.name, item.content)}", class_="soft")
            name = element("div", item.in_words, value)
        overtaken = (item.kind, item.name) in late
        chip = element("span", "已被别人改过", class_="chip off") if overtaken else Markup("")
        who = element("span", f"{parts.local_time(item.at)} {item.by}", class_="soft")
        drop = parts.link("discard", "放弃", kind=item.kind, name=item.name)
        rows.append((element("div", name, " ", chip), who, drop))
    return element(
        "section",
        element("h3", f"草稿: {len(found)} 处改动等待发布"),
        parts.table(("改动", "谁", ""), rows),
        element(
            "p",
            parts.button("publish", "一起发布", class_="primary"),
            parts.button("try", "先看影响"),
            parts.button("empty", "全部放弃…"),
            class_="chips",
        ),
        class_="draft",
    )
