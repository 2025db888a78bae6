import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.idf import WordIdf
from distill.weights import Weighting

TABLE = WordIdf(1000, {"怎么": 300, "退货": 10, "的": 600, "?": 250})
PLAIN = Weighting(TABLE, smoothing=0.5)


@given(st.text())
def test_weights_are_one_a_character_and_sum_to_1(raw):
    weighted = PLAIN.weigh(raw)
    assert weighted.weights.shape == (len(weighted.text),)
    assert weighted.weights.dtype == np.float32
    assert (weighted.weights >= 0).all()
    assert weighted.weights.sum() == pytest.approx(1 if weighted.text else 0, abs=1e-5)


def test_a_words_idf_is_divided_by_its_length_then_smoothed_then_scaled():
    weights = PLAIN.weigh("怎么退货?").weights
    raw = [TABLE.idf("怎么") / 2 + 0.5] * 2 + [TABLE.idf("退货") / 2 + 0.5] * 2
    raw.append(TABLE.idf("?") + 0.5)
    assert weights == pytest.approx(np.array(raw) / sum(raw), abs=1e-6)


def test_white_space_weighs_nothing():
    weighted = PLAIN.weigh("怎么 退货")
    assert weighted.weights[2] == 0


def test_a_keywords_share_grows_with_its_factor():
    shares = [
        PLAIN.with_keywords({"退货": factor}).weigh("怎么退货").weights[2:].sum()
        for factor in (0, 0.25, 0.5, 1, 2, 4)
    ]
    assert shares[0] == 0
    assert shares == sorted(shares)
    assert len(set(shares)) == len(shares)


def test_a_changed_keyword_leaves_the_old_weighting_as_it_was():
    before = PLAIN.weigh("怎么退货").weights
    PLAIN.with_keywords({"退货": 4})
    assert (PLAIN.weigh("怎么退货").weights == before).all()


def test_keywords_are_normalised_like_text():
    changed = PLAIN.with_keywords({"退貨": 3}).weigh("怎么退货").weights
    assert changed[2:].sum() > PLAIN.weigh("怎么退货").weights[2:].sum()


def test_forgetting_words_changes_no_weight(monkeypatch):
    monkeypatch.setattr("distill.weights._REMEMBERED", 2)
    texts = ["怎么退货?", "退 的 货", "怎么", "怎么退货?", "的的的"]
    forgetful = PLAIN.with_keywords({"的": 2})
    weights = [forgetful.weigh(text).weights.tobytes() for text in texts]
    fresh = [PLAIN.with_keywords({"的": 2}).weigh(text).weights.tobytes() for text in texts]
    assert weights == fresh
    assert len(forgetful._shares) < 2 + len("的的的")


@pytest.mark.parametrize("factors", [{"退货": -1}, {"退货": float("nan")}, {" ": 2}])
def test_senseless_keywords_are_refused(factors):
    with pytest.raises(ValueError):
        PLAIN.with_keywords(factors)
