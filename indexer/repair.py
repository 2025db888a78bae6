"""What can be made again from the rest, and what can still be read of a damaged file?

In: a store and its encoder, or a damaged file. Out: what was done, in words. Vectors, indexes and
the rows of standard questions are derived; entries, keywords, settings and the log stay as they
are.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from distill.encoder import Encoder
from indexer.build import publish
from indexer.check import faulty_vectors, wrong_standard_questions
from indexer.database_file import explaining
from indexer.errors import StoreError
from indexer.options import BY
from indexer.store import Store

_SHOWN = 5


def repair(store: Store, encoder: Encoder) -> list[str]:
    """Make everything derived anew where it is faulty; return what was done.

    Raises StoreError if SQLite cannot read the file even with new indexes.
    """
    done = []
    if store.structure_problems():
        with store.transaction() as db:
            db.execute("reindex")
        if left := store.structure_problems():
            raise StoreError(
                f"{store.path}: 重建索引之后仍然损坏 ({left[0]})。怎么办: 恢复最近的备份: "
                f"python -m indexer restore 备份.db --db {store.path}; 没有备份, 就抢救读得出的: "
                f"python -m indexer check --db {store.path} --salvage 抢救.db"
            )
        done.append("重建了索引")
    with store.transaction() as db:
        lost = db.execute(
            "select text from questions where entry_key not in (select key from entries)"
        ).fetchall()
        db.execute("delete from questions where entry_key not in (select key from entries)")
        orphans = db.execute(
            "delete from vectors where key not in"
            " (select vector_key from questions union all select vector_key from other_texts)"
        ).rowcount
    if lost:
        shown = "、".join(f"「{text}」" for (text,) in lost[:_SHOWN])
        done.append(f"删去了 {len(lost)} 个问题, 它们的条目已经不在: {shown}")
    if orphans:
        done.append(f"删去了 {orphans} 个没有用处的向量")
    snapshot = store.snapshot()
    if not snapshot.revision:
        return done
    entries = [snapshot.entries[key] for key in wrong_standard_questions(snapshot)]
    faulty = faulty_vectors(store, encoder, snapshot)
    if faulty or entries:
        distrusted = {fault.key for fault in faulty}
        published = publish(
            store, snapshot, encoder, entries, by=BY, what="修复", afresh=True,
            distrusted=distrusted,
        )  # fmt: skip
        done += [f"条目 {entry.key}: 标准问重新存为问题" for entry in entries]
        done.append(
            f"重算了 {published.encoded} 个向量, 已发布第 {published.revision} 版"
            "; 服务如果正在运行, 重启它"
        )
    return done


def salvage(damaged: Path, target: Path) -> list[str]:
    """Copy every row that can be read of a damaged database into a new one; return what was.

    Of a table with an unreadable place, what lies before it and behind it is copied. Raises
    StoreError if nothing can be read, or the new file is there already.
    """
    if target.exists():
        raise StoreError(f"{target}: 已存在, 没有覆盖。怎么办: 换一个文件名")
    if not damaged.exists():
        raise StoreError(f"{damaged}: 没有这个文件")
    done = []
    with explaining(damaged), closing(sqlite3.connect(damaged)) as old:
        tables = old.execute(
            "select name, sql from sqlite_master"
            " where type = 'table' and name not like 'sqlite_%' order by name"
        ).fetchall()
        Store.create(target).close()
        with closing(sqlite3.connect(target)) as new:
            new.execute("pragma synchronous = full")
            for table, sql in tables:
                if not new.execute(f'pragma table_info("{table}")').fetchall():
                    new.execute(sql)
                rows, whole = _copy(old, new, table)
                done.append(f"{table}: {rows} 行" + ("" if whole else ", 有一段读不出, 丢失"))
            new.commit()
    return done


def _copy(old: sqlite3.Connection, new: sqlite3.Connection, table: str) -> tuple[int, bool]:
    """Copy a table forwards, and backwards from its end if it breaks off; say whether it did."""
    known = {row[1] for row in new.execute(f'pragma table_info("{table}")')}
    names = [row[1] for row in old.execute(f'pragma table_info("{table}")') if row[1] in known]
    columns = ", ".join(f'"{name}"' for name in names)
    marks = ", ".join("?" * len(names))
    last, count = -(2**63), 0
    for order in ("asc", "desc"):
        try:
            for row in old.execute(
                f'select rowid, {columns} from "{table}" not indexed where rowid > ?'
                f" order by rowid {order}",
                [last],
            ):
                if order == "asc":
                    last = row[0]
                inserted = new.execute(
                    f'insert or ignore into "{table}" ({columns}) values ({marks})', row[1:]
                )
                count += inserted.rowcount
        except sqlite3.DatabaseError:
            continue
        if order == "asc":
            return count, True
    return count, False
