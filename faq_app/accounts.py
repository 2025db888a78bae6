"""Who may operate the FAQ, who is logged in, and who did what? Users, sessions, the audit log.

In: names, passwords, tokens. Out: a ``User``, or a reason why not. Tables lie in the FAQ's
database; neither a password nor a token can be read from them.
"""

import hashlib
import re
import secrets
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from sqlite_utils import Database

from faq_app import lockout
from faq_app.accounts_migrations import bring_up_to_date
from faq_app.passwords import Cost, hash_password, matches, unmatchable
from indexer.store import Store

IDLE_SECONDS = 8 * 3600.0  # a session ends so long after its last request,
SESSION_SECONDS = 7 * 86400.0  # and in any case so long after the login
TOUCH_SECONDS = 60.0  # how old the stored time of the last request may become
SHORTEST_PASSWORD, LONGEST_PASSWORD = 10, 200

Role = Literal["viewer", "editor", "publisher"]
ROLES: tuple[Role, ...] = get_args(Role)  # each may do what those before it may

# A session from further in the future than this was begun by another clock.
_CLOCK_SKEW = 300.0
_NAME = re.compile(r"[\w.@-]{1,64}")


class AccountError(Exception):
    """A user cannot be made or changed like this; says why, and the command that can."""


class LoginRefused(Exception):
    """No such user, wrong password, or disabled: nobody is told which.

    ``wait``: seconds for which no password is tried; 0: this one was, and is wrong.
    """

    def __init__(self, wait: int = 0) -> None:
        super().__init__(wait)
        self.wait = wait


@dataclass(frozen=True)
class User:
    """An operator. ``created`` is UTC, ISO 8601."""

    name: str
    role: Role
    created: str
    disabled: bool = False

    def may(self, role: Role) -> bool:
        """Say whether this user may do what ``role`` may."""
        return ROLES.index(self.role) >= ROLES.index(role)


@dataclass(frozen=True)
class AuditRow:
    """Somebody did something; ``at`` is UTC, ISO 8601, ``by`` "" if nobody knows who."""

    id: int
    at: str
    by: str
    what: str
    detail: str
    address: str


@dataclass(frozen=True)
class AuditFilter:
    """Which rows of the audit log: whose, what or which detail holds a text, and when.

    "" asks for nothing; ``begins`` and ``ends`` (no longer in it) are UTC, ISO 8601.
    """

    by: str = ""
    text: str = ""
    begins: str = ""
    ends: str = ""


class Accounts:
    """The accounts of one database; safe to share between threads."""

    def __init__(
        self, store: Store, cost: Cost | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """Make the tables if there are none; raises StoreError."""
        self._store = store
        self._cost = cost or Cost()
        self._clock = clock
        self._nobodys_password = unmatchable(self._cost)
        bring_up_to_date(store)

    # Users

    def users(self) -> list[User]:
        """Return all users by name."""
        with self._store.reading() as db:
            return [_user(row) for row in db.query("select * from users order by name")]

    def user(self, name: str) -> User:
        """Return a user. Raises AccountError if there is none of this name."""
        with self._store.reading() as db:
            return _required(db, name)

    def require_new(self, name: str) -> None:
        """Raise AccountError if a user of this name cannot be made."""
        name = _acceptable_name(name)
        with self._store.reading() as db:
            _require_absent(db, name)

    def create_user(self, name: str, password: str, role: Role, by: str, address: str = "") -> User:
        """Make a user. Raises AccountError if there is one, or the name or password will not do."""
        name = _acceptable_name(name)
        line = self._line_for(password)
        user = User(name, _known_role(role), self._now())
        with self._store.transaction() as db:
            _require_absent(db, name)
            db.execute(
                "insert into users (name, password, role, created) values (?, ?, ?, ?)",
                [user.name, line, user.role, user.created],
            )
            self._record(db, by, "新建用户", f"{name} ({role})", address)
        return user

    def set_password(self, name: str, password: str, by: str, address: str = "") -> None:
        """Replace a password and end the user's sessions. Raises AccountError."""
        line = self._line_for(password)
        with self._store.transaction() as db:
            name = _required(db, name).name
            db.execute("update users set password = ? where name = ?", [line, name])
            _end_sessions(db, name)
            # Who is locked out and was given a new password need not wait.
            db.execute(
                "delete from login_failures where key = ?", [lockout.keys_of(name, address)[0]]
            )
            self._record(db, by, "修改密码", name, address)

    def set_role(
        self, name: str, role: Role, by: str, address: str = "", *, spare_last: bool = False
    ) -> None:
        """Let a user do more or less, from the next request on. Raises AccountError.

        ``spare_last``: also if nobody would be left who may publish.
        """
        with self._store.transaction() as db:
            user = _required(db, name)
            if spare_last and not User(name, _known_role(role), "").may("publisher"):
                _require_another_publisher(db, user)
            db.execute("update users set role = ? where name = ?", [_known_role(role), user.name])
            self._record(db, by, "修改角色", f"{user.name}: {user.role} → {role}", address)

    def disable_user(
        self, name: str, by: str, address: str = "", *, spare_last: bool = False
    ) -> None:
        """End a user's sessions and refuse new ones. Raises AccountError; see ``set_role``."""
        self._set_disabled(name, True, by, address, spare_last)

    def enable_user(self, name: str, by: str, address: str = "") -> None:
        """Let a disabled user log in again. Raises AccountError."""
        self._set_disabled(name, False, by, address)

    def _set_disabled(
        self, name: str, disabled: bool, by: str, address: str, spare_last: bool = False
    ) -> None:
        with self._store.transaction() as db:
            user = _required(db, name)
            name = user.name
            if spare_last:
                _require_another_publisher(db, user)
            db.execute("update users set disabled = ? where name = ?", [int(disabled), name])
            if disabled:
                _end_sessions(db, name)
            self._record(db, by, "停用用户" if disabled else "启用用户", name, address)

    # Sessions

    def login(self, name: str, password: str, address: str) -> str:
        """Begin a session and return its token. Raises LoginRefused.

        Unknown and disabled users take the same way, and so the same time, as a wrong password.
        """
        name, now = normal_name(name), self._clock()
        with self._store.transaction() as db:
            wait = lockout.charge(db, lockout.keys_of(name, address), now)
            row = _find(db, name)
        if wait:
            raise LoginRefused(wait)
        line = row["password"] if row else self._nobodys_password
        right = matches(password[: LONGEST_PASSWORD + 1], line)
        with self._store.transaction() as db:
            # Meanwhile the password may have been changed or the user disabled.
            row = _find(db, name)
            if not (right and row and row["password"] == line and not row["disabled"]):
                # An unknown name is not logged: people type passwords into the wrong field.
                self._record(db, name if row else "", "登录失败", _why(row, right), address)
            else:
                lockout.forgive(db, name, address)
                token = secrets.token_urlsafe(32)
                db.execute(
                    "delete from sessions where created < ? or last_seen < ?",
                    [now - SESSION_SECONDS, now - IDLE_SECONDS],
                )
                db.execute(
                    "insert into sessions values (?, ?, ?, ?)", [_hash(token), name, now, now]
                )
                self._record(db, name, "登录", "", address)
                return token
        raise LoginRefused

    def user_of(self, token: str) -> User | None:
        """Return whose session this is; None if it has ended or never was."""
        sql = (
            "select users.*, sessions.created as begun, last_seen from sessions"
            " join users on users.name = sessions.user where token_hash = ?"
        )
        with self._store.reading() as db:
            row = next(db.query(sql, [_hash(token)]), None)
        now = self._clock()
        if (
            row is None
            or row["disabled"]
            or not -_CLOCK_SKEW <= now - row["begun"] < SESSION_SECONDS
            or not -_CLOCK_SKEW <= now - row["last_seen"] < IDLE_SECONDS
        ):
            return None
        return _user(row)

    def touch(self, token: str) -> None:
        """Note that a session is in use; written at most once in TOUCH_SECONDS."""
        now = self._clock()
        recent = "select 1 from sessions where token_hash = ? and last_seen > ?"
        with self._store.reading() as db:
            if next(db.query(recent, [_hash(token), now - TOUCH_SECONDS]), None):
                return
        with self._store.transaction() as db:
            db.execute(
                "update sessions set last_seen = ? where token_hash = ?", [now, _hash(token)]
            )

    def logout(self, token: str, address: str) -> None:
        """End a session, if there is one."""
        with self._store.transaction() as db:
            row = next(
                db.query("select user from sessions where token_hash = ?", [_hash(token)]), 0
            )
            if row:
                db.execute("delete from sessions where token_hash = ?", [_hash(token)])
                self._record(db, row["user"], "退出", "", address)

    # Audit log

    def audit(self, by: str, what: str, detail: str = "", address: str = "") -> None:
        """Write down who did what. Raises StoreError."""
        with self._store.transaction() as db:
            self._record(db, by, what, detail, address)

    def audit_log(
        self, limit: int = 50, offset: int = 0, wanted: AuditFilter | None = None
    ) -> list[AuditRow]:
        """Return a page of the log, newest first; a negative ``limit`` is none."""
        where, values = _wanted_rows(wanted)
        sql = f"select * from audit_log {where} order by id desc limit ? offset ?"
        with self._store.reading() as db:
            return [AuditRow(**row) for row in db.query(sql, [*values, limit, offset])]

    def audit_count(self, wanted: AuditFilter | None = None) -> int:
        """Return how many rows the log has."""
        where, values = _wanted_rows(wanted)
        with self._store.reading() as db:
            return db.execute(f"select count(*) from audit_log {where}", values).fetchone()[0]

    def audit_people(self) -> list[str]:
        """Return who is in the log, by name; not the nameless."""
        sql = "select distinct by from audit_log where by <> '' order by by"
        with self._store.reading() as db:
            return [row[0] for row in db.execute(sql).fetchall()]

    def _record(self, db: Database, by: str, what: str, detail: str, address: str) -> None:
        record(db, self._now(), by, what, detail, address)

    def _now(self) -> str:
        return written(self._clock())

    def _line_for(self, password: str) -> str:
        if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
            raise AccountError(
                f"密码有 {len(password)} 个字符, 要 {SHORTEST_PASSWORD} 到 {LONGEST_PASSWORD} 个。"
                "怎么办: 用几个不相干的词连成一句"
            )
        return hash_password(password, self._cost)


def record(db: Database, at: str, by: str, what: str, detail: str, address: str = "") -> None:
    """Add a row to the audit log, in the transaction of what it tells of."""
    db.execute(
        "insert into audit_log (at, by, what, detail, address) values (?, ?, ?, ?, ?)",
        [at, by, what, detail, address],
    )


def written(moment: float) -> str:
    """Return seconds since 1970 as UTC, ISO 8601."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds")


def normal_name(name: str) -> str:
    """Return the one way to write a name: half-width, lower case, something that can be stored."""
    name = name.encode("utf-8", "replace").decode("utf-8")
    return unicodedata.normalize("NFKC", name).strip().casefold()[:64]


def _acceptable_name(name: str) -> str:
    if len(name) > 64 or not _NAME.fullmatch(normal_name(name)):
        raise AccountError(
            f"用户名 {name[:70]!r} 不能用。怎么办: 用 1 到 64 个文字、数字、点、@、- 和 _"
        )
    return normal_name(name)


def _known_role(role: Role) -> Role:
    if role not in ROLES:
        raise AccountError(f"没有角色 {role}。怎么办: 用 {'、'.join(ROLES)} 之一")
    return role


def _require_absent(db: Database, name: str) -> None:
    if _find(db, name):
        raise AccountError(
            f"用户 {name} 已存在, 没有动它。怎么办: 换一个名字, "
            f"或修改密码: python -m faq_app set-password {name}"
        )


def _required(db: Database, name: str) -> User:
    row = _find(db, normal_name(name))
    if row is None:
        raise AccountError(f"没有用户 {name}。怎么办: 看有哪些用户: python -m faq_app list-users")
    return _user(row)


def _require_another_publisher(db: Database, user: User) -> None:
    sql = "select count(*) from users where role = 'publisher' and not disabled and name <> ?"
    publishes = user.role == "publisher" and not user.disabled
    if publishes and not db.execute(sql, [user.name]).fetchone()[0]:
        raise AccountError(
            f"{user.name} 是最后一个能发布的用户, 没有动。怎么办: 先让另一个人成为发布者"
        )


def _wanted_rows(wanted: AuditFilter | None) -> tuple[str, list[str]]:
    """Return the condition of a filter, and its values."""
    wanted = wanted or AuditFilter()
    conditions = {
        "by = ?": wanted.by,
        "instr(lower(what || char(10) || detail), lower(?)) > 0": wanted.text,
        "at >= ?": wanted.begins,
        "at < ?": wanted.ends,
    }
    asked = {condition: value for condition, value in conditions.items() if value}
    return ("where " + " and ".join(asked) if asked else ""), [*asked.values()]


def _find(db: Database, name: str) -> dict[str, Any] | None:
    return next(db.query("select * from users where name = ?", [name]), None)


def _user(row: dict[str, Any]) -> User:
    return User(row["name"], row["role"], row["created"], bool(row["disabled"]))


def _end_sessions(db: Database, name: str) -> None:
    db.execute("delete from sessions where user = ?", [name])


def _why(row: dict[str, Any] | None, right: bool) -> str:
    if row is None:
        return "没有这个用户"
    return "用户已停用" if row["disabled"] else "密码刚刚改过" if right else "密码不对"


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
