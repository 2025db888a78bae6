"""Where does everything lie? One SQLite file: the only place where SQL of the FAQ is written.

In and out: records. A store may be shared by threads: each reads on its own connection, writes
take turns and are whole transactions.
"""

import json
import sqlite3
import threading
import weakref
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlite_utils import Database

from indexer.errors import PublishError, StoreError
from indexer.migrations import APPLICATION_ID, migrations
from indexer.records import Entry, Question

_JSON_FIELDS = ("negatives", "tags", "related", "extra")
_SQLITE_MAGIC = b"SQLite format 3\0"


@dataclass(frozen=True)
class Snapshot:
    """All entries and questions of one revision, read in one transaction."""

    revision: int
    settings: Mapping[str, Any]
    entries: Mapping[str, Entry]  # in file order
    questions: tuple[Question, ...]
    vector_keys: Mapping[int, str]  # by question id


@dataclass(frozen=True)
class Publication:
    """What one commit changes. Questions of ``entries`` are replaced where their text changed."""

    base_revision: int  # what the change was computed from
    entries: Sequence[Entry]  # new or changed, whole
    # (entry key, text) → key of the vector, for every question of the resulting FAQ
    vector_keys: Mapping[tuple[str, str], str]
    vectors: Mapping[str, np.ndarray]  # the new ones, float32 (d,)
    settings: Mapping[str, Any]
    kept: Collection[str] = ()  # keys of vectors that are no question's: of answers and 反例


class Store:
    """The database of one FAQ."""

    def __init__(self, path: Path) -> None:
        """Use ``Store.open`` or ``Store.create``."""
        self.path = path
        self._local = threading.local()
        self._writing = threading.RLock()
        # Weakly: a thread that ends takes its connection with it.
        self._open: weakref.WeakSet[Database] = weakref.WeakSet()

    @classmethod
    def open(cls, path: Path) -> "Store":
        """Open an existing database; raises StoreError if it is missing, foreign or damaged."""
        if not path.exists():
            raise StoreError(
                f"{path}: 没有这个数据库。先建库: python -m indexer build 问答表 --db {path}"
            )
        return cls._checked(path)

    @classmethod
    def create(cls, path: Path) -> "Store":
        """Open a database, making an empty one if there is none."""
        if not path.parent.is_dir():
            raise StoreError(f"{path}: 所在目录不存在。先建目录: mkdir -p {path.parent}")
        return cls._checked(path)

    @classmethod
    def _checked(cls, path: Path) -> "Store":
        store = cls(path)
        try:
            with store._explaining():
                store._require_ours()
                with store._writing:
                    # Only what is not so yet: reading must not need the write lock.
                    if store._db.journal_mode != "wal":
                        store._db.enable_wal()
                    if store._application_id() != APPLICATION_ID:
                        store._db.execute(f"pragma application_id = {APPLICATION_ID}")
                    if migrations.pending(store._db):
                        migrations.apply(store._db)
        except StoreError:
            store.close()
            raise
        return store

    def close(self) -> None:
        """Close the connections of all threads."""
        for db in list(self._open):
            db.conn.close()

    # Reading

    def snapshot(self) -> Snapshot:
        """Read the whole FAQ as of one revision."""
        with self.reading() as db:
            settings = {
                r["name"]: json.loads(r["value"]) for r in db.query("select * from settings")
            }
            questions, vector_keys = [], {}
            for row in db.query("select * from questions order by id"):
                vector_keys[row["id"]] = row.pop("vector_key")
                questions.append(Question(**row))
            variants: dict[str, list[str]] = {}
            for question in questions:
                if question.kind == "similar":
                    variants.setdefault(question.entry_key, []).append(question.text)
            entries = {}
            for row in db.query("select * from entries order by position, key"):
                row.pop("position")
                row |= {name: json.loads(row[name]) for name in _JSON_FIELDS}
                row |= {name: tuple(row[name]) for name in ("negatives", "tags", "related")}
                row["enabled"] = bool(row["enabled"])
                row["variants"] = tuple(variants.get(row["key"], ()))
                entries[row["key"]] = Entry(**row)
        return Snapshot(
            settings.get("revision", 0), settings, entries, tuple(questions), vector_keys
        )

    def revision(self) -> int:
        """Return the number of the published revision; 0 before the first."""
        return self.setting("revision", 0)

    def setting(self, name: str, default: Any = None) -> Any:
        """Return a stored setting."""
        with self.reading() as db:
            rows = list(db.query("select value from settings where name = ?", [name]))
        return json.loads(rows[0]["value"]) if rows else default

    def vectors(self, keys: Sequence[str]) -> dict[str, np.ndarray]:
        """Return the stored vectors, float32 (d,), of those keys that have one."""
        found = {}
        with self.reading() as db:
            for start in range(0, len(keys), 500):
                part = list(keys[start : start + 500])
                marks = ",".join("?" * len(part))
                rows = db.execute(f"select key, vector from vectors where key in ({marks})", part)
                for key, blob in rows.fetchall():
                    found[key] = np.frombuffer(blob, dtype="<f4")
        return found

    def integrity_problems(self) -> list[str]:
        """Return what SQLite itself finds wrong with the file and its references."""
        with self.reading() as db:
            rows = [row[0] for row in db.execute("pragma integrity_check").fetchall()]
            problems = [] if rows == ["ok"] else rows
            for table, _, parent, _ in db.execute("pragma foreign_key_check").fetchall():
                problems.append(f"a row of {table} refers to a missing row of {parent}")
        return problems

    # Writing

    def publish(self, change: Publication) -> int:
        """Commit a change whole, or not at all; return the new revision.

        Raises PublishError if another process published since the change was computed.
        """
        with self.transaction() as db:
            revision = self.revision()
            if revision != change.base_revision:
                raise PublishError(
                    f"{self.path}: 期间已发布了第 {revision} 版 (本次改动基于第 "
                    f"{change.base_revision} 版), 什么也没有改。怎么办: 再运行一次同一命令"
                )
            db.table("vectors").insert_all(
                (
                    {"key": key, "vector": vector.astype("<f4").tobytes()}
                    for key, vector in change.vectors.items()
                ),
                ignore=True,
            )
            for entry in change.entries:
                self._write_entry(db, entry, change.vector_keys)
            current = db.execute("select id, entry_key, text, vector_key from questions").fetchall()
            for question, entry_key, text, vector_key in current:
                wanted = change.vector_keys[entry_key, text]
                if wanted != vector_key:
                    db.execute(
                        "update questions set vector_key = ? where id = ?", [wanted, question]
                    )
            db.execute("create temp table kept (key text primary key)")
            db.conn.executemany("insert into kept values (?)", [(key,) for key in set(change.kept)])
            db.execute(
                "delete from vectors where key not in"
                " (select vector_key from questions union all select key from kept)"
            )
            db.execute("drop table kept")
            self._write_settings(db, {**change.settings, "revision": revision + 1})
        return revision + 1

    def publish_settings(self, settings: Mapping[str, Any]) -> int:
        """Store settings that decide replies, such as thresholds, as a new revision; return it."""
        with self.transaction() as db:
            revision = self.revision() + 1
            self._write_settings(db, {**settings, "revision": revision})
        return revision

    def save_settings(self, settings: Mapping[str, Any]) -> None:
        """Store settings that no reply depends on."""
        with self.transaction() as db:
            self._write_settings(db, settings)

    def log_query(self, row: Mapping[str, Any]) -> None:
        """Add a row to the query log; ``hits`` is a list, the time is set here."""
        row = {
            "feedback": "",
            "chosen": "",
            **row,
            "asked_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "hits": json.dumps(row["hits"], ensure_ascii=False),
        }
        with self.transaction() as db:
            db.table("query_log").insert(row)

    def mark_query(self, trace_id: str, **marks: str) -> None:
        """Set ``feedback`` or ``chosen`` of a logged query; raises KeyError if it is unknown."""
        with self.transaction() as db:
            for column, value in marks.items():
                if column not in ("feedback", "chosen"):
                    raise ValueError(f"query_log has no mark {column}")
                done = db.execute(
                    f"update query_log set {column} = ? where trace_id = ?", [value, trace_id]
                )
                if done.rowcount == 0:
                    raise KeyError(trace_id)

    def logged_queries(self) -> list[dict[str, Any]]:
        """Return the query log, oldest first."""
        with self.reading() as db:
            rows = list(db.query("select * from query_log order by asked_at, rowid"))
        return [row | {"hits": json.loads(row["hits"])} for row in rows]

    def entry_hits(self) -> dict[str, int]:
        """Return how often each entry was answered or chosen."""
        sql = (
            "select coalesce(nullif(chosen, ''), entry_key) as key, count(*) as n"
            " from query_log group by 1 order by n desc, 1"
        )
        with self.reading() as db:
            return {row["key"]: row["n"] for row in db.query(sql) if row["key"]}

    def _write_entry(
        self, db: Database, entry: Entry, vector_keys: Mapping[tuple[str, str], str]
    ) -> None:
        row = {name: getattr(entry, name) for name in Entry.__dataclass_fields__}
        wanted = {entry.question: "standard"} | dict.fromkeys(row.pop("variants"), "similar")
        for name in _JSON_FIELDS:
            value = row[name]
            value = dict(value) if name == "extra" else list(value)
            row[name] = json.dumps(value, ensure_ascii=False)
        row["enabled"] = int(entry.enabled)
        known = list(db.query("select position from entries where key = ?", [entry.key]))
        row["position"] = (
            known[0]["position"]
            if known
            else db.execute("select coalesce(max(position), 0) + 1 from entries").fetchone()[0]
        )
        db.table("entries").upsert(row, pk="key")
        questions = db.table("questions")
        stored = {q["text"]: q for q in questions.rows_where("entry_key = ?", [entry.key])}
        # A question keeps its id while its text stays; the order of new ones is the file's.
        for text, question in stored.items():
            if text not in wanted:
                questions.delete(question["id"])
        for text, kind in wanted.items():
            if text not in stored:
                questions.insert(
                    {
                        "entry_key": entry.key,
                        "text": text,
                        "kind": kind,
                        "vector_key": vector_keys[entry.key, text],
                    }
                )
            elif stored[text]["kind"] != kind:
                questions.update(stored[text]["id"], {"kind": kind})

    def _write_settings(self, db: Database, settings: Mapping[str, Any]) -> None:
        db.table("settings").upsert_all(
            (
                {"name": name, "value": json.dumps(value, ensure_ascii=False)}
                for name, value in settings.items()
            ),
            pk="name",
        )

    # Connections

    @property
    def _db(self) -> Database:
        if not hasattr(self._local, "db"):
            # check_same_thread off only so that close() may close other threads' connections.
            connection = sqlite3.connect(self.path, timeout=10, check_same_thread=False)
            connection.execute("pragma foreign_keys = on")
            connection.execute("pragma synchronous = normal")
            self._local.db = Database(connection)
            self._open.add(self._local.db)
        return self._local.db

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """Open a read transaction, so that several SELECTs see one revision.

        For the modules that keep tables of their own in this database. Raises StoreError.
        """
        with self._explaining():
            if self._db.conn.in_transaction:
                yield self._db
                return
            self._db.conn.execute("begin")
            try:
                yield self._db
            finally:
                self._db.conn.rollback()

    @contextmanager
    def transaction(self) -> Iterator[Database]:
        """Hold the write lock from the start: a deferred BEGIN fails when two writers upgrade.

        All is undone if anything is raised. Raises StoreError.
        """
        with self._explaining(), self._writing:
            self._db.conn.execute("begin immediate")
            try:
                yield self._db
            except BaseException:
                self._db.conn.rollback()
                raise
            self._db.conn.commit()

    def _require_ours(self) -> None:
        if not self.path.exists() or self.path.stat().st_size == 0:
            return
        with self.path.open("rb") as file:
            magic = file.read(len(_SQLITE_MAGIC))
        if magic != _SQLITE_MAGIC:
            raise StoreError(f"{self.path}: 不是 SQLite 数据库。把它移走, 或换一个路径: --db 文件")
        # Ours, killed while being created, may still be an empty file without the mark.
        tables = self._db.execute("select count(*) from sqlite_master").fetchone()[0]
        if self._application_id() != APPLICATION_ID and tables:
            raise StoreError(
                f"{self.path}: 是别的程序的 SQLite 数据库, 没有动它。换一个路径: --db 文件"
            )

    def _application_id(self) -> int:
        return self._db.execute("pragma application_id").fetchone()[0]

    @contextmanager
    def _explaining(self) -> Iterator[None]:
        """Turn SQLite's errors into ours, with the remedy."""
        try:
            yield
        except (sqlite3.OperationalError, OSError) as error:
            if "locked" in str(error):
                remedy = "另一个进程正在写入, 等它结束后再试"
            else:
                remedy = "检查文件和目录是否可写、磁盘是否已满"
            raise StoreError(f"{self.path}: {error}; {remedy}") from error
        except sqlite3.DatabaseError as error:
            if not any(sign in str(error) for sign in ("malformed", "not a database")):
                raise StoreError(f"{self.path}: {error}") from error
            raise StoreError(
                f"{self.path}: 已损坏 ({error})。先试着导出: "
                f"python -m indexer export 抢救.csv --db {self.path}; 再把它移走, 重新建库: "
                f"python -m indexer build 问答表 --db {self.path}"
            ) from error
