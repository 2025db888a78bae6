"""The proof of quality counts what it says it counts."""

import json
import shutil

import numpy as np
import pytest

import quality
from baselines import TfIdf, character_grams
from distill.corpus import LabelledPair
from distill.evaluate import spearman
from indexer.evaluate import LabelledQuery
from quality import Faq, confidence_interval, pair_cosines, ranks
from tests.conftest import BUNDLE, ROOT


def faq(entries, right):
    queries = [LabelledQuery(str(row), entry, "test", "") for row, entry in enumerate(right)]
    return Faq([f"q{i}" for i in range(len(entries))], entries, queries)


def test_ranks_are_those_of_a_sort_in_table_order():
    rng = np.random.default_rng(0)
    entries = [f"e{i // 3}" for i in range(60)]
    right = [f"e{i}" for i in rng.integers(20, size=300)]
    table = rng.integers(-2, 4, size=(300, 60)).astype(float)  # many are equal
    found = ranks(lambda queries: table[[int(query) for query in queries]], faq(entries, right))
    for row, entry in enumerate(right):
        best = {}
        for question in np.argsort(-table[row], kind="stable"):
            if table[row, question] > 0:
                best.setdefault(entries[question], table[row, question])
        # Equal entries stand as in the table.
        order = sorted(best, key=lambda e: (-best[e], int(e[1:])))
        assert found[row] == (order.index(entry) + 1 if entry in order else 0)


def test_measures_count_the_first_ten_only():
    assert quality._measures(np.array([1, 2, 0, 11])) == {"recall_at_1": 0.25, "mrr_at_10": 0.375}


def test_equal_sentences_have_cosine_one_and_strangers_none():
    pairs = [LabelledPair("退货", "退货", 1.0), LabelledPair("退货", "发票", 0.0)]
    found = pair_cosines(lambda texts: TfIdf.fit(texts, character_grams).encode, pairs)
    assert found == pytest.approx([1, 0])


def test_the_interval_holds_the_value_and_narrows_with_more_pairs():
    rng = np.random.default_rng(1)
    widths = []
    for size in (50, 5000):
        labels = rng.integers(0, 2, size)
        values = labels + rng.normal(size=size)
        low, high = confidence_interval(values, labels)
        assert low < 100 * spearman(values, labels) < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 5


def test_the_sample_faq_is_read_whole_and_each_query_has_its_entry():
    sample = Faq.read_sample()
    kept = json.loads((ROOT / "benchmarks/results/faq.json").read_text("utf-8"))
    assert len(sample.questions) == kept["questions"]
    assert len(sample.queries) == kept["in_scope"]
    assert {query.entry_id for query in sample.queries} <= set(sample.entries)


def test_a_derived_faq_is_read_with_its_queries(tmp_path):
    (tmp_path / "faq.csv").write_text("id,question,answer,category\na,怎么退货,,shop\n", "utf-8")
    (tmp_path / "queries.csv").write_text("query,faq_id\n我要退货,a\n", "utf-8")
    found = Faq.read_derived(tmp_path)
    assert (found.questions, found.entries) == (["怎么退货"], ["a"])
    assert [(query.query, query.entry_id) for query in found.queries] == [("我要退货", "a")]


def test_only_the_same_student_passes_for_its_float32_form(encoder, tmp_path):
    other = shutil.copytree(BUNDLE, tmp_path / "other")
    assert quality._same_student(encoder, other).fingerprint == encoder.fingerprint
    manifest = json.loads((other / "manifest.json").read_text("utf-8"))
    manifest["metrics"]["step"] += 1
    (other / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(SystemExit, match="not the student"):
        quality._same_student(encoder, other)


@pytest.mark.corpus
def test_each_query_of_the_derived_faqs_has_its_entry(corpus):
    for name in quality.FAQS:
        derived = Faq.read_derived(corpus / "faq" / name)
        assert {query.entry_id for query in derived.queries} <= set(derived.entries)
