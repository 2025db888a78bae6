"""Who is acting, may they, and what do they read when it fails?

In: a page's handler. Out: one that tells an operator in a sentence what went wrong, and leaves what
was typed where it was.
"""

import functools
import logging
import re
from collections.abc import Callable
from typing import Any

import gradio as gr

from distill.errors import DistillError
from faq_app.accounts import AccountError
from indexer.errors import IndexerError

# How events are wired. private: programs have an HTTP API of their own. Without the queue a reply
# comes with its request: a queue's stream that closes just then loses it, and takes 50 ms more.
QUIET = {"api_visibility": "private", "queue": False, "show_progress": "hidden"}
BUSY = {"api_visibility": "private", "queue": False, "show_progress": "minimal"}
LONG = {"api_visibility": "private"}  # tells how far it has come

_DATABASE = re.compile(r"^\S+\.db: ")
_log = logging.getLogger(__name__)


def download(
    label: str, make: Callable[..., Any], elem_id: str, inputs: Any = None, **more: Any
) -> gr.Button:
    """Put a button into the surrounding page that makes a file when it is pressed, and gives it.

    A download button's own file is made when the page is loaded, and is then as old as that.
    """
    button = gr.Button(label, elem_id=elem_id, **more)
    file = gr.DownloadButton(visible="hidden", elem_id=f"{elem_id}-file")
    give = f"() => setTimeout(() => document.getElementById('{elem_id}-file').click(), 50)"
    made = button.click(explained(make), inputs, file, **BUSY)
    made.success(None, None, None, js=give)
    return button


def explained(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Let a handler's errors be read: a raised error changes nothing on the page.

    replies.js shows it.
    """

    @functools.wraps(handler)
    def explaining(*arguments: Any) -> Any:
        try:
            return handler(*arguments)
        except gr.Error:  # before ValueError, which it is too
            raise
        except (IndexerError, DistillError, AccountError, ValueError) as error:
            # Which file the database is in is no matter of the page.
            text = _DATABASE.sub("", str(error))
            raise gr.Error(text, title="没有做成", print_exception=False) from error
        except Exception as error:
            _log.exception("an operator's action failed")
            text = "系统出了点问题, 什么也没有改。怎么办: 刷新页面再试, 或查看服务器日志"
            raise gr.Error(text, title="没有做成", print_exception=False) from error

    return explaining
