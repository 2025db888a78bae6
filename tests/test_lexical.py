import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.idf import WordIdf
from distill.weights import Weighting
from indexer.lexical import (
    LexicalIndex,
    NewRows,
    characters,
    cosine,
    coverage,
    pairs,
    profile,
    sounds,
)

WEIGHTING = Weighting(
    WordIdf(1000, {"怎么": 500, "退货": 20, "发票": 10, "开": 100}), smoothing=0.0
)


def of(text, weighting=WEIGHTING):
    return characters(weighting.weigh(text))


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


def test_what_sounds_alike_is_alike():
    wrong, right = (WEIGHTING.weigh(text) for text in ("帐户冻洁", "账户冻结"))
    assert cosine(sounds(wrong), sounds(right)) == pytest.approx(1)
    assert cosine(characters(wrong), characters(right)) < 0.6
    # Syllables stay apart: 西安 is not 先.
    assert cosine(sounds(WEIGHTING.weigh("西安")), sounds(WEIGHTING.weigh("先"))) == 0


def test_a_profile_takes_each_word_from_the_wording_that_has_it():
    whole = profile([of("怎么退货"), of("发票开了")])
    assert set(whole) == set(of("怎么退货")) | set(of("发票开了"))
    assert sum(w * w for w in whole.values()) == pytest.approx(1)
    query = of("退货发票")
    assert cosine(query, whole) > max(cosine(query, of(t)) for t in ("怎么退货", "发票开了"))


def test_saying_the_same_ten_times_changes_nothing():
    assert profile([of("怎么退货")] * 10) == pytest.approx(of("怎么退货"))


def test_an_answer_counts_but_less_than_a_question():
    whole = profile([of("怎么退货")], of("开发票"))
    assert 0 < cosine(of("开发票"), whole) < cosine(of("怎么退货"), whole)


def test_coverage_is_the_share_of_the_querys_pairs_that_are_said():
    shares = pairs(of("怎么退货"))
    assert set(shares) == {"怎么", "么退", "退货"}
    assert sum(shares.values()) == pytest.approx(1)
    rows = [of("怎么开发票"), of("我要退货"), of("怎么退货呀")]
    wanted = [shares["怎么"], shares["退货"], 1.0]
    assert LexicalIndex(rows).coverages(shares) == pytest.approx(wanted, abs=1e-6)
    assert coverage(shares, rows[:2]) == pytest.approx(wanted[0] + wanted[1])
    assert pairs(of("退")) == {"退": 1.0}  # a text without a pair


FEATURES = st.dictionaries(st.sampled_from("abcdefgh"), st.floats(0.1, 1), max_size=5)


@given(
    revisions=st.lists(
        st.lists(st.tuples(st.integers(0, 9), FEATURES), max_size=6, unique_by=lambda row: row[0]),
        min_size=1,
        max_size=5,
    ),
    query=FEATURES,
)
def test_an_index_that_took_rows_over_is_the_one_made_anew(revisions, query):
    index, there = LexicalIndex(()), []
    for rows in revisions:
        places = np.array([rows.index(row) if row in rows else -1 for row in there], dtype=int)
        fresh = {n: features for n, (_, features) in enumerate(rows) if n not in places}
        before = index.cosines(query).tobytes()
        moved = index.moved(places, NewRows(fresh), len(rows))
        assert index.cosines(query).tobytes() == before  # which others are still using
        index, there = moved, rows
        anew = LexicalIndex([features for _, features in rows])
        assert index.cosines(query).tobytes() == anew.cosines(query).tobytes()
        assert index.coverages(query).tobytes() == anew.coverages(query).tobytes()


def test_features_that_nobody_has_any_more_are_forgotten():
    index = LexicalIndex([{"a": 1.0, "b": 1.0, "c": 1.0}])
    index = index.moved(np.array([-1]), NewRows({0: {"c": 1.0}}), 1)
    index = index.moved(np.array([0]), NewRows(), 1)
    assert index._numbers == {"c": 0}
