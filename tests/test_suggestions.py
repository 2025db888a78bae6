import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from indexer.build import publish
from indexer.cli import main
from indexer.comparison import sign_test
from indexer.evaluate import LabelledQuery, run_cases
from indexer.leave_one_out import built_in_out_of_scope, leave_one_out, read_out_of_scope
from indexer.lexicon import with_keyword
from indexer.promising_changes import FACTORS
from indexer.quality import inspect_quality
from indexer.quality_text import as_json, as_text
from indexer.records import Entry
from indexer.search import Searcher
from indexer.store import Store
from indexer.suggestions import suggest_keywords
from tests.conftest import BUNDLE, ROOT

# A brand that everybody mentions and one entry is about: it should count for less.
ENTRIES = (
    Entry(
        key="about",
        question="青禾是什么？",
        variants=("青禾是干什么的", "介绍一下青禾"),
        answer="一家网店。",
    ),
    Entry(key="refund", question="如何退货？", variants=("怎么退货", "我要退货"), answer="退。"),
    Entry(key="invoice", question="如何开发票？", variants=("怎么开发票",), answer="开。"),
    Entry(
        key="address",
        question="如何修改收货地址？",
        variants=("地址写错了怎么改", "换个收货地址"),
        answer="改。",
    ),
)
LABELS = {
    "青禾改地址": "address",
    "青禾地址怎么改": "address",
    "青禾开发票": "invoice",
    "青禾发票": "invoice",
    "青禾能退货吗": "refund",
    "怎么退货啊": "refund",
    "青禾是哪家公司": "about",
    "什么是青禾": "about",
    "青禾": "about",
    "明天下雨吗": "",
}
QUERIES = [LabelledQuery(text, entry, "dev", "") for text, entry in LABELS.items()]


def faq(path, encoder, entries=ENTRIES, keywords=None):
    store = Store.create(path)
    settings = {"keywords": keywords or {}}
    publish(store, store.snapshot(), encoder, entries, settings)
    return store


def outcomes(store, encoder, queries):
    """Ask again, of what the database holds now; without queries as `evaluate` does."""
    searcher = Searcher.load(store, encoder)
    own = leave_one_out(searcher, 1000)
    if queries is None:
        queries = own.queries
    elif not queries:
        queries = [*own.queries, *read_out_of_scope(built_in_out_of_scope())]
    else:
        return {case.query.query: case for case in run_cases(searcher, queries)}
    return {case.query.query: case for case in run_cases(searcher, queries, search=own.search)}


def changed(before, after):
    fixed = {query for query in before if after[query].right and not before[query].right}
    return fixed, {query for query in before if before[query].right and not after[query].right}


@pytest.fixture
def store(tmp_path, encoder):
    return faq(tmp_path / "faq.db", encoder)


def test_the_word_at_fault_is_found_with_its_best_factor(tmp_path, store, encoder):
    best = suggest_keywords(store, encoder, QUERIES).found[0]
    assert (best.change.word, best.change.before, best.sound) == ("青禾", 1.0, True)
    before = outcomes(store, encoder, QUERIES)
    gains = {}
    for factor in FACTORS:
        real = faq(tmp_path / f"{factor}.db", encoder, keywords={"青禾": factor})
        fixed, broken = changed(before, outcomes(real, encoder, QUERIES))
        gains[factor] = len(fixed) - len(broken)
    assert best.change.factor < 1.0
    assert best.effect.net == gains[best.change.factor] == max(gains.values()) > 0


@pytest.mark.parametrize("queries", [QUERIES, []], ids=["labelled", "leave one out"])
def test_what_is_said_of_a_change_is_what_really_comes_out(tmp_path, encoder, queries):
    entries = list(ENTRIES)
    if not queries:  # the failures must be among the FAQ's own questions
        for i, more in enumerate([("青禾",), ("青禾能退货吗",), ("青禾发票",), ("青禾改地址",)]):
            entries[i] = replace(entries[i], variants=(*entries[i].variants, *more))
    store = faq(tmp_path / "faq.db", encoder, entries)
    suggested = suggest_keywords(store, encoder, queries)
    assert len({each.change.word for each in suggested.found}) == len(suggested.found) >= 2
    before, own = outcomes(store, encoder, queries), outcomes(store, encoder, None)
    assert suggested.queries == len(before)
    assert suggested.failed == sum(not case.right for case in before.values())
    for number, each in enumerate(suggested.found):
        word, factor = each.change.word, each.change.factor
        real = faq(tmp_path / f"{number}.db", encoder, entries)
        publish(real, real.snapshot(), encoder, settings={"keywords": {word: factor}})
        after = outcomes(real, encoder, queries)
        fixed, broken = changed(before, after)
        assert (set(each.effect.fixed), set(each.effect.broken)) == (fixed, broken)
        assert len(fixed) > len(broken)
        assert each.p_value == sign_test(len(fixed), len(broken))
        firsts = [sum(case.rank == 1 for case in run.values()) for run in (before, after)]
        assert [each.first_before, each.first_after] == firsts
        if queries:
            own_change = changed(own, outcomes(real, encoder, None))
            assert (set(each.own.fixed), set(each.own.broken)) == own_change
        else:
            assert each.own is None


def test_sound_changes_come_first_then_those_that_gain_most(store, encoder):
    found = suggest_keywords(store, encoder, QUERIES).found
    order = [(each.sound, each.effect.net) for each in found]
    assert order == sorted(order, reverse=True)
    worse = replace(found[0], first_after=found[0].first_before - 1)
    assert found[0].sound and not worse.sound


def test_the_database_is_left_as_it_was(store, encoder):
    before = store.snapshot()
    suggest_keywords(store, encoder, QUERIES, limit=5)
    assert store.snapshot() == before


def test_no_more_is_tried_than_allowed_and_what_is_left_is_counted(store, encoder):
    asked = []

    def watch(changes):
        asked.append(list(changes))
        return changes

    some = suggest_keywords(store, encoder, QUERIES, limit=2, progress=watch)
    tried, measured = asked
    assert (len(tried), some.tried) == (2, 2)
    assert set(measured) <= set(tried)
    assert some.promising > 2
    text = as_text(inspect_quality(Searcher.load(store, encoder)), some)
    assert f"其余 {some.promising - 2} 种没有试" in text


def test_a_weight_that_an_operator_set_is_where_it_starts_from(tmp_path, encoder):
    set_wrong = {"青禾": 4.0, "退货": 1.5}
    store = faq(tmp_path / "set.db", encoder, keywords=set_wrong)
    best = suggest_keywords(store, encoder, QUERIES).found[0]
    assert (best.change.word, best.change.before) == ("青禾", 4.0)
    real = faq(tmp_path / "real.db", encoder, keywords=set_wrong)
    keywords = with_keyword(set_wrong, "青禾", best.change.factor)
    assert keywords["退货"] == 1.5
    before = outcomes(real, encoder, QUERIES)
    publish(real, real.snapshot(), encoder, settings={"keywords": keywords})
    assert changed(before, outcomes(real, encoder, QUERIES)) == (
        set(best.effect.fixed),
        set(best.effect.broken),
    )


def test_nothing_is_suggested_where_nothing_fails(store, encoder):
    right = [query for query in QUERIES if query.query in ("怎么退货啊", "什么是青禾")]
    suggested = suggest_keywords(store, encoder, right)
    assert (suggested.failed, suggested.promising, suggested.best) == (0, 0, None)
    assert suggested.found == ()


def test_where_nothing_is_worth_it_the_nearest_is_shown_with_its_price(store, encoder):
    # A label that no weight of one word can satisfy.
    hopeless = [LabelledQuery("怎么退货", "address", "dev", "")]
    hopeless += [query for query in QUERIES if query.query == "怎么退货啊"]
    suggested = suggest_keywords(store, encoder, hopeless)
    assert suggested.found == ()
    assert suggested.best.effect.net <= 0
    text = as_text(inspect_quality(Searcher.load(store, encoder)), suggested)
    assert "修好的都不比弄坏的多。最接近的是:" in text


def test_text_and_json_give_the_command_and_the_queries(store, encoder):
    suggested = suggest_keywords(store, encoder, QUERIES)
    report = inspect_quality(Searcher.load(store, encoder))
    text = as_text(report, suggested)
    best = suggested.found[0]
    command = f"python -m indexer keywords set 青禾 {best.change.factor:g}"
    assert f"  {command}\n" in text
    assert f"      修好: {best.effect.fixed[0]}\n" in text
    read = json.loads(as_json(report, suggested))["keyword_suggestions"]
    assert read["found"][0]["command"] == command
    assert read["found"][0]["effect"]["fixed"] == list(best.effect.fixed)
    assert read["best"] == read["found"][0]


def test_the_worked_example_is_what_comes_out(tmp_path, encoder):
    text = (ROOT / "docs" / "keyword-weight.md").read_text(encoding="utf-8")
    db, queries = tmp_path / "faq.db", ROOT / "data" / "queries.csv"

    def run(*arguments):
        result = CliRunner().invoke(
            main, [*map(str, arguments), "--db", str(db), "--encoder", str(BUNDLE)]
        )
        assert result.exit_code == 0, result.output
        return result.stdout

    run("build", ROOT / "data" / "faq.csv", "--queries", queries)
    before = run("search", "发错颜色", "-k", 3)
    run("evaluate", queries, "--split", "dev", "--json", tmp_path / "dev.json")
    run("keywords", "set", "发错", 2)
    after = run("search", "发错颜色", "-k", 3)
    compared = run("evaluate", queries, "--split", "dev", "--against", tmp_path / "dev.json")
    assert before in text and after in text
    counts = next(line for line in compared.splitlines() if line.startswith("修好"))
    assert counts in text
    assert "  发错颜色\n" in compared
