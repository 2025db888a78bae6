import pytest

from indexer.build import publish
from indexer.evaluate import LabelledQuery, run_cases
from indexer.promising_changes import Change, coined_words, promising_changes
from indexer.records import Entry
from indexer.search import Searcher
from indexer.store import Store
from tests.test_suggestions import ENTRIES, QUERIES


@pytest.fixture
def changes(tmp_path, encoder):
    def changes(queries, entries=ENTRIES, keywords=None):
        store = Store.create(tmp_path / "faq.db")
        settings = {"keywords": keywords or {}}
        publish(store, store.snapshot(), encoder, entries, settings)
        searcher = Searcher.load(store, encoder)
        said = {
            entry.key: [searcher.reader.read(text) for text in (entry.question, *entry.variants)]
            for entry in entries
        }
        return promising_changes(searcher, run_cases(searcher, queries), said)

    return changes


def test_what_misled_most_queries_is_lowered_first(changes):
    assert changes(QUERIES)[:3] == [Change("青禾", 1.0, factor) for factor in (0.0, 0.25, 0.5)]


def test_what_the_right_entry_has_and_the_other_has_not_is_raised(changes):
    found = changes([query for query in QUERIES if query.query == "青禾地址怎么改"])
    assert {Change("地址", 1.0, 2.0), Change("地址", 1.0, 4.0)} < set(found)
    assert Change("地址", 1.0, 0.5) not in found


def test_a_factor_that_is_set_is_left_on_either_side(changes):
    found = changes(QUERIES, keywords={"青禾": 2.0, "地址": 4.0})
    assert {c.factor for c in found if c.word == "青禾"} == {0.0, 0.25, 0.5, 1.0}
    assert {c.before for c in found if c.word == "青禾"} == {2.0}
    assert "地址" not in {c.word for c in found}  # no higher factor is left


def test_a_word_of_one_query_that_the_faq_does_not_hold_is_not_learnt_by_heart(changes):
    one = LabelledQuery("青禾附近的加油站", "", "dev", "")
    two = LabelledQuery("青禾旁边的加油站", "", "dev", "")
    # Nor is more weight put on it if there are two: the FAQ is not found by what it does not say.
    for queries in ([*QUERIES, one], [*QUERIES, one, two]):
        assert "加油站" not in {change.word for change in changes(queries)}
    station = Entry(key="station", question="加油站开发票吗？", answer="E")
    found = changes([*QUERIES, one], (*ENTRIES, station))
    assert "加油站" in {change.word for change in found}


def test_queries_that_come_out_right_want_no_change(changes):
    assert changes([query for query in QUERIES if query.query == "怎么退货啊"]) == []


def test_a_query_that_finds_nothing_teaches_nothing(changes):
    assert changes([LabelledQuery("？？", "refund", "dev", "")]) == []


def test_words_that_the_dictionary_cuts_in_two_are_put_together(encoder):
    texts = ["青禾是什么", "青禾的会员", "介绍青禾", "我要退货", "我要换货", "你要退吗", "我退了"]
    assert coined_words(map(encoder.weigh, texts)) == {"青禾"}
    # Too seldom to tell.
    assert coined_words(map(encoder.weigh, texts[:2])) == frozenset()
    # Apart more often than together.
    assert coined_words(map(encoder.weigh, [*texts, *8 * ["青"]])) == frozenset()
