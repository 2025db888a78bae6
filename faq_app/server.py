"""How do pages and API become one web server? The API first, /admin, the chat page last, at /.

In: a database, an encoder, a bound socket. Nothing here, or imported from here, needs torch.
"""

import asyncio
import os
import re
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import gradio as gr
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp

from faq_app import api, chat, connections, console, english, health, startup, widget
from faq_app.access import Access
from faq_app.accounts import Accounts
from faq_app.front import Front, Load
from faq_app.guard import HOME, Guard
from faq_app.keys import Keys
from faq_app.login import login_pages
from faq_app.metrics import Metrics
from faq_app.operations.desk import Desk
from faq_app.options import Options
from faq_app.page_routes import PageRoutes
from faq_app.service import Service

# Sessions whose transcripts are kept in memory; the oldest is dropped first.
SESSIONS = 500
# An open page holds a connection for ever; do not wait longer for it when stopping.
SHUTDOWN_SECONDS = 1
# But so long for replies that somebody waits for.
DRAIN_SECONDS = 10

_GRADIO_META = re.compile(rb'<meta\s+(?:property="og:|name="twitter:)[^>]*>')
Message = dict[str, Any]


def create_app(service: Service, options: Options | None = None) -> FastAPI:
    """Return the whole web application over one service."""
    keys, metrics, load = Keys(service.store), Metrics(), Load()
    access = Access(keys, require_key=(options or Options()).require_key)
    # Gradio asks its makers' servers for news unless this says no.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    # FastAPI's own /docs page loads its scripts from a CDN.
    app = _Fronted(
        lambda app: Front(app, access, metrics, load, options or Options()),
        title=chat.TITLE,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.state.access, app.state.keys = access, keys
    app.state.metrics, app.state.load = metrics, load
    app.include_router(health.routes(service, metrics, load))
    accounts = Accounts(service.store)
    desk = Desk(service, accounts.audit)
    api.install(app, service, desk)
    widget.install(app)
    english.install(app)
    console_page = console.build(desk, accounts)
    _mount(
        app,
        console_page,
        HOME,
        files=True,
        css=console.CSS,
        max_file_size=console.MAX_UPLOAD,
        # A second lock: without the guard before it, Gradio itself lets nobody in.
        auth_dependency=lambda request: getattr(request.scope.get("user"), "name", None),
    )
    # All pages of a process share one folder: what operators upload and download lies there too.
    # The chat page has no files.
    chat_page = chat.build_chat(service)
    _mount(app, chat_page, "/", files=False, css=chat.CSS, max_file_size="1kb")
    heads = {"/": (chat.TITLE, chat.SUBTITLE), f"{HOME}/": (console.TITLE, console.TITLE)}
    app.add_middleware(_OwnPageHead, heads=heads)
    # Added last, it is asked first.
    login = login_pages(accounts, service.store.path)
    app.add_middleware(Guard, accounts=accounts, login=login)
    return app


class _Fronted(FastAPI):
    """An application with a layer around all of Starlette's, the one that answers 500 too."""

    def __init__(self, front: Callable[[ASGIApp], ASGIApp], **more: Any) -> None:
        super().__init__(**more)
        self._front = front

    def build_middleware_stack(self) -> ASGIApp:
        return self._front(super().build_middleware_stack())


def _mount(app: FastAPI, page: gr.Blocks, path: str, files: bool, **more: Any) -> None:
    page.queue(default_concurrency_limit=8, max_size=64)
    page.state_session_capacity = SESSIONS
    gr.mount_gradio_app(
        app,
        page,
        path,
        ssr_mode=False,
        show_error=False,
        run_history=False,
        footer_links=[],
        theme=chat.theme(),
        **more,
    )
    mounted = app.routes[-1]
    mounted.app = PageRoutes(mounted.app, page, files)


def run(
    db: Path,
    encoder: Path | None,
    listener: socket.socket,
    trusted_proxies: Sequence[str] = (),
    options: Options | None = None,
) -> None:
    """Serve until a signal comes; raises IndexerError or DistillError if it cannot start.

    ``trusted_proxies``: addresses or networks that are believed when they say for whom they ask
    (X-Forwarded-For), and whether over TLS (X-Forwarded-Proto).
    """
    with startup.uncollected():
        service = Service.open(db, encoder, options.workers if options else 0)
    try:
        with startup.uncollected():
            app = create_app(service, options)
        try:
            _Server(configuration(app, trusted_proxies), service, app.state.load).run([listener])
        finally:
            app.state.keys.close()
    finally:
        service.close()


def configuration(app: FastAPI, trusted_proxies: Sequence[str] = ()) -> uvicorn.Config:
    """Return how the application is served; see ``run``."""
    return uvicorn.Config(
        app,
        http=connections.Patient,
        log_config=None,  # its lines go where all go
        log_level="warning",
        access_log=False,  # front.py writes a line for each request
        server_header=False,
        timeout_keep_alive=connections.KEEP_ALIVE_SECONDS,
        limit_concurrency=connections.MOST_CONNECTIONS,
        h11_max_incomplete_event_size=connections.MOST_HEADER_BYTES,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        # uvicorn alone would believe whoever asks from this machine.
        proxy_headers=bool(trusted_proxies),
        forwarded_allow_ips=list(trusted_proxies),
    )


class _Server(uvicorn.Server):
    """Says where it is once it answers, not before; ends when nobody waits for a reply."""

    def __init__(self, config: uvicorn.Config, service: Service, load: Load) -> None:
        super().__init__(config)
        self._service = service
        self._load = load

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._load.stopping = True  # said by /readyz, to whoever still has a connection
        for server in self.servers:
            server.close()
        for _ in range(DRAIN_SECONDS * 20):
            if not self._load.running or self.force_exit:
                break
            await asyncio.sleep(0.05)
        await super().shutdown(sockets)

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

    def __init__(
        self, app: Callable[..., Awaitable[None]], heads: Mapping[str, tuple[str, str]]
    ) -> None:
        """``heads``: title and description of the page at each path."""
        self._app = app
        self._heads = heads

    async def __call__(self, scope: Message, receive: Callable, send: Callable) -> None:
        if scope["type"] != "http" or scope["path"] not in self._heads:
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
                page = _own_head(body, scope["path"], *self._heads[scope["path"]])
                kept = [pair for pair in start["headers"] if pair[0].lower() != b"content-length"]
                length = (b"content-length", str(len(page)).encode())
                await send(start | {"headers": [*kept, length]})
                await send({"type": "http.response.body", "body": page})

        edited = scope | {"headers": headers}
        await self._app(edited, receive, edit)
        scope["route"] = edited.get("route")  # for the metrics and the log


def _own_head(page: bytes, path: str, title: str, description: str) -> bytes:
    head = (
        f'<meta property="og:title" content="{title}" />'
        f'<meta property="og:description" content="{description}" />'
        f"<title>{title}</title>{english.tag(path)}"
    )
    page = _GRADIO_META.sub(b"", page).replace(b'lang="en"', b'lang="zh-CN"', 1)
    return page.replace(b"</head>", head.encode() + b"</head>", 1)
