"""How large may a request be? Reading a body stops at the limit, whatever its headers claim.

In: a request. Out: the route's answer, or 413.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

MAX_BODY = 64 * 1024


class LimitedRoute(APIRoute):
    """Stops reading a body at MAX_BODY."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:
        """Return the handler, with what it reads counted."""
        handle = super().get_route_handler()

        async def limited(request: Request) -> Response:
            return await handle(Request(request.scope, _limit(request.receive)))

        return limited


def _limit(receive: Callable[[], Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
    read = 0

    async def counted() -> Any:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > MAX_BODY:
            raise HTTPException(413, f"请求体超过 {MAX_BODY // 1024} KB")
        return message

    return counted
