import gc
import sqlite3
import threading
from dataclasses import replace

import numpy as np
import pytest

from indexer.errors import PublishError, StoreError
from indexer.records import Entry
from indexer.store import Publication, Store

ENTRY = Entry(
    key="退-1",
    question="怎么退货？",
    variants=("退货", "我要退货"),
    negatives=("怎么退票",),
    answer="点「申请售后」。\n**七天内**",
    category="退货",
    tags=("热门",),
    valid_from="2026-01-01",
    related=("怎么退款",),
    extra={"来源": "客服;一部"},
)


def publication(base, *entries):
    texts = [(e.key, t) for e in entries for t in (e.question, *e.variants)]
    keys = {(key, text): f"{key}/{text}" for key, text in texts}
    vectors = {key: np.full(4, 0.5, np.float32) for key in keys.values()}
    return Publication(base, entries, keys, vectors, {"encoder": "abc"})


@pytest.fixture
def store(tmp_path):
    return Store.create(tmp_path / "faq.db")


def test_an_entry_comes_back_as_it_went_in(store):
    assert store.publish(publication(0, ENTRY)) == 1
    snapshot = store.snapshot()
    assert snapshot.entries == {"退-1": ENTRY}
    assert [(q.text, q.kind) for q in snapshot.questions] == [
        ("怎么退货？", "standard"),
        ("退货", "similar"),
        ("我要退货", "similar"),
    ]
    vectors = store.vectors(list(snapshot.vector_keys.values()))
    assert all((v == 0.5).all() and v.dtype == np.float32 for v in vectors.values())


def test_unchanged_questions_keep_their_id_and_ids_never_come_back(store):
    store.publish(publication(0, ENTRY))
    before = {q.text: q.id for q in store.snapshot().questions}
    changed = replace(ENTRY, variants=("退货", "想退"))
    store.publish(publication(1, changed))
    after = {q.text: q.id for q in store.snapshot().questions}
    assert after["退货"] == before["退货"]
    assert after["想退"] > max(before.values())
    store.publish(publication(2, replace(ENTRY, variants=("退货",))))
    store.publish(publication(3, replace(ENTRY, variants=("退货", "再来"))))
    assert {q.text: q.id for q in store.snapshot().questions}["再来"] > after["想退"]


def test_vectors_that_nothing_uses_are_dropped(store):
    store.publish(publication(0, ENTRY))
    store.publish(publication(1, replace(ENTRY, variants=())))
    assert set(store.vectors(["退-1/怎么退货？", "退-1/退货"])) == {"退-1/怎么退货？"}


def test_a_change_made_from_an_old_revision_is_refused_whole(store):
    store.publish(publication(0, ENTRY))
    with pytest.raises(PublishError, match="期间已发布了第 1 版"):
        store.publish(publication(0, replace(ENTRY, answer="另一个")))
    assert store.snapshot().entries["退-1"] == ENTRY


def test_a_publication_that_fails_half_way_leaves_no_trace(store):
    store.publish(publication(0, ENTRY))
    second = replace(ENTRY, key="b", question="怎么付款？", variants=())
    change = publication(1, replace(ENTRY, answer="新"), second)
    del change.vector_keys["b", "怎么付款？"]
    with pytest.raises(KeyError):
        store.publish(change)
    snapshot = store.snapshot()
    assert snapshot.revision == 1
    assert snapshot.entries == {"退-1": ENTRY}


def test_threads_write_without_losing_a_row(store):
    def write(number):
        for i in range(25):
            row = {"trace_id": f"{number}-{i}", "query": "退货", "decision": "reject"}
            row |= {"reason": "", "entry_key": "", "hits": [], "revision": 1}
            store.log_query(row)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.logged_queries()) == 100


def test_feedback_finds_its_query_by_trace_id(store):
    row = {"trace_id": "t1", "query": "退货", "decision": "answer", "reason": "score"}
    store.log_query(row | {"entry_key": "退-1", "hits": [{"cosine": 0.9}], "revision": 1})
    store.mark_query("t1", feedback="useful")
    store.mark_query("t1", chosen="b")
    logged = store.logged_queries()[0]
    assert (logged["feedback"], logged["chosen"]) == ("useful", "b")
    assert logged["hits"] == [{"cosine": 0.9}]
    assert store.entry_hits() == {"b": 1}
    with pytest.raises(KeyError):
        store.mark_query("unknown", feedback="useful")


def test_an_absent_database_names_the_command(tmp_path):
    with pytest.raises(StoreError, match="python -m indexer build"):
        Store.open(tmp_path / "none.db")
    assert not (tmp_path / "none.db").exists()


def test_a_foreign_database_is_left_as_it_is(tmp_path):
    path = tmp_path / "photos.db"
    with sqlite3.connect(path) as db:
        db.execute("create table photos (id integer)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="别的程序"):
        Store.create(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize("data", [b"hello", b"SQLite format 3\0" + b"x" * 5000])
def test_a_file_that_is_no_database_is_refused(tmp_path, data):
    path = tmp_path / "x.db"
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"x\.db"):
        Store.create(path)
    assert path.read_bytes() == data


def test_a_directory_that_does_not_exist_names_mkdir(tmp_path):
    with pytest.raises(StoreError, match="mkdir -p"):
        Store.create(tmp_path / "no" / "faq.db")


def test_a_locked_database_says_who_to_wait_for(store, monkeypatch):
    other = sqlite3.connect(store.path)
    other.execute("begin immediate")
    store._db.conn.execute("pragma busy_timeout = 50")
    with pytest.raises(StoreError, match="另一个进程正在写入"):
        store.save_settings({"x": 1})
    other.rollback()
    store.save_settings({"x": 0.0})
    assert store.setting("x", 5) == 0.0


def test_threads_that_end_take_their_connections_with_them(store):
    for _ in range(20):
        thread = threading.Thread(target=store.revision)
        thread.start()
        thread.join()
    gc.collect()
    assert len(store._open) <= 2


def test_opening_twice_applies_migrations_once(store):
    again = Store.open(store.path)
    assert again.snapshot() == store.snapshot()
