"""How do the console's tables, notices and chips look? HTML that no text can break out of.

In: rows and sentences. Out: ``Markup`` for ``gr.HTML``; what is clicked in it comes back as an
event that carries the button's data (see console.js).
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, TypeVar

import gradio as gr

from distill.markup import Markup, element
from faq_app.answer_html import render_answer
from indexer.decision import DecisionKind, band
from indexer.reasons import DECISIONS
from indexer.revisions import Revision

T = TypeVar("T")

PAGE_SIZE = 20
JS = Path(__file__).with_name("console.js").read_text(encoding="utf-8")

_BANDS = {"高": "high", "中": "middle", "低": "low"}


def view(value: str = "", events: Sequence[str] = (), **more: Any) -> gr.HTML:
    """Return a place for this module's HTML, whose buttons may fire these events."""
    script = f"const EVENTS = {json.dumps(list(events))};\n{JS}"
    return gr.HTML(value, apply_default_css=False, js_on_load=script, elem_classes=["ours"], **more)


@dataclass(frozen=True)
class Slice(Generic[T]):
    """The rows of one page of a long list; ``number`` counts from 0."""

    rows: Sequence[T]
    total: int
    number: int
    size: int = PAGE_SIZE

    @property
    def pages(self) -> int:
        """Return how many pages there are, at least 1."""
        return max(1, -(-self.total // self.size))


def page_of(rows: Sequence[T], number: float) -> Slice[T]:
    """Return a page; the nearest one there is, if the list has become shorter."""
    last = max(0, -(-len(rows) // PAGE_SIZE) - 1)
    number = min(max(0, int(number)), last)
    return Slice(rows[number * PAGE_SIZE : (number + 1) * PAGE_SIZE], len(rows), number)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], classes: str = "") -> Markup:
    """Return a table; a head that ends in › stands over numbers."""
    numeric = [name.endswith("›") for name in head]
    top = element(
        "tr",
        *(
            element("th", name.rstrip("›"), class_="number" if right else "")
            for name, right in zip(head, numeric, strict=True)
        ),
    )
    body = (
        element(
            "tr",
            *(
                element("td", cell, class_="number" if right else "")
                for cell, right in zip(row, numeric, strict=True)
            ),
        )
        for row in rows
    )
    inner = element("table", element("thead", top), element("tbody", *body), class_=classes)
    return element("div", inner, class_="scroll")


def pager(page: Slice[Any], unit: str, **data: str) -> Markup:
    """Return how many there are, and buttons to the pages beside this one, of which list."""
    count = element("span", f"共 {page.total} {unit}")
    if page.pages == 1:
        return element("div", count, class_="pager")
    back = {} if page.number else {"disabled": ""}
    on = {} if page.number + 1 < page.pages else {"disabled": ""}
    return element(
        "div",
        count,
        button("turn", "‹ 上一页", page=page.number - 1, **back, **data),
        element("span", f"{page.number + 1} / {page.pages}"),
        button("turn", "下一页 ›", page=page.number + 1, **on, **data),
        class_="pager",
    )


def theirs(text: str) -> Markup:
    """Return what people wrote, to stay as it is in every language; see english.js."""
    return element("bdi", text, translate="no")


def button(event: str, label: str, class_: str = "", **data: str | float) -> Markup:
    """Return a button that fires ``event`` with its data."""
    attributes = {
        name if name in ("disabled", "title") else f"data_{name}": value
        for name, value in data.items()
    }
    return element("button", label, type="button", class_=class_, data_event=event, **attributes)


def link(event: str, label: str, **data: str | float) -> Markup:
    """Return what opens something, as a word in a sentence or a table."""
    return button(event, label, class_="link", **data)


def empty(title: str, *todo: str) -> Markup:
    """Return what stands where there is nothing yet, and what to do about it."""
    return element("div", element("b", title), *(element("p", t) for t in todo), class_="empty")


def done(text: str, *buttons: Markup) -> Markup:
    """Return the sentence that says what was done, with what can be done about it."""
    return element("div", element("span", f"✓ {text}"), *buttons, class_="notice done")


def warning(*texts: str, button: Markup | None = None) -> Markup:
    """Return sentences to heed before going on, and the button that goes on."""
    inner = [*(element("p", text) for text in texts), *([button] if button else [])]
    return element("div", *inner, class_="notice warning")


def drafted(what: str, waits: bool) -> Markup:
    """Return that a change of ``what`` waits in the draft, or that there is none to wait."""
    if not waits:
        return done(f"{what}和现在一样, 草稿里没有它的改动。")
    return done(f"{what}已放进草稿, 到「版本」里一起发布; 顾客现在还看不到。")


def cancelled(nothing: str = "什么也没有改") -> Markup:
    """Return that what was under way has stopped, and left everything as it was."""
    return element("div", element("span", f"已取消, {nothing}。"), class_="notice")


def failure(text: str) -> Markup:
    """Return why nothing was done."""
    return element("div", element("span", text), class_="notice failure")


def local_time(at: str) -> str:
    """Return a stored moment (UTC, ISO 8601) as people here read it."""
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M")


def change(revision: Revision | None) -> Markup:
    """Return when something was changed and by whom; nothing if it never was."""
    if revision is None:
        return Markup("")
    said = f"{local_time(revision.at)[5:]} {revision.by}"
    return element("span", said, title=f"第 {revision.revision} 版: {revision.what}", class_="soft")


def decision_chip(kind: DecisionKind) -> Markup:
    """Return a decision as a coloured word."""
    return element("span", DECISIONS[kind], class_=f"chip {kind}")


def confidence_bar(value: float) -> Markup:
    """Return a confidence as a bar, its band and per cent."""
    name = band(value)
    inner = element("i", class_=_BANDS[name], style=f"width:{100 * value:.0f}%")
    # Cut off, not rounded: 60 % must not be called 低.
    said = element("span", f"{name} {int(100 * value)}%")
    return element("span", element("span", inner, class_="track"), said, class_="confidence")


def rendered(answer: str) -> Markup:
    """Return an answer as customers see it."""
    return element("div", Markup(render_answer(answer)), class_="answer", translate="no")
