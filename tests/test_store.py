import gc
import sqlite3
import threading
from dataclasses import replace

import numpy as np
import pytest
from sqlite_utils import Database

from indexer import revisions
from indexer import store as stores
from indexer.errors import PublishError, StoreError
from indexer.migrations import APPLICATION_ID, migrations
from indexer.publication import Publication
from indexer.records import Entry
from indexer.store import Store

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
    kept = {k: e for k, e in base.entries.items()} | {e.key: e for e in entries}
    texts = [(e.key, t) for e in kept.values() for t in (e.question, *e.variants)]
    keys = {text: f"{key}/{text}" for key, text in texts}
    vectors = {key: np.full(4, 0.5, np.float32) for key in keys.values()}
    return Publication(base, entries, keys, vectors, {"encoder": "abc"})


@pytest.fixture
def store(tmp_path):
    return Store.create(tmp_path / "faq.db")


def test_an_entry_comes_back_as_it_went_in(store):
    assert store.publish(publication(store.snapshot(), ENTRY)) == 1
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
    store.publish(publication(store.snapshot(), ENTRY))
    before = {q.text: q.id for q in store.snapshot().questions}
    changed = replace(ENTRY, variants=("退货", "想退"))
    store.publish(publication(store.snapshot(), changed))
    after = {q.text: q.id for q in store.snapshot().questions}
    assert after["退货"] == before["退货"]
    assert after["想退"] > max(before.values())
    store.publish(publication(store.snapshot(), replace(ENTRY, variants=("退货",))))
    store.publish(publication(store.snapshot(), replace(ENTRY, variants=("退货", "再来"))))
    assert {q.text: q.id for q in store.snapshot().questions}["再来"] > after["想退"]


def test_vectors_that_nothing_uses_are_dropped(store):
    store.publish(publication(store.snapshot(), ENTRY))
    store.publish(publication(store.snapshot(), replace(ENTRY, variants=())))
    assert set(store.vectors(["退-1/怎么退货？", "退-1/退货"])) == {"退-1/怎么退货？"}


def test_between_the_vectors_of_an_import_others_can_write(store, monkeypatch):
    monkeypatch.setattr(stores, "_AT_A_TIME", 2)
    row = {"query": "q", "decision": "reject", "reason": "", "entry_key": "", "revision": 0}
    other = Store.open(store.path)

    def log(seconds):
        count = len(other.logged_queries())
        other.log_queries([row | {"trace_id": str(count), "hits": []}])

    monkeypatch.setattr(stores.time, "sleep", log)
    assert store.publish(publication(store.snapshot(), ENTRY)) == 1
    assert len(other.logged_queries()) == 2  # after two of the three, and after the last
    snapshot = store.snapshot()
    assert store.vectors(sorted(snapshot.vector_keys.values())).keys() == {
        *snapshot.vector_keys.values()
    }


def test_vectors_of_an_import_that_broke_off_are_gone_after_the_next_publication(
    store, monkeypatch
):
    monkeypatch.setattr(stores, "_AT_A_TIME", 2)

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(stores, "_write_entries", killed)
        with pytest.raises(KeyboardInterrupt):
            store.publish(publication(store.snapshot(), ENTRY))
    left = "退-1/怎么退货？"
    assert (store.revision(), [*store.vectors([left])]) == (0, [left])
    store.publish(publication(store.snapshot(), replace(ENTRY, key="x", variants=())))
    assert store.vectors([left]) == {}


def test_a_change_made_from_an_old_revision_is_refused_whole(store):
    before = store.snapshot()
    store.publish(publication(before, ENTRY))
    with pytest.raises(PublishError, match="期间已发布了第 1 版"):
        store.publish(publication(before, replace(ENTRY, answer="另一个")))
    assert store.snapshot().entries["退-1"] == ENTRY


def test_a_publication_that_fails_half_way_leaves_no_trace(store):
    store.publish(publication(store.snapshot(), ENTRY))
    second = replace(ENTRY, key="b", question="怎么付款？", variants=())
    change = publication(store.snapshot(), replace(ENTRY, answer="新"), second)
    del change.vectors["b/怎么付款？"]  # which a question refers to
    with pytest.raises(StoreError, match="FOREIGN KEY"):
        store.publish(change)
    snapshot = store.snapshot()
    assert snapshot.revision == 1
    assert snapshot.entries == {"退-1": ENTRY}


def test_threads_write_without_losing_a_row(store):
    def write(number):
        for i in range(25):
            row = {"trace_id": f"{number}-{i}", "query": "退货", "decision": "reject"}
            row |= {"reason": "", "entry_key": "", "hits": [], "revision": 1}
            store.log_queries([row])

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.logged_queries()) == 100


def test_many_queries_are_logged_at_once_and_not_twice_when_written_again(store):
    row = {"query": "退货", "decision": "reject", "reason": "", "entry_key": "", "revision": 1}
    rows = [row | {"trace_id": str(n), "hits": [], "asked_at": f"2026-0{n}"} for n in (2, 1)]
    store.log_queries(rows)
    store.log_queries([*rows, rows[0] | {"trace_id": "3", "asked_at": "2026-03"}])
    assert [(r["trace_id"], r["asked_at"]) for r in store.logged_queries()] == [
        ("1", "2026-01"),
        ("2", "2026-02"),
        ("3", "2026-03"),
    ]
    with pytest.raises(StoreError):
        store.log_queries([rows[0] | {"trace_id": "4"}, rows[0] | {"trace_id": "5", "text": None}])
    assert len(store.logged_queries()) == 3


def test_feedback_finds_its_query_by_trace_id(store):
    row = {"trace_id": "t1", "query": "退货", "decision": "answer", "reason": "score"}
    store.log_queries([row | {"entry_key": "退-1", "hits": [{"cosine": 0.9}], "revision": 1}])
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


def test_a_publication_leaves_who_when_what_and_what_it_replaced(store):
    store.publish(publication(store.snapshot(), ENTRY))
    second = replace(ENTRY, key="b", question="怎么付款？", variants=())
    changed = publication(store.snapshot(), replace(ENTRY, answer="新"), second)
    change = replace(changed, by="小李", what="改答案", regression={"broken": ["退货"]})
    store.publish(replace(change, settings={"keywords": {"花呗": 2.0}}))
    store.publish_settings({"keywords": None, "negation_guard": False}, by="运营甲")
    with store.reading() as db:
        newest, middle, first = revisions.read(db, 10, 0)
        replaced = dict(revisions.replaced_since(db, 0))
    assert [(r.revision, r.by, r.what) for r in (first, middle)] == [
        (1, "", "新增 1 个条目, 编码器"),
        (2, "小李", "改答案"),
    ]
    assert (newest.by, newest.what) == ("运营甲", "关键词 花呗 = 1, 否定检查")
    assert middle.regression == {"broken": ["退货"]}
    assert (middle.summary.added_names, middle.summary.changed_names) == (
        ("怎么付款？",),
        ("怎么退货？",),
    )
    assert middle.summary.keywords == ("花呗 = 2",)
    assert replaced[2].entries == {"退-1": (1, ENTRY), "b": None}
    assert replaced[2].settings == {"keywords": None}
    assert replaced[3].settings == {"keywords": {"花呗": 2.0}, "negation_guard": None}
    assert store.setting("keywords", "gone") == "gone"
    assert [store.last_change(key).revision for key in ("退-1", "b")] == [2, 2]


def test_a_deleted_entry_is_gone_and_its_question_ids_never_come_back(store):
    store.publish(publication(store.snapshot(), ENTRY))
    last = max(q.id for q in store.snapshot().questions)
    gone = replace(publication(store.snapshot()), vector_keys={}, deleted=("退-1",), by="小李")
    store.publish(gone)
    after = store.snapshot()
    assert (after.entries, after.questions) == ({}, ())
    assert store.vectors(["退-1/怎么退货？"]) == {}
    assert (store.last_change("退-1").by, store.last_change("never")) == ("小李", None)
    with pytest.raises(PublishError, match="要删除的条目 退-1 不在"):
        store.publish(replace(gone, base=after))
    store.publish(publication(store.snapshot(), ENTRY))
    assert min(q.id for q in store.snapshot().questions) > last


def test_questions_stand_in_the_order_that_their_entry_gives(store):
    store.publish(publication(store.snapshot(), ENTRY))
    for variants in (("新的", "退货"), ("退货", "新的"), ("我要退货",)):
        changed = replace(ENTRY, question=variants[-1] + "？", variants=variants)
        store.publish(publication(store.snapshot(), changed))
        assert [q.text for q in store.snapshot().questions] == [changed.question, *variants]
        assert store.snapshot().entries == {"退-1": changed}


def test_a_database_of_an_earlier_version_goes_on(tmp_path):
    path = tmp_path / "old.db"
    old = Database(sqlite3.connect(path))
    old.execute(f"pragma application_id = {APPLICATION_ID}")
    migrations.apply(old, stop_before="m004_history")
    old.execute("insert into vectors values ('a', x'0000003f'), ('b', x'0000003f')")
    old.execute(
        "insert into entries (key, position, question, negatives, answer, category, tags,"
        " enabled, valid_from, valid_to, related, extra)"
        " values ('a', 1, '怎么退', '[]', '点退', '', '[]', 1, '', '', '[]', '{}')"
    )
    old.execute(
        "insert into questions (entry_key, text, kind, vector_key) values"
        " ('a', '怎么退', 'standard', 'a')"
    )
    old.execute("insert into settings values ('revision', '7')")
    old.conn.commit()
    old.close()
    store = Store.open(path)
    snapshot = store.snapshot()
    assert (snapshot.revision, snapshot.other_keys, list(snapshot.entries)) == (7, {}, ["a"])
    assert store.last_change("a") is None
    keys = {"怎么退": "a", "点退": "new"}
    vectors = {"new": np.zeros(1, np.float32)}
    store.publish(Publication(snapshot, (), keys, vectors, {}))
    assert store.vectors(["a", "b", "new"]).keys() == {"a", "new"}
    assert store.snapshot().other_keys == {"点退": "new"}


def test_a_connection_in_use_is_not_closed_under_its_thread(tmp_path):
    store = Store.create(tmp_path / "faq.db")
    reading, closing, done = threading.Event(), threading.Event(), []

    def read():
        with store.reading() as db:
            reading.set()
            closing.wait(5)
            for _ in range(200):
                db.execute("select count(*) from settings").fetchone()
            done.append("read")

    thread = threading.Thread(target=read)
    thread.start()
    assert reading.wait(5)
    threading.Timer(0.05, closing.set).start()
    store.close()
    done.append("closed")
    thread.join()
    assert done == ["read", "closed"]
