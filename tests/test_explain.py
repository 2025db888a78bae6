"""Explanations say what a plain recomputation says, and what decide() decided."""

import json
import random
from dataclasses import asdict, astuple, replace

import numpy as np
import pytest
from click.testing import CliRunner

import indexer.cli
from distill.text import speaks
from indexer.build import publish
from indexer.calibration import Thresholds
from indexer.decision import DecisionKind, decide
from indexer.entry_vectors import EntryVectors
from indexer.explain import SILENCED, explain
from indexer.explain_text import as_text
from indexer.lexical import characters, cosine, coverage, pairs, profile, sounds
from indexer.reasons import DECISIONS, reason_in_words
from indexer.records import Entry, Hit, SearchResult
from indexer.search import WEIGHTS, Searcher
from indexer.store import Store
from tests.conftest import BUNDLE, thresholds_setting

ENTRIES = (
    Entry(key="refund", question="如何申请退货？", variants=("怎么退货", "我要退货"), answer="A"),
    Entry(key="invoice", question="如何开具电子发票？", variants=("怎么开发票",), answer="B"),
    Entry(key="password", question="忘记密码怎么办？", variants=("密码忘了",), answer="C"),
)
QUERY = "昨天买的东西, 想退货!"


@pytest.fixture
def store(tmp_path, encoder):
    store = Store.create(tmp_path / "faq.db")
    publish(store, store.snapshot(), encoder, ENTRIES)
    return store


@pytest.fixture
def searcher(store, encoder):
    return Searcher.load(store, encoder)


def plain_similarities(encoder, asked):
    """The weighted mean of the signals by entry, for a weighted query, without any index."""
    texts = [(e.question, *e.variants) for e in ENTRIES]
    vectors = encoder.encode([text for own in texts for text in own])
    start = np.cumsum([0, *map(len, texts)])
    wholes = EntryVectors(vectors, start)
    vector = encoder.encode([asked])[0]
    found = {}
    for number, (entry, own) in enumerate(zip(ENTRIES, texts, strict=True)):
        read, answer = [encoder.weigh(text) for text in own], encoder.weigh(entry.answer)
        signals = (
            max(vectors[start[number] : start[number + 1]] @ vector),
            wholes.cosines(wholes.whiten(vector), np.array([number]))[0],
            cosine(characters(asked), profile(map(characters, read), characters(answer))),
            coverage(pairs(characters(asked)), [*map(characters, read), characters(answer)]),
            cosine(sounds(asked), profile(map(sounds, read))),
            encoder.encode([entry.answer])[0] @ vector,
        )
        found[entry.key] = np.dot(signals, astuple(WEIGHTS)) / sum(astuple(WEIGHTS))
    return found


def test_shares_are_those_of_a_plain_recomputation(searcher, encoder):
    asked = encoder.weigh(QUERY)
    whole = plain_similarities(encoder, asked)
    falls = {}
    for word in filter(lambda word: speaks(word.text), asked.words):
        weights = asked.weights.copy()
        weights[word.start : word.end] = 0
        rest = plain_similarities(encoder, replace(asked, weights=weights / weights.sum()))
        falls[word.text] = {key: whole[key] - rest[key] for key in whole}
    found = explain(searcher, QUERY)
    assert len(found.hits) == 3
    for hit in found.hits:
        assert [word.text for word in hit.words] == list(falls)
        total = sum(abs(fall[hit.entry_id]) for fall in falls.values())
        for word in hit.words:
            fall = falls[word.text][hit.entry_id]
            assert word.fall == pytest.approx(fall, abs=1e-4)
            assert word.share == pytest.approx(fall / total, abs=2e-3)
    best = {word.text: word.share for word in found.hits[0].words}
    assert (found.hits[0].entry_id, max(best, key=best.get)) == ("refund", "退货")


def test_words_weigh_what_the_vector_is_pooled_by(searcher, encoder):
    found = explain(searcher, f"{QUERY} 退货")
    asked = encoder.weigh(f"{QUERY} 退货")
    for word in found.words:
        own = [asked.weights[w.start : w.end].sum() for w in asked.words if w.text == word.text]
        assert (word.weight, word.count) == (pytest.approx(sum(own), abs=1e-5), len(own))
        assert word.idf == pytest.approx(encoder.weighting.idf.idf(word.text), abs=1e-4)
    assert found.words[-1].text == "退货"
    assert found.words[-1].count == 2
    assert all(speaks(word.text) for word in found.words)
    assert found.punctuation > 0
    total = sum(word.weight for word in found.words) + found.punctuation
    assert total == pytest.approx(1, abs=1e-4)


def test_hits_are_those_of_a_search_and_contributions_add_up_to_their_scores(searcher):
    found = explain(searcher, QUERY, 2)
    wanted = searcher.search(QUERY).hits
    assert [hit.entry_id for hit in found.hits] == [hit.entry_id for hit in wanted[:2]]
    for hit, other in zip(found.hits, wanted, strict=False):
        assert (hit.score, hit.signals, hit.confidence) == (
            other.score,
            other.signals,
            other.confidence,
        )
        assert sum(astuple(hit.contributions)) == pytest.approx(hit.score, abs=1e-4)
        assert (hit.similarity, hit.rules) == (pytest.approx(hit.score, abs=1e-4), 0)
    assert found.hits[0].question == "我要退货"
    assert found.hits[0].standard_question == "如何申请退货？"


def test_the_lead_over_the_next_is_taken_apart(searcher):
    found = explain(searcher, QUERY, 1)
    first, second = searcher.search(QUERY).hits[:2]
    assert (found.lead.over, found.lead.score) == (
        second.entry_id,
        pytest.approx(first.score - second.score, abs=1e-5),
    )
    gaps = np.subtract(astuple(first.signals), astuple(second.signals)) * astuple(WEIGHTS)
    names = list(asdict(WEIGHTS))
    assert astuple(found.lead.signals) == pytest.approx(gaps / sum(astuple(WEIGHTS)), abs=1e-4)
    assert found.lead.decided_by == names[int(np.argmax(gaps))]


def test_an_exact_match_is_a_rule_above_the_similarity(searcher):
    found = explain(searcher, "怎么退货？")
    best = found.hits[0]
    assert (best.exact, best.score) == (True, 1.0)
    assert best.similarity + best.rules == pytest.approx(1, abs=1e-5)
    assert best.similarity == pytest.approx(sum(astuple(best.contributions)), abs=1e-4)
    assert best.similarity < 0.99
    assert found.lead.decided_by == "rules"
    # Words matter for the similarity, which the rule has overruled.
    assert {word.text: word.share > 0 for word in best.words}["退货"]


@pytest.mark.parametrize("query", ["发票怎么退", "电子发票怎么退"], ids=["exact", "near"])
def test_what_a_counter_example_takes_away_is_said(store, encoder, query):
    refund = replace(store.snapshot().entries["refund"], negatives=("发票怎么退",))
    publish(store, store.snapshot(), encoder, [refund])
    found = explain(Searcher.load(store, encoder), query)
    hit = next(hit for hit in found.hits if hit.entry_id == "refund")
    assert hit.objection == "发票怎么退"
    assert hit.rules < 0
    assert hit.similarity + hit.rules == pytest.approx(hit.score, abs=1e-4)
    assert any(word.fall for word in hit.words)
    assert "反例「发票怎么退」" in as_text(found)


def test_an_operators_factor_shows_and_moves_the_shares_its_way(store, encoder):
    query = "发票退货"

    def of_refund(factor):
        publish(store, store.snapshot(), encoder, settings={"keywords": {"退货": factor}})
        found = explain(Searcher.load(store, encoder), query)
        hit = next(hit for hit in found.hits if hit.entry_id == "refund")
        words = {word.text: word for word in found.words}
        return words["退货"], {word.text: word.share for word in hit.words}

    word, shares = of_refund(1.0)
    heavier, raised = of_refund(4.0)
    assert (word.factor, heavier.factor) == (1.0, 4.0)
    assert heavier.weight > word.weight
    assert heavier.idf == word.idf
    assert raised["退货"] > shares["退货"] > 0
    assert shares["发票"] < 0  # without it the query were nearer to the entry
    silenced, none = of_refund(0.0)
    assert (silenced.factor, silenced.weight, none["退货"]) == (0, 0, 0)


def test_synonyms_and_what_was_normalised_are_visible(store, encoder):
    publish(store, store.snapshot(), encoder, settings={"synonyms": [["退货", "返货", "退换货"]]})
    found = explain(Searcher.load(store, encoder), "怎麼返货, 我要返货还是退货")
    assert found.read == "怎么退货, 我要退货还是退货"
    assert [astuple(pair) for pair in found.synonyms] == [("返货", "退货")]
    text = as_text(found)
    assert "同义词  返货 → 退货" in text
    assert "读作    怎么退货, 我要退货还是退货" in text


@pytest.mark.parametrize("query", ["退", "退货", "退货！！", "「退货」退货"])
def test_a_query_of_one_word_owes_all_to_it(searcher, query):
    found = explain(searcher, query)
    assert len(found.words) == 1
    for hit in found.hits:
        assert [(word.share, word.fall) for word in hit.words] == [(1.0, hit.similarity)]


@pytest.mark.parametrize("query", ["", "？！…", "😀😀", "\ud800"])
def test_a_query_that_says_nothing_is_explained_as_such(searcher, query):
    found = explain(searcher, query)
    assert (found.hits, found.words, found.decision, found.reason) == ((), (), "reject", "no_hits")
    assert "没有文字" in found.sentence
    assert "没有文字" in as_text(found)
    json.dumps(asdict(found), ensure_ascii=False).encode()


def test_a_query_whose_words_are_all_silenced_is_told_from_one_without_words(store, encoder):
    publish(store, store.snapshot(), encoder, settings={"keywords": {"退货": 0.0}})
    found = explain(Searcher.load(store, encoder), "退货")
    assert (found.hits, found.words[0].factor) == ((), 0.0)
    assert "权重 0" in found.sentence
    assert "退货" in as_text(found)


def test_of_a_long_text_only_the_heaviest_words_are_silenced(searcher, monkeypatch):
    rng = random.Random(0)
    query = "退货" + "".join(chr(rng.randrange(0x4E00, 0x9FA0)) for _ in range(4_998))
    ranked = []
    rank = Searcher.rank
    monkeypatch.setattr(Searcher, "rank", lambda *a: ranked.append(1) or rank(*a))
    found = explain(searcher, query)
    assert len(ranked) == SILENCED + 1
    assert found.not_silenced == len(found.words) - SILENCED > 1_000
    lightest = min(
        word.weight for word in found.words if word.text in {w.text for w in found.hits[0].words}
    )
    assert sum(word.weight > lightest for word in found.words) <= SILENCED
    assert f"其余 {found.not_silenced} 个词" in as_text(found)
    assert max(map(len, as_text(found).splitlines())) < 200


def test_a_hit_that_a_silenced_word_sends_far_down_is_still_ranked(store, encoder):
    many = [
        Entry(key=f"e{i}", question=f"如何办理第{i}号业务", answer=f"{i}", variants=(f"办理{i}",))
        for i in range(60)
    ]
    publish(store, store.snapshot(), encoder, many)
    found = explain(Searcher.load(store, encoder), "退货怎么办理业务", 10)
    refund = next(hit for hit in found.hits if hit.entry_id == "refund")
    falls = {word.text: word.fall for word in refund.words}
    assert 0 < falls["退货"] < refund.similarity  # not as if the entry had been lost


@pytest.mark.parametrize(
    ("query", "answer", "clarify", "reason", "by_thresholds"),
    [
        ("怎么退货", 0.5, 0.5, "exact", "answer"),
        (QUERY, 0.0, 0.0, "score", "answer"),
        (QUERY, 1.0, 0.0, "between", "clarify"),
        (QUERY, 1.0, 1.0, "low_score", "reject"),
        ("怎么开发票", 0.5, 0.0, "near_equal", "answer"),
        ("怎么才可以换货呀", 0.0, 0.0, "negation", "answer"),
        ("会员怎么换", 0.0, 0.0, "objection", "answer"),
    ],
)
def test_the_decision_is_that_of_decide_and_the_rule_that_changed_it_is_named(
    store, encoder, query, answer, clarify, reason, by_thresholds
):
    more = (
        Entry(key="twin", question="怎么开发票", answer="另一个"),
        Entry(key="no", question="为什么不能换货", answer="D"),
        Entry(key="member", question="会员怎么办", negatives=("会员怎样换",), answer="E"),
    )
    settings = thresholds_setting(encoder.fingerprint, answer, clarify)
    publish(store, store.snapshot(), encoder, more, settings)
    searcher = Searcher.load(store, encoder)
    found = explain(searcher, query, 1)
    result = searcher.search(query)
    decision = decide(result, searcher.thresholds)
    assert (found.decision, found.reason) == (decision.kind, decision.reason)
    assert (found.reason, found.by_thresholds) == (reason, by_thresholds)
    assert found.sentence == reason_in_words(result, decision, searcher.thresholds)
    assert (found.confidence, found.in_scope) == (result.hits[0].confidence, result.in_scope)
    assert ("是规则改变了它" in as_text(found)) == (by_thresholds != decision.kind)


BEST = Hit("a", 1, "怎么退", 0.8, confidence=0.9, objection="怎么换", contradiction="退")


@pytest.mark.parametrize(
    ("hit", "evidence", "thresholds", "kind", "words"),
    [
        (replace(BEST, exact=True), (), (0.5, 0.5), "answer", "与库里的问法「怎么退」一字不差"),
        (
            BEST,
            (),
            (0.5, 0.5),
            "clarify",
            "90.0%, 够直接回答 (≥ 50%); 但提问更像这一条的反例「怎么换」",
        ),
        (replace(BEST, objection=""), (), (0.5, 0.5), "clarify", "在「退」上一个肯定、一个否定"),
        (BEST, (0.004,), (0.5, 0.5), "clarify", "只领先答案不同的条目 0.0040 分 (不到 0.005)"),
        (BEST, (), (0.9512, 0.5), "clarify", "离直接回答 (≥ 95.12%) 差 5.1 个百分点; 库里有答案的"),
        (
            BEST,
            (),
            (0.9001, 0.98),
            "reject",
            "差不到 0.1 个百分点; 库里有答案的可能是 95.0%, 离反问",
        ),
        (BEST, (), (0.99, 0.98), "reject", "(≥ 98%) 差 3.0 个百分点, 所以拒答。"),
    ],
)
def test_reasons_are_said_with_the_numbers_they_rest_on(hit, evidence, thresholds, kind, words):
    result = SearchResult("怎样退", (hit,), 1, 0.95, evidence)
    decision = decide(result, Thresholds(*thresholds))
    sentence = reason_in_words(result, decision, Thresholds(*thresholds))
    assert decision.kind == kind
    assert words in sentence
    assert sentence.endswith(f"所以{DECISIONS[kind]}。")
    assert DecisionKind.__args__ == tuple(DECISIONS)


def test_bars_and_colours_are_for_terminals(searcher):
    found = explain(searcher, f"{QUERY}\x1b[31m\n")
    plain, shown = as_text(found), as_text(found, terminal=True)
    assert "█" in shown
    assert "\x1b[3" in shown
    assert "█" not in plain
    assert "\x1b" not in plain
    assert "\x1b[31m\n" not in shown.splitlines()[0]
    for line in ("最近的问法", "领先", "倍数", "直接回答 ≥", "refund"):
        assert line in plain


@pytest.fixture
def run(store):
    def run(*arguments, db=store.path):
        options = ["--db", str(db), "--encoder", str(BUNDLE)]
        result = CliRunner().invoke(indexer.cli.main, ["explain", *arguments, *options])
        assert result.exception is None or isinstance(result.exception, SystemExit), result
        return result

    return run


def test_the_command_prints_text_or_all_of_it_as_json(run, searcher):
    text = run(QUERY, "-k", "2")
    assert text.stdout == as_text(explain(searcher, QUERY, 2)) + "\n"
    report = json.loads(run(QUERY, "--json").stdout)
    assert report == json.loads(json.dumps(asdict(explain(searcher, QUERY, 3))))
    assert "没有文字" in run("？！").stdout


def test_errors_of_the_command_are_one_line(run, tmp_path):
    missing = run(QUERY, db=tmp_path / "none.db")
    assert (missing.exit_code, missing.stderr.count("\n"), missing.stdout) == (1, 1, "")
    assert "python -m indexer build" in missing.stderr
    assert run(QUERY, "-k", "0").exit_code == 2
