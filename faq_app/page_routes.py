"""Which of Gradio's many routes do our pages use, and what may they be sent?

In: a request to a page. Out: Gradio's answer; 404 for what no page of ours uses (its own login, its
editor, its proxy, its files where nobody uploads any); 400 for what Gradio would answer with a
failure and a traceback in the log.
"""

import json
import re
from typing import Any

import gradio as gr
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from faq_app import bodies
from faq_app.access import Refused
from faq_app.headers import value_of

LONGEST_EVENT = 4 * 2**20  # what an event carries: an entry with all of its wordings, not a file
TOLD = 422  # replies.js shows it
LONGEST_SESSION = 64  # characters of what a page calls its session

_API = "/gradio_api"
_SHOWN = re.compile(
    r"/|/(?:config/?|theme\.css|favicon\.ico|robots\.txt|manifest\.json|pwa_icon(?:/\d+)?)"
    r"|/(?:static|assets)/.+"
    rf"|{_API}/(?:theme\.css|info/?|app_id/?|startup-events|queue/data|heartbeat/[^/]+)"
)
_DONE = re.compile(rf"{_API}/(?:queue/join|run/\w+/?|component_server/?|cancel|reset/?)")
_FILES = re.compile(rf"{_API}/(?:file=.+|upload|upload_progress)")
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")
_TYPES = {"fn_index": int, "trigger_id": int, "component_id": int, "event_id": str, "fn_name": str}
# A proxy's word of where it stands is uvicorn's matter, which asks whether the proxy is trusted.
_HEARSAY = (b"x-forwarded-", b"x-gradio-", b"forwarded")
_FAILED = b'{"error":null}'
_NO_SESSION = (
    'data: {"msg":"unexpected_error","event_id":null,"message":"404: Not Found",'
    '"session_not_found":true,"success":false}\n\n'
)


class PageRoutes:
    """Pure ASGI, before the application that Gradio makes of one page."""

    def __init__(self, app: ASGIApp, page: gr.Blocks, files: bool) -> None:
        """``files``: whether the page has any, to upload or to download."""
        self._app = app
        self._page = page
        self._files = files

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let Gradio answer, or refuse. Raises Refused."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = _below(scope)
        changing = scope["method"] not in ("GET", "HEAD")
        if self._files and _FILES.fullmatch(path):
            pass
        elif changing and _DONE.fullmatch(path):
            receive, send = await self._checked(path, scope, receive), _telling(send)
        elif changing or not _SHOWN.fullmatch(path):
            raise Refused(404, "not_found", "这里没有这个东西")
        elif path.endswith("/queue/data") and not self._has_session(scope):
            # Once the server was restarted. Gradio says so too, but with a traceback.
            gone = PlainTextResponse(_NO_SESSION, media_type="text/event-stream")
            await gone(scope, receive, send)
            return
        scope["headers"] = [pair for pair in scope["headers"] if not pair[0].startswith(_HEARSAY)]
        await self._app(scope, receive, send)

    async def _checked(self, path: str, scope: Scope, receive: Receive) -> Receive:
        """Read an event and see whether there is such a one. Raises Refused."""
        kind = value_of(scope["headers"], b"content-type").lower()
        if not kind.startswith(b"application/json"):
            raise Refused(415, "unsupported_type", "这里只收 application/json")
        body = await bodies.read(receive, LONGEST_EVENT, bodies.SECONDS)
        if bodies.too_deep(body):
            raise Refused(400, "too_deep", f"JSON 嵌套超过 {bodies.MAX_DEPTH} 层")
        try:
            event = json.loads(body, parse_constant=_refuse_constant)
        except ValueError:
            event = None
        if _HALF.search(body):  # half a character, which Gradio could not send back
            body = json.dumps(event, ensure_ascii=False).encode("utf-8", "replace")
        named = path.removeprefix(_API).strip("/").partition("/")[0]
        if not isinstance(event, dict) or not self._is_known(named, event):
            raise Refused(400, "invalid_request", "页面没有这样的操作。怎么办: 刷新页面再试")
        return bodies.replayed(body, receive)

    def _is_known(self, named: str, event: dict[str, Any]) -> bool:
        for field, kind in _TYPES.items():
            if event.get(field) is not None and type(event[field]) is not kind:
                return False
        session = event.get("session_hash")
        if not isinstance(session, str) or not 0 < len(session) <= LONGEST_SESSION:
            return named == "reset" and isinstance(event.get("event_id"), str)
        if named in ("queue", "run"):
            function = self._page.fns.get(event.get("fn_index"))
            data = event.get("data")
            return (
                function is not None
                and isinstance(data, list)
                and len(data) == len(function.inputs)
                and not event.get("batched")
                and not event.get("simple_format")
            )
        if named == "component_server":
            component = self._page.blocks.get(event.get("component_id"))
            function = getattr(component, event.get("fn_name") or "", None)
            return "data" in event and getattr(function, "_is_server_fn", False)
        return named == "cancel" and None not in map(event.get, ("fn_index", "event_id"))

    def _has_session(self, scope: Scope) -> bool:
        asked = re.search(rb"(?:^|&)session_hash=([^&]*)", scope["query_string"])
        return bool(asked) and asked[1].decode("latin-1") in (
            self._page._queue.pending_messages_per_session
        )


def _telling(send: Send) -> Send:
    """Give what an operator is told (no such keyword, changed meanwhile) a status of its own.

    Gradio makes it 500 like a failure, which would stand in the log and wake somebody up.
    """
    start: Message = {}

    async def tell(message: Message) -> None:
        nonlocal start
        if message["type"] == "http.response.start" and message["status"] == 500:
            start = message
            return
        if start:
            is_json = value_of(start["headers"], b"content-type").startswith(b"application/json")
            told = is_json and message.get("body") != _FAILED
            await send(start | ({"status": TOLD} if told else {}))
            start = {}
        await send(message)

    return tell


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _below(scope: Scope) -> str:
    """Return the path as the page's own routes see it."""
    path, root = scope["path"], scope.get("root_path", "")
    return (path[len(root) :] if root and path.startswith(root) else path) or "/"
