"""How is a database copied while it is in use, and how does a copy come back?

In: a store and a path, or a backup and the database it is to become. Out: a verified file, renamed
into place whole; or a new revision that holds what the backup holds, which a running server takes
up like any other.
"""

import os
import secrets
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlite_utils import Database

from indexer import revisions
from indexer.database_file import BUSY_SECONDS, explaining
from indexer.errors import DamagedError, StoreError
from indexer.store import Store

# Whoever signed in with a session of then must sign in again.
_NOT_BROUGHT_BACK = ("sessions",)


@dataclass(frozen=True)
class Contents:
    """What a database holds as of one moment."""

    revision: int
    rows: Mapping[str, int]  # by table


@dataclass(frozen=True)
class Restored:
    """What a restoration did."""

    revision: int
    contents: Contents  # of the backup
    kept: Path | None  # where the database as it was lies now; None: there was none
    live: bool  # a running server sees it; else the file is another, and it must be restarted


def backup(store: Store, target: Path, force: bool = False) -> Contents:
    """Copy a database, which may be in use, into a file; return what the copy was found to hold.

    The file has its name only when it is whole and verified. Raises StoreError.
    """
    _require_room(target, store.size(), 1)
    if target.exists():
        if target.samefile(store.path):
            raise StoreError(f"{target}: 就是要备份的数据库。怎么办: 换一个文件名")
        if not force:
            raise StoreError(f"{target}: 已存在, 没有覆盖。怎么办: 换一个文件名, 或加 --force")
    if _beside(target, "-wal").exists():  # it would be read as the copy's
        raise StoreError(f"{target}: 是正在使用的数据库, 没有覆盖。怎么办: 换一个文件名")
    with _draft(target) as draft:
        before = _contents(store)
        store.copy_to(draft)
        after = _contents(store)
        found = inspect(draft)
        # Meanwhile the server may have written; nothing else may differ.
        same = before != after or found == after
        if not (same and before.revision <= found.revision <= after.revision):
            raise StoreError(f"{target}: 副本和原库不同, 没有留下。怎么办: 再备份一次")
        with explaining(target):
            _put(draft, target)
    return found


def inspect(path: Path) -> Contents:
    """Return what a database holds; raises StoreError unless it is ours and whole."""
    with closing(Store.open_as_it_is(path)) as store:
        if problems := store.integrity_problems():
            raise StoreError(f"{path}: 不完整 ({problems[0]}), 没有用它。怎么办: 换一个更早的备份")
        with store.reading() as db:
            for what, sql in _WHOLE.items():
                if count := db.execute(sql).fetchone()[0]:
                    raise StoreError(
                        f"{path}: 不完整 ({count} 个{what}), 没有用它。怎么办: 换一个更早的备份, "
                        f"或先修复: python -m indexer check --db {path} --repair"
                    )
        return _contents(store)


def restore(source: Path, target: Path, by: str) -> Restored:
    """Make a database what a backup holds, as a new revision; what it was is kept beside it.

    A running server sees a revision with a higher number, published by ``by``. Only a database
    that is damaged is exchanged as a file. Raises StoreError, and then nothing has changed.
    """
    found = inspect(source)
    if target.exists() and target.samefile(source):
        raise StoreError(f"{source}: 就是要恢复的数据库。怎么办: 换成备份文件")
    # A brought-up copy, the database as it was, and the write-ahead log of the exchange.
    _require_room(target, source.stat().st_size, 3)
    with _draft(target) as draft:
        with closing(Store.open_as_it_is(source)) as store:
            store.copy_to(draft)
        Store.open(draft).close()  # an earlier version's tables become this one's
        kept = _dated(target)
        if not (there := target.exists()) or _damaged(target):
            with explaining(target):
                for suffix in ("-wal", "-shm", ""):  # a -wal left over would be read as the copy's
                    if (file := _beside(target, suffix)).exists():
                        os.replace(file, _beside(kept, suffix))
                _put(draft, target)
            return Restored(found.revision, found, kept if there else None, False)
        revision = _exchange(target, draft, kept, by, source.name)
        return Restored(revision, found, kept, True)


_WHOLE = {
    "条目没有标准问": "select count(*) from entries where key not in"
    " (select entry_key from questions where kind = 'standard')",
    "向量长度不对": "select count(*) from vectors where length(vector) % 4"
    " or length(vector) != (select length(vector) from vectors limit 1)",
}


def _contents(store: Store) -> Contents:
    with store.reading() as db:
        names = [
            row[0]
            for row in db.execute(
                "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"
                " order by name"
            ).fetchall()
        ]
        rows = {n: db.execute(f'select count(*) from "{n}"').fetchone()[0] for n in names}
        return Contents(store.revision(), rows)


def _exchange(target: Path, draft: Path, kept: Path, by: str, name: str) -> int:
    """Put every table of the draft in the place of the target's, in one transaction.

    The file stays the same file, so those who have it open go on, and see the old or the new.
    """
    with explaining(target), closing(_writer(target)) as conn:
        conn.execute("attach ? as backup", [str(draft)])
        conn.execute("begin immediate")
        try:
            # Under the lock: not one row is logged after the copy and before the exchange.
            with closing(Store.open_as_it_is(target)) as store, _draft(kept) as copy:
                store.copy_to(copy)
                _put(copy, kept)
            highest = dict(conn.execute("select name, seq from main.sqlite_sequence"))
            revision = 1 + max(_revision(conn, schema) for schema in ("main", "backup"))
            for (table,) in _names(conn, "main"):
                conn.execute(f'drop table main."{table}"')
            for table, sql in _names(conn, "backup", ", sql"):
                conn.execute(sql)
                if table not in _NOT_BROUGHT_BACK:
                    conn.execute(f'insert into main."{table}" select * from backup."{table}"')
            made = "select sql from backup.sqlite_master where type != 'table' and sql is not null"
            for (sql,) in conn.execute(made).fetchall():
                conn.execute(sql)
            # An id must never come back for another text.
            conn.executemany(
                "update main.sqlite_sequence set seq = max(seq, ?) where name = ?",
                ((seq, table) for table, seq in highest.items()),
            )
            nothing = revisions.Replaced({}, {})
            revisions.record(
                Database(conn), revision, nothing, revisions.pack_entries({}), {}, {}, by,
                f"恢复备份 {name}", None,
            )  # fmt: skip
            conn.execute("insert or replace into settings values ('revision', ?)", [str(revision)])
            conn.execute("commit")
        except BaseException:
            conn.execute("rollback")
            raise
        conn.execute("pragma wal_checkpoint(truncate)")
    return revision


def _writer(path: Path) -> sqlite3.Connection:
    # Foreign keys are not enforced on it: tables go and come in any order.
    uri = f"{path.resolve().as_uri()}?mode=rw"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None)


def _names(conn: sqlite3.Connection, schema: str, more: str = "") -> list[tuple[str, ...]]:
    return conn.execute(
        f"select name{more} from {schema}.sqlite_master"
        " where type = 'table' and name not like 'sqlite_%'"
    ).fetchall()


def _revision(conn: sqlite3.Connection, schema: str) -> int:
    sql = f"select value from {schema}.settings where name = 'revision'"
    return int((conn.execute(sql).fetchone() or (0,))[0])


def _damaged(path: Path) -> bool:
    """Say whether a database of ours cannot be read whole; raises StoreError for another's."""
    try:
        with closing(Store.open_as_it_is(path)) as store:
            return bool(store.integrity_problems())
    except DamagedError:
        return True


def _require_room(target: Path, size: int, times: int) -> None:
    folder = target.parent
    if not folder.is_dir():
        raise StoreError(f"{target}: 所在目录不存在。怎么办: 先建目录: mkdir -p {folder}")
    free = shutil.disk_usage(folder).free
    if free < (need := times * size + (1 << 20)):
        raise StoreError(
            f"{target}: 磁盘只剩 {free / 1e6:.0f} MB, 需要 {need / 1e6:.0f} MB, 没有写。"
            f"怎么办: 清出空间, 或写到别的磁盘; 看还剩多少: df -h {folder}"
        )


@contextmanager
def _draft(target: Path) -> Iterator[Path]:
    """Make an empty file beside the target that only its owner may read; it goes at the end."""
    draft = target.with_name(f".{target.stem}.{secrets.token_hex(4)}.db")
    with explaining(target):
        os.close(os.open(draft, os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield draft
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            _beside(draft, suffix).unlink(missing_ok=True)


def _put(draft: Path, target: Path) -> None:
    """Rename a file into place, so that it survives a loss of power too."""
    _sync(draft)
    os.replace(draft, target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _dated(target: Path) -> Path:
    moment = datetime.now().strftime("%Y%m%d-%H%M%S")
    return target.with_name(f"{target.stem}.before-restore-{moment}{target.suffix}")


def _beside(path: Path, suffix: str) -> Path:
    return path.with_name(path.name + suffix)
