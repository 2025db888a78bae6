import numpy as np
import pytest

from distill.idf import WordIdf
from distill.weights import Weighting
from indexer.lexical import LexicalIndex, features

WEIGHTING = Weighting(
    WordIdf(1000, {"怎么": 500, "退货": 20, "发票": 10, "开": 100}), smoothing=0.0
)


def of(text, weighting=WEIGHTING):
    return features(weighting.weigh(text))


def test_features_are_characters_and_pairs_of_unit_length():
    found = of("怎么 退货")
    assert set(found) == {"怎", "么", "退", "货", "怎么", "退货"}  # no pair across the blank
    assert sum(w * w for w in found.values()) == pytest.approx(1)


def test_rare_words_count_more():
    assert of("怎么退货")["退货"] > of("怎么退货")["怎么"]


def test_cosines_are_those_of_the_full_vectors():
    texts = ["怎么退货", "怎么开发票", "发票开了怎么退货", "在吗"]
    rows, query = [of(text) for text in texts], of("退货发票怎么开怎么开")
    naive = [sum(w * row.get(f, 0) for f, w in query.items()) for row in rows]
    assert LexicalIndex(rows).cosines(query) == pytest.approx(naive, abs=1e-6)


def test_a_text_is_itself():
    rows = [of("怎么退货"), of("发票")]
    assert LexicalIndex(rows).cosines(of("怎么退货"))[0] == pytest.approx(1, abs=1e-6)


def test_nothing_in_common_is_0_and_an_empty_index_is_empty():
    assert LexicalIndex([of("发票")]).cosines(of("怎么退货")).tolist() == [0]
    assert LexicalIndex([]).cosines(of("退")).shape == (0,)


def test_an_operators_weight_acts_here_too():
    heavier = WEIGHTING.with_keywords({"发票": 4.0})
    rows = [of("发票退货", heavier), of("退货怎么开", heavier)]
    plain = LexicalIndex([of("发票退货"), of("退货怎么开")]).cosines(of("怎么开发票"))
    moved = LexicalIndex(rows).cosines(of("怎么开发票", heavier))
    assert moved[0] > plain[0]
    assert moved[1] < plain[1]
    assert moved.dtype == np.float32
