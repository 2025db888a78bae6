import sqlite3
from contextlib import closing

import numpy as np
import pytest

from indexer.build import plan_import, publish
from indexer.check import find_problems
from indexer.errors import DamagedError, StoreError
from indexer.repair import repair, salvage
from indexer.search import Searcher
from indexer.store import Store
from indexer.table_import import read_table


@pytest.fixture
def store(tmp_path, small_faq, encoder):
    made = Store.create(tmp_path / "faq.db")
    snapshot = made.snapshot()
    publish(made, snapshot, encoder, plan_import(snapshot, read_table(small_faq), "replace").added)
    yield made
    made.close()


def edit(store, *statements):
    """Change the database as no version of this program would."""
    with closing(sqlite3.connect(store.path)) as db:
        for function in (flipped, infinite, unknown):
            db.create_function(function.__name__, 1, function)
        for sql in statements:
            db.execute(sql)
        db.commit()


def flipped(blob):
    """Flip the sign bit of the largest number: the length stays what it was."""
    vector = np.frombuffer(blob, dtype="<f4").copy()
    vector[np.abs(vector).argmax()] *= -1
    return vector.tobytes()


def infinite(blob):
    return np.float32("inf").tobytes() + blob[4:]


def unknown(blob):
    return np.float32("nan").tobytes() + blob[4:]


ONE = "where key = (select min(key) from vectors)"
FAULTS = {
    "a flipped bit": f"update vectors set vector = flipped(vector) {ONE}",
    "another length": f"update vectors set vector = x'00000000' {ONE}",
    "no whole number of floats": f"update vectors set vector = x'0000' {ONE}",
    "not finite": f"update vectors set vector = infinite(vector) {ONE}",
    "not a number": f"update vectors set vector = unknown(vector) {ONE}",
    "zeros": f"update vectors set vector = zeroblob(length(vector)) {ONE}",
    "another text's": (
        f"update vectors set vector = (select vector from vectors order by key desc limit 1) {ONE}"
    ),
    "missing": f"delete from vectors {ONE}",
    "under a wrong key": f"update questions set vector_key = (select key from vectors {ONE})"
    " where id = (select id from questions where vector_key !="
    " (select min(key) from vectors) limit 1)",
    "no standard question": "delete from questions where kind = 'standard' and id = 1",
    "another standard question": "update questions set text = '别的' where id = 1",
    "two standard questions": "update questions set kind = 'standard' where id = 2",
    "a question without entry": "insert into questions (entry_key, text, kind, vector_key)"
    " select 'gone', '没有条目的问题', 'similar', min(key) from vectors",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_derived_is_found_faulty_and_made_anew(fault, store, encoder):
    before = store.snapshot()
    right = Searcher.load(store, encoder).search("想退货")
    edit(store, FAULTS[fault])
    damaged = Store.open(store.path)
    assert find_problems(damaged, encoder)
    assert repair(damaged, encoder)
    assert find_problems(damaged, encoder) == []
    after = damaged.snapshot()
    # A variant that became a standard question cannot be told from one that never was.
    if fault != "two standard questions":
        assert after.entries == before.entries
    assert repair(damaged, encoder) == []
    again = Searcher.load(damaged, encoder).search("想退货")
    assert [hit.entry_id for hit in again.hits] == [hit.entry_id for hit in right.hits]


def test_a_vector_that_nothing_uses_goes(store, encoder):
    edit(store, "insert into vectors values ('unused', x'00000000')")
    assert any("没有用处" in done for done in repair(store, encoder))
    assert store.vectors(["unused"]) == {}


def test_a_sound_database_is_left_as_it_is(store, encoder):
    assert repair(store, encoder) == []
    assert store.revision() == 1


def test_an_index_that_misses_rows_is_built_anew(store, encoder):
    # The index is there, and says that no question has an entry.
    edit(
        store,
        "pragma writable_schema = on",
        "update sqlite_master set sql = sql || ' where 0' where name = 'idx_questions_entry_key'",
    )
    with closing(sqlite3.connect(store.path)) as db:
        db.execute("reindex")
        db.execute("pragma writable_schema = on")
        db.execute(
            "update sqlite_master set sql = replace(sql, ' where 0', '')"
            " where name = 'idx_questions_entry_key'"
        )
        db.commit()
    damaged = Store.open(store.path)
    assert any("missing from index" in problem for problem in find_problems(damaged, encoder))
    assert "重建了索引" in repair(damaged, encoder)
    assert find_problems(damaged, encoder) == []


def test_what_can_be_read_of_a_damaged_file_becomes_a_new_database(store, encoder, tmp_path):
    with store.transaction() as db:
        db.execute("create table users (name text primary key)")
        db.execute("insert into users values ('运营甲')")
        root = db.execute("select rootpage from sqlite_master where name = 'vectors'").fetchone()[0]
    entries = store.snapshot().entries
    store.close()
    data = bytearray(store.path.read_bytes())
    data[(root - 1) * 4096 : root * 4096] = b"\xff" * 4096
    store.path.write_bytes(data)
    with pytest.raises(DamagedError, match="restore"):
        repair(Store.open(store.path), encoder)

    target = tmp_path / "saved.db"
    said = salvage(store.path, target)
    assert any(line.startswith("vectors: 0 行, 有一段读不出") for line in said)
    saved = Store.open(target)
    repair(saved, encoder)
    assert find_problems(saved, encoder) == []
    assert saved.snapshot().entries == entries
    with saved.reading() as db:
        assert db.execute("select name from users").fetchall() == [("运营甲",)]
    with pytest.raises(StoreError, match="已存在"):
        salvage(store.path, target)
