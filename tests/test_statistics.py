import csv
import random
from datetime import date
from zoneinfo import ZoneInfo

import pytest

from faq_app.service import Service
from indexer.build import publish
from indexer.period import Period
from indexer.records import Entry
from indexer.statistics import (
    AskedQuery,
    Counts,
    EntryHits,
    ResponseTime,
    counts_by_day,
    entry_hits,
    never_hit,
    response_times,
    top_queries,
    total,
)
from indexer.store import Store
from indexer.table_export import write_rows
from tests.hand_made_log import log

SHANGHAI = ZoneInfo("Asia/Shanghai")
MARCH = Period(date(2026, 3, 1), date(2026, 3, 3), SHANGHAI)
ENTRIES = (
    Entry(key="refund", question="如何退货？", answer="退。", category="售后"),
    Entry(key="invoice", question="如何开发票？", answer="开。"),
    Entry(key="coupon", question="优惠券怎么用？", answer="用。"),
    Entry(key="old", question="旧活动？", answer="过了。", enabled=False),
)


@pytest.fixture
def store(tmp_path, encoder):
    """The log of three days in Shanghai; nobody asked on the second."""
    store = Store.create(tmp_path / "faq.db")
    publish(store, store.snapshot(), encoder, ENTRIES)
    answer = {"decision": "answer", "entry_key": "refund"}
    # The last millisecond of 28 February, and the first of 1 March, in Shanghai.
    log(store, "2026-02-28 15:59:59.999", "怎么退货", **answer)
    log(store, "2026-02-28 16:00:00.000", "怎么退货", **answer, milliseconds=1.0)
    log(store, "2026-03-01 01:00", "怎麼退貨", **answer, feedback="useful", milliseconds=2.0)
    log(store, "2026-03-01 02:00", "退货", "clarify", chosen="refund", milliseconds=3.0)
    log(store, "2026-03-01 03:00", "退钱", "clarify", feedback="none_of_these", milliseconds=4.0)
    log(store, "2026-03-01 04:00", "天气", "reject")  # logged before times were
    log(store, "2026-03-01 05:00", "😀", "reject", reason="no_text", milliseconds=0.1)
    # 3 March in Shanghai begins on 2 March, UTC.
    log(
        store, "2026-03-02 16:00:00.000", "开票", "clarify", chosen="invoice", feedback="useless",
        milliseconds=9.0,
    )  # fmt: skip
    log(store, "2026-03-03 15:59:59.999", "怎么退货", **answer, feedback="useful")
    log(store, "2026-03-03 16:00:00.000", "怎么退货", **answer)
    return store


def test_the_counts_are_those_counted_by_hand(store):
    first, second, third = days = counts_by_day(store, MARCH)
    assert first == Counts("2026-03-01", 6, 2, 2, 2, 1, 1, 1, 0)
    assert second == Counts("2026-03-02", 0, 0, 0, 0, 0, 0, 0, 0)
    assert third == Counts("2026-03-03", 2, 1, 1, 0, 1, 0, 1, 1)
    assert total(days) == Counts("", 8, 3, 3, 2, 2, 1, 2, 1)
    assert first.click_through == 1 / 2
    assert total(days).satisfaction == 2 / 3
    assert (second.click_through, second.satisfaction) == (None, None)


def test_the_same_log_has_other_days_elsewhere(store):
    days = counts_by_day(store, Period(date(2026, 2, 28), date(2026, 3, 3), ZoneInfo("UTC")))
    assert [day.asked for day in days] == [2, 5, 1, 2]


def test_percentiles_are_by_nearest_rank(store):
    every, first, second, third = response_times(store, MARCH)
    # Sorted: 0.1 1 2 3 4 9; of six, half is the third, 95 and 99 % round up to the sixth.
    assert every == ResponseTime("", 6, 2.0, 9.0, 9.0)
    assert first == ResponseTime("2026-03-01", 5, 2.0, 4.0, 4.0)
    assert second == ResponseTime("2026-03-02", 0, None, None, None)
    assert third == ResponseTime("2026-03-03", 1, 9.0, 9.0, 9.0)


def test_percentiles_agree_with_sorting_all_times(store):
    rng = random.Random(1)
    times = [round(rng.lognormvariate(0, 1), 1) for _ in range(1000)]
    for number, milliseconds in enumerate(times):
        log(store, f"2026-05-01 00:{number % 60:02}", "x", "reject", milliseconds=milliseconds)
    [every, _] = response_times(store, Period(date(2026, 5, 1), date(2026, 5, 1), ZoneInfo("UTC")))
    ranked = sorted(times)
    assert (every.p50, every.p95, every.p99) == (ranked[499], ranked[949], ranked[989])


def test_an_entry_is_hit_by_an_answer_or_a_click(store):
    assert entry_hits(store, MARCH) == (
        EntryHits("refund", "如何退货？", "售后", 3, 1, 2, 0),
        EntryHits("invoice", "如何开发票？", "", 0, 1, 0, 1),
    )


def test_what_nobody_was_shown_is_listed_unless_it_is_switched_off(store):
    assert [entry.key for entry in never_hit(store, MARCH)] == ["coupon"]
    quiet = Period(date(2026, 3, 2), date(2026, 3, 2), SHANGHAI)
    assert [entry.key for entry in never_hit(store, quiet)] == ["refund", "invoice", "coupon"]


def test_an_entry_that_is_gone_keeps_its_hits(store):
    log(store, "2026-03-01 06:00", "旧", "answer", entry_key="gone")
    assert EntryHits("gone", "", "", 1, 0, 0, 0) in entry_hits(store, MARCH)


def test_queries_that_read_alike_are_one(store):
    assert top_queries(store, MARCH, 2) == (
        AskedQuery("怎么退货", 3, 3, 0, 0),
        AskedQuery("天气", 1, 0, 0, 1),
    )
    assert "😀" not in [query.text for query in top_queries(store, MARCH)]


def test_every_table_goes_into_a_csv(store, tmp_path):
    tables = {
        Counts: counts_by_day(store, MARCH),
        ResponseTime: response_times(store, MARCH),
        EntryHits: entry_hits(store, MARCH) + never_hit(store, MARCH),
        AskedQuery: top_queries(store, MARCH),
    }
    for kind, rows in tables.items():
        path = tmp_path / "out.csv"
        write_rows(path, kind.TITLES, [row.cells() for row in rows])
        with path.open(encoding="utf-8-sig", newline="") as file:
            read = list(csv.reader(file))
        assert tuple(read[0]) == kind.TITLES
        assert [len(row) for row in read] == [len(kind.TITLES)] * (1 + len(rows))
    assert total(tables[Counts]).cells() == (
        *("", "8", "3", "3", "2", "2", "66.7 %", "1", "2", "1", "66.7 %"),
    )


def test_an_empty_log_has_only_zeros(tmp_path):
    store = Store.create(tmp_path / "faq.db")
    assert [day.asked for day in counts_by_day(store, MARCH)] == [0, 0, 0]
    assert total(()).asked == 0
    assert response_times(store, MARCH)[0].cells() == ("", "0", "", "", "")
    assert entry_hits(store, MARCH) == never_hit(store, MARCH) == top_queries(store, MARCH) == ()


def test_every_count_is_made_from_the_index_alone(store):
    with store.reading() as db:
        connection = db.conn
    said = []
    connection.set_trace_callback(said.append)
    for figures in (counts_by_day, response_times, entry_hits, never_hit, top_queries):
        figures(store, MARCH)
    connection.set_trace_callback(None)
    queries = {sql for sql in said if "query_log" in sql}
    assert len(queries) == 3 + 3 + 1 + 1 + 1  # those by day are asked day by day
    for sql in queries:
        plan = [row[3] for row in connection.execute(f"explain query plan {sql}")]
        steps = [step for step in plan if "query_log" in step]
        assert steps, plan
        for step in steps:
            assert "USING COVERING INDEX query_log_counted (asked_at>? AND asked_at<?)" in step


def test_the_service_logs_how_long_it_took_and_what_was_asked(store, encoder):
    service = Service(store, encoder)
    service.ask("怎麼退貨？打13812345678找我")
    service.flush()
    row = store.logged_queries()[-1]
    assert row["text"] == "怎么退货?打[手机号]找我"
    assert 0 < row["milliseconds"] < 60_000
