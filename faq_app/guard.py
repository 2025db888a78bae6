"""Who gets past /admin? A request with a session, and nobody else, whatever the path beneath.

In: any request. Out: the application's answer with the user in ``scope["user"]``, the login page,
or 401. It stands before all routes, so that none added later can be forgotten.
"""

import asyncio
import logging
import posixpath
from concurrent.futures import ThreadPoolExecutor
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import gradio as gr
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from faq_app.accounts import Accounts, Role, User
from indexer.errors import StoreError

HOME = "/admin"
LOGIN = f"{HOME}/login"
OPEN = (LOGIN, f"{HOME}/login.css", f"{HOME}/logout")  # answered by the login pages alone
SESSION = f"{HOME}/session"
COOKIE = "faq_session"

_NEVER_STORED = "no-store"
_STORABLE = ("text/css", "text/javascript", "application/javascript", "font/", "image/")
ROLE_NAMES = {"viewer": "查看者", "editor": "编辑者", "publisher": "发布者"}
_log = logging.getLogger(__name__)


def current_user(request: gr.Request) -> User:
    """Return who is asking, in an event handler or a component's server function."""
    return _scope(request)["user"]


def require(request: gr.Request, role: Role) -> User:
    """Return who is asking; raises gr.Error, which the page shows, if the role is too low."""
    user = current_user(request)
    if not user.may(role):
        raise gr.Error(
            f"您的角色是{ROLE_NAMES[user.role]}，这一步需要{ROLE_NAMES[role]}。"
            f"怎么办：请管理员运行 python -m faq_app set-role {user.name} {role}",
            title="没有权限",
            print_exception=False,
        )
    return user


def address_of(request: gr.Request | HTTPConnection) -> str:
    """Return the address that a request came from, for the audit log."""
    return (_scope(request).get("client") or ("",))[0]


def _scope(request: Any) -> Scope:
    # Gradio wraps the request for handlers of events, and not for functions of components.
    return getattr(request, "request", request).scope


def token_of(scope: Scope) -> str:
    """Return the session token that a request carries; "" if none."""
    cookies = SimpleCookie()
    for value in Headers(scope=scope).getlist("cookie"):
        for part in value.split(";"):  # one by one: a cookie that is not ours may be malformed
            try:
                cookies.load(part.strip())
            except CookieError:
                continue
    return cookies[COOKIE].value if COOKIE in cookies else ""


class Guard:
    """Pure ASGI: it sees every request and every websocket before anything else does."""

    def __init__(self, app: ASGIApp, accounts: Accounts, login: ASGIApp) -> None:
        self._app = app
        self._accounts = accounts
        self._login = login
        # The time of the last request waits for writers; requests and customers do not.
        self._touching = ThreadPoolExecutor(1, thread_name_prefix="sessions")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the application answer."""
        if scope["type"] not in ("http", "websocket") or not _is_ours(scope):
            await self._app(scope, receive, send)
            return
        send, path = _careful(send), _route_path(scope)
        if _from_elsewhere(scope):
            await _refuse(scope, receive, send, 403, "cross_site", "请求来自别的网站")
            return
        if scope["type"] == "http" and path in OPEN:
            await self._login(scope, receive, send)
            return
        token = token_of(scope)
        try:
            user = await run_in_threadpool(self._accounts.user_of, token) if token else None
        except StoreError as error:
            _log.error("a session could not be looked up: %s", error)
            await _refuse(scope, receive, send, 503, "unavailable", "数据库暂时不可用，请稍后再试")
            return
        if user is None:
            await _ask_to_log_in(scope, receive, send)
        elif path == SESSION:
            # Asked for by pages that wait: it does not count as using the session.
            known = {"name": user.name, "role": user.role}
            await JSONResponse(known)(scope, receive, send)
        else:
            asyncio.get_running_loop().run_in_executor(self._touching, self._touch, token)
            scope["user"] = user
            if path == HOME:
                home = RedirectResponse(scope.get("root_path", "") + HOME + "/", 303)
                await home(scope, receive, send)
            else:
                await self._app(scope, receive, send)

    def _touch(self, token: str) -> None:
        try:
            self._accounts.touch(token)
        except StoreError as error:
            _log.error("the use of a session could not be noted: %s", error)


def _route_path(scope: Scope) -> str:
    """Return the path as the router will see it: without what a proxy put before it."""
    path, root = scope["path"], scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root + "/") else path


def _is_ours(scope: Scope) -> bool:
    """Say whether a path is under /admin, as written or however a proxy might simplify it."""
    for path in (scope["path"], _route_path(scope)):
        simple = posixpath.normpath("/" + unquote(path).replace("\\", "/")).lower()
        for written in (path, simple):
            first = written.lstrip("/").split("/")[0].rstrip(". ")
            if first == HOME.strip("/"):
                return True
    return False


def _from_elsewhere(scope: Scope) -> bool:
    """Say whether a browser says that another site sent this.

    Which site a cookie is for leaves out the port, and takes in sister domains; this does not. No
    browser leaves both headers out where something is changed: what does is a program.
    """
    if scope["type"] == "http" and scope["method"] in ("GET", "HEAD", "OPTIONS"):
        return False
    headers = Headers(scope=scope)
    if site := headers.get("sec-fetch-site"):
        return site not in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc.lower() != headers.get("host", "").lower()


async def _ask_to_log_in(scope: Scope, receive: Receive, send: Send) -> None:
    headers = Headers(scope=scope)
    mode = headers.get("sec-fetch-mode")
    shown = mode == "navigate" or (mode is None and "text/html" in headers.get("accept", ""))
    if scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and shown:
        path = _route_path(scope)
        wanted = "" if path in (HOME, HOME + "/") else f"?next={quote(path)}"
        target = scope.get("root_path", "") + LOGIN + wanted
        await RedirectResponse(target, 303)(scope, receive, send)
        return
    await _refuse(scope, receive, send, 401, "not_logged_in", f"请先登录: {LOGIN}")


async def _refuse(
    scope: Scope, receive: Receive, send: Send, status: int, code: str, message: str
) -> None:
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get(
        "extensions", {}
    ):
        await send({"type": "websocket.close", "code": 1008, "reason": code})
        return
    refusal: Response = JSONResponse({"error": {"code": code, "message": message}}, status)
    await refusal(scope, receive, send)


def _careful(send: Send) -> Send:
    """Let nothing but scripts and pictures be kept by a browser; see headers.py for the rest."""

    async def with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            if not headers.get("content-type", "").startswith(_STORABLE):
                headers["cache-control"] = _NEVER_STORED
        await send(message)

    return with_headers
