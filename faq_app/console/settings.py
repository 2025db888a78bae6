"""设置: when it answers, what the chat page says, how careful a publish is, and which encoder.

In: sliders and texts. Out: new revisions that can be taken back, or changes in the draft.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from faq_app.console import parts, signals, thresholds
from faq_app.console.acting import BUSY, explained
from faq_app.console.parts import Markup, element
from faq_app.console.running import Stop
from faq_app.guard import require
from faq_app.operations import effects, settings
from faq_app.operations.desk import Desk
from faq_app.wording import Wording
from indexer.errors import Cancelled


@dataclass(frozen=True)
class Settings:
    """The page's parts that other pages are joined to."""

    show: Any  # what fills the page at once
    listing: list[Any]
    follow: Any  # what then draws the curve, which takes a moment after a publish
    curve: list[Any]


def build(desk: Desk) -> Settings:
    """Put the page into the surrounding tab."""
    thresholds_shown, threshold_parts, drawn = thresholds.build(desk)
    wording_shown, texts = _wording(desk)
    signals_shown, sliders = signals.build(desk)
    allowed = _gate(desk)
    encoder = _encoder(desk)

    def shown() -> tuple[Any, ...]:
        return (
            *thresholds_shown(), *wording_shown(), *signals_shown(), effects.allowed(desk),
            _which(desk),
        )  # fmt: skip

    listing = [*threshold_parts, *texts, *sliders, allowed, encoder]
    answer, clarify, standing = threshold_parts
    return Settings(shown, [[], listing], drawn, [[answer, clarify], standing])


def _wording(desk: Desk) -> tuple[Callable[[], tuple[str, ...]], list[Any]]:
    def shown() -> tuple[str, ...]:
        now = desk.service.wording
        frequent = "\n".join(now.frequent)
        return now.welcome, now.refusal, now.handoff, now.handoff_link, frequent

    def composed(texts: tuple[str, ...]) -> Wording:
        welcome, refusal, handoff, link, frequent = (text or "" for text in texts)
        lines = tuple(line.strip() for line in frequent.splitlines() if line.strip())
        return Wording(welcome, refusal, handoff, link.strip(), lines)

    @explained
    def said(request: gr.Request, *texts: str) -> Markup:
        user = require(request, "publisher")
        done = settings.save_wording(desk, composed(texts), user.name)
        text = f"已保存, 已发布第 {done.revision} 版; 新打开的聊天页就是这样。"
        return parts.done(text + "要退回, 到「版本」里回到上一版。")

    @explained
    def drafted(request: gr.Request, *texts: str) -> Markup:
        user = require(request, "editor")
        waits = settings.draft_wording(desk, composed(texts), user.name)
        return parts.drafted("聊天页的文字", waits)

    with gr.Accordion("聊天页的文字", open=False, elem_id="wording", elem_classes=["guarded"]):
        with gr.Row():
            welcome = gr.Textbox(label="欢迎语", min_width=260, elem_id="wording-welcome")
            refused = gr.Textbox(label="拒答语", min_width=260)
        with gr.Row():
            handoff = gr.Textbox(label="人工客服: 按钮上的字", min_width=260)
            link = gr.Textbox(
                label="人工客服: 链接", placeholder="https://… 或 tel:… ; 留空就不显示",
                min_width=260,
            )  # fmt: skip
        frequent = gr.Textbox(
            label="大家常问的 (一行一条, 最多 10 条; 留空就自动选问得最多的)", lines=3, max_lines=10
        )
        with gr.Row():
            say = gr.Button("保存文字并发布", variant="primary", elem_id="wording-save")
            later = gr.Button("存为草稿", scale=0, min_width=110, elem_id="wording-draft")
        worded = parts.view(elem_id="wording-notice")
    texts = [welcome, refused, handoff, link, frequent]
    say.click(said, texts, worded, **BUSY)
    later.click(drafted, texts, worded, **BUSY)
    return shown, texts


def _gate(desk: Desk) -> gr.Number:
    @explained
    def gated(request: gr.Request, allowed: float) -> Markup:
        user = require(request, "publisher")
        number = settings.save_gate(desk, allowed, user.name)
        return parts.done(f"已保存: 会弄坏超过 {number} 条回归提问的发布, 要确认一次。")

    with gr.Accordion("发布的关卡", open=False, elem_id="gate", elem_classes=["guarded"]), gr.Row():
        allowed = gr.Number(
            label="一次发布最多可以弄坏几条回归提问; 超过就要确认", precision=0, minimum=0
        )
        gate = gr.Button("保存", scale=0, min_width=110, elem_classes=["bottom"])
        notice = parts.view()
    gate.click(gated, allowed, notice, **BUSY)
    return allowed


def _encoder(desk: Desk) -> gr.HTML:
    @explained
    def swapped(request: gr.Request, folder: str) -> tuple[Any, Any]:
        user = require(request, "publisher")
        tell = stop.telling(request, "正在重新编码")
        try:
            done = settings.swap_encoder(desk, folder or "", user.name, tell)
        except Cancelled:
            return parts.cancelled("仍用原来的编码器"), gr.skip()
        said = f"编码器已更换, 已发布第 {done.revision} 版, 重新编码了 {done.encoded} 条文字。"
        more = "要退回, 到「版本」里回到上一版: 编码器和阈值一起回去。"
        return parts.done(said + more), _which(desk)

    with gr.Accordion("更换编码器", open=False, elem_id="encoder"):
        encoder = parts.view()
        gr.Markdown(
            "写上服务器上另一个编码器的目录。先检查, 再重新编码全部问法 (显示进度, "
            "其间顾客照常得到答案), 最后一次性发布; 出了问题就什么也不改。"
        )
        with gr.Row():
            folder = gr.Textbox(
                label="目录", placeholder="build/tuned", scale=4, elem_id="encoder-folder"
            )
            swap = gr.Button(
                "检查并更换",
                scale=0,
                min_width=130,
                elem_classes=["bottom"],
                elem_id="encoder-swap",
            )  # fmt: skip
            stop = Stop("encoder-stop")
        notice = parts.view(elem_id="encoder-notice")
    stop.wire(swap.click, swapped, folder, [notice, encoder], [swap])
    return encoder


def _which(desk: Desk) -> Markup:
    encoder = desk.service.encoder
    said = f"现在: {encoder.bundle.path.name}, 指纹 {encoder.fingerprint}, {encoder.dimension} 维"
    return element("p", said)
