"""Which program is asking, and what may it do? Keys of the HTTP API: made, looked up, revoked.

In: the secret that a request carries. Out: a ``Key``, or None. Only a secret's SHA-256 is stored.
"""

import hashlib
import json
import logging
import re
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sqlite_utils import Database

from faq_app.accounts import AccountError, record, written
from faq_app.accounts_migrations import bring_up_to_date
from faq_app.cors import parse_origin
from indexer.errors import StoreError
from indexer.store import Store

# ask: ask, search, explain, feedback, suggest. embed: vectors. read, edit, publish: what operators
# of the roles viewer, editor and publisher may. metrics: /metrics from another machine.
Scope = Literal["ask", "embed", "read", "edit", "publish", "metrics"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
_LADDER: tuple[Scope, ...] = ("read", "edit", "publish")  # each includes those before it

REFRESH_SECONDS = 1.0  # how long a revoked key may still be let in
MISS_SECONDS = 0.1  # how long a new one may not be, yet
TOUCH_SECONDS = 60.0  # how old the stored time of the last use may become
LONGEST_LIFE = 3650  # days

_MARK = "faq_"
_SHOWN = len(_MARK) + 6
_LONGEST_SECRET = 200
_NAME = re.compile(r"\w[\w.@-]{0,63}")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Key:
    """A key without its secret; times are UTC, ISO 8601, "" if there is none."""

    name: str
    prefix: str
    scopes: tuple[Scope, ...]
    origins: tuple[str, ...]  # not empty: pages of these sites carry it, for all to read
    created: str
    created_by: str
    expires: float | None  # seconds since 1970
    last_used: str
    revoked: str

    def may(self, scope: Scope) -> bool:
        """Say whether this key's holder may do what ``scope`` names."""
        return scope in granted(self.scopes)


class Keys:
    """The keys of one database; safe to share between threads.

    All of them are held in memory and read again after REFRESH_SECONDS: a guess costs a hash and a
    look into a dict, right or wrong, and a revoked key ends in every process. A secret that is not
    among them has them read again after MISS_SECONDS: a key can be used as soon as it was made.
    """

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        """Make the table if there is none; raises StoreError."""
        self._store = store
        self._clock = clock
        self._refreshing = threading.Lock()
        self._by_hash: dict[str, Key] = {}
        self._origins: frozenset[str] = frozenset()
        self._read_at = float("-inf")
        self._noted: dict[str, float] = {}
        # The time of the last use waits for writers; requests do not.
        self._noting = ThreadPoolExecutor(1, thread_name_prefix="keys")
        bring_up_to_date(store)

    # Requests

    def older_than(self, seconds: float) -> bool:
        """Say whether what ``find`` knows is as old as this."""
        return time.monotonic() - self._read_at >= seconds

    def refresh(self, older_than: float = REFRESH_SECONDS) -> None:
        """Read the keys that are valid, if that was not done just now; raises StoreError."""
        with self._refreshing:
            if self.older_than(older_than):
                at = time.monotonic()
                with self._store.reading() as db:
                    rows = list(db.query("select * from api_keys where revoked = ''"))
                self._by_hash = {row["key_hash"]: _key(row) for row in rows}
                keys = self._by_hash.values()
                self._origins = frozenset(origin for key in keys for origin in key.origins)
                self._read_at = at

    @property
    def origins(self) -> frozenset[str]:
        """Return the sites whose pages some key may be in."""
        return self._origins

    def find(self, secret: str) -> Key | None:
        """Return the key that has this secret; None if there is none, or no longer."""
        key = self._by_hash.get(_hash(secret[: _LONGEST_SECRET + 1]))
        if key is None or (key.expires is not None and self._clock() >= key.expires):
            return None
        return key

    def note_use(self, key: Key) -> None:
        """Have the time of the use written, later and at most once in TOUCH_SECONDS."""
        now = time.monotonic()
        if now - self._noted.get(key.name, float("-inf")) >= TOUCH_SECONDS:
            self._noted[key.name] = now
            self._noting.submit(self._write_use, key.name, self._now())

    def close(self) -> None:
        """Finish writing."""
        self._noting.shutdown()

    def _write_use(self, name: str, now: str) -> None:
        try:
            with self._store.transaction() as db:
                db.execute("update api_keys set last_used = ? where name = ?", [now, name])
        except StoreError as error:
            _log.error("the use of a key could not be noted: %s", error)

    # Administration

    def all(self) -> list[Key]:
        """Return all keys, revoked ones too, by name."""
        with self._store.reading() as db:
            return [_key(row) for row in db.query("select * from api_keys order by name")]

    def create(
        self,
        name: str,
        scopes: Sequence[Scope],
        by: str,
        days: int | None = None,
        origins: Sequence[str] = (),
    ) -> str:
        """Make a key and return its secret, which cannot be read again. Raises AccountError."""
        if not _NAME.fullmatch(name):
            raise AccountError(
                f"密钥名 {name[:70]!r} 不能用。怎么办: 用 1 到 64 个文字、数字、点、@、- 和 _"
            )
        scopes = tuple(scope for scope in SCOPES if scope in scopes)
        try:
            origins = tuple(dict.fromkeys(map(parse_origin, origins)))
        except ValueError as error:
            raise AccountError(str(error)) from error
        if not scopes:
            raise AccountError(f"密钥要有用途。怎么办: --scope 后面写 {'、'.join(SCOPES)} 之一")
        if origins and scopes != ("ask",):
            raise AccountError(
                "网页里的密钥人人都能看到, 只能用于 ask。怎么办: 去掉其他 --scope, 或去掉 --origin"
            )
        if days is not None and not 1 <= days <= LONGEST_LIFE:
            raise AccountError(f"有效期 {days} 天不行。怎么办: --expires 写 1 到 {LONGEST_LIFE}")
        secret = _MARK + secrets.token_urlsafe(32)
        now = self._clock()
        row = {
            "name": name,
            "key_hash": _hash(secret),
            "prefix": secret[:_SHOWN],
            "scopes": json.dumps(scopes),
            "origins": json.dumps(origins),
            "created": written(now),
            "created_by": by,
            "expires": None if days is None else now + days * 86400,
        }
        with self._store.transaction() as db:
            if _find(db, name):
                raise AccountError(
                    f"密钥 {name} 已存在 (撤销的名字也不再用), 没有动它。怎么办: 换一个名字"
                )
            db.table("api_keys").insert(row)
            detail = [f"{name} ({', '.join(scopes)})", *origins]
            if days is not None:
                detail.append(f"{days} 天")
            record(db, row["created"], by, "新建密钥", " ".join(detail))
        self._read_at = float("-inf")  # in this process at once
        return secret

    def revoke(self, name: str, by: str) -> None:
        """End a key, within REFRESH_SECONDS everywhere. Raises AccountError."""
        with self._store.transaction() as db:
            row = _find(db, name)
            if row is None or row["revoked"]:
                raise AccountError(
                    f"没有可用的密钥 {name}。怎么办: 看有哪些: python -m faq_app list-keys"
                )
            now = self._now()
            db.execute("update api_keys set revoked = ? where name = ?", [now, name])
            record(db, now, by, "撤销密钥", name)
        self._read_at = float("-inf")

    def _now(self) -> str:
        return written(self._clock())


def granted(scopes: Sequence[Scope]) -> frozenset[Scope]:
    """Return scopes with those that they include."""
    top = max((_LADDER.index(scope) for scope in scopes if scope in _LADDER), default=-1)
    return frozenset(scopes) | frozenset(_LADDER[: top + 1])


def _find(db: Database, name: str) -> dict[str, Any] | None:
    return next(db.query("select * from api_keys where name = ?", [name]), None)


def _key(row: dict[str, Any]) -> Key:
    lists = {name: tuple(json.loads(row[name])) for name in ("scopes", "origins")}
    return Key(**{name: row[name] for name in row if name != "key_hash"} | lists)


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
