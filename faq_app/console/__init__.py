"""What do operators see? The console: one page a question, in tabs.

In: a ``Desk`` and the accounts. Out: Gradio Blocks, to be mounted behind the guard.
"""

from pathlib import Path
from typing import Any

import gradio as gr

from faq_app import chat
from faq_app.accounts import Accounts
from faq_app.console import (
    hit_test,
    keywords,
    knowledge,
    people,
    regression,
    revisions,
    settings,
    statistics,
    unanswered,
)
from faq_app.console.acting import QUIET, explained
from faq_app.console.parts import Markup, element, theirs
from faq_app.guard import ROLE_NAMES, current_user
from faq_app.operations import entries as listed_entries
from faq_app.operations import missed, thresholds
from faq_app.operations import words as listed_words
from faq_app.operations.desk import Desk

TITLE = "运营后台"
CSS = chat.PALETTE + Path(__file__).with_name("console.css").read_text(encoding="utf-8")
_SCRIPT = "".join(
    Path(__file__).with_name(name).read_text(encoding="utf-8")
    for name in ("replies.js", "edits.js")
)
MAX_UPLOAD = "50mb"  # a FAQ table of 100,000 rows

_REPLIES = element(
    "div",
    element(
        "div",
        "登录已过期, 写的内容都还在。请",
        element("a", "在新标签页里登录", href="login", target="_blank"),
        ", 再回到这里重做刚才的一步。",
        id="expired",
        hidden="",
    ),
    element(
        "div",
        element("span"),
        element("button", "知道了", type="button"),
        id="refused",
        role="alert",
        hidden="",
    ),
)


def build(desk: Desk, accounts: Accounts) -> gr.Blocks:
    """Return the console over one desk."""
    desk.keep_ready(
        lambda: desk.snapshot,
        lambda: listed_words.words(desk),
        lambda: listed_entries.find(desk),
        lambda: thresholds.standing(desk),
        lambda: missed.prepare(desk),
    )
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as page:
        bar = gr.HTML(_bar("", ""), apply_default_css=False)
        gr.HTML(_REPLIES, apply_default_css=False, js_on_load=_SCRIPT, elem_id="replies")
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("命中测试", id="test"):
                test = hit_test.build(desk)
            with gr.Tab("关键词", id="words") as words_tab:
                words = keywords.build(desk)
            with gr.Tab("知识管理", id="entries") as entries_tab:
                entries = knowledge.build(desk)
            with gr.Tab("未命中", id="vain") as vain_tab:
                vain = unanswered.build(desk)
            with gr.Tab("回归集", id="cases") as cases_tab:
                cases = regression.build(desk)
            with gr.Tab("统计", id="figures") as figures_tab:
                figures = statistics.build(desk)
            with gr.Tab("版本", id="revisions") as revisions_tab:
                past = revisions.build(desk)
            with gr.Tab("设置", id="settings") as settings_tab:
                set_up = settings.build(desk)
            with gr.Tab("管理", id="people", visible=False) as people_tab:
                staff = people.build(accounts)

        # A page is filled when it is opened, and shows what others did meanwhile when it is again.
        for tab, one in (
            (words_tab, words),
            (entries_tab, entries),
            (vain_tab, vain),
            (cases_tab, cases),
            (figures_tab, figures),
            (revisions_tab, past),
            (settings_tab, set_up),
            (people_tab, staff),
        ):
            opened = tab.select(one.show, *one.listing, **QUIET)
            if one is set_up:
                opened.then(set_up.follow, *set_up.curve, **QUIET)

        def greet(request: gr.Request) -> tuple[Markup, gr.Tab]:
            user = current_user(request)
            desk.warm()
            return _bar(user.name, ROLE_NAMES[user.role]), gr.Tab(visible=user.may("publisher"))

        def weigh(query: str, event: gr.EventData) -> tuple[Any, ...]:
            return gr.Tabs(selected="words"), *words.open_word(event.word, query)

        def edit(event: gr.EventData) -> tuple[Any, ...]:
            return gr.Tabs(selected="entries"), *entries.open_entry(event.key)

        @explained
        def create(event: gr.EventData) -> tuple[Any, ...]:
            group = vain.group_of(event)
            others = [q.text for q in group.queries if q.text != group.representative]
            form = entries.open_new(group.representative, others, group.queries)
            return gr.Tabs(selected="entries"), *form

        page.load(greet, None, [bar, people_tab], **QUIET)
        test.found.weigh(weigh, test.query, [tabs, *words.editor], **QUIET)
        for place in (test.found, past.draft):
            place.edit(edit, None, [tabs, *entries.form], **QUIET)
        vain.found.create(create, None, [tabs, *entries.form], **QUIET)
    return page


def _bar(name: str, role: str) -> Markup:
    leave = element(
        "form",
        element("button", "退出", type="submit"),
        method="post",
        action="logout",
    )
    named = element("span", theirs(name), " (", element("span", role), ")")
    who = [named, leave] if name else []
    return element(
        "div",
        element("i", "问"),
        element("h1", TITLE),
        element("span", element("a", "打开聊天页", href="/", target="_blank"), *who, class_="who"),
        class_="bar",
    )
