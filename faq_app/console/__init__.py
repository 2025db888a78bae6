"""What do operators see? The console: one page a question, in tabs.

In: a ``Service`` and the accounts. Out: Gradio Blocks, to be mounted behind a login.
"""

from pathlib import Path

import gradio as gr

from faq_app import chat
from faq_app.console import hit_test
from faq_app.console.parts import element
from faq_app.operations.desk import Desk
from faq_app.service import Service

TITLE = "运营后台"
CSS = chat.PALETTE + Path(__file__).with_name("console.css").read_text(encoding="utf-8")
MAX_UPLOAD = "50mb"  # a FAQ table of 100,000 rows

_BAR = element(
    "div",
    element("i", "问"),
    element("h1", TITLE),
    element("span", element("a", "打开聊天页", href="/", target="_blank"), class_="who"),
    class_="bar",
)


def build(service: Service, accounts: object) -> gr.Blocks:
    """Return the console over what ``service`` serves."""
    desk = Desk(service)
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as page:
        gr.HTML(_BAR, apply_default_css=False)
        with gr.Tabs(elem_id="tabs"), gr.Tab("命中测试", id="test"):
            hit_test.build(desk)
    return page
