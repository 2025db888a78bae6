"""What does the customer see? The chat page: welcome, answers, 您是不是想问, refusals, feedback.

In: a ``Service``. Out: Gradio Blocks. The transcript of a session is a tuple of ``Turn`` in that
session's state, rendered to HTML here; whatever people typed is escaped, never markup.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import get_args

import gradio as gr

from faq_app.answer_html import render_answer
from faq_app.reply import Reply
from faq_app.service import MAX_QUERY_LENGTH, Service, Verdict
from faq_app.wording import Wording
from indexer.errors import StoreError

TITLE = "智能客服"
SUBTITLE = "常见问题助手"
FONT = ("system-ui", "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", "sans-serif")

Turns = tuple["Turn", ...]
DEFAULT = Wording()

PALETTE = Path(__file__).with_name("palette.css").read_text(encoding="utf-8")
CSS = PALETTE + Path(__file__).with_name("chat.css").read_text(encoding="utf-8")
JS = Path(__file__).with_name("chat.js").read_text(encoding="utf-8")

# On what people wrote: neither a browser nor english.js puts it into another language.
_THEIRS = ' translate="no"'
# How much of a question that is too long is shown.
_EXCERPT = 60

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Turn:
    """One question and what came of it. ``said`` is as typed; ``verdict`` "" until one is given."""

    said: str
    reply: Reply
    verdict: str = ""


def build_chat(service: Service) -> gr.Blocks:
    """Return the page. Gradio keeps a state per visitor; only the service is shared."""

    def greet(_: list) -> list[str]:
        return [service.wording.welcome, _chips(service.frequent_questions())]

    def page_of(turns: Turns) -> str:
        return _page(service.frequent_questions(), turns, service.wording)

    def ask(said: str | None, turns: Turns) -> tuple[Turns, str, str]:
        if not (said and said.strip()):
            return turns, gr.skip(), gr.skip()  # only a program gets here, not the page
        turns = (*turns, _ask(service, said))
        # What is too long comes back, to be shortened.
        again = said if len(said) > MAX_QUERY_LENGTH else gr.skip()
        return turns, page_of(turns), again

    def click_ask(turns: Turns, event: gr.EventData) -> tuple[Turns, str]:
        turns = (*turns, _ask(service, _given(event, "text")))
        return turns, page_of(turns)

    def click_choose(turns: Turns, event: gr.EventData) -> tuple[Turns, str]:
        turns = _choose(service, turns, _given(event, "trace"), _given(event, "entry"))
        return turns, page_of(turns)

    def click_rate(turns: Turns, event: gr.EventData) -> tuple[Turns, str]:
        turns = _rate(service, turns, _given(event, "trace"), _given(event, "verdict"))
        return turns, page_of(turns)

    # private: not offered as an API; programs have /api/ask.
    quiet = {"show_progress": "hidden", "api_visibility": "private"}
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as page:
        turns = gr.State(())
        log = gr.HTML(
            _page((), (), service.wording),
            elem_id="chat",
            apply_default_css=False,
            js_on_load=JS,
            server_functions=[greet],
        )
        with gr.Column(elem_id="composer"):
            box = gr.Textbox(
                placeholder="请输入您的问题…",
                show_label=False,
                label="您的问题",
                container=False,
                max_lines=4,
                submit_btn="发送",
                elem_id="box",
            )
            gr.HTML("<p>答案均为常见问题库原文，非 AI 生成</p>", apply_default_css=False)
        box.submit(
            ask,
            [box, turns],
            [turns, log, box],
            js="(said, turns) => { window.faqSent(said); return [said, turns]; }",
            **quiet,
        )
        log.ask(click_ask, turns, [turns, log], **quiet)
        log.choose(click_choose, turns, [turns, log], **quiet)
        log.rate(click_rate, turns, [turns, log], **quiet)
    return page


def theme() -> gr.Theme:
    """Return Gradio's plain theme with fonts of the customer's own system: nothing is fetched."""
    return gr.themes.Base(font=FONT, font_mono=("ui-monospace", "monospace"))


def _given(event: gr.EventData, name: str) -> str:
    """Return what the page's script sends with a click; "" where another program does not."""
    try:
        value = getattr(event, name)
    except (AttributeError, TypeError):
        return ""
    return value if isinstance(value, str) else ""


def _ask(service: Service, said: str) -> Turn:
    # JSON can carry half a character, which no page can be sent.
    said = said.encode("utf-8", "replace").decode("utf-8")
    try:
        reply = service.ask(said)
    except Exception:
        # A customer gets a sentence, not a traceback; whoever runs the server gets the traceback.
        _log.exception("a question could not be answered")
        reply = Reply("", "", "reject", "error", service.revision)
    if len(said) > MAX_QUERY_LENGTH:
        said = said[:_EXCERPT] + "…"
    # The session keeps what is on screen, no more.
    return Turn(said, replace(reply, query="", hits=()))


def _choose(service: Service, turns: Turns, trace_id: str, entry_id: str) -> Turns:
    if not _has(turns, trace_id):
        return turns
    try:
        reply = service.choose(trace_id, entry_id)
    except KeyError:
        gr.Warning("这个问题刚刚下架了，请重新提问", title="提示")
        return turns
    return (*turns, Turn(reply.question, reply))


def _rate(service: Service, turns: Turns, trace_id: str, verdict: str) -> Turns:
    if verdict not in get_args(Verdict) or not _has(turns, trace_id):
        return turns
    try:
        service.feedback(trace_id, verdict)
    except (KeyError, StoreError):
        _log.exception("feedback could not be stored")
        gr.Warning("暂时无法记录，请稍后再试", title="提示")
        return turns
    return tuple(
        replace(turn, verdict=verdict) if turn.reply.trace_id == trace_id else turn
        for turn in turns
    )


def _has(turns: Turns, trace_id: str) -> bool:
    """Say whether a click belongs to this session; it does not once the server was restarted."""
    if any(turn.reply.trace_id == trace_id for turn in turns):
        return True
    gr.Warning("会话已过期，请刷新页面后重新提问", title="提示")
    return False


def _page(frequent: Sequence[str], turns: Turns, wording: Wording = DEFAULT) -> str:
    """Return the transcript. No white space between turns: the script counts on their places."""
    welcome = escape(wording.welcome)
    parts = [
        _WELCOME.format(title=TITLE, subtitle=SUBTITLE, welcome=welcome, chips=_chips(frequent))
    ]
    for turn in turns:
        said = f'<div class="said"{_THEIRS}>{escape(turn.said)}</div>'
        body = {"answer": _answer, "clarify": _clarify}.get(turn.reply.decision)
        card = body(turn) if body else _refusal(turn, frequent, wording)
        parts.append(f'<article class="turn">{said}<div class="card">{card}</div></article>')
    return f'<div class="log" role="log" aria-live="polite">{"".join(parts)}</div>'


def _answer(turn: Turn) -> str:
    reply = turn.reply
    text = render_answer(reply.answer)
    category = f"<span{_THEIRS}>{escape(reply.category)}</span>" if reply.category else ""
    source = f'<div class="source">匹配问题：{escape(reply.question)}{category}</div>'
    rate = (
        '<span class="ask-rate">这个回答有帮助吗？</span>'
        + _button("rate", "有用", turn, verdict="useful", pressed=turn.verdict == "useful")
        + _button("rate", "没用", turn, verdict="useless", pressed=turn.verdict == "useless")
    )
    thanks = {
        "useful": "已记录，谢谢",
        "useless": "已记录，谢谢。可以换个说法再问一次",
    }.get(turn.verdict, "")
    return (
        f'<div class="answer"{_THEIRS}>{text}</div>{source}'
        f'<div class="rate">{rate}{_thanks(thanks)}</div>'
    )


def _clarify(turn: Turn) -> str:
    options = "".join(
        _button("choose", option.question, turn, entry=option.entry_id, text=option.question)
        for option in turn.reply.options[:5]
    )
    none = turn.verdict == "none_of_these"
    options += _button("rate", "都不是", turn, verdict="none_of_these", pressed=none)
    thanks = "已记录，谢谢。请换个说法，或补充一些细节再问一次" if none else ""
    return f'<p>您是不是想问：</p><div class="options">{options}</div>{_thanks(thanks)}'


def _refusal(turn: Turn, frequent: Sequence[str], wording: Wording) -> str:
    reason = turn.reply.reason
    if reason in _REFUSALS:
        return f"<p>{_REFUSALS[reason]}</p>"
    missed = turn.verdict == "none_of_these"
    rate = _button("rate", "希望补充这个问题", turn, verdict="none_of_these", pressed=missed)
    thanks = _thanks("已记录，谢谢" if missed else "")
    chips = _chips(frequent[:3])
    return (
        f"<p><b>{escape(wording.refusal)}</b></p>"
        "<p>可以换个说法，写出具体的商品、订单或操作名称；一次只问一件事更容易找到。</p>"
        f'{_handoff(wording)}<p class="hint">也可以看看大家常问的：</p>{chips}'
        f'<div class="rate">{rate}{thanks}</div>'
    )


def _handoff(wording: Wording) -> str:
    if not wording.handoff_link:
        return ""
    return f'<p><a href="{escape(wording.handoff_link)}">{escape(wording.handoff)}</a></p>'


def _button(event: str, label: str, turn: Turn, *, pressed: bool | None = None, **data: str) -> str:
    """Return a button; the script sends its data-… attributes with the event."""
    data |= {"event": event, "trace": turn.reply.trace_id}
    attributes = "".join(f' data-{name}="{escape(value)}"' for name, value in data.items())
    if event == "choose":
        attributes += _THEIRS
    if pressed is not None:
        attributes += f' aria-pressed="{str(pressed).lower()}"'
    return f'<button type="button"{attributes}>{escape(label)}</button>'


def _chips(questions: Sequence[str]) -> str:
    buttons = (
        f'<button type="button" data-event="ask" data-text="{escape(text)}"{_THEIRS}>'
        f"{escape(text)}</button>"
        for text in questions
    )
    return f'<div class="chips">{"".join(buttons)}</div>'


def _thanks(text: str) -> str:
    return f'<span class="thanks">✓ {text}</span>' if text else ""


_REFUSALS = {
    "empty": "请输入您的问题。",
    "no_text": "没有看懂您的问题，请用文字描述一下，例如「怎么申请退货」。",
    "too_long": f"问题太长了（最多 {MAX_QUERY_LENGTH} 个字），请简短地描述一件事。",
    "error": "系统暂时出了点问题，请稍后再试。",
}

_WELCOME = (
    '<header><div class="bar"><i>问</i><div><h1>{title}</h1><p>{subtitle}</p></div></div></header>'
    '<section class="card welcome"><p><b>{welcome}</b></p>'
    "<p>直接输入您的问题，或点选下面大家常问的问题。</p>{chips}</section>"
)
