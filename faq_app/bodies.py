"""How much will be read of what a client sends, how deep, and for how long?

In: a request's body as it arrives. Out: the whole body, or ``Refused``: 413, 408 or 400.
"""

import asyncio
import re

from starlette.types import Message, Receive

from faq_app.access import Refused

SMALL, MEDIUM, LARGE, UPLOAD = 64 * 1024, 2**20, 50 * 2**20, 52 * 2**20
SECONDS = 20.0  # for a whole body of the first two sizes, or a part of the last
LARGE_SECONDS = 120.0
MAX_DEPTH = 32  # of lists and objects in one another

# All that is neither a bracket nor within a string; a string counts for nothing either.
_NO_BRACKET = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[^\[\]{}"]+', re.DOTALL)
_PAIR = re.compile(rb"\[\]|\{\}")


class Gone(Exception):
    """The client went away before it had said what it wants."""


async def read(receive: Receive, limit: int, seconds: float) -> bytes:
    """Return a whole body. Raises Refused if it is too long or too slow, Gone if it ends."""
    parts, length = [], 0
    try:
        async with asyncio.timeout(seconds):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                parts.append(message.get("body", b""))
                length += len(parts[-1])
                if length > limit:
                    raise too_large(limit)
                if not message.get("more_body"):
                    return b"".join(parts)
    except TimeoutError:
        raise _too_slow(seconds) from None


def replayed(body: bytes, receive: Receive) -> Receive:
    """Return what hands out a body that was read already, and then what else happens."""
    handed = False

    async def again() -> Message:
        nonlocal handed
        if handed:
            return await receive()
        handed = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def counted(receive: Receive, limit: int, seconds: float) -> Receive:
    """Return what reads a body in parts, for those who store it: so much, each part so soon."""
    read_so_far = 0
    whole = False

    async def part() -> Message:
        nonlocal read_so_far, whole
        if whole:  # what comes now is no part of the body, and may take for ever
            return await receive()
        try:
            async with asyncio.timeout(seconds):
                message = await receive()
        except TimeoutError:
            raise _too_slow(seconds) from None
        read_so_far += len(message.get("body", b""))
        if read_so_far > limit:
            raise too_large(limit)
        whole = not message.get("more_body")
        return message

    return part


def too_large(limit: int) -> Refused:
    """Return the refusal of a body beyond its limit; the connection ends, its rest is not read."""
    size = f"{limit // 2**20} MB" if limit >= 2**20 else f"{limit // 1024} KB"
    message = f"请求体超过 {size}。怎么办: 分成几次发送"
    return Refused(413, "too_large", message, {"connection": "close"})


def too_deep(body: bytes) -> bool:
    """Say whether a JSON text is nested deeper than MAX_DEPTH; it need not be valid JSON."""
    if body.count(b"[") + body.count(b"{") <= MAX_DEPTH:
        return False
    brackets = _NO_BRACKET.sub(b"", body)
    for _ in range(MAX_DEPTH):
        inner = _PAIR.sub(b"", brackets)
        if inner == brackets:
            break
        brackets = inner
    # What never closes is no valid JSON, but a parser must not go down all of it to find out.
    return bool(brackets)


def _too_slow(seconds: float) -> Refused:
    return Refused(
        408,
        "too_slow",
        f"请求体在 {seconds:.0f} 秒内没有发完。怎么办: 检查网络, 或分成几次发送",
        {"connection": "close"},
    )
