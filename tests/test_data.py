"""The sample data keeps its promises."""

import csv
from collections import Counter

import pytest

from distill.text import normalise
from indexer.build import plan_import, publish
from indexer.calibration import Goal, default_for, untrained
from indexer.evaluate import calibrate, read_queries, split_of
from indexer.search import Searcher
from indexer.store import Store
from indexer.table_import import read_table
from tests.conftest import ROOT

FAQ, QUERIES = ROOT / "data" / "faq.csv", ROOT / "data" / "queries.csv"
KINDS = {
    *("colloquial", "short", "long", "typo", "homophone", "missing", "mixed", "traditional"),
    *("negation", "near"),
}
OUTSIDE_KINDS = {"chitchat", "other_business", "near_scope", "nonsense"}


def test_the_faq_is_read_without_a_single_remark_about_a_row():
    table = read_table(FAQ)
    assert table.failures == ()
    assert len(table.rows) >= 300
    assert len({row.key for row in table.rows}) == len(table.rows)
    assert all(row.key and row.category and len(row.answer) >= 30 for row in table.rows)
    assert all(len(row.variants) >= 4 for row in table.rows)
    assert not any("去掉" in note for note in table.notes)


def test_the_queries_are_many_and_of_many_kinds():
    queries = read_queries(QUERIES)
    inside = [q for q in queries if q.entry_id]
    outside = [q for q in queries if not q.entry_id]
    assert len(inside) >= 900
    assert len(outside) >= 250
    assert {q.kind for q in inside} == KINDS
    assert {q.kind for q in outside} == OUTSIDE_KINDS
    assert min(Counter(q.kind for q in inside).values()) >= 60


def test_each_query_names_an_entry_of_the_faq():
    keys = {row.key for row in read_table(FAQ).rows}
    assert {q.entry_id for q in read_queries(QUERIES)} - {""} <= keys


def test_the_split_is_by_the_text_alone():
    assert all(q.split == split_of(q.query) for q in read_queries(QUERIES))


def test_no_query_is_a_question_of_the_faq_or_another_query():
    questions = {
        normalise(text) for row in read_table(FAQ).rows for text in (row.question, *row.variants)
    }
    queries = [normalise(q.query) for q in read_queries(QUERIES)]
    assert len(queries) == len(set(queries))
    assert not questions & set(queries)


def test_the_files_have_the_columns_that_others_rely_on():
    for path, header in (
        (FAQ, "id,category,question,similar_questions,answer"),
        (QUERIES, "query,entry_id,split,kind"),
    ):
        with path.open(encoding="utf-8-sig", newline="") as file:
            assert ",".join(next(csv.reader(file))) == header


def test_the_default_thresholds_are_those_that_dev_gives(encoder, tmp_path):
    store = Store.create(tmp_path / "faq.db")
    empty = store.snapshot()
    publish(store, empty, encoder, plan_import(empty, read_table(FAQ), "replace").changes)
    searcher = Searcher.load(store, encoder)
    default = default_for(encoder.fingerprint)
    assert searcher.calibration == default
    found = calibrate(searcher, read_queries(QUERIES, "dev"), "dev", Goal(), prior=untrained())
    assert found.right == pytest.approx(default.right, rel=1e-2, abs=1e-2)
    assert found.in_scope == pytest.approx(default.in_scope, rel=1e-2, abs=1e-2)
    assert found.thresholds.answer == pytest.approx(default.thresholds.answer, abs=5e-3)
    assert found.thresholds.clarify == pytest.approx(default.thresholds.clarify, abs=5e-3)
