import threading

from faq_app import log_writer
from faq_app.log_writer import LogWriter
from indexer.errors import StoreError

NEVER = 3600.0  # seconds: the thread waits, the test writes


def test_records_are_written_in_their_order_a_batch_at_a_time(monkeypatch):
    monkeypatch.setattr(log_writer, "BATCH", 3)
    batches = []
    writer = LogWriter(batches.append, NEVER)
    for record in range(7):
        writer.add(record)
    assert (writer.backlog, batches) == (7, [])
    assert writer.flush()
    assert (writer.backlog, batches) == (0, [[0, 1, 2], [3, 4, 5], [6]])


def test_the_thread_writes_without_being_asked():
    written = threading.Event()
    writer = LogWriter(lambda batch: written.set(), 0.0)
    writer.add("asked")
    assert written.wait(10)
    writer.close()
    assert writer.backlog == 0


def test_a_batch_that_fails_is_written_later_and_told_once(caplog):
    written, full = [], [True]

    def write(batch):
        if full:
            raise StoreError("disk is full")
        written.extend(batch)

    writer = LogWriter(write, NEVER)
    writer.add(1)
    assert not writer.flush()
    assert not writer.flush()
    assert len(caplog.records) == 1
    full.clear()
    writer.add(2)
    assert writer.flush()
    assert written == [1, 2]


def test_when_the_queue_is_full_the_oldest_go_and_are_counted(monkeypatch, caplog):
    monkeypatch.setattr(log_writer, "MOST", 3)
    written = []
    writer = LogWriter(written.extend, NEVER)
    for record in range(5):
        writer.add(record)
    assert (writer.backlog, writer.dropped) == (3, 2)
    assert "怎么办" in caplog.text
    writer.flush()
    assert written == [2, 3, 4]


def test_what_is_dropped_while_a_batch_is_written_is_not_taken_twice(monkeypatch):
    monkeypatch.setattr(log_writer, "MOST", 2)
    written = []

    def write(batch):
        if not written:
            writer.add("c")  # the queue is full: "a", which this batch holds, is dropped
        written.extend(batch)

    writer = LogWriter(write, NEVER)
    writer.add("a")
    writer.add("b")
    writer.flush()
    assert written == ["a", "b"]
    writer.flush()
    assert written == ["a", "b", "c"]


def test_closing_writes_the_rest_and_ends_the_thread():
    written, before = [], threading.active_count()
    writer = LogWriter(written.extend, NEVER)
    writer.add(1)
    assert threading.active_count() == before + 1
    writer.close()
    assert written == [1]
    assert threading.active_count() == before


def test_threads_that_add_and_flush_at_once_lose_and_double_nothing():
    threads = 4
    written = []
    writer = LogWriter(written.extend, 0.0)

    def customer(first):
        for record in range(first, first + 500):
            writer.add(record)
            if record % 50 == 0:
                writer.flush()

    running = [threading.Thread(target=customer, args=(1000 * n,)) for n in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    writer.close()
    assert sorted(written) == [1000 * n + i for n in range(threads) for i in range(500)]
    assert writer.dropped == 0


def test_a_record_that_cannot_be_written_is_counted_and_those_around_it_are_written(caplog):
    written = []

    def write(batch):
        if "unforeseen" in batch:
            raise TypeError("what is this")
        written.extend(batch)

    writer = LogWriter(write, NEVER)
    for record in (1, 2, "unforeseen", 3):
        writer.add(record)
    assert writer.flush()
    assert (written, writer.backlog, writer.dropped) == ([1, 2, 3], 0, 1)
    assert "what is this" in caplog.text
    writer.close()
