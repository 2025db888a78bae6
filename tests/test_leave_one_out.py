import csv

import pytest

from distill.text import normalise
from indexer.build import publish
from indexer.errors import TableError
from indexer.leave_one_out import built_in_out_of_scope, leave_one_out, read_out_of_scope
from indexer.records import Entry
from indexer.search import Searcher
from indexer.store import Store
from indexer.table_import import read_table
from tests.conftest import ROOT

ENTRIES = (
    Entry(key="refund", question="如何申请退货？", variants=("怎么退货", "我要退货"), answer="A"),
    Entry(
        key="return", question="退货的运费谁出？", variants=("怎么退货？", "退货运费"), answer="B"
    ),
    Entry(key="invoice", question="如何开具发票？", variants=("如何开具发票!",), answer="C"),
    Entry(key="password", question="忘记密码怎么办？", answer="D"),
    Entry(key="old", question="春节放假吗？", variants=("过年休息吗",), answer="E", enabled=False),
    Entry(
        key="over",
        question="国庆放假吗？",
        variants=("十一休息吗",),
        answer="F",
        valid_to="2020-01-01",
    ),
)


@pytest.fixture
def searcher(tmp_path, encoder):
    store = Store.create(tmp_path / "faq.db")
    publish(store, store.snapshot(), encoder, ENTRIES)
    return Searcher.load(store, encoder)


def test_a_question_does_not_find_itself_nor_one_of_the_same_words(searcher):
    held_out = leave_one_out(searcher, 100)
    assert searcher.search("怎么退货").hits[0].question in ("怎么退货", "怎么退货？")
    for query in held_out.queries:
        hits = held_out.search(query.query, 10).hits
        assert hits
        assert query.query.strip("？!") not in {hit.question.strip("？!") for hit in hits}


def test_its_entry_is_still_found_by_the_standard_question_and_the_others(searcher):
    hits = leave_one_out(searcher, 100).search("我要退货", 10).hits
    found = {hit.entry_id: hit.question for hit in hits}
    assert found["refund"] in ("怎么退货", "如何申请退货？")


def test_other_words_are_searched_with_everything(searcher):
    assert (
        leave_one_out(searcher, 100).search("想退货", 3).hits == searcher.search("想退货", 3).hits
    )


def test_what_is_asked_and_what_cannot_be(searcher):
    held_out = leave_one_out(searcher, 100)
    assert [(query.query, query.entry_id) for query in held_out.queries] == [
        ("怎么退货", "refund"),
        ("我要退货", "refund"),
        ("怎么退货？", "return"),
        ("退货运费", "return"),
    ]
    # One has a standard question only, the other differs from it in punctuation only.
    assert held_out.unmeasurable == ("invoice", "password")
    assert held_out.measurable == 4


def test_of_many_questions_a_sample_is_asked_always_the_same(searcher):
    first, again = (leave_one_out(searcher, 2).queries for _ in range(2))
    assert len(first) == 2
    assert first == again


def test_a_query_that_the_faq_holds_is_known(searcher):
    held_out = leave_one_out(searcher, 100)
    assert held_out.holds("忘记密码怎么办")
    assert not held_out.holds("今天天气")


def test_the_built_in_list_is_large_varied_and_in_no_other_file():
    queries = read_out_of_scope(built_in_out_of_scope())
    texts = [normalise(query.query) for query in queries]
    assert len(texts) == len(set(texts)) >= 200
    assert len({query.kind for query in queries}) >= 10
    assert {query.entry_id for query in queries} == {""}
    with (ROOT / "data" / "queries.csv").open(encoding="utf-8-sig", newline="") as file:
        labelled = {normalise(row["query"]) for row in csv.DictReader(file)}
    questions = {
        normalise(text)
        for row in read_table(ROOT / "data" / "faq.csv").rows
        for text in (row.question, *row.variants)
    }
    assert not set(texts) & (labelled | questions)
    assert not [text for text in texts if "青禾" in text]


def test_a_list_of_ones_own_is_a_table_or_lines(tmp_path):
    lines, table = tmp_path / "own.txt", tmp_path / "own.csv"
    lines.write_text("今天几号\n\n 你好 \n", encoding="utf-8-sig")
    table.write_text("query,entry_id,kind\n今天几号,,闲聊\n", encoding="utf-8")
    assert [query.query for query in read_out_of_scope(lines)] == ["今天几号", "你好"]
    assert [(query.query, query.kind) for query in read_out_of_scope(table)] == [
        ("今天几号", "闲聊")
    ]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("none.txt", None),
        ("empty.txt", b"\n\n"),
        ("bytes.txt", b"\xff\xfe\x80"),
        ("labelled.csv", "query,entry_id\n怎么退货,refund\n".encode()),
    ],
)
def test_a_list_that_is_none_is_refused(tmp_path, name, data):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(TableError, match=f"{name}.*怎么办"):
        read_out_of_scope(tmp_path / name)
