"""信号: what does each of the six signals weigh in the score?

In: six sliders. Out: a new revision that can be taken back, or a change in the draft.
"""

from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any

import gradio as gr

from faq_app.console import parts
from faq_app.console.acting import BUSY, QUIET, explained
from faq_app.console.effect import insist_view
from faq_app.console.parts import Markup
from faq_app.guard import require
from faq_app.operations import settings
from faq_app.operations.desk import Desk
from faq_app.operations.effects import TooMuchBroken
from indexer.reasons import SIGNALS
from indexer.records import Signals

_NAMES = tuple(field.name for field in fields(Signals))
_AFTER = "分数变了, 应当再做一次「自动校准」。"


def build(desk: Desk) -> tuple[Callable[[], tuple[Any, ...]], list[Any]]:
    """Put the sliders into the surrounding page; return what fills them, and where to."""

    def shown() -> tuple[float, ...]:
        return tuple(asdict(desk.searcher.weights).values())

    def save_all(request: gr.Request, values: tuple[float, ...], insist: bool) -> Markup:
        user = require(request, "publisher")
        weights = dict(zip(_NAMES, values, strict=True))
        try:
            done = settings.save_signals(desk, weights, user.name, insist)
        except TooMuchBroken as error:
            return insist_view(error)
        said = f"信号的权重已保存, 已发布第 {done.revision} 版; {_AFTER}"
        return parts.done(said + "要退回, 到「版本」里回到上一版。")

    @explained
    def saved(request: gr.Request, *values: float) -> Markup:
        return save_all(request, values, insist=False)

    @explained
    def insisted(request: gr.Request, *values: float) -> Markup:
        return save_all(request, values, insist=True)

    @explained
    def drafted(request: gr.Request, *values: float) -> Markup:
        user = require(request, "editor")
        waits = settings.draft_signals(desk, dict(zip(_NAMES, values, strict=True)), user.name)
        return parts.drafted("信号的权重", waits)

    def usual() -> tuple[float, ...]:
        return tuple(asdict(settings.usual_signals(desk)).values())

    with gr.Accordion(
        "信号: 分数里什么占多少", open=False, elem_id="signals", elem_classes=["guarded"]
    ):
        gr.Markdown(
            "一个条目的分数由六个信号合成。一般不用改; 0 表示不看这个信号。"
            "先放进草稿, 到「版本」里看影响, 再发布。"
        )
        with gr.Row():
            sliders = [
                gr.Slider(
                    0, settings.MOST_SIGNAL, 1, step=0.05, label=SIGNALS[name], buttons=[],
                    min_width=260, elem_id=f"signal-{name}",
                )
                for name in _NAMES
            ]  # fmt: skip
        with gr.Row():
            save = gr.Button("保存信号并发布", variant="primary", elem_id="signals-save")
            later = gr.Button("存为草稿", scale=0, min_width=110, elem_id="signals-draft")
            reset = gr.Button("恢复默认值", scale=0, min_width=120, elem_id="signals-reset")
        notice = parts.view(events=["insist"], elem_id="signals-notice")
    save.click(saved, sliders, notice, **BUSY)
    later.click(drafted, sliders, notice, **BUSY)
    notice.insist(insisted, sliders, notice, **BUSY)
    reset.click(usual, None, sliders, **QUIET)
    return shown, sliders
