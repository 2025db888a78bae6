import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import pytest

from faq_app import answering
from faq_app.answering import Answerers
from faq_app.reply import decided
from faq_app.service import Service
from indexer.build import publish
from indexer.records import Entry
from indexer.search import Searcher
from indexer.store import Store
from tests.conftest import ROOT, thresholds_setting

ENTRIES = (
    Entry(key="refund", question="如何申请退货？", variants=("怎么退货",), answer="点「申请」。"),
    Entry(key="invoice", question="如何开具电子发票？", variants=("怎么开发票",), answer="乙"),
)
QUERIES = ("怎么退货", "东西想退", "发票怎么开", "今天天气如何", "x")


@pytest.fixture
def store(tmp_path, encoder):
    store = Store.create(tmp_path / "faq.db")
    settings = thresholds_setting(encoder.fingerprint, 0.6, 0.1)
    publish(store, store.snapshot(), encoder, ENTRIES, settings)
    yield store
    store.close()


@pytest.fixture
def answerers(store, encoder, monkeypatch):
    monkeypatch.setattr(answering, "AGAIN_SECONDS", 0.05)
    one = Answerers(1, store.path, encoder.bundle.path)
    assert until(lambda: one.ready == 1)
    yield one
    one.close()


def until(true, seconds=60):
    """Wait for something that another process does."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def process_of(answerers):
    [process] = answerers._alive
    return process._process


def test_a_process_decides_as_the_server_would(answerers, store, encoder):
    searcher = Searcher.load(store, encoder)
    for query in QUERIES:
        assert answerers.reply(1, query) == decided(searcher, query)


def test_it_answers_for_no_other_revision_and_follows_a_new_one(answerers, store, encoder):
    assert answerers.reply(2, "怎么退货") is None
    changed = (replace(ENTRIES[0], answer="改了"), ENTRIES[1])
    publish(store, store.snapshot(), encoder, changed)
    assert until(lambda: answerers.reply(2, "怎么退货") is not None)
    assert answerers.reply(2, "怎么退货").answer == "改了"
    assert answerers.reply(1, "怎么退货") is None


def test_a_killed_process_costs_no_answer_and_another_begins(answerers):
    first = process_of(answerers).pid
    os.kill(first, signal.SIGKILL)
    assert answerers.reply(1, "怎么退货") is None
    assert until(lambda: answerers.ready == 1 and process_of(answerers).pid != first)
    assert answerers.reply(1, "怎么退货").answer == ENTRIES[0].answer


def test_one_that_hangs_is_replaced(answerers, monkeypatch):
    monkeypatch.setattr(answering, "PATIENCE", 0.1)
    first = process_of(answerers).pid
    os.kill(first, signal.SIGSTOP)
    assert answerers.reply(1, "怎么退货") is None
    assert until(lambda: answerers.ready == 1 and process_of(answerers).pid != first)


def test_while_one_is_busy_nobody_waits_for_it(answerers):
    busy = answerers._idle.pop()
    assert answerers.reply(1, "怎么退货") is None
    answerers._idle.append(busy)
    assert answerers.reply(1, "怎么退货") is not None


def test_stopping_all_processes_of_a_service_leaves_it_to_the_server(answerers):
    process_of(answerers).terminate()
    assert answerers.reply(1, "怎么退货") is not None


def test_what_it_cannot_load_is_said_in_a_line(tmp_path):
    command = [sys.executable, "-m", "faq_app.answering", str(tmp_path / "none.db"), "1:1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert "none.db" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_another_file_in_the_place_of_the_servers_is_not_answered_from(store):
    command = [sys.executable, "-m", "faq_app.answering", str(store.path), "1:1"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stderr.count("重启服务")) == (1, 1)


def test_closing_ends_a_process_that_is_just_being_started(store, encoder, monkeypatch):
    starting, go_on = threading.Event(), threading.Event()
    make = answering._Process

    def slowly(command):
        starting.set()
        assert go_on.wait(30)
        return make(command)

    monkeypatch.setattr(answering, "_Process", slowly)
    one = Answerers(1, store.path, encoder.bundle.path)
    assert starting.wait(30)
    closing = threading.Thread(target=one.close)
    closing.start()
    assert until(one._closing.is_set)
    go_on.set()
    closing.join(30)
    assert not closing.is_alive()


def test_what_keeps_a_process_from_starting_is_tried_again(store, encoder, monkeypatch):
    monkeypatch.setattr(answering, "AGAIN_SECONDS", 0.05)
    make, failed = answering._Process, []

    def failing_once(command):
        if not failed:
            failed.append(command)
            raise OSError("Cannot allocate memory")
        return make(command)

    monkeypatch.setattr(answering, "_Process", failing_once)
    one = Answerers(1, store.path, encoder.bundle.path)
    assert until(lambda: one.ready == 1)
    one.close()


def test_what_a_process_says_goes_into_the_servers_log(store, encoder, monkeypatch, caplog):
    monkeypatch.setattr(answering, "_identity", lambda db: "another file")
    one = Answerers(1, store.path, encoder.bundle.path)
    assert until(lambda: "重启服务" in caplog.text)
    one.close()
    assert all(record.name == "faq_app.answering" for record in caplog.records)


def test_it_ends_when_the_server_is_gone(answerers):
    process = process_of(answerers)
    answerers._closing.set()
    [gone] = answerers._alive
    answerers._idle.clear()
    gone._connection.close()
    assert process.wait(30) == 0


def test_a_service_answers_and_logs_through_it(store, encoder, monkeypatch):
    asked = []
    monkeypatch.setattr(Answerers, "reply", recording(Answerers.reply, asked))
    service = Service(
        Store.open(store.path), encoder, answerers=Answerers(1, store.path, encoder.bundle.path)
    )
    try:
        assert until(lambda: service.answering_processes == 1)
        reply = service.ask("怎麼退貨")
        assert (reply.query, reply.answer) == ("怎麼退貨", ENTRIES[0].answer)
        assert [made is not None for made in asked] == [True]
        service.flush()
        assert store.logged_queries()[0]["trace_id"] == reply.trace_id
        pid = process_of(service._answerers).pid
    finally:
        service.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def recording(reply, made):
    def record(self, revision, text):
        made.append(reply(self, revision, text))
        return made[-1]

    return record
