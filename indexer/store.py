"""Where does everything lie? One SQLite file: the only place where SQL of the FAQ is written.

In and out: records. A store may be shared by threads; see database_file.py.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sqlite_utils import Database

from indexer import revisions
from indexer.database_file import DatabaseFile, explaining
from indexer.errors import PublishError, StoreError
from indexer.migrations import APPLICATION_ID, migrations
from indexer.publication import Publication, Snapshot, Steps, outcome, steps_of
from indexer.records import Entry, Question

_SQLITE_MAGIC = b"SQLite format 3\0"
_AT_A_TIME = 1000  # vectors that are written in one transaction
_CACHE, _LARGE_CACHE = -2000, -32_000  # KB, negative as SQLite wants it; the first is its default
_PAUSE = 0.05  # seconds, at most, between two of them
# Columns of the query log, and what those say that a row may leave out.
_UNMARKED = {"text": "", "milliseconds": None, "feedback": "", "chosen": ""}
_LOGGED = (
    *("trace_id", "asked_at", "query", "decision", "reason", "entry_key", "hits", "revision"),
    *_UNMARKED,
)


class Store(DatabaseFile):
    """The database of one FAQ."""

    def __init__(self, path: Path) -> None:
        """Use ``Store.open`` or ``Store.create``."""
        super().__init__(path)
        # Of the newest revision seen: what is published has a new number, so it cannot grow old.
        self._latest: Snapshot | None = None

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
        with explaining(path):
            path.touch()
        return cls._checked(path)

    @classmethod
    def open_as_it_is(cls, path: Path) -> "Store":
        """Open an existing database of this version or an earlier one, and write nothing."""
        if not path.exists():
            raise StoreError(f"{path}: 没有这个文件")
        store = cls(path)
        try:
            with explaining(path):
                store._require_ours()
                store._require_not_newer()
        except StoreError:
            store.close()
            raise
        return store

    @classmethod
    def _checked(cls, path: Path) -> "Store":
        store = cls(path)
        try:
            with explaining(path):
                store._require_ours()
                store._require_not_newer()
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

    # Reading

    def snapshot(self) -> Snapshot:
        """Read the whole FAQ as of one revision."""
        committed = not self._db.conn.in_transaction
        with self.reading() as db:
            settings = {
                name: json.loads(value)
                for name, value in db.execute("select name, value from settings")
            }
            latest = self._latest
            if latest is not None and latest.revision == settings.get("revision", 0):
                return replace(latest, settings=settings)
            questions, vector_keys = [], {}
            variants: dict[str, list[str]] = {}
            sql = "select id, entry_key, text, kind, vector_key from questions order by id"
            for number, entry_key, text, kind, vector_key in db.execute(sql):
                questions.append(Question(number, entry_key, text, kind))
                vector_keys[number] = vector_key
                if kind == "similar":
                    variants.setdefault(entry_key, []).append(text)
            entries, positions = {}, {}
            names = "key, question, answer, category, enabled, valid_from, valid_to, position"
            lists = "negatives, tags, related, extra"
            for row in db.execute(f"select {names}, {lists} from entries order by position, key"):
                key, question, answer, category, enabled, valid_from, valid_to, position = row[:8]
                negatives, tags, related = map(_tuple, row[8:11])
                positions[key] = position
                entries[key] = Entry(
                    key=key,
                    question=question,
                    variants=tuple(variants.get(key, ())),
                    negatives=negatives,
                    answer=answer,
                    category=category,
                    tags=tags,
                    enabled=bool(enabled),
                    valid_from=valid_from,
                    valid_to=valid_to,
                    related=related,
                    extra={} if row[11] == "{}" else json.loads(row[11]),
                )
            other_keys = dict(db.execute("select text, vector_key from other_texts").fetchall())
        snapshot = Snapshot(
            settings.get("revision", 0),
            settings,
            entries,
            tuple(questions),
            vector_keys,
            other_keys,
            positions,
        )
        if committed:
            self._latest = snapshot
        return snapshot

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
                    if len(blob) % 4 == 0:  # else it is damaged, and as good as none
                        found[key] = np.frombuffer(blob, dtype="<f4")
        return found

    def last_change(self, key: str) -> revisions.Revision | None:
        """Return the revision in which an entry changed, or was deleted, last; None if unknown."""
        with self.reading() as db:
            return revisions.last_change(db, key)

    def structure_problems(self) -> list[str]:
        """Return what SQLite itself finds wrong with the file."""
        with self.reading() as db:
            rows = [row[0] for row in db.execute("pragma integrity_check").fetchall()]
        return [] if rows == ["ok"] else rows

    def integrity_problems(self) -> list[str]:
        """Return what is wrong with the file, and rows that refer to missing ones."""
        with self.reading() as db:
            return self.structure_problems() + [
                f"a row of {table} refers to a missing row of {parent}"
                for table, _, parent, _ in db.execute("pragma foreign_key_check").fetchall()
            ]

    # Writing

    def publish(self, change: Publication) -> int:
        """Commit a change whole, or not at all; return the new revision.

        Raises PublishError if another process published since the change was computed, or if an
        entry to delete is not there.
        """
        # All comparing comes first: while the transaction lasts, nobody else can log a query.
        steps = steps_of(change)
        replaced = {**steps.replaced, **dict.fromkeys(steps.new)}
        packed = revisions.pack_entries(replaced)
        needed = len(set(change.vector_keys.values()))
        ahead = len(change.vectors) > _AT_A_TIME and change.base.revision == self.revision()
        if ahead:
            self._write_vectors_ahead(change.vectors)
        with self.transaction() as db:
            revision = self.revision()
            if revision != change.base.revision:
                raise PublishError(
                    f"{self.path}: 期间已发布了第 {revision} 版 (本次改动基于第 "
                    f"{change.base.revision} 版), 什么也没有改。怎么办: 再运行一次同一命令"
                )
            if ahead:  # every new question is looked for among the vectors: halves its time
                db.execute(f"pragma cache_size = {_LARGE_CACHE}")
            else:
                _write_vectors(db, change.vectors, list(change.vectors))
            _write_entries(db, steps, revision + 1)
            first_id = _write_questions(db, steps)
            _drop_vectors(db, steps, needed)
            db.execute(f"pragma cache_size = {_CACHE}")
            self._publish_settings(
                db,
                revision + 1,
                change.settings,
                replaced,
                packed,
                {entry.key: entry for _, entry in steps.entries},
                change.by,
                change.what,
                change.regression,
            )
        self._latest = outcome(change, steps, first_id)
        return revision + 1

    def publish_settings(
        self,
        settings: Mapping[str, Any],
        by: str = "",
        what: str = "",
        regression: Mapping[str, Any] | None = None,
    ) -> int:
        """Store settings that decide replies, such as thresholds, as a new revision; return it.

        None takes a setting away. ``by`` and ``what`` as in ``Publication``. Keywords and synonyms
        ask for other vectors: publish them with build.py.
        """
        with self.transaction() as db:
            revision = self.revision() + 1
            packed = revisions.pack_entries({})
            self._publish_settings(db, revision, settings, {}, packed, {}, by, what, regression)
        if self._latest is not None and self._latest.revision == revision - 1:
            self._latest = replace(self._latest, revision=revision)
        return revision

    def save_settings(self, settings: Mapping[str, Any]) -> None:
        """Store settings that no reply depends on."""
        with self.transaction() as db:
            self._write_settings(db, settings)

    def log_queries(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows to the query log: all of them, or none if StoreError is raised.

        ``hits`` is a list; ``asked_at``, UTC in ISO 8601, is now unless a row brings its own.
        Writing the same rows again adds nothing. The last rows may go with the power, as may marks.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        names = ", ".join(_LOGGED)
        whole = [{"asked_at": now, **_UNMARKED, **row, "hits": _json(row["hits"])} for row in rows]
        values = [tuple(row[name] for name in _LOGGED) for row in whole]
        with self.transaction(durable=False) as db:
            db.conn.executemany(
                f"insert into query_log ({names}) values ({', '.join('?' * len(_LOGGED))})"
                " on conflict (trace_id) do nothing",
                values,
            )

    def mark_query(self, trace_id: str, **marks: str) -> None:
        """Set ``feedback`` or ``chosen`` of a logged query; raises KeyError if it is unknown."""
        with self.transaction(durable=False) as db:
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

    def _write_vectors_ahead(self, vectors: Mapping[str, np.ndarray]) -> None:
        """Write vectors in short transactions, between which others can write.

        Nothing refers to them yet, so nobody sees them; an import that is broken off finds them
        when it is run again.
        """
        keys = sorted(vectors)  # neighbours in the index are written together
        for start in range(0, len(keys), _AT_A_TIME):
            began = time.monotonic()
            with self.transaction(durable=False) as db:  # the publication will sync them
                _write_vectors(db, vectors, keys[start : start + _AT_A_TIME])
            # Whoever waits looks again after a while only: leave the lock free as long as it was
            # held.
            time.sleep(min(time.monotonic() - began, _PAUSE))

    def _publish_settings(
        self,
        db: Database,
        revision: int,
        settings: Mapping[str, Any],
        replaced: Mapping[str, tuple[int, Entry] | None],
        packed: bytes,
        written: Mapping[str, Entry],
        by: str,
        what: str,
        regression: Mapping[str, Any] | None,
    ) -> None:
        """Write settings, the number of the revision, and its row in the history."""
        before = {name: self.setting(name) for name in settings}
        # As they will be read: a tuple comes back as a list.
        settings = json.loads(json.dumps(settings))
        changed = {name: before[name] for name in settings if before[name] != settings[name]}
        revisions.record(
            db,
            revision,
            revisions.Replaced(replaced, changed),
            packed,
            written,
            settings,
            by,
            what,
            regression,
        )
        self._write_settings(db, {**settings, "revision": revision})

    def _write_settings(self, db: Database, settings: Mapping[str, Any]) -> None:
        for name, value in settings.items():
            if value is None:
                db.execute("delete from settings where name = ?", [name])
            else:
                stored = {"name": name, "value": json.dumps(value, ensure_ascii=False)}
                db.table("settings").upsert(stored, pk="name")

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

    def _require_not_newer(self) -> None:
        known = {migration.name for migration in migrations.pending(Database(memory=True))}
        unknown = sorted({done.name for done in migrations.applied(self._db)} - known)
        if unknown:
            raise StoreError(
                f"{self.path}: 由更新的版本写成 ({unknown[0]}), 没有动它。怎么办: 升级本程序"
            )

    def _application_id(self) -> int:
        return self._db.execute("pragma application_id").fetchone()[0]


def _tuple(text: str) -> tuple[str, ...]:
    return () if text == "[]" else tuple(json.loads(text))


def _write_entries(db: Database, steps: Steps, revision: int) -> None:
    """Write changed entries; the deleted ones go with their questions, see below."""
    columns = (
        "key, position, question, negatives, answer, category, tags, enabled, valid_from,"
        " valid_to, related, extra, changed_in"
    )
    names = columns.split(", ")
    db.conn.executemany(
        f"insert into entries ({columns}) values ({', '.join('?' * len(names))})"
        f" on conflict (key) do update set {', '.join(f'{n} = excluded.{n}' for n in names[1:])}",
        (
            (
                entry.key,
                position,
                entry.question,
                _json(list(entry.negatives)),
                entry.answer,
                entry.category,
                _json(list(entry.tags)),
                int(entry.enabled),
                entry.valid_from,
                entry.valid_to,
                _json(list(entry.related)),
                _json(dict(entry.extra)),
                revision,
            )
            for position, entry in steps.entries
        ),
    )


def _write_questions(db: Database, steps: Steps) -> int:
    """Write questions and other texts; return the id of the first new question."""
    many = db.conn.executemany
    row = db.execute("select seq from sqlite_sequence where name = 'questions'").fetchone()
    first_id = row[0] + 1 if row else 1
    many("delete from questions where id = ?", ((number,) for number in steps.dropped))
    many(
        "insert into questions (entry_key, text, kind, vector_key) values (?, ?, ?, ?)",
        ((new.entry_key, new.text, new.kind, new.vector_key) for new in steps.added),
    )
    many(
        "update questions set kind = ?, vector_key = ? where id = ?",
        ((kind, key, number) for number, kind, key in steps.altered),
    )
    many("delete from other_texts where text = ?", ((text,) for text in steps.other_dropped))
    many("insert or replace into other_texts values (?, ?)", steps.other_keys.items())
    many("delete from entries where key = ?", ((key,) for key in steps.deleted))
    return first_id


def _write_vectors(db: Database, vectors: Mapping[str, np.ndarray], keys: Sequence[str]) -> None:
    db.conn.executemany(
        "insert into vectors (key, vector) values (?, ?)"
        " on conflict (key) do update set vector = excluded.vector",
        ((key, vectors[key].astype("<f4").tobytes()) for key in keys),
    )


def _drop_vectors(db: Database, steps: Steps, needed: int) -> None:
    """Delete the vectors that no text has any more; ``needed`` is how many then remain."""
    many = ((key,) for key in steps.unused_vectors)
    db.conn.executemany("delete from vectors where key = ?", many)
    # More are there if an import was broken off, or by an earlier version.
    if db.execute("select count(*) from vectors").fetchone()[0] > needed:
        db.execute(
            "delete from vectors where key not in"
            " (select vector_key from questions union all select vector_key from other_texts)"
        )


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
