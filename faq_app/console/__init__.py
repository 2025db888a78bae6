"""What do operators see? The console: one page a question, in tabs.

In: a ``Service`` and the accounts. Out: Gradio Blocks, to be mounted behind a login.
"""

from pathlib import Path
from typing import Any

import gradio as gr

from faq_app import chat
from faq_app.accounts import Accounts
from faq_app.console import hit_test, keywords, knowledge, revisions, settings
from faq_app.console.parts import element
from faq_app.operations.desk import Desk
from faq_app.service import Service

TITLE = "运营后台"
CSS = chat.PALETTE + Path(__file__).with_name("console.css").read_text(encoding="utf-8")
MAX_UPLOAD = "50mb"  # a FAQ table of 100,000 rows

QUIET = {"api_visibility": "private", "show_progress": "hidden"}

_BAR = element(
    "div",
    element("i", "问"),
    element("h1", TITLE),
    element("span", element("a", "打开聊天页", href="/", target="_blank"), class_="who"),
    class_="bar",
)


def build(service: Service, accounts: Accounts) -> gr.Blocks:
    """Return the console over what ``service`` serves."""
    desk = Desk(service, accounts.audit)
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as page:
        gr.HTML(_BAR, apply_default_css=False)
        with gr.Tabs(elem_id="tabs") as tabs:
            with gr.Tab("命中测试", id="test"):
                test = hit_test.build(desk)
            with gr.Tab("关键词", id="words") as words_tab:
                words = keywords.build(desk)
            with gr.Tab("知识管理", id="entries") as entries_tab:
                entries = knowledge.build(desk)
            with gr.Tab("版本", id="revisions") as revisions_tab:
                past = revisions.build(desk)
            with gr.Tab("设置", id="settings") as settings_tab:
                set_up = settings.build(desk)
        settings_tab.select(set_up.show, *set_up.listing, **QUIET)
        revisions_tab.select(past.show, *past.listing, **QUIET)
        entries_tab.select(entries.show, *entries.listing, **QUIET)
        words_tab.select(words.show, *words.listing, **QUIET)

        def weigh(query: str, event: gr.EventData) -> tuple[Any, ...]:
            return gr.Tabs(selected="words"), *words.open_word(event.word, query)

        def edit(event: gr.EventData) -> tuple[Any, ...]:
            return gr.Tabs(selected="entries"), *entries.open_entry(event.key)

        test.found.edit(edit, None, [tabs, *entries.form], **QUIET)
        test.found.weigh(weigh, test.query, [tabs, *words.editor], **QUIET)
    return page
