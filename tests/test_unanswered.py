from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from indexer import unanswered
from indexer.build import publish
from indexer.errors import InputError
from indexer.period import Period
from indexer.records import Entry
from indexer.regression import list_cases
from indexer.search import Searcher
from indexer.store import Store
from indexer.unanswered import (
    centred,
    find_unanswered,
    handle,
    handled_queries,
    reopen,
    standard_questions,
    unanswered_queries,
)
from tests.hand_made_log import log

MARCH = Period(date(2026, 3, 1), date(2026, 3, 31), ZoneInfo("UTC"))
NOW = datetime(2026, 3, 31, 12, 0, tzinfo=UTC)
ENTRIES = (
    Entry(
        key="refund", question="如何申请退货？", variants=("怎么退货", "我要退货"), answer="退。"
    ),
    Entry(key="invoice", question="如何开具发票？", variants=("怎么开发票",), answer="开。"),
    Entry(key="address", question="如何修改收货地址？", answer="改。"),
)


@pytest.fixture
def store(tmp_path, encoder):
    store = Store.create(tmp_path / "faq.db")
    publish(store, store.snapshot(), encoder, ENTRIES)
    return store


@pytest.fixture
def searcher(store, encoder):
    return Searcher.load(store, encoder)


def found(store, now=NOW):
    return {query.text: dict(query.reasons) for query in unanswered_queries(store, MARCH, now)}


def test_what_went_wrong_is_told_by_its_reason(store):
    log(store, "2026-03-02 08:00", "拒绝了", "reject")
    log(store, "2026-03-02 08:00", "没点", "clarify")
    log(store, "2026-03-02 08:00", "都不是", "clarify", feedback="none_of_these")
    log(store, "2026-03-02 08:00", "没用", "answer", entry_key="refund", feedback="useless")
    log(store, "2026-03-02 08:00", "点了却没用", "clarify", chosen="refund", feedback="useless")
    log(store, "2026-03-02 08:00", "答了", "answer", entry_key="refund")
    log(store, "2026-03-02 08:00", "有用", "answer", entry_key="refund", feedback="useful")
    log(store, "2026-03-02 08:00", "点了", "clarify", chosen="refund")
    log(store, "2026-03-02 08:00", "😀", "reject", reason="no_text")
    log(store, "2026-03-02 08:00", "长" * 501, "reject", reason="too_long")
    log(store, "2026-02-28 23:59", "上个月", "reject")
    log(store, "2026-04-01 00:00", "下个月", "reject")
    assert found(store) == {
        "拒绝了": {"rejected": 1},
        "没点": {"no_click": 1},
        "都不是": {"none_of_these": 1},
        "没用": {"useless": 1},
        "点了却没用": {"useless": 1},
    }


def test_a_customer_who_may_still_click_is_not_counted(store):
    log(store, "2026-03-31 11:49", "想好了", "clarify")
    log(store, "2026-03-31 11:51", "还在想", "clarify")
    log(store, "2026-03-31 11:59", "拒绝了", "reject")
    assert set(found(store)) == {"想好了", "拒绝了"}


def test_what_reads_alike_is_counted_together(store):
    log(store, "2026-03-02 08:00", "能货到付款吗", "reject")
    log(store, "2026-03-04 08:00", " 能貨到付款嗎 ", "clarify")
    log(store, "2026-03-03 08:00", "能货到付款吗", "answer", feedback="useless")
    log(store, "2026-03-03 08:00", "打13812345678找我", "reject")
    log(store, "2026-03-05 08:00", "打15987654321找我", "reject")
    first, second = unanswered_queries(store, MARCH, NOW)
    assert (first.text, first.count) == ("能货到付款吗", 3)
    assert first.reasons == {"rejected": 1, "no_click": 1, "useless": 1}
    assert first.last_asked == "2026-03-04T08:00:00.000+00:00"
    assert (second.text, second.count) == ("打[手机号]找我", 2)


def test_queries_are_grouped_by_meaning_most_often_asked_first(store, searcher):
    for query, times in (
        ("可以货到付款吗", 1),
        ("能不能货到付款", 3),
        ("支持货到付款吗", 2),
        ("怎么联系人工客服", 5),
        ("人工客服怎么联系", 2),
        ("明天会下雨吗", 1),
    ):
        for _ in range(times):
            log(store, "2026-03-02 08:00", query, "reject")
    result = find_unanswered(store, searcher, MARCH, now=NOW)
    groups = [([query.text for query in group.queries], group.count) for group in result.groups]
    assert groups == [
        (["怎么联系人工客服", "人工客服怎么联系"], 7),
        (["能不能货到付款", "支持货到付款吗", "可以货到付款吗"], 6),
        (["明天会下雨吗"], 1),
    ]
    assert (result.queries, result.count, result.left_out) == (6, 14, 0)
    assert result.groups[1].reasons == {"rejected": 6}
    assert all(g.representative in [q.text for q in g.queries] for g in result.groups)
    hits = result.groups[0].nearest(searcher)
    assert len(hits) == 3
    assert all(0 <= hit.confidence <= 1 for hit in hits)


def test_the_representative_is_the_most_central_by_count():
    queries = [unanswered.UnansweredQuery(t, {"rejected": n}, "") for t, n in (("a", 5), ("b", 1))]
    apart = np.array([[1, 0], [0, 1]], dtype=np.float32)
    assert unanswered._group(queries, apart).representative == "a"
    between = np.array([[1, 0], [0.8, 0.6], [0.28, 0.96]], dtype=np.float32)
    three = [unanswered.UnansweredQuery(t, {"rejected": 1}, "") for t in "abc"]
    assert unanswered._group(three, between).representative == "b"


def test_an_empty_log_has_no_groups(store, searcher):
    result = find_unanswered(store, searcher, MARCH, now=NOW)
    assert (result.groups, result.queries, result.count) == ((), 0, 0)


def test_rarer_queries_beyond_the_limit_are_counted_not_grouped(store, searcher, monkeypatch):
    monkeypatch.setattr(unanswered, "MOST_QUERIES", 1)
    for query in ("能货到付款吗", "能货到付款吗", "明天会下雨吗"):
        log(store, "2026-03-02 08:00", query, "reject")
    result = find_unanswered(store, searcher, MARCH, now=NOW)
    assert [group.representative for group in result.groups] == ["能货到付款吗"]
    assert result.left_out == 1


def test_nothing_is_encoded_twice(store, searcher, monkeypatch):
    log(store, "2026-03-02 08:00", "能货到付款吗", "reject")
    first = find_unanswered(store, searcher, MARCH, now=NOW)
    log(store, "2026-03-02 08:00", "明天会下雨吗", "reject")
    encoded = []
    encode = type(searcher.encoder).encode
    monkeypatch.setattr(
        type(searcher.encoder),
        "encode",
        lambda self, texts: encoded.extend(t.text for t in texts) or encode(self, texts),
    )
    again = find_unanswered(store, searcher, MARCH, now=NOW, previous=first)
    assert encoded == ["明天会下雨吗"]
    assert again == find_unanswered(store, searcher, MARCH, now=NOW)


def test_a_word_that_an_operator_silenced_is_no_obstacle(store, encoder):
    publish(store, store.snapshot(), encoder, settings={"keywords": {"天气": 0}})
    log(store, "2026-03-02 08:00", "天气", "reject")
    result = find_unanswered(store, Searcher.load(store, encoder), MARCH, now=NOW)
    assert result.count == 1


def query_of(store, text):
    return next(q for q in unanswered_queries(store, MARCH, NOW) if q.text == text)


@pytest.fixture
def march(monkeypatch):
    """Whatever is done is done at noon of 10 March 2026."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2026, 3, 10, 12, 0, tzinfo=tz)

    monkeypatch.setattr(unanswered, "datetime", Clock)


def test_a_handled_query_is_left_out_until_it_is_asked_in_vain_again(store, encoder, march):
    log(store, "2026-03-02 08:00", "能货到付款吗", "reject")
    log(store, "2026-03-02 08:00", "明天会下雨吗", "reject")
    publish(store, store.snapshot(), encoder, [Entry(key="cod", question="货到付款", answer="能")])
    assert handle(store, [query_of(store, "能货到付款吗")], "entry", "cod", "运营甲") == 1
    assert set(found(store)) == {"明天会下雨吗"}
    log(store, "2026-03-11 08:00", "能货到付款吗", "answer", entry_key="cod", revision=2)
    assert set(found(store)) == {"明天会下雨吗"}
    log(store, "2026-03-12 08:00", "能货到付款吗", "reject", revision=2)
    assert found(store)["能货到付款吗"] == {"rejected": 1}  # what was before is settled
    assert query_of(store, "能货到付款吗").handled_before
    assert not query_of(store, "明天会下雨吗").handled_before


def test_what_was_asked_before_the_change_was_published_says_nothing_of_it(store, march):
    log(store, "2026-03-02 08:00", "能货到付款吗", "reject")
    handle(store, [query_of(store, "能货到付款吗")], "entry", "cod", "运营甲", revision=2)
    log(store, "2026-03-11 08:00", "能货到付款吗", "reject", revision=1)
    assert found(store) == {}
    log(store, "2026-03-12 08:00", "能货到付款吗", "reject", revision=2)
    assert found(store) == {"能货到付款吗": {"rejected": 1}}


def test_what_was_ignored_stays_away_until_it_is_reopened(store, march):
    log(store, "2026-03-02 08:00", "明天会下雨吗", "reject")
    assert handle(store, [query_of(store, "明天会下雨吗")], "ignored", by="运营甲") == 0
    log(store, "2026-03-12 08:00", "明天会下雨吗", "reject", revision=9)
    assert found(store) == {}
    [done] = handled_queries(store)
    assert (done.text, done.action, done.by) == ("明天会下雨吗", "ignored", "运营甲")
    assert (done.at, done.revision) == ("2026-03-10T12:00:00.000+00:00", 1)
    assert reopen(store, ["明天会下雨吗", "别的"]) == 1
    assert found(store) == {"明天会下雨吗": {"rejected": 2}}


def test_handled_queries_become_regression_cases(store):
    log(store, "2026-03-02 08:00", "能货到付款吗", "reject")
    log(store, "2026-03-02 08:00", "东西不要了", "answer", entry_key="invoice", feedback="useless")
    log(store, "2026-03-02 08:00", "明天会下雨吗", "reject")
    done = [query_of(store, text) for text in ("能货到付款吗", "东西不要了")]
    assert handle(store, done, "similar", "refund", "运营甲") == 2
    handle(store, [query_of(store, "明天会下雨吗")], "ignored", by="运营甲")
    cases = {c.query: (c.entry_key, c.origin, c.added_by) for c in list_cases(store).cases}
    assert cases == {
        "能货到付款吗": ("refund", "未命中", "运营甲"),
        "东西不要了": ("refund", "反馈", "运营甲"),
    }
    # Done again otherwise: the last decision holds, and the case follows.
    handle(store, done[:1], "similar", "invoice", "小李")
    assert [c.entry_key for c in list_cases(store, "货到付款").cases] == ["invoice"]
    assert len(handled_queries(store)) == 3


@pytest.mark.parametrize(
    ("action", "entry_key"), [("delete", "refund"), ("similar", ""), ("ignored", "refund")]
)
def test_an_action_without_what_it_needs_is_refused(store, action, entry_key):
    log(store, "2026-03-02 08:00", "能货到付款吗", "reject")
    with pytest.raises(InputError, match="怎么办"):
        handle(store, [query_of(store, "能货到付款吗")], action, entry_key, "运营甲")
    assert handled_queries(store) == ()


def test_the_threshold_follows_how_near_the_faqs_own_entries_are():
    rng = np.random.default_rng(0)
    asked = rng.normal(size=(5, 64)).astype(np.float32)
    apart = rng.normal(size=(500, 64)).astype(np.float32)
    near = np.repeat(apart[:250], 2, axis=0) + 0.2 * rng.normal(size=(500, 64)).astype(np.float32)
    unit = unanswered._unit
    assert centred(unit(asked), unit(near))[1] > 0.8 > centred(unit(asked), unit(apart))[1]
    # Without a FAQ there is the usual threshold, and nothing to take away.
    vectors, threshold = centred(unit(asked), np.zeros((0, 64), np.float32))
    assert threshold == 0.5
    assert vectors == pytest.approx(unit(asked))


def test_standard_questions_of_entries_that_are_on_are_what_it_follows(store, encoder, monkeypatch):
    off = Entry(key="off", question="已停用？", answer="x", enabled=False)
    publish(store, store.snapshot(), encoder, [off])
    searcher = Searcher.load(store, encoder)
    assert standard_questions(searcher) == [entry.question for entry in ENTRIES]
    monkeypatch.setattr(unanswered, "SAMPLE", 2)
    assert standard_questions(searcher) == [ENTRIES[0].question, ENTRIES[2].question]
