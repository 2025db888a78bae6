"""How is the file opened, read and written, so that nothing acknowledged is lost?

In: a path. Out: read transactions, one connection a thread, and write transactions, which take
turns, also with other processes. Every error of SQLite leaves here as StoreError with its remedy.
"""

import errno
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from indexer.errors import DamagedError, StoreError

CLOSE_SECONDS = 5  # how long a reader is waited for at the end
BUSY_SECONDS = 10  # how long a writer waits for another process
# Above this the write-ahead log is written back at once. SQLite alone starts it anew only when it
# meets no reader: with four that overlap it held all that was ever written.
WAL_LIMIT = 8 << 20
_CHECKPOINT_WAIT = 100  # ms, for readers to end


class DatabaseFile:
    """One SQLite file, shared by threads."""

    def __init__(self, path: Path) -> None:
        """Name an existing file; it is opened by the first thread that reads."""
        self.path = path
        self._local = threading.local()
        self._writing = threading.RLock()
        # Weakly: a thread that ends takes its connection with it. Each has a lock, held while used.
        self._open: weakref.WeakKeyDictionary[Database, Any] = weakref.WeakKeyDictionary()
        self._identity: tuple[int, int] | None = None
        self._checkpoint_above = WAL_LIMIT

    def close(self) -> None:
        """Close the connections of all threads, each when its thread has done with it.

        SQLite does not survive one that is closed under it. Who reads on for longer than
        CLOSE_SECONDS keeps the connection.
        """
        for db, using in list(self._open.items()):
            if using.acquire(timeout=CLOSE_SECONDS):
                try:
                    db.conn.close()
                finally:
                    using.release()

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """Open a read transaction, so that several SELECTs see one revision.

        For the modules that keep tables of their own in this database. Raises StoreError.
        """
        with explaining(self.path), self._using:
            if self._db.conn.in_transaction:
                yield self._db
                return
            self._db.conn.execute("begin")
            try:
                yield self._db
            finally:
                self._db.conn.rollback()

    @contextmanager
    def transaction(self, durable: bool = True) -> Iterator[Database]:
        """Hold the write lock from the start: a deferred BEGIN fails when two writers upgrade.

        All is undone if anything is raised. What is committed survives the process; ``durable``,
        it also survives a loss of power, for which the disk is waited for. Raises StoreError.
        """
        with explaining(self.path), self._writing, self._using:
            self._require_same_file()
            conn = self._db.conn
            conn.execute(f"pragma synchronous = {'full' if durable else 'normal'}")
            conn.execute("begin immediate")
            try:
                yield self._db
                conn.commit()
            except BaseException:
                conn.rollback()
                raise
            self._bound_wal()

    def size(self) -> int:
        """Return how many bytes a copy may take."""
        with self.reading() as db:
            pages = db.execute("pragma page_count").fetchone()[0]
            return pages * db.execute("pragma page_size").fetchone()[0]

    def copy_to(self, path: Path) -> None:
        """Write a copy as of one moment into an absent or empty file; readers and writers go on.

        What was deleted is not in it. Raises StoreError, about ``path``.
        """
        with explaining(path), self._using:
            self._db.conn.execute("vacuum into ?", [str(path)])

    @property
    def _db(self) -> Database:
        if not hasattr(self._local, "db"):
            self._local.db = Database(self._connect())
            self._open[self._local.db] = threading.RLock()
        return self._local.db

    @property
    def _using(self) -> Any:
        """Return the lock of this thread's connection."""
        return self._open[self._db]

    def _connect(self) -> sqlite3.Connection:
        self._require_same_file()
        # Never rwc: a thread that comes after the file went must not make an empty one.
        connection = self._connection("mode=rw")
        try:
            connection.execute("select 1 from sqlite_master").fetchone()
        except sqlite3.OperationalError:
            # On a read-only disk SQLite cannot make its -shm file. Without a -wal nobody has
            # written since, and nobody can.
            wal = self._beside("-wal")
            if os.access(self.path.parent, os.W_OK) or (wal.exists() and wal.stat().st_size):
                raise
            connection.close()
            connection = self._connection("mode=ro&immutable=1")
        connection.execute("pragma foreign_keys = on")
        return connection

    def _connection(self, how: str) -> sqlite3.Connection:
        # check_same_thread off only so that close() may close other threads' connections.
        return sqlite3.connect(
            f"{self.path.resolve().as_uri()}?{how}",
            uri=True,
            timeout=BUSY_SECONDS,
            check_same_thread=False,
        )

    def _require_same_file(self) -> None:
        """Refuse a file put in the place of the one that was opened: what is written would go."""
        try:
            now = os.stat(self.path)
        except FileNotFoundError:
            now = None
        identity = now and (now.st_dev, now.st_ino)
        if self._identity is None:
            self._identity = identity
        if identity is None or identity != self._identity:
            what = "被删除了" if identity is None else "被换成了另一个文件"
            raise StoreError(
                f"{self.path}: 打开之后{what}, 没有写入。怎么办: 放回原来的文件, 或重启本程序"
                "; 要换成备份, 用 python -m indexer restore, 服务不必停"
            )

    def _bound_wal(self) -> None:
        """Write the write-ahead log back when it has grown; a reader that lasts puts it off."""
        try:
            size = self._beside("-wal").stat().st_size
        except OSError:
            return
        if size <= self._checkpoint_above:
            return
        conn = self._db.conn
        conn.execute(f"pragma busy_timeout = {_CHECKPOINT_WAIT}")
        try:
            busy = conn.execute("pragma wal_checkpoint(truncate)").fetchone()[0]
        except sqlite3.OperationalError:
            busy = 1  # what was committed is committed: this is no failure of it
        finally:
            conn.execute(f"pragma busy_timeout = {1000 * BUSY_SECONDS}")
        # Not at every commit again while a long reader lasts.
        self._checkpoint_above = size + WAL_LIMIT // 2 if busy else WAL_LIMIT

    def _beside(self, suffix: str) -> Path:
        return self.path.with_name(self.path.name + suffix)


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the disk, met at this file, into StoreError with the remedy."""
    try:
        yield
    except (sqlite3.DatabaseError, OSError) as error:
        kind = DamagedError if _says_damaged(error) else StoreError
        raise kind(f"{path}: {explained(error, path)}") from error


def explained(error: Exception, path: Path) -> str:
    """Return what an error of SQLite or of the disk means for a database, and the remedy."""
    name = getattr(error, "sqlite_errorname", "")
    text = str(error)
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) or "locked" in text:
        return (
            f"{text}: 另一个进程正在写入, 等了 {BUSY_SECONDS} 秒。"
            f"怎么办: 等它结束后再试; 看是谁: fuser -v {path}"
        )
    full = name == "SQLITE_FULL" or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT)
    if full:
        return (
            f"{text}: 磁盘已满, 这次没有写入, 以前的都在。"
            f"怎么办: 清出空间后再试; 看还剩多少: df -h {path.parent}"
        )
    failed = name.startswith("SQLITE_IOERR") or getattr(error, "errno", None) == errno.EIO
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM")) or (
        isinstance(error, OSError) and not failed
    ):
        return (
            f"{text}: 打不开, 或不可写。"
            f"怎么办: 检查文件和目录对本程序的用户是否可写: ls -ld {path} {path.parent}"
        )
    if _says_damaged(error):
        return (
            f"已损坏 ({text})。怎么办: 恢复最近的备份: python -m indexer restore 备份.db "
            f"--db {path}; 没有备份, 就抢救读得出的: "
            f"python -m indexer check --db {path} --salvage 抢救.db"
        )
    if failed:
        return f"{text}: 磁盘读写失败。怎么办: 看磁盘是否还好、是否已满: df -h {path.parent}; dmesg"
    return text


def _says_damaged(error: Exception) -> bool:
    name = getattr(error, "sqlite_errorname", "")
    return name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))
