from dataclasses import asdict, astuple, fields, replace

import numpy as np
import pytest

from indexer.build import publish
from indexer.entry_vectors import EntryVectors
from indexer.errors import StoreError
from indexer.lexical import characters, cosine, coverage, pairs, profile, sounds
from indexer.records import Entry, Signals
from indexer.search import WEIGHTS, Searcher
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


def plain_signals(encoder, entries, query):
    """The signals of each entry, without any index."""
    texts = [(e.question, *e.variants) for e in entries]
    vectors = encoder.encode([t for own in texts for t in own])
    start = np.cumsum([0, *map(len, texts)])
    wholes = EntryVectors(vectors, start)
    asked, vector = encoder.weigh(query), encoder.encode([query])[0]
    found = {}
    for number, (entry, own) in enumerate(zip(entries, texts, strict=True)):
        read = [encoder.weigh(text) for text in own]
        answer = encoder.weigh(entry.answer)
        found[entry.key] = Signals(
            wording=max(vectors[start[number] : start[number + 1]] @ vector),
            whole=wholes.cosines(wholes.whiten(vector), np.array([number]))[0],
            characters=cosine(
                characters(asked), profile(map(characters, read), characters(answer))
            ),
            coverage=coverage(
                pairs(characters(asked)), [*map(characters, read), characters(answer)]
            ),
            sound=cosine(sounds(asked), profile(map(sounds, read))),
            answer=encoder.encode([entry.answer])[0] @ vector,
        )
    return found


def test_scores_are_those_of_a_plain_loop(store, encoder):
    query = "想把东西退掉"
    weights = astuple(WEIGHTS)
    result = Searcher.load(store, encoder).search(query)
    wanted = plain_signals(encoder, ENTRIES, query)
    for hit in result.hits:
        signals = astuple(wanted[hit.entry_id])
        assert astuple(hit.signals) == pytest.approx(signals, abs=1e-4)
        assert hit.score == pytest.approx(np.dot(signals, weights) / sum(weights), abs=1e-4)


@pytest.mark.parametrize("name", [field.name for field in fields(Signals)])
def test_each_signal_can_be_switched_off(store, encoder, name):
    weights = replace(WEIGHTS, **{name: 0.0})
    store.publish_settings({"signals": asdict(weights)})
    wanted = plain_signals(encoder, ENTRIES, "想把东西退掉")
    for hit in Searcher.load(store, encoder).search("想把东西退掉").hits:
        signals = astuple(wanted[hit.entry_id])
        score = np.dot(signals, astuple(weights)) / sum(astuple(weights))
        assert hit.score == pytest.approx(score, abs=1e-4)


@pytest.mark.parametrize("said", ["怎么退货", "怎麼退貨？", " 怎么退货!! ", "怎么退货。"])
def test_the_same_question_is_exact_however_it_is_typed(store, encoder, said):
    result = Searcher.load(store, encoder).search(said)
    assert (result.hits[0].exact, result.hits[0].score, result.hits[0].confidence) == (True, 1, 1)
    assert result.in_scope == 1
    assert not any(hit.exact for hit in result.hits[1:])


def test_punctuation_that_means_something_makes_another_question(store, encoder):
    edit(store, encoder, variants=("C++怎么退货", "满1.5怎么退"))
    searcher = Searcher.load(store, encoder)
    assert not searcher.search("C怎么退货").hits[0].exact
    assert not searcher.search("满15怎么退").hits[0].exact


def test_confidences_are_probabilities_and_fall_with_the_rank(store, encoder):
    result = Searcher.load(store, encoder).search("东西想退掉")
    confidences = [hit.confidence for hit in result.hits]
    assert confidences == sorted(confidences, reverse=True)
    assert 0 <= sum(confidences) <= result.in_scope + 1e-6 <= 1 + 1e-6
    # However many hits are asked for, the best is as sure.
    assert Searcher.load(store, encoder).search("东西想退掉", 1).hits == result.hits[:1]


def test_a_counter_example_pushes_its_entry_down_by_what_it_means(store, encoder):
    query = "电子发票怎么退"
    before = {h.entry_id: h for h in Searcher.load(store, encoder).search(query).hits}
    edit(store, encoder, negatives=("发票怎么退",))
    after = {h.entry_id: h for h in Searcher.load(store, encoder).search(query).hits}
    assert after["refund"].objection == "发票怎么退"
    assert after["refund"].score < before["refund"].score
    assert after["invoice"].score == before["invoice"].score
    exact = Searcher.load(store, encoder).search("发票怎么退？").hits
    assert exact[-1].entry_id == "refund"  # word for word: behind all others
    # A query nearer to a wording than to the counter-example is none of its business.
    assert Searcher.load(store, encoder).search("我想要退货").hits[0].objection == ""


def test_synonyms_are_read_as_one_word(store, encoder):
    publish(store, store.snapshot(), encoder, settings={"synonyms": [["退货", "退换", "返货"]]})
    searcher = Searcher.load(store, encoder)
    hit = searcher.search("怎么返货").hits[0]
    assert (hit.exact, hit.question) == (True, "怎么退货")
    assert not Searcher.load(store, encoder).search("怎么换货").hits[0].exact


def test_a_stored_keyword_acts_on_questions_and_queries(store, encoder):
    publish(store, store.snapshot(), encoder, settings={"keywords": {"退货": 3.0}})
    hits = Searcher.load(store, encoder).search("发票退货").hits
    heavier = encoder.with_keywords({"退货": 3.0})
    for key, signals in plain_signals(heavier, ENTRIES, "发票退货").items():
        found = next(hit for hit in hits if hit.entry_id == key)
        assert astuple(found.signals) == pytest.approx(astuple(signals), abs=1e-4)


def test_what_query_and_entry_contradict_each_other_in_is_said(store, encoder):
    edit(store, encoder, question="为什么不能退货？", variants=("不能退货",))
    searcher = Searcher.load(store, encoder)
    assert searcher.search("怎么才可以退货呀").hits[0].contradiction
    store.publish_settings({"negation_guard": False})
    unguarded = Searcher.load(store, encoder)
    assert not unguarded.search("怎么才可以退货呀").hits[0].contradiction


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
    publish(store, store.snapshot(), encoder, settings={"keywords": {"退货": 0.0}})
    searcher = Searcher.load(store, encoder)
    for query in ("退货", "退货？", "“退货”……"):
        assert searcher.search(query).hits == ()
    # A stored question that would be left without a word is read as if nothing had been said.
    edit(store, encoder, variants=("退货",))
    assert Searcher.load(store, encoder).search("我要退").hits


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
        # All but equal: what wordings of one entry differ in was learnt with them.
        fresh = rebuilt.search(query, 3).hits
        assert [hit.question_id for hit in result.hits] == [hit.question_id for hit in fresh]
        for hit, other in zip(result.hits, fresh, strict=True):
            assert astuple(hit.signals) == pytest.approx(astuple(other.signals), abs=0.03)
            assert replace(hit.signals, whole=0) == replace(other.signals, whole=0)
        assert not left_out & {hit.question_id for hit in result.hits}


def test_what_did_not_change_is_taken_over_from_the_previous_revision(store, encoder):
    first = Searcher.load(store, encoder)
    edit(store, encoder, tags=("热门",))
    second = Searcher.load(store, encoder, first)
    assert second._vectors is first._vectors and second._wholes is first._wholes
    edit(store, encoder, answer="在订单里退")
    third = Searcher.load(store, encoder, second)
    assert third._wholes is first._wholes and third._answer_vectors is not first._answer_vectors
    asked = []
    read = store.vectors
    store.vectors = lambda keys: asked.append(len(keys)) or read(keys)
    edit(store, encoder, variants=("怎么退货", "退掉它"))
    asked.clear()
    fourth = Searcher.load(store, encoder, third)
    assert asked == [1]  # of the one new wording
    for query in ("退掉它", "在订单里退", "密码"):
        assert fourth.search(query) == Searcher.load(store, encoder).search(query)
