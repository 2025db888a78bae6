"""How does an operator log in and out? Two forms without any script, behind no guard.

In: a name and a password. Out: a session in a cookie that no script can read. Chinese, or English
where the browser prefers it.
"""

import logging
import re
import shlex
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from faq_app.accounts import LONGEST_PASSWORD, Accounts, LoginRefused
from faq_app.guard import COOKIE, HOME, LOGIN, OPEN, address_of, token_of
from indexer.errors import StoreError
from indexer.options import DEFAULT_DB

MAX_BODY = 8 * 1024
# A password takes a core and 16 MB for a while; customers' questions have threads of their own.
_AT_ONCE = 2

_CSS = "".join(
    Path(__file__).with_name(name).read_text(encoding="utf-8")
    for name in ("palette.css", "login.css")
)
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; "
        "base-uri 'none'; frame-ancestors 'none'"
    )
}
# A page of ours, and nothing that a browser could take for another site's.
_OUR_PAGE = re.compile(rf"{HOME}/[\w/-]*")

_log = logging.getLogger(__name__)


def login_pages(accounts: Accounts, db: Path) -> Starlette:
    """Return the application of the paths in ``guard.OPEN``; ``db`` is what commands must name."""
    hashing = CapacityLimiter(_AT_ONCE)

    def form(request: Request, error: str = "", status: int = 200, **said: str) -> Response:
        body = _form(request, error, **said) if accounts.users() else _first_user(request, db)
        return HTMLResponse(_page(request, body), status, _HEADERS)

    def show(request: Request) -> Response:
        if accounts.user_of(token_of(request.scope)):
            return RedirectResponse(_wanted(request), 303)
        return form(request)

    async def submit(request: Request) -> Response:
        fields = await _fields(request)
        name, password = fields.get("name", ""), fields.get("password", "")
        address = address_of(request)
        try:
            token = await to_thread.run_sync(
                accounts.login, name, password, address, limiter=hashing
            )
        except LoginRefused as refused:
            if not refused.wait:
                return await run_in_threadpool(form, request, "wrong", 401, name=name)
            wait = str(refused.wait)
            page = await run_in_threadpool(form, request, "wait", 429, name=name, seconds=wait)
            page.headers["retry-after"] = wait
            return page
        if before := token_of(request.scope):  # one browser, one session
            await run_in_threadpool(accounts.logout, before, address)
        response = RedirectResponse(_wanted(request), 303)
        response.set_cookie(COOKIE, token, **_cookie(request))
        return response

    def unavailable(request: Request, error: Exception) -> Response:
        _log.error("nobody can log in or out: %s", error)
        return HTMLResponse(_page(request, _form(request, "unavailable")), 503, _HEADERS)

    def leave(request: Request) -> Response:
        accounts.logout(token_of(request.scope), address_of(request))
        response = RedirectResponse(request.scope.get("root_path", "") + LOGIN, 303)
        response.delete_cookie(COOKIE, **_cookie(request))
        return response

    page, css, logout = OPEN
    return Starlette(
        routes=[
            Route(page, show, methods=["GET"]),
            Route(page, submit, methods=["POST"]),
            Route(css, lambda _: Response(_CSS, media_type="text/css"), methods=["GET"]),
            Route(logout, leave, methods=["POST"]),
        ],
        exception_handlers={StoreError: unavailable},
    )


async def _fields(request: Request) -> dict[str, str]:
    """Read a form; what is too long or no form at all has no fields."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            return {}
    try:
        fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=10)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}


def _cookie(request: Request) -> dict[str, Any]:
    # Without an age: it ends with the browser, if not before.
    root = request.scope.get("root_path", "")
    return {
        "path": root + HOME,
        "httponly": True,
        "samesite": "strict",
        "secure": request.url.scheme == "https",
    }


def _wanted(request: Request) -> str:
    wanted = request.query_params.get("next", "")
    page = wanted if _OUR_PAGE.fullmatch(wanted) and wanted not in OPEN else HOME + "/"
    return request.scope.get("root_path", "") + page


def _words(request: Request) -> dict[str, str]:
    """Return the words of the language that the browser prefers; Chinese if it names neither."""
    preferred = {"zh": 0.0, "en": 0.0}
    for part in request.headers.get("accept-language", "").split(","):
        tag, _, quality = part.partition(";q=")
        language = tag.strip().lower().split("-")[0]
        if language in preferred:
            try:
                weight = float(quality or 1)
            except ValueError:
                weight = 0.0
            preferred[language] = max(preferred[language], weight)
    return _WORDS[max(preferred, key=preferred.__getitem__)]


def _page(request: Request, body: str) -> str:
    words, root = _words(request), escape(request.scope.get("root_path", ""))
    return (
        f'<!doctype html><html lang="{words["tag"]}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{words["title"]}</title><link rel="icon" href="data:,">'
        f'<link rel="stylesheet" href="{root}{OPEN[1]}"></head><body>{body}</body></html>'
    )


def _form(request: Request, error: str, name: str = "", seconds: str = "") -> str:
    words = _words(request)
    query = f"?{request.url.query}" if request.url.query else ""
    action = escape(request.scope.get("root_path", "") + LOGIN + query)
    told = words[error].format(seconds=seconds) if error else ""
    told = told and f'<p class="error" role="alert">{told}</p>'
    first, second = ("", " autofocus") if name else (" autofocus", "")
    return (
        f'<main><h1>{words["title"]}</h1>{told}<form method="post" action="{action}">'
        f'<label>{words["name"]}<input name="name" autocomplete="username" required'
        f' autocapitalize="none" spellcheck="false" maxlength="64" value="{escape(name)}"{first}>'
        f'</label><label>{words["password"]}<input name="password" type="password" required'
        f' autocomplete="current-password" maxlength="{LONGEST_PASSWORD}"{second}></label>'
        f"<button>{words['submit']}</button></form>"
        f'<p class="hint">{words["forgotten"]}</p></main>'
    )


def _first_user(request: Request, db: Path) -> str:
    words = _words(request)
    which = "" if db == DEFAULT_DB else f" --db {shlex.quote(str(db))}"
    command = f"python -m faq_app create-user {words['you']} --role publisher{which}"
    return (
        f'<main class="wide"><h1>{words["nobody"]}</h1><p>{words["create"]}</p>'
        f'<code>{escape(command)}</code><p class="hint">{words["reload"]}</p></main>'
    )


_WORDS = {
    "zh": {
        "tag": "zh-CN",
        "title": "运营后台登录",
        "name": "用户名",
        "password": "密码",
        "submit": "登录",
        "forgotten": "忘记密码？请管理员运行 python -m faq_app set-password 用户名",
        "wrong": "用户名或密码不对",
        "wait": "失败次数太多，请 {seconds} 秒后再试",
        "unavailable": "暂时无法登录，请稍后再试",
        "nobody": "还没有用户",
        "create": "在服务器上、项目目录里运行下面的命令，建立第一个用户（密码由您设定）：",
        "you": "您的名字",
        "reload": "完成后刷新本页。",
    },
    "en": {
        "tag": "en",
        "title": "Operators' login",
        "name": "User name",
        "password": "Password",
        "submit": "Log in",
        "forgotten": "Forgotten? An administrator can run python -m faq_app set-password NAME",
        "wrong": "User name or password is wrong",
        "wait": "Too many failures; try again in {seconds} seconds",
        "unavailable": "Logging in is not possible just now; try again soon",
        "nobody": "There is no user yet",
        "create": "Make the first one on the server, in the project's directory; the password is"
        " yours to choose:",
        "you": "YOUR-NAME",
        "reload": "Then reload this page.",
    },
}
