"""Which pages of other sites may ask? Those that were named, and only what customers ask.

In: a request with an Origin. Out: the headers that let the browser hand the reply to the page.
"""

import re

from faq_app.headers import RawHeaders, value_of

# What a widget in a page needs; operators' functions are for programs, not for pages of others.
ROUTES = frozenset(
    {
        *("/api/v1/ask", "/api/v1/choose", "/api/v1/feedback", "/api/v1/greeting"),
        *("/api/v1/search", "/api/v1/suggest", "/api/ask", "/api/feedback", "/widget.js"),
    }
)
_ORIGIN = re.compile(r"https?://(?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_EXPOSED = (b"access-control-expose-headers", b"x-request-id, retry-after")
_PREFLIGHT = [
    (b"access-control-allow-methods", b"GET, POST"),
    (b"access-control-allow-headers", b"authorization, content-type, x-api-key, x-request-id"),
    (b"access-control-max-age", b"600"),
]


def parse_origin(text: str) -> str:
    """Return an origin as browsers write it. Raises ValueError if it is none."""
    origin = text.strip().lower().rstrip("/")
    if not _ORIGIN.fullmatch(origin):
        raise ValueError(
            f"{text[:100]!r} 不是网站的来源。怎么办: 写协议、域名和 (如有) 端口, "
            "如 https://www.example.com"
        )
    return origin


def origin_of(headers: RawHeaders) -> str:
    """Return which site a request's page is of; "" if no browser says."""
    return value_of(headers, b"origin").decode("latin-1").lower()


def is_preflight(method: str, headers: RawHeaders) -> bool:
    """Say whether a browser asks whether a page may ask."""
    return method == "OPTIONS" and bool(value_of(headers, b"access-control-request-method"))


def granting(origin: str, preflight: bool) -> RawHeaders:
    """Return what a response to an origin carries that may read it."""
    # Never with credentials: a customer has none, and an operator's are for no other site.
    granted = (b"access-control-allow-origin", origin.encode("latin-1"))
    return [granted, *_PREFLIGHT] if preflight else [granted, _EXPOSED]
