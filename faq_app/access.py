"""May this request do what it asks for? Its key is looked up once; routes say what they need.

In: a request. Out: a ``Caller``, or ``Refused``. Who operates the console is guard.py's matter.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from faq_app.keys import MISS_SECONDS, REFRESH_SECONDS, SCOPES, Key, Keys, Scope, granted
from indexer.errors import StoreError

OPEN: frozenset[Scope] = frozenset({"ask", "embed"})  # without a key, unless the server wants one
_KNOWN = "faq_app.key"  # in an ASGI scope, once looked up: a Key, None, or the refusal


class Refused(HTTPException):
    """A request that is not let in: ``code`` for programs, ``detail`` for people, ``headers``."""

    def __init__(
        self, status: int, code: str, message: str, headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(status, message, headers)
        self.code = code


@dataclass(frozen=True)
class Caller:
    """Who asks: the name of the key ("" without one), the address, all that it may do."""

    name: str
    address: str
    scopes: frozenset[Scope]


class Access:
    """What an application's requests are let in by; it lies at ``app.state.access``."""

    def __init__(self, keys: Keys, require_key: bool = False) -> None:
        """``require_key``: nothing is open without a key, not even asking."""
        self._keys = keys
        self._open = frozenset[Scope]() if require_key else OPEN

    async def key_of(self, scope: dict[str, Any]) -> Key | None:
        """Return the key that a request carries, None if none. Raises Refused if it is wrong."""
        if _KNOWN not in scope:
            scope[_KNOWN] = await self._look_up(scope)
        if isinstance(scope[_KNOWN], Refused):
            raise scope[_KNOWN]
        return scope[_KNOWN]

    async def caller(self, scope: dict[str, Any], wanted: Scope) -> Caller:
        """Return who asks for something of this kind. Raises Refused if it may not."""
        key = await self.key_of(scope)
        address = (scope.get("client") or ("",))[0]
        if key is None:
            if wanted not in self._open:
                raise _unauthorised(
                    "key_required",
                    f"需要有 {wanted} 用途的密钥: Authorization: Bearer faq_…。"
                    f"怎么办: 请管理员运行 {_command(wanted)}",
                )
            return Caller("", address, self._open)
        if not key.may(wanted):
            raise Refused(
                403,
                "scope_missing",
                f"密钥 {key.name} 没有 {wanted} 用途。怎么办: 请管理员运行 {_command(wanted)}",
            )
        return Caller(key.name, address, granted(key.scopes))

    async def origins(self) -> frozenset[str]:
        """Return the sites whose pages some key may be in; as last known, if it cannot be read."""
        with suppress(StoreError):
            await self._refresh()
        return self._keys.origins

    async def _refresh(self, older_than: float = REFRESH_SECONDS) -> None:
        if self._keys.older_than(older_than):
            await run_in_threadpool(self._keys.refresh, older_than)

    async def _look_up(self, scope: dict[str, Any]) -> Key | Refused | None:
        secret = _secret_of(scope)
        if not secret:
            return None
        try:
            await self._refresh()
            if (key := self._keys.find(secret)) is None:
                await self._refresh(MISS_SECONDS)
                key = self._keys.find(secret)
        except StoreError:
            return Refused(503, "unavailable", "数据库暂时不可用，请稍后再试", {"retry-after": "1"})
        if key is None:
            # The same for all three: nobody learns that a key was right once.
            return _unauthorised(
                "invalid_key",
                "密钥不对、已撤销或已过期。怎么办: 核对密钥，或请管理员看 "
                f"python -m faq_app list-keys，另建一个: {_command('ask')}",
            )
        if key.origins and _header(scope, b"origin").lower() not in key.origins:
            return Refused(
                403,
                "wrong_origin",
                f"密钥 {key.name} 只能在它登记的网页里用。"
                f"怎么办: 请管理员运行 {_command('ask')} --origin https://网站",
            )
        self._keys.note_use(key)
        return key


def needs(wanted: Scope) -> Callable[[Request], Awaitable[Caller]]:
    """Return a dependency of a route: ``Annotated[Caller, Depends(needs("edit"))]``."""
    if wanted not in SCOPES:
        raise ValueError(f"no scope {wanted}")

    async def caller(request: Request) -> Caller:
        return await access_of(request.app).caller(request.scope, wanted)

    return caller


def access_of(app: FastAPI) -> Access:
    """Return what an application's requests are let in by."""
    return app.state.access


def key_name(scope: dict[str, Any]) -> str:
    """Return the name of the key that a request was let in by, for the log; "" if none."""
    key = scope.get(_KNOWN)
    return key.name if isinstance(key, Key) else ""


def _unauthorised(code: str, message: str) -> Refused:
    return Refused(401, code, message, {"www-authenticate": 'Bearer realm="faq"'})


def _command(wanted: Scope) -> str:
    return f"python -m faq_app create-key 名称 --scope {wanted}"


def _secret_of(scope: dict[str, Any]) -> str:
    """Return what stands where a key stands; another scheme than Bearer is a proxy's matter."""
    kind, _, rest = _header(scope, b"authorization").strip().partition(" ")
    return (kind.lower() == "bearer" and rest.strip()) or _header(scope, b"x-api-key").strip()


def _header(scope: dict[str, Any], name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")
