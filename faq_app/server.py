"""How do page and API become one web server? Routes of the API first, the chat page last, at /.

In: a database, an encoder, a bound socket. Nothing here, or imported from here, needs torch.
"""

import os
import re
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import click
import gradio as gr
import uvicorn
from fastapi import FastAPI

from faq_app import api, chat
from faq_app.service import Service

# Sessions whose transcripts are kept in memory; the oldest is dropped first.
SESSIONS = 500
# An open page holds a connection for ever; do not wait longer for it when stopping.
SHUTDOWN_SECONDS = 1

_GRADIO_META = re.compile(rb'<meta\s+(?:property="og:|name="twitter:)[^>]*>')
Message = dict[str, Any]


def create_app(service: Service) -> FastAPI:
    """Return the whole web application over one service."""
    # Gradio asks its makers' servers for news unless this says no.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    # FastAPI's own /docs page loads its scripts from a CDN.
    app = FastAPI(title=chat.TITLE, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    api.install(app, service)
    page = chat.build_chat(service)
    page.queue(default_concurrency_limit=8, max_size=64)
    page.state_session_capacity = SESSIONS
    gr.mount_gradio_app(
        app,
        page,
        "/",
        ssr_mode=False,
        show_error=False,
        run_history=False,
        footer_links=[],
        max_file_size="1kb",  # nothing is uploaded here
        theme=chat.theme(),
        css=chat.CSS,
    )
    app.add_middleware(_OwnPageHead)
    return app


def run(db: Path, encoder: Path | None, listener: socket.socket) -> None:
    """Serve until a signal comes; raises IndexerError or DistillError if it cannot start."""
    service = Service.open(db, encoder)
    try:
        config = uvicorn.Config(
            create_app(service),
            log_level="warning",
            timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        )
        _Server(config, service).run(sockets=[listener])
    finally:
        service.close()


class _Server(uvicorn.Server):
    """Says where it is once it answers, not before."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and sockets:
            host, port = sockets[0].getsockname()[:2]
            everywhere = host in ("0.0.0.0", "::")
            shown = "127.0.0.1" if everywhere else f"[{host}]" if ":" in host else host
            count = self._service.entry_count
            click.echo(
                f"已就绪，{count} 条常见问题: http://{shown}:{port}  (Ctrl-C 停止)", err=True
            )


class _OwnPageHead:
    """Takes Gradio's share-preview tags and its language out of the page, and puts ours in.

    lang="en" would make browsers offer to translate a Chinese page.
    """

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Callable, send: Callable) -> None:
        if scope["type"] != "http" or scope["path"] != "/":
            await self._app(scope, receive, send)
            return
        # Compressed, the page could not be edited.
        headers = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
        start: Message = {}
        body = b""

        async def edit(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                start = message
                return
            if message["type"] != "http.response.body":
                await send(message)
                return
            body += message.get("body", b"")
            if not message.get("more_body"):
                page = _own_head(body)
                kept = [pair for pair in start["headers"] if pair[0].lower() != b"content-length"]
                length = (b"content-length", str(len(page)).encode())
                await send(start | {"headers": [*kept, length]})
                await send({"type": "http.response.body", "body": page})

        await self._app(scope | {"headers": headers}, receive, edit)


def _own_head(page: bytes) -> bytes:
    head = (
        f'<meta property="og:title" content="{chat.TITLE}" />'
        f'<meta property="og:description" content="{chat.SUBTITLE}" />'
        f"<title>{chat.TITLE}</title>"
    )
    page = _GRADIO_META.sub(b"", page).replace(b'lang="en"', b'lang="zh-CN"', 1)
    return page.replace(b"</head>", head.encode() + b"</head>", 1)
