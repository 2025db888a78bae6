"""设置: when it answers, what the chat page says, how careful a publish is, and which encoder.

In: sliders and texts. Out: what thresholds would come to, and new revisions that can be taken back.
"""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from faq_app.console import parts
from faq_app.console.acting import BUSY, LONG, QUIET, explained
from faq_app.console.effect import insist_view
from faq_app.console.parts import Markup, element
from faq_app.guard import require
from faq_app.operations import effects, settings, thresholds
from faq_app.operations.desk import Desk
from faq_app.operations.effects import TooMuchBroken
from faq_app.wording import Wording
from indexer.calibration import Goal
from indexer.evaluation_charts import curve_chart
from indexer.measures import Evaluation


@dataclass(frozen=True)
class Settings:
    """The page's parts that other pages are joined to."""

    show: Any
    listing: list[Any]


def build(desk: Desk) -> Settings:
    """Put the page into the surrounding tab."""

    def shown() -> tuple[Any, ...]:
        now = desk.searcher.thresholds
        wording = desk.service.wording
        return (
            now.answer,
            now.clarify,
            _standing(desk, now.answer, now.clarify),
            wording.welcome,
            wording.refusal,
            wording.handoff,
            wording.handoff_link,
            "\n".join(wording.frequent),
            effects.allowed(desk),
            _encoder(desk),
        )

    @explained
    def moved(answer: float, clarify: float) -> Markup:
        return _standing(desk, answer, clarify)

    def save_both(request: gr.Request, answer: float, clarify: float, insist: bool) -> Any:
        user = require(request, "publisher")
        before = desk.searcher.thresholds
        try:
            done = thresholds.save(desk, answer, clarify, user.name, insist)
        except TooMuchBroken as error:
            return insist_view(error, action="save"), gr.skip()
        undo = parts.button("undo", "撤销", answer=before.answer, clarify=before.clarify)
        said = f"阈值已保存, 已发布第 {done.revision} 版。"
        return parts.done(said, undo), _standing(desk, answer, clarify)

    @explained
    def saved(request: gr.Request, answer: float, clarify: float) -> tuple[Any, Any]:
        return save_both(request, answer, clarify, insist=False)

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
        try:
            done = thresholds.recalibrate(desk, precision, refusal, user.name, insist)
        except TooMuchBroken as error:
            return insist_view(error, action="calibrate"), *[gr.skip()] * 3
        now = desk.searcher.thresholds
        said = (
            f"已重新校准: 直接回答 ≥ {now.answer} (原为 {before.answer}), "
            f"反问 ≥ {now.clarify} (原为 {before.clarify}), 已发布第 {done.revision} 版。"
        )
        shown = _standing(desk, now.answer, now.clarify)
        return parts.done(said), shown, now.answer, now.clarify

    @explained
    def recalibrated(request: gr.Request, precision: float, refusal: float) -> tuple[Any, ...]:
        return recalibrate(request, precision, refusal, insist=False)

    @explained
    def insisted(
        request: gr.Request,
        event: gr.EventData,
        answer: float,
        clarify: float,
        precision: float,
        refusal: float,
    ) -> tuple[Any, ...]:
        if event.action == "calibrate":
            return recalibrate(request, precision, refusal, insist=True)
        return *save_both(request, answer, clarify, insist=True), answer, clarify

    @explained
    def said(request: gr.Request, *texts: str) -> Markup:
        user = require(request, "publisher")
        welcome, refusal, handoff, link, frequent = (text or "" for text in texts)
        lines = tuple(line.strip() for line in frequent.splitlines() if line.strip())
        wording = Wording(welcome, refusal, handoff, link.strip(), lines)
        done = settings.save_wording(desk, wording, user.name)
        text = f"已保存, 已发布第 {done.revision} 版; 新打开的聊天页就是这样。"
        return parts.done(text + "要退回, 到「版本」里回到上一版。")

    @explained
    def gated(request: gr.Request, allowed: float) -> Markup:
        user = require(request, "publisher")
        number = settings.save_gate(desk, allowed, user.name)
        return parts.done(f"已保存: 会弄坏超过 {number} 条回归提问的发布, 要确认一次。")

    @explained
    def swapped(
        request: gr.Request,
        folder: str,
        progress: gr.Progress = gr.Progress(),  # noqa: B008
    ) -> tuple[Any, Any]:
        user = require(request, "publisher")
        done = settings.swap_encoder(
            desk,
            folder or "",
            user.name,
            lambda done, total: progress((done, total), desc="正在重新编码"),
        )
        said = f"编码器已更换, 已发布第 {done.revision} 版, 重新编码了 {done.encoded} 条文字。"
        more = "要退回, 到「版本」里回到上一版: 编码器和阈值一起回去。"
        return parts.done(said + more), _encoder(desk)

    goal = Goal()
    with gr.Row():
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
            save = gr.Button("保存阈值并发布", variant="primary", elem_id="threshold-save")
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
                calibrate = gr.Button("重新校准并发布", size="sm", elem_id="calibrate")
        with gr.Column(scale=6, min_width=400):
            standing = parts.view(elem_id="threshold-curve")
    with gr.Accordion("聊天页的文字", open=False, elem_id="wording"):
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
        say = gr.Button("保存文字并发布", variant="primary", elem_id="wording-save")
        worded = parts.view(elem_id="wording-notice")
    with gr.Accordion("发布的关卡", open=False), gr.Row():
        allowed = gr.Number(
            label="一次发布最多可以弄坏几条回归提问; 超过就要确认", precision=0, minimum=0
        )
        gate = gr.Button("保存", scale=0, min_width=110, elem_classes=["bottom"])
        gate_notice = parts.view()
    with gr.Accordion("更换编码器", open=False):
        encoder = parts.view()
        gr.Markdown(
            "写上服务器上另一个编码器的目录。先检查, 再重新编码全部问法 (显示进度, "
            "其间顾客照常得到答案), 最后一次性发布; 出了问题就什么也不改。"
        )
        with gr.Row():
            folder = gr.Textbox(label="目录", placeholder="build/tuned", scale=4)
            swap = gr.Button("检查并更换", scale=0, min_width=130, elem_classes=["bottom"])
        swap_notice = parts.view()

    gr.on(
        [answer.change, clarify.change], moved, [answer, clarify], standing,
        trigger_mode="always_last", **QUIET,
    )  # fmt: skip
    all_four = [notice, standing, answer, clarify]
    save.click(saved, [answer, clarify], [notice, standing], **BUSY)
    notice.undo(undone, None, all_four, **BUSY)
    notice.insist(insisted, [answer, clarify, precision, refusal], all_four, **BUSY)
    calibrate.click(recalibrated, [precision, refusal], all_four, **BUSY)
    texts = [welcome, refused, handoff, link, frequent]
    say.click(said, texts, worded, **BUSY)
    gate.click(gated, allowed, gate_notice, **BUSY)
    swap.click(swapped, folder, [swap_notice, encoder], **LONG)
    return Settings(shown, [[], [answer, clarify, standing, *texts, allowed, encoder]])


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


def _encoder(desk: Desk) -> Markup:
    encoder = desk.service.encoder
    said = f"现在: {encoder.bundle.path.name}, 指纹 {encoder.fingerprint}, {encoder.dimension} 维"
    return element("p", said)
