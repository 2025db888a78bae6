import threading
from dataclasses import replace
from datetime import date

import pytest

from faq_app import service as service_module
from faq_app.service import MAX_QUERY_LENGTH, Service
from indexer.build import publish
from indexer.errors import StoreError
from indexer.records import Entry
from indexer.search import Searcher
from indexer.store import Store
from tests.conftest import thresholds_setting

ANSWER = "在「我的订单」点 **申请售后**。\n<b>七天内</b>"
ENTRIES = (
    Entry(
        key="refund",
        question="如何申请退货？",
        variants=("怎么退货",),
        answer=ANSWER,
        category="退货",
    ),
    Entry(key="invoice", question="如何开具电子发票？", variants=("怎么开发票",), answer="B"),
)


@pytest.fixture
def store(tmp_path, encoder):
    store = Store.create(tmp_path / "faq.db")
    settings = thresholds_setting(encoder.fingerprint, 1.0, 0.0)
    publish(store, store.snapshot(), encoder, ENTRIES, settings)
    return store


@pytest.fixture
def service(store, encoder):
    return Service(store, encoder)


def test_an_answer_is_the_entrys_word_for_word(service):
    reply = service.ask("怎麼退貨")
    assert (reply.decision, reply.entry_id, reply.answer) == ("answer", "refund", ANSWER)
    assert (reply.question, reply.category, reply.revision) == ("怎么退货", "退货", 1)


def test_between_the_thresholds_it_offers_the_standard_questions(service):
    reply = service.ask("东西想退")
    assert reply.decision == "clarify"
    assert reply.answer == ""
    assert "如何申请退货？" in [option.question for option in reply.options]


def test_a_click_answers_and_is_logged(service, store):
    reply = service.ask("东西想退")
    chosen = service.choose(reply.trace_id, "refund")
    assert (chosen.answer, chosen.trace_id) == (ANSWER, reply.trace_id)
    assert store.logged_queries()[0]["chosen"] == "refund"


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("", "empty"),
        (" \u200b\n", "empty"),
        ("😀😀", "no_text"),
        ("？！…", "no_text"),
        ("退" * (MAX_QUERY_LENGTH + 1), "too_long"),
        ("退" * 10_000, "too_long"),
        ("\x00\x1b", "empty"),
    ],
)
def test_what_cannot_be_answered_is_refused_politely_and_logged(service, store, query, reason):
    reply = service.ask(query)
    assert (reply.decision, reply.reason, reply.hits) == ("reject", reason, ())
    service.flush()
    assert store.logged_queries()[0]["reason"] == reason


@pytest.mark.parametrize(
    "query", ["'; drop table entries; --", "<script>alert(1)</script>退货", "\ud800退货"]
)
def test_hostile_text_is_only_text(service, store, query):
    service.ask(query)
    service.flush()
    assert len(store.logged_queries()) == 1
    assert len(store.snapshot().entries) == 2


def test_every_question_is_logged_with_its_hits(service, store):
    reply = service.ask("怎么退货")
    service.flush()
    row = store.logged_queries()[0]
    assert row["trace_id"] == reply.trace_id
    assert (row["query"], row["decision"], row["entry_key"]) == ("怎么退货", "answer", "refund")
    assert row["hits"][0] == {"entry_id": "refund", "question": "怎么退货", "score": 1.0}


def test_feedback_belongs_to_a_trace_id(service, store):
    first, second = service.ask("怎么退货"), service.ask("今天天气")
    service.feedback(second.trace_id, "none_of_these")
    service.feedback(first.trace_id, "useful")
    marks = {row["trace_id"]: row["feedback"] for row in store.logged_queries()}
    assert marks == {first.trace_id: "useful", second.trace_id: "none_of_these"}
    with pytest.raises(KeyError):
        service.feedback("unknown", "useful")
    with pytest.raises(KeyError):
        service.choose(first.trace_id, "unknown")


def test_frequent_questions_are_the_most_asked_first(service, monkeypatch):
    monkeypatch.setattr("faq_app.service.FREQUENT_SECONDS", -1)
    assert service.frequent_questions(2) == ("如何申请退货？", "如何开具电子发票？")
    for _ in range(2):
        service.ask("怎么开发票")
    assert service.frequent_questions(1) == ("如何开具电子发票？",)


def test_a_new_revision_is_served_without_a_restart(service, store, encoder):
    changed = Entry(
        key="refund", question="如何申请退货？", variants=("怎么退货",), answer="新答案"
    )
    publish(store, store.snapshot(), encoder, [changed])
    reply = service.ask("怎么退货")
    assert (reply.answer, reply.revision) == ("新答案", 2)


def test_no_reply_mixes_two_revisions(service, store, encoder):
    """Answers name their revision; whatever happens meanwhile, both must fit."""
    wrong, stop = [], threading.Event()

    def customer():
        while not stop.is_set():
            reply = service.ask("怎么退货")
            if reply.answer != (ANSWER if reply.revision == 1 else f"答案 {reply.revision}"):
                wrong.append(reply)

    threads = [threading.Thread(target=customer) for _ in range(4)]
    for thread in threads:
        thread.start()
    for revision in range(2, 8):
        entry = replace(ENTRIES[0], answer=f"答案 {revision}")
        publish(store, store.snapshot(), encoder, [entry])
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_new_thresholds_are_used_without_a_restart(service, store, encoder):
    assert service.ask("怎么退货呀").decision == "clarify"
    store.publish_settings(thresholds_setting(encoder.fingerprint, 0.001, 0.0))
    assert service.ask("怎么退货呀").decision == "answer"


def test_an_expired_entry_is_neither_offered_nor_given(service, store, encoder):
    publish(store, store.snapshot(), encoder, [replace(ENTRIES[0], valid_to="2020-01-01")])
    trace_id = service.ask("怎么开发票").trace_id
    assert service.frequent_questions(5) == ("如何开具电子发票？",)
    assert service.entry_count == 1
    with pytest.raises(KeyError):
        service.choose(trace_id, "refund")


def test_a_revision_of_another_encoder_is_tried_once(service, store, monkeypatch):
    store.publish_settings({"encoder": "another"})
    read = []
    snapshot = store.snapshot
    monkeypatch.setattr(store, "snapshot", lambda: read.append(1) or snapshot())
    for _ in range(3):
        assert service.ask("怎么退货").answer == ANSWER
    assert len(read) == 1


def test_a_log_that_cannot_be_written_does_not_keep_the_answer_back(service, store, monkeypatch):
    def full(rows):
        raise StoreError("disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(store, "log_queries", full)
        assert service.ask("怎么退货").answer == ANSWER
        service.flush()
        assert (service.log_backlog, store.logged_queries()) == (1, [])
    service.flush()
    assert (service.log_backlog, len(store.logged_queries())) == (0, 1)


def test_a_query_asked_again_is_not_searched_again_but_logged(service, store, monkeypatch):
    first = service.ask("怎么退货")
    monkeypatch.setattr(Searcher, "search", None)
    again = service.ask(" 怎麼退貨 ")
    assert again == replace(first, query=" 怎麼退貨 ", trace_id=again.trace_id)
    service.flush()
    logged = {row["trace_id"]: row["query"] for row in store.logged_queries()}
    assert logged == {first.trace_id: "怎么退货", again.trace_id: " 怎麼退貨 "}


def test_what_is_remembered_is_forgotten_with_the_day(store, encoder, monkeypatch):
    publish(store, store.snapshot(), encoder, [replace(ENTRIES[0], valid_from="2020-01-02")])
    service = Service(store, encoder)

    def decision(day):
        """Ask on a day; searching and remembering look at the clock each by itself."""
        today = type("Day", (date,), {"today": classmethod(lambda cls: date.fromisoformat(day))})
        monkeypatch.setattr("faq_app.service.date", today)
        monkeypatch.setattr("indexer.search.date", today)
        return service.ask("怎么退货").decision

    assert decision("2020-01-01") != "answer"
    assert decision("2020-01-02") == "answer"


def test_closing_writes_what_still_waits(service, tmp_path):
    trace_id = service.ask("怎么退货").trace_id
    service.close()
    reopened = Store.open(tmp_path / "faq.db")
    assert [row["trace_id"] for row in reopened.logged_queries()] == [trace_id]


def test_opening_without_a_database_names_the_command(tmp_path):
    with pytest.raises(StoreError, match="python -m indexer build"):
        Service.open(tmp_path / "none.db")


def test_so_many_threads_search_at_once_as_have_half_the_cores(store, encoder, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    service, together, most = Service(store, encoder, remembered=0), [], []
    at_work = threading.Barrier(2)

    def decided(searcher, text):
        together.append(text)
        most.append(len(together))
        at_work.wait(30)  # ends only if two are at it
        together.remove(text)
        return service_decided(searcher, text)

    service_decided = service_module.decided
    monkeypatch.setattr(service_module, "decided", decided)
    threads = [threading.Thread(target=service.ask, args=(f"怎么退货{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(most) == 6
    assert max(most) == 2
    service.close()
