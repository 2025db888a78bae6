import sqlite3
import stat
import threading
from dataclasses import replace

import numpy as np
import pytest

from indexer import backup as backups
from indexer.backup import backup, inspect, restore
from indexer.errors import StoreError
from indexer.publication import Publication
from indexer.records import Entry
from indexer.store import Store

ROW = {"query": "退货", "decision": "reject", "reason": "", "entry_key": "", "revision": 1}


def entry(number):
    return Entry(key=f"k{number}", question=f"问题 {number}", answer=f"答案 {number}")


def publish(store, *entries):
    base = store.snapshot()
    kept = {**base.entries, **{e.key: e for e in entries}}
    keys = {e.question: f"key of {e.question}" for e in kept.values()}
    vectors = {key: np.full(4, 0.5, np.float32) for key in keys.values()}
    return store.publish(Publication(base, entries, keys, vectors, {"encoder": "abc"}))


@pytest.fixture
def store(tmp_path):
    made = Store.create(tmp_path / "faq.db")
    publish(made, entry(1), entry(2))
    yield made
    made.close()


def test_a_backup_holds_what_the_database_held_and_only_its_owner_reads_it(store, tmp_path):
    store.log_queries([ROW | {"trace_id": "a", "hits": []}])
    target = tmp_path / "b.db"
    found = backup(store, target)
    assert (found.revision, found.rows["entries"], found.rows["query_log"]) == (1, 2, 1)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    copy = Store.open(target)
    assert copy.snapshot().entries == store.snapshot().entries
    assert copy.logged_queries() == store.logged_queries()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_what_was_pruned_is_not_in_the_backup(store, tmp_path):
    secret = "我的秘密提问"
    store.log_queries([ROW | {"trace_id": "a", "hits": [], "query": secret}])
    with store.transaction() as db:
        db.execute("delete from query_log")
    backup(store, tmp_path / "b.db")
    assert secret.encode() not in (tmp_path / "b.db").read_bytes()


def test_nothing_is_overwritten_unless_forced_and_never_the_database_itself(store, tmp_path):
    target = tmp_path / "b.db"
    target.write_text("mine")
    with pytest.raises(StoreError, match="--force"):
        backup(store, target)
    assert target.read_text() == "mine"
    backup(store, target, force=True)
    assert inspect(target).revision == 1
    with pytest.raises(StoreError, match="就是要备份的数据库"):
        backup(store, store.path, force=True)


def test_a_database_in_use_is_never_overwritten_by_a_backup_of_another(store, tmp_path):
    other = Store.create(tmp_path / "other.db")
    publish(other, entry(7))
    with pytest.raises(StoreError, match="正在使用"):
        backup(store, other.path, force=True)
    assert list(other.snapshot().entries) == ["k7"]


def test_a_disk_without_room_is_left_alone(store, tmp_path, monkeypatch):
    usage = backups.shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(backups.shutil, "disk_usage", lambda path: usage)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(StoreError, match="df -h"):
        backup(store, tmp_path / "b.db")
    assert sorted(tmp_path.iterdir()) == before


def test_backups_taken_while_another_thread_publishes_and_logs_are_each_whole(store, tmp_path):
    stop = threading.Event()
    failures = []

    def write():
        try:
            for number in range(10, 10_000):
                if stop.is_set():
                    return
                publish(store, entry(number))
                store.log_queries([ROW | {"trace_id": str(number), "hits": []}])
        except StoreError as error:
            failures.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for number in range(8):
            found = backup(store, tmp_path / f"b{number}.db")
            # Each publication after the first adds one entry.
            assert found.rows["entries"] == found.rows["questions"] == found.revision + 1
    finally:
        stop.set()
        thread.join()
    assert failures == []


def test_what_is_restored_is_a_new_revision_that_an_open_store_sees(store, tmp_path):
    source = tmp_path / "b.db"
    backup(store, source)
    now = store.snapshot()
    publish(store, replace(entry(1), answer="改过"), entry(3))
    publish(store, entry(4))
    store.log_queries([ROW | {"trace_id": "later", "hits": []}])
    highest = max(q.id for q in store.snapshot().questions)

    done = restore(source, store.path, "运营甲")
    assert (done.revision, done.live) == (4, True)
    after = store.snapshot()
    assert (after.revision, after.entries, after.questions) == (4, now.entries, now.questions)
    assert store.logged_queries() == []
    assert store.integrity_problems() == []
    assert store.last_change("k1").revision == 1

    kept = Store.open(done.kept)
    assert (kept.revision(), len(kept.snapshot().entries)) == (3, 4)
    assert [row["trace_id"] for row in kept.logged_queries()] == ["later"]

    publish(store, entry(5))
    assert min(q.id for q in store.snapshot().questions if q.entry_key == "k5") > highest
    assert restore(done.kept, store.path, "").revision == 6


def test_a_restored_database_is_at_the_same_schema(store, tmp_path):
    def schema():
        with store.reading() as db:
            return sorted(db.execute("select type, name, sql from sqlite_master").fetchall())

    before = schema()
    backup(store, tmp_path / "b.db")
    restore(tmp_path / "b.db", store.path, "")
    assert schema() == before


def test_sessions_do_not_come_back(store, tmp_path):
    with store.transaction() as db:
        db.execute("create table sessions (token_hash text primary key)")
        db.execute("insert into sessions values ('x')")
    backup(store, tmp_path / "b.db")
    restore(tmp_path / "b.db", store.path, "")
    with store.reading() as db:
        assert db.execute("select count(*) from sessions").fetchone() == (0,)


def test_a_restoration_that_fails_half_way_changes_nothing(store, tmp_path, monkeypatch):
    backup(store, tmp_path / "b.db")
    publish(store, entry(3))

    def broken(*_):
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(backups.revisions, "record", broken)
    with pytest.raises(StoreError):
        restore(tmp_path / "b.db", store.path, "")
    assert store.revision() == 2
    assert len(Store.open(store.path).snapshot().entries) == 3


def damage(path):
    data = bytearray(path.read_bytes())
    for page in range(1, len(data) // 4096):
        data[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    path.write_bytes(data)


def test_a_damaged_backup_is_refused_and_the_database_stays(store, tmp_path):
    source = tmp_path / "b.db"
    backup(store, source)
    damage(source)
    with pytest.raises(StoreError, match="怎么办"):
        restore(source, store.path, "")
    assert store.revision() == 1


def test_a_backup_without_all_its_questions_is_refused(store, tmp_path):
    source = tmp_path / "b.db"
    backup(store, source)
    with sqlite3.connect(source) as db:
        db.execute("delete from questions where id = 1")
    with pytest.raises(StoreError, match="条目没有标准问"):
        restore(source, store.path, "")


def test_a_backup_of_a_newer_version_is_refused(store, tmp_path):
    source = tmp_path / "b.db"
    backup(store, source)
    with sqlite3.connect(source) as db:
        db.execute(
            "insert into _sqlite_migrations (migration_set, name) values ('indexer', 'm999')"
        )
    with pytest.raises(StoreError, match="升级"):
        restore(source, store.path, "")


def test_a_damaged_database_is_exchanged_as_a_file_and_kept(store, tmp_path):
    source = tmp_path / "b.db"
    backup(store, source)
    store.close()
    damage(store.path)
    done = restore(source, store.path, "")
    assert not done.live and done.kept.exists()
    assert len(Store.open(store.path).snapshot().entries) == 2


def test_an_absent_database_is_made_of_the_backup(store, tmp_path):
    backup(store, tmp_path / "b.db")
    done = restore(tmp_path / "b.db", tmp_path / "new.db", "")
    assert (done.kept, done.live) == (None, False)
    assert Store.open(tmp_path / "new.db").revision() == 1


def test_another_programs_database_is_not_restored_over(store, tmp_path):
    backup(store, tmp_path / "b.db")
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as db:
        db.execute("create table t (x)")
    before = foreign.read_bytes()
    with pytest.raises(StoreError, match="别的程序"):
        restore(tmp_path / "b.db", foreign, "")
    assert foreign.read_bytes() == before
