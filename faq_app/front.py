"""What happens to every request before a route sees it, and to every response after?

In: any request. Out: the application's answer, or a refusal; in either case with a request id and
safe headers, counted, and written down. It is one layer, the outermost, since each layer costs.
"""

import logging
import math
import random
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from faq_app import bodies, cors
from faq_app.access import Access, Refused, key_name
from faq_app.api import errors
from faq_app.guard import HOME
from faq_app.headers import RawHeaders, secured, value_of, vary
from faq_app.keys import Key
from faq_app.metrics import Metrics
from faq_app.options import ADDRESS_RATE, KEY_RATE, Options
from faq_app.rate_limit import Buckets, bucket_of
from faq_app.request_log import REQUESTS, request_id

MOST_RUNNING = 200  # requests being worked on; a reply would come too late for any beyond these
WRONG_KEY_COST = 10.0  # as many requests as this; see rate_limit.py

_PROGRAMS = ("/api/", "/v1/")
_GRADIO_EVENTS = f"{HOME}/gradio_api/run/"
_CHANGING = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_MEDIUM = ("/v1/embeddings", "/api/v1/embed")
_OWN_ID = re.compile(rb"[A-Za-z0-9_.-]{1,64}")
_UNROUTED = "none"
CLIENT_GONE = 499  # what nginx calls it: there is no status, since nobody was there to read it
_LOCAL = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})
_log = logging.getLogger(REQUESTS)


@dataclass
class Load:
    """What the server is at: requests being worked on, and whether it begins no more."""

    running: int = 0
    stopping: bool = False


@dataclass(slots=True)
class _Exchange:
    """What is known of one request and its response."""

    scope: Scope
    id: str
    started: float
    status: int = 0
    complete: bool = False
    origin: str = ""  # of another site's page that may read the response


class Front:
    """Pure ASGI, around everything, the error page of last resort too."""

    def __init__(
        self, app: ASGIApp, access: Access, metrics: Metrics, load: Load, options: Options
    ) -> None:
        self.app = app
        self._load = load
        self._access = access
        self._metrics = metrics
        self._cors_origins = frozenset(options.cors_origins)
        self._spares_local = options.rate is None, options.key_rate is None
        self._addresses = Buckets(options.rate or ADDRESS_RATE)
        self._by_key = Buckets(options.key_rate or KEY_RATE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the application answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = _Exchange(scope, _id_of(scope), time.perf_counter())
        token = request_id.set(exchange.id)

        async def respond(message: Message) -> None:
            if message["type"] == "http.response.start":
                exchange.status = message["status"]
                message["headers"] = self._headers(exchange, message.get("headers", ()))
            elif message["type"] == "http.response.body":
                exchange.complete = not message.get("more_body")
            await send(message)

        try:
            await self._answer(exchange, receive, respond)
        except bodies.Gone:
            pass
        except Exception as error:
            await self._failed(exchange, error, receive, respond)
        finally:
            self._over(exchange)
            request_id.reset(token)

    async def _answer(self, exchange: _Exchange, receive: Receive, respond: Send) -> None:
        scope = exchange.scope
        path: str = scope["path"]
        try:
            if path in cors.ROUTES and await self._is_preflight(exchange, respond):
                return
            programs = path.startswith(_PROGRAMS)
            if not programs and scope["method"] not in _CHANGING:
                # Pages, their scripts, their streams of events, which last: none is work.
                await self.app(scope, receive, respond)
                return
            key = await self._let_in(scope) if programs else self._let_visitor_in(scope)
            if path.startswith(HOME):  # the guard is asked before anything of it is read
                body = bodies.counted(receive, bodies.UPLOAD, bodies.SECONDS)
                await self.app(scope, body, respond)
                return
            receive = await _read(scope, key, receive)
            if self._load.stopping or self._load.running >= MOST_RUNNING:
                raise self._busy()
        except Refused as refused:
            await _refuse(refused, scope, receive, respond)
            return
        self._load.running += 1
        try:
            await self.app(scope, receive, respond)
        finally:
            self._load.running -= 1

    # Who

    async def _let_in(self, scope: Scope) -> Key | None:
        address = _address(scope)
        try:
            key = await self._access.key_of(scope)
        except Refused as refused:
            if refused.status_code == 401:
                self._charge_address(address, WRONG_KEY_COST)
            raise
        if key is None or key.origins:  # a key that a page carries says not who asks
            self._charge_address(address)
        if key is not None and not (self._spares_local[1] and address in _LOCAL):
            self._require(self._by_key.take(key.name), "key")
        return key

    def _let_visitor_in(self, scope: Scope) -> None:
        self._charge_address(_address(scope))

    def _charge_address(self, address: str, cost: float = 1.0) -> None:
        if not (self._spares_local[0] and address in _LOCAL):
            self._require(self._addresses.take(bucket_of(address), cost), "address")

    def _require(self, wait: float, by: str) -> None:
        if wait > 0:
            self._metrics.limited(by)
            seconds = str(math.ceil(wait))
            message = f"请求太多。怎么办: {seconds} 秒后再试"
            raise Refused(429, "too_many", message, {"retry-after": seconds})

    def _busy(self) -> Refused:
        self._metrics.limited("load")
        headers = {"retry-after": "1"} | ({"connection": "close"} if self._load.stopping else {})
        return Refused(503, "busy", "服务器正忙，请稍后再试", headers)

    async def _is_preflight(self, exchange: _Exchange, respond: Send) -> bool:
        """Note which other site's page may read the response; answer a browser that asks only."""
        scope = exchange.scope
        origin = cors.origin_of(scope["headers"])
        if not origin:
            return False
        allowed = self._cors_origins | await self._access.origins()
        if origin in allowed or "*" in allowed:
            exchange.origin = origin
        if not cors.is_preflight(scope["method"], scope["headers"]):
            return False
        await respond({"type": "http.response.start", "status": 204})
        await respond({"type": "http.response.body", "body": b""})
        return True

    # After

    def _headers(self, exchange: _Exchange, headers: Iterable[tuple[bytes, bytes]]) -> RawHeaders:
        scope = exchange.scope
        made = secured(list(headers), scope["path"], scope["scheme"] == "https")
        made.append((b"x-request-id", exchange.id.encode("ascii")))
        if scope["path"] in cors.ROUTES:
            made = vary(made, b"origin")
            if exchange.origin:
                preflight = cors.is_preflight(scope["method"], scope["headers"])
                made += cors.granting(exchange.origin, preflight)
        return made

    async def _failed(
        self, exchange: _Exchange, error: Exception, receive: Receive, respond: Send
    ) -> None:
        """Answer for an application that could not; it has logged what it answered itself."""
        if exchange.complete:
            return
        _log.error("failed", exc_info=error)
        if exchange.status:  # the client must see that the response is not whole
            raise error
        scope = exchange.scope
        message = "服务器出错，请稍后再试；详情见服务器日志"
        await errors.reply(scope["path"], 500, "internal", message)(scope, receive, respond)

    def _over(self, exchange: _Exchange) -> None:
        scope, status = exchange.scope, exchange.status or CLIENT_GONE
        seconds = time.perf_counter() - exchange.started
        route = _route_of(scope)
        self._metrics.finished(route, scope["method"], status, seconds)
        # Gradio says 500 for what an operator was refused; what really failed is logged by itself.
        expected = status == 503 or scope["path"].startswith(_GRADIO_EVENTS)
        level = logging.ERROR if status >= 500 and not expected else logging.INFO
        if not _log.isEnabledFor(level):
            return
        about = {
            "id": exchange.id,
            "method": scope["method"],
            "route": route,
            "status": status,
            "ms": round(1000 * seconds, 1),
            "key": key_name(scope),
            "address": _address(scope),
        }
        _log.log(level, "request", extra={"request": about})


async def _read(scope: Scope, key: Key | None, receive: Receive) -> Receive:
    """Read the body before the request counts as running: slow clients keep nobody waiting."""
    if scope["method"] not in _CHANGING:
        return receive
    path = scope["path"]
    limit, seconds = bodies.SMALL, bodies.SECONDS
    if not path.startswith(_PROGRAMS) or path.startswith(_MEDIUM):
        limit = bodies.MEDIUM
    if key and key.may("edit"):  # a whole table in one request
        limit, seconds = bodies.LARGE, bodies.LARGE_SECONDS
    claimed = value_of(scope["headers"], b"content-length")
    if claimed and value_of(scope["headers"], b"transfer-encoding"):
        # Of two lengths a proxy may have believed the other one.
        message = "请求体的长度写了两次 (Content-Length 和 Transfer-Encoding)"
        raise Refused(400, "two_lengths", message, {"connection": "close"})
    if claimed.isdigit() and int(claimed) > limit:
        raise bodies.too_large(limit)
    body = await bodies.read(receive, limit, seconds)
    if b"json" in value_of(scope["headers"], b"content-type").lower():
        large = len(body) > bodies.SMALL
        deep = bodies.too_deep
        if await run_in_threadpool(deep, body) if large else deep(body):
            message = f"JSON 嵌套超过 {bodies.MAX_DEPTH} 层。怎么办: 减少嵌套"
            raise Refused(400, "too_deep", message)
        if path.startswith(_PROGRAMS) and _log.isEnabledFor(logging.DEBUG):
            _log.debug("%s", body[:1000].decode("utf-8", "replace"))
    return bodies.replayed(body, receive)


async def _refuse(refused: Refused, scope: Scope, receive: Receive, respond: Send) -> None:
    status, code, headers = refused.status_code, refused.code, refused.headers
    refusal = errors.reply(scope["path"], status, code, refused.detail, headers)
    await refusal(scope, receive, respond)


def _id_of(scope: Scope) -> str:
    """Return the id that a proxy gave, or a new one; it tells requests apart and guards nothing."""
    given = value_of(scope["headers"], b"x-request-id")
    return given.decode("ascii") if _OWN_ID.fullmatch(given) else f"{random.getrandbits(64):016x}"


def _address(scope: Scope) -> str:
    return (scope.get("client") or ("",))[0]


def is_local(scope: Scope) -> bool:
    """Say whether a request comes from this machine itself, and for nobody else."""
    forwarded = value_of(scope["headers"], b"x-forwarded-for").decode("latin-1")
    hops = [_address(scope), *filter(None, (hop.strip() for hop in forwarded.split(",")))]
    return all(hop in _LOCAL for hop in hops)


def _route_of(scope: Scope) -> str:
    """Return a template: what a path means, but not what somebody wrote into it."""
    route = scope.get("route")
    return scope.get("root_path", "") + getattr(route, "path", "") or _UNROUTED
