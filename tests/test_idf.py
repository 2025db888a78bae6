import math

import pytest

from distill.errors import BundleError
from distill.idf import WordIdf, count_words
from distill.text import normalise, segment

SENTENCES = ["怎么退货", "怎么退货，怎么退款", "发票怎么开", "", "在吗", "Ａpp 怎么 登录"] * 7


def test_idf_equals_a_naive_count():
    documents = [{w.text for w in segment(normalise(s))} - {" "} for s in SENTENCES]
    documents = [words for words in documents if words]
    table = count_words(SENTENCES)
    for word in set().union(*documents):
        df = sum(word in words for words in documents)
        assert table.idf(word) == math.log((1 + len(documents)) / (1 + df)) + 1
    assert table.documents == len(documents)


def test_several_processes_count_the_same():
    assert count_words(SENTENCES, workers=2, chunk=5) == count_words(SENTENCES)


def test_rarer_words_weigh_more_and_unseen_ones_most():
    table = count_words(SENTENCES)
    assert table.idf("怎么") < table.idf("发票") < table.idf("从未见过")


def test_words_below_the_minimum_count_as_unseen():
    table = count_words(SENTENCES, minimum=8)
    assert "发票" not in table.frequency
    assert table.idf("发票") == table.idf("从未见过")


def test_a_table_survives_saving_and_is_the_same_bytes(tmp_path):
    table = count_words(SENTENCES)
    for name in ("a", "b"):
        table.save(tmp_path / name)
    assert WordIdf.load(tmp_path / "a") == table
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_something_else_is_refused_with_the_command_that_makes_a_table(tmp_path):
    (tmp_path / "x").write_text("hello", encoding="utf-8")
    with pytest.raises(BundleError, match="python -m distill idf"):
        WordIdf.load(tmp_path / "x")
