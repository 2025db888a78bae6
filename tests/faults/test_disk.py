"""A disk that is full, read-only or slow, and a file that is not what it was."""

import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from faq_app.service import Service
from indexer import backup as backups
from indexer import database_file, revisions
from indexer.build import plan_import, publish
from indexer.check import find_problems
from indexer.errors import StoreError
from indexer.history import history
from indexer.search import Searcher
from indexer.store import Store
from indexer.table_import import read_table
from tests.conftest import BUNDLE

QUERY = "怎么申请退货"
ROW = {"query": QUERY, "decision": "reject", "reason": "", "entry_key": "", "revision": 1}


@pytest.fixture
def db(tmp_path, small_faq, encoder):
    return built(tmp_path / "faq.db", small_faq, encoder)


def built(path, faq, encoder):
    with closing(Store.create(path)) as store:
        base = store.snapshot()
        publish(store, base, encoder, plan_import(base, read_table(faq), "replace").added)
    return path


def edited(store, encoder, answer):
    base = store.snapshot()
    entry = replace(base.entries["refund"], answer=answer)
    return publish(store, base, encoder, [entry]).revision


def logged(store, number):
    return [ROW | {"trace_id": f"{number}/{n}", "hits": [{"q": "长" * 300}]} for n in range(50)]


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 4 MB; only root may mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if os.getuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_costs_no_reply_and_nothing_published(small_disk, small_faq, encoder):
    path = built(small_disk / "faq.db", small_faq, encoder)
    service = Service.open(path, BUNDLE)
    store = service.store
    assert edited(store, encoder, "写满之前") == 2
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space left"), filler.open("wb") as file:
        while True:
            file.write(b"x" * 4096)
            file.flush()
    with pytest.raises(StoreError, match="磁盘已满.*df -h"):
        edited(store, encoder, "写不下" * 100_000)
    with pytest.raises(StoreError, match="磁盘已满.*df -h"):
        for number in range(1000):
            store.log_queries(logged(store, number))
    assert service.ask(QUERY).entry_id == "refund"
    assert find_problems(Store.open(path), encoder) == []
    assert store.snapshot().entries["refund"].answer == "写满之前"
    filler.unlink()
    assert edited(store, encoder, "又有空间") == 3
    service.close()


def test_a_backup_that_does_not_fit_leaves_nothing(small_disk, db, monkeypatch):
    # Somebody fills the disk after it was looked at.
    plenty = shutil.disk_usage("/")._replace(free=1 << 40)
    monkeypatch.setattr(backups.shutil, "disk_usage", lambda path: plenty)
    with closing(Store.open(db)) as store:
        with store.transaction() as writing:
            writing.execute("create table ballast (x)")
            writing.execute("insert into ballast values (zeroblob(8000000))")
        with pytest.raises(StoreError, match="磁盘已满"):
            backups.backup(store, small_disk / "b.db")
    assert list(small_disk.iterdir()) == []


def test_a_read_only_disk_is_served_from_and_says_so_when_written(small_disk, small_faq, encoder):
    path = built(small_disk / "faq.db", small_faq, encoder)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    service = Service.open(path, BUNDLE)
    assert service.ask(QUERY).entry_id == "refund"
    with pytest.raises(StoreError, match="是否可写|不可写"):
        edited(service.store, encoder, "x")
    with pytest.raises(StoreError, match="ls -ld"):
        service.store.log_queries(logged(service.store, 1))
    assert service.ask("怎么开发票").entry_id == "invoice"
    service.close()


def test_while_another_process_holds_the_lock_customers_are_answered(db, encoder, monkeypatch):
    monkeypatch.setattr(database_file, "BUSY_SECONDS", 0.05)
    service = Service.open(db, BUNDLE)
    with closing(sqlite3.connect(db)) as other:
        other.execute("begin immediate")
        assert service.ask(QUERY).entry_id == "refund"
        with pytest.raises(StoreError, match="另一个进程正在写入.*fuser"):
            edited(service.store, encoder, "x")
        other.rollback()
    assert edited(service.store, encoder, "x") == 2
    service.close()


def test_two_processes_write_in_turn(db):
    count = 40
    script = (
        "import sys; from pathlib import Path; from indexer.store import Store\n"
        "store = Store.open(Path(sys.argv[1]))\n"
        "print(flush=True)\n"
        f"for n in range({count}): store.save_settings({{f'theirs {{n}}': n}})\n"
    )
    command = [sys.executable, "-c", script, str(db)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as other,
        closing(Store.open(db)) as ours,
    ):
        other.stdout.readline()
        for number in range(count):
            ours.save_settings({f"ours {number}": number})
        assert other.wait() == 0
        assert all(
            ours.setting(f"{who} {n}") == n for who in ("ours", "theirs") for n in range(count)
        )


@pytest.mark.parametrize("step", [-400 * 86400, 400 * 86400])
def test_revisions_are_ordered_by_number_whatever_the_clock_says(db, encoder, monkeypatch, step):
    class Shifted(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.fromtimestamp(datetime.now(UTC).timestamp() + step, tz)

    with closing(Store.open(db)) as store:
        store.log_queries(logged(store, 1))
        with monkeypatch.context() as jumped:
            jumped.setattr(revisions, "datetime", Shifted)
            jumped.setattr("indexer.store.datetime", Shifted)
            assert edited(store, encoder, "一") == 2
            store.log_queries(logged(store, 2))
        assert edited(store, encoder, "二") == 3
        assert [r.revision for r in history(store)] == [3, 2, 1]
        assert store.snapshot().entries["refund"].answer == "二"
        assert len(store.logged_queries()) == 100
        assert find_problems(store, encoder) == []


def test_a_file_deleted_under_a_server_is_neither_written_nor_made_anew(db, encoder):
    service = Service.open(db, BUNDLE)
    for suffix in ("", "-wal", "-shm"):
        db.with_name(db.name + suffix).unlink(missing_ok=True)
    found = []
    thread = threading.Thread(target=lambda: found.append(service.ask(QUERY)))
    thread.start()
    thread.join()
    assert found[0].entry_id == service.ask(QUERY).entry_id == "refund"
    with pytest.raises(StoreError, match="被删除了"):
        edited(service.store, encoder, "x")
    assert not db.exists()
    service.close()


def test_a_file_exchanged_under_a_server_is_not_written(db, tmp_path, small_faq, encoder):
    service = Service.open(db, BUNDLE)
    other = built(tmp_path / "other.db", small_faq, encoder)
    os.replace(other, db)
    with pytest.raises(StoreError, match="另一个文件"):
        service.store.log_queries(logged(service.store, 1))
    assert service.ask(QUERY).entry_id == "refund"
    service.close()
    with closing(Store.open(db)) as store:
        assert store.logged_queries() == []


@pytest.mark.parametrize("part", [0.0, 0.1, 0.35, 0.6, 0.9, 0.999])
def test_a_truncated_write_ahead_log_leaves_a_whole_revision(db, tmp_path, encoder, part):
    with closing(Store.open(db)) as store:
        for number in range(6):
            edited(store, encoder, f"第 {number + 2} 版")
        copy = tmp_path / "copy.db"
        for suffix in ("", "-wal"):
            shutil.copy(db.with_name(db.name + suffix), copy.with_name(copy.name + suffix))
    wal = copy.with_name("copy.db-wal")
    os.truncate(wal, int(part * wal.stat().st_size))
    with closing(Store.open(copy)) as store:
        revision = store.revision()
        assert 1 <= revision < 7 or part > 0.99
        assert find_problems(store, encoder) == []
        if revision > 1:
            assert store.snapshot().entries["refund"].answer == f"第 {revision} 版"
        Searcher.load(store, encoder)


def test_a_database_of_a_newer_version_is_left_alone(db):
    with closing(sqlite3.connect(db)) as newer:
        newer.execute(
            "insert into _sqlite_migrations (migration_set, name) values ('indexer', 'm999')"
        )
        newer.commit()
    before = db.read_bytes()
    with pytest.raises(StoreError, match="m999.*升级"):
        Store.open(db)
    assert db.read_bytes() == before


def test_the_write_ahead_log_stays_bounded_while_readers_overlap(db, monkeypatch):
    limit = 200_000
    monkeypatch.setattr(database_file, "WAL_LIMIT", limit)
    stop, largest = threading.Event(), 0
    with closing(Store.open(db)) as store:

        def read():
            while not stop.is_set():
                with store.reading() as reading:
                    reading.execute("select count(*) from query_log").fetchone()
                    stop.wait(0.005)

        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        wal = db.with_name(db.name + "-wal")
        try:
            for number in range(100):
                store.log_queries(logged(store, number))
                largest = max(largest, wal.stat().st_size)
        finally:
            stop.set()
            for reader in readers:
                reader.join()
        with store.reading() as reading:
            written = reading.execute("pragma page_count").fetchone()[0] * 4096
    assert written > 20 * limit  # else there was nothing to bound
    assert largest < 10 * limit


def test_a_running_service_follows_a_restoration_and_its_log_goes_on(db, tmp_path, encoder):
    service = Service.open(db, BUNDLE)
    before = service.ask(QUERY).answer
    backups.backup(service.store, tmp_path / "b.db")
    edited(service.store, encoder, "改坏了")
    assert service.ask(QUERY).answer == "改坏了"
    done = backups.restore(tmp_path / "b.db", db, "运营甲")
    reply = service.ask(QUERY)
    assert (reply.answer, reply.revision) == (before, done.revision) == (before, 3)
    service.store.log_queries(logged(service.store, 9))
    service.close()
    with closing(Store.open(db)) as store:
        assert {f"9/{n}" for n in range(50)} <= {r["trace_id"] for r in store.logged_queries()}
        assert find_problems(store, encoder) == []
