"""阈值: from which confidence on is a customer answered, asked back, refused?

In: two sliders, or a goal. Out: what they would come to, beside what is; a new revision, or a
change in the draft.
"""

from collections.abc import Callable
from typing import Any

import gradio as gr

from faq_app.console import parts
from faq_app.console.acting import BUSY, QUIET, explained
from faq_app.console.effect import insist_view
from faq_app.console.parts import Markup, element
from faq_app.console.running import Stop
from faq_app.guard import require
from faq_app.operations import thresholds
from faq_app.operations.desk import Desk
from faq_app.operations.effects import TooMuchBroken
from indexer.calibration import Goal
from indexer.errors import Cancelled
from indexer.evaluation_charts import curve_chart
from indexer.measures import Evaluation


def build(desk: Desk) -> tuple[Callable[[], tuple[Any, ...]], list[Any], Callable[..., Markup]]:
    """Put the sliders and their curve into the surrounding page.

    Returns what fills them at once, where to, and what draws the curve for two thresholds, which
    takes a moment after a publish.
    """

    def shown() -> tuple[Any, ...]:
        now = desk.searcher.thresholds
        ready = thresholds.is_ready(desk)
        curve = _standing(desk, now.answer, now.clarify) if ready else _preparing()
        return now.answer, now.clarify, curve

    @explained
    def drawn(answer: float, clarify: float) -> Markup:
        return _standing(desk, answer, clarify)

    def save_both(
        request: gr.Request, answer: float, clarify: float, insist: bool
    ) -> tuple[Any, Any]:
        user = require(request, "publisher")
        before = desk.searcher.thresholds
        try:
            done = thresholds.save(desk, answer, clarify, user.name, insist)
        except TooMuchBroken as error:
            return insist_view(error), gr.skip()
        undo = parts.button("undo", "撤销", answer=before.answer, clarify=before.clarify)
        said = f"阈值已保存, 已发布第 {done.revision} 版。"
        return parts.done(said, undo), _standing(desk, answer, clarify)

    @explained
    def saved(request: gr.Request, answer: float, clarify: float) -> tuple[Any, Any]:
        return save_both(request, answer, clarify, insist=False)

    @explained
    def insisted(request: gr.Request, answer: float, clarify: float) -> tuple[Any, Any]:
        return save_both(request, answer, clarify, insist=True)

    @explained
    def drafted(request: gr.Request, answer: float, clarify: float) -> Markup:
        user = require(request, "editor")
        waits = thresholds.to_draft(desk, answer, clarify, user.name)
        return parts.drafted("阈值", waits)

    @explained
    def undone(request: gr.Request, event: gr.EventData) -> tuple[Any, ...]:
        user = require(request, "publisher")
        answer, clarify = float(event.answer), float(event.clarify)
        done = thresholds.save(desk, answer, clarify, user.name, insist=True)
        said = parts.done(f"已撤销 (第 {done.revision} 版)。")
        return said, _standing(desk, answer, clarify), answer, clarify

    def recalibrate(
        request: gr.Request, precision: float, refusal: float, insist: bool
    ) -> tuple[Any, ...]:
        user = require(request, "publisher")
        before = desk.searcher.thresholds
        tell = stop.telling(request, "正在提问")
        try:
            done = thresholds.recalibrate(desk, precision, refusal, user.name, insist, tell)
        except Cancelled:
            return parts.cancelled(), *[gr.skip()] * 3
        except TooMuchBroken as error:
            return insist_view(error), *[gr.skip()] * 3
        now = desk.searcher.thresholds
        said = (
            f"已重新校准: 直接回答 ≥ {now.answer} (原为 {before.answer}), "
            f"反问 ≥ {now.clarify} (原为 {before.clarify}), 已发布第 {done.revision} 版。"
            "要退回, 到「版本」里回到上一版。"
        )
        shown = _standing(desk, now.answer, now.clarify)
        return parts.done(said), shown, now.answer, now.clarify

    @explained
    def recalibrated(request: gr.Request, precision: float, refusal: float) -> tuple[Any, ...]:
        return recalibrate(request, precision, refusal, insist=False)

    @explained
    def recalibrated_still(
        request: gr.Request, precision: float, refusal: float
    ) -> tuple[Any, ...]:
        return recalibrate(request, precision, refusal, insist=True)

    goal = Goal()
    with gr.Row(elem_classes=["guarded"], elem_id="threshold-form"):
        with gr.Column(scale=5, min_width=340):
            parts.view(element("h3", "阈值: 什么时候直接回答、反问、拒答"))
            answer = gr.Slider(
                0, 1, 0.5, step=0.005, label="答对的可能至少有多大, 才直接回答", buttons=[],
                elem_id="threshold-answer",
            )  # fmt: skip
            clarify = gr.Slider(
                0, 1, 0.5, step=0.005, label="库里有答案的可能至少有多大, 才反问 (再低就拒答)",
                buttons=[], elem_id="threshold-clarify",
            )  # fmt: skip
            with gr.Row():
                save = gr.Button("保存阈值并发布", variant="primary", elem_id="threshold-save")
                later = gr.Button("存为草稿", scale=0, min_width=110, elem_id="threshold-draft")
            notice = parts.view(events=["undo", "insist"], elem_id="threshold-notice")
            with gr.Accordion("自动校准", open=False):
                gr.Markdown(
                    "有 30 条以上的回归集就用它, 否则用自己的相似问和自带的库外提问。"
                    "调过关键词、改过很多问法之后, 应当重新校准。"
                )
                precision = gr.Slider(
                    0.5,
                    1,
                    goal.precision,
                    step=0.01,
                    label="直接回答的至少有多少要答对",
                    buttons=[],
                )
                refusal = gr.Slider(
                    0, 1, goal.refusal, step=0.01, label="库外的提问至少有多少要拒答", buttons=[]
                )
                with gr.Row():
                    calibrate = gr.Button("重新校准并发布", size="sm", elem_id="calibrate")
                    stop = Stop("calibrate-stop")
                outcome = parts.view(events=["insist"], elem_id="calibrate-notice")
        with gr.Column(scale=6, min_width=400):
            standing = parts.view(elem_id="threshold-curve")

    both = [answer, clarify]
    gr.on(
        [answer.change, clarify.change], drawn, both, standing, trigger_mode="always_last", **QUIET
    )
    save.click(saved, both, [notice, standing], **BUSY)
    later.click(drafted, both, notice, **BUSY)
    notice.undo(undone, None, [notice, standing, *both], **BUSY)
    notice.insist(insisted, both, [notice, standing], **BUSY)
    goals, places = [precision, refusal], [outcome, standing, *both]
    stop.wire(calibrate.click, recalibrated, goals, places, [calibrate])
    stop.wire(outcome.insist, recalibrated_still, goals, places, [calibrate])
    return shown, [*both, standing], drawn


def _preparing() -> Markup:
    return element("p", "刚发布过, 正在按现在的版本计算曲线…", class_="soft")


def _standing(desk: Desk, answer: float, clarify: float) -> Markup:
    now = thresholds.standing(desk)
    chosen = now.calibration.thresholds
    came = now.calibration.source or "编码器自带的默认值, 没有在您的提问上校准"
    lines = [
        element("p", f"现在: 直接回答 ≥ {chosen.answer}, 反问 ≥ {chosen.clarify}; 来自{came}。")
    ]
    if now.stale:
        lines.append(
            element("p", "选定阈值以后改过问法、关键词或信号, 应重新校准。", class_="rule")
        )
    before = thresholds.figures(desk, chosen.answer, chosen.clarify)
    after = thresholds.figures(desk, answer, clarify)
    chart = curve_chart(now.curve, round(answer, 4))
    return element(
        "div",
        *lines,
        _figures(before, after),
        element("div", chart, class_="card"),
        element("p", f"按{now.source}计算。", class_="soft"),
    )


def _figures(before: Evaluation, after: Evaluation) -> Markup:
    rows = []
    for label, name in (
        ("直接回答中答对的", "answer_precision"),
        ("库内提问得到服务的", "in_scope_served"),
        ("库外提问被拒答的", "out_of_scope_rejected"),
        ("决定正确", "decision_accuracy"),
    ):
        was, would = getattr(before, name), getattr(after, name)
        rows.append((label, _percent(was), element("b", _percent(would))))
    return parts.table(("", "现在›", "这样设›"), rows, "narrow")


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"
