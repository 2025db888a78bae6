from dataclasses import replace

import numpy as np
import pytest

from indexer.build import publish
from indexer.errors import StoreError
from indexer.lexical import features
from indexer.records import Entry
from indexer.search import LEXICAL_SHARE, Searcher
from indexer.store import Store

ENTRIES = (
    Entry(key="refund", question="如何申请退货？", variants=("怎么退货", "我要退货"), answer="A"),
    Entry(key="invoice", question="如何开具电子发票？", variants=("怎么开发票",), answer="B"),
    Entry(key="password", question="忘记密码怎么办？", variants=("密码忘了",), answer="C"),
)


@pytest.fixture
def store(tmp_path, encoder):
    store = Store.create(tmp_path / "faq.db")
    publish(store, store.snapshot(), encoder, ENTRIES)
    return store


def edit(store, encoder, **changes):
    entry = replace(store.snapshot().entries["refund"], **changes)
    publish(store, store.snapshot(), encoder, [entry])


def test_a_stored_question_finds_its_entry_with_score_1(store, encoder):
    searcher = Searcher.load(store, encoder)
    for entry in ENTRIES:
        for text in (entry.question, *entry.variants):
            hit = searcher.search(text).hits[0]
            assert (hit.entry_id, hit.question, hit.score) == (entry.key, text, 1.0)


def test_hits_are_best_first_and_one_an_entry(store, encoder):
    hits = Searcher.load(store, encoder).search("怎么退货", 10).hits
    assert len(hits) == len({hit.entry_id for hit in hits}) == 3
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


def test_scores_are_those_of_a_plain_loop(store, encoder):
    query = "想把东西退掉"
    texts = [(e.key, t) for e in ENTRIES for t in (e.question, *e.variants)]
    wanted = {}
    for key, text in texts:
        cosine = float(np.dot(*encoder.encode([query, text])))
        a, b = (features(encoder.weigh(x)) for x in (query, text))
        lexical = sum(w * b.get(f, 0) for f, w in a.items())
        score = (1 - LEXICAL_SHARE) * cosine + LEXICAL_SHARE * lexical
        wanted[key] = max(wanted.get(key, -1), score)
    hits = Searcher.load(store, encoder).search(query).hits
    assert {hit.entry_id: hit.score for hit in hits} == pytest.approx(wanted, abs=1e-4)


def test_a_next_revision_reuses_what_it_can_and_is_the_same(store, encoder):
    first = Searcher.load(store, encoder)
    edit(store, encoder, variants=("怎么退货", "全新的问法"))
    again, fresh = Searcher.load(store, encoder, first), Searcher.load(store, encoder)
    for query in ("怎么退", "全新的问法", "密码"):
        assert again.search(query) == fresh.search(query)


def test_an_entry_with_many_questions_does_not_crowd_out_the_others(store, encoder):
    edit(store, encoder, variants=tuple(f"怎么退货{i}" for i in range(60)))
    hits = Searcher.load(store, encoder).search("怎么退货", 3).hits
    assert {hit.entry_id for hit in hits} == {"refund", "invoice", "password"}


@pytest.mark.parametrize(
    "changes",
    [{"enabled": False}, {"valid_to": "2020-01-01"}, {"valid_from": "2999-01-01"}],
    ids=["switched off", "expired", "not yet valid"],
)
def test_an_entry_that_does_not_apply_is_not_found(store, encoder, changes):
    edit(store, encoder, **changes)
    hits = Searcher.load(store, encoder).search("怎么退货").hits
    assert "refund" not in {hit.entry_id for hit in hits}


@pytest.mark.parametrize("query", ["", "  ", "😀😀", "？？！", "\x00"])
def test_a_query_that_says_nothing_has_no_hits(store, encoder, query):
    assert Searcher.load(store, encoder).search(query).hits == ()


def test_a_searcher_stays_on_its_revision(store, encoder):
    old = Searcher.load(store, encoder)
    edit(store, encoder, answer="新", variants=())
    assert old.search("怎么退货").hits[0].question == "怎么退货"
    assert old.entries["refund"].answer == "A"
    assert Searcher.load(store, encoder).entries["refund"].answer == "新"


def test_vectors_of_another_encoder_are_refused_with_the_remedy(store, encoder):
    store.save_settings({"encoder": "another"})
    with pytest.raises(StoreError, match="python -m indexer refresh"):
        Searcher.load(store, encoder)


def test_an_empty_database_is_refused_with_the_remedy(tmp_path, encoder):
    with pytest.raises(StoreError, match="python -m indexer build"):
        Searcher.load(Store.create(tmp_path / "new.db"), encoder)


def test_a_keyword_of_weight_0_on_all_that_was_said_finds_nothing(store, encoder):
    silenced = encoder.with_keywords({"退货": 0.0})
    assert replace(Searcher.load(store, encoder), encoder=silenced).search("退货").hits == ()


def test_a_search_without_some_questions_is_that_of_an_index_without_them(store, encoder):
    edit(store, encoder, variants=("怎么退货", "我要退货", *(f"怎么退货{i}" for i in range(120))))
    searcher = Searcher.load(store, encoder)
    left_out = {q.id for q in searcher.questions if q.text in ("怎么退货", "我要退货", "密码忘了")}
    assert len(left_out) == 3
    found = {query: searcher.search(query, 3, without=left_out) for query in ("怎么退货", "密码")}
    edit(store, encoder, variants=tuple(f"怎么退货{i}" for i in range(120)))
    publish(store, store.snapshot(), encoder, [replace(ENTRIES[2], variants=())])
    rebuilt = Searcher.load(store, encoder)
    for query, result in found.items():
        assert result.hits == rebuilt.search(query, 3).hits
        assert not left_out & {hit.question_id for hit in result.hits}
