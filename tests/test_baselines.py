"""The methods that ours is compared with do what their names say."""

import math
from collections import Counter

import numpy as np
import pytest

import static_encoder
from baselines import TfIdf, bm25, character_grams, cosines, words
from distill.idf import WordIdf
from static_encoder import StaticEncoder, vocabulary_of

TEXTS = ("怎么申请退货", "退货运费谁出", "怎么开发票", "申请开发票")


def test_tfidf_cosines_are_those_of_the_textbook():
    def grams(text):
        return Counter([*text, *(text[i : i + 2] for i in range(len(text) - 1))])

    def vector(text):
        frequency = Counter(gram for other in TEXTS for gram in grams(other))
        idf = {gram: math.log((1 + len(TEXTS)) / (1 + n)) + 1 for gram, n in documents.items()}
        assert frequency.keys() == idf.keys()
        raw = {gram: n * idf[gram] for gram, n in grams(text).items() if gram in idf}
        norm = math.sqrt(sum(x * x for x in raw.values()))
        return {gram: x / norm for gram, x in raw.items()}

    documents = Counter(gram for text in TEXTS for gram in set(grams(text)))
    query = "我要申请退货"
    wanted = [
        sum(x * vector(text).get(gram, 0) for gram, x in vector(query).items()) for text in TEXTS
    ]
    found = cosines(TfIdf.fit(TEXTS, character_grams).encode, TEXTS)([query])
    assert found.shape == (1, len(TEXTS))
    assert found[0] == pytest.approx(wanted)


def test_a_text_without_a_known_term_is_like_nothing():
    for terms in (words, character_grams):
        assert not cosines(TfIdf.fit(TEXTS, terms).encode, TEXTS)(["天气"]).any()
    assert not bm25(TEXTS)(["天气"]).any()


def test_bm25_ranks_the_question_that_shares_the_rare_word_first():
    assert bm25(TEXTS)(["退货运费", "申请发票"]).argmax(axis=1).tolist() == [1, 3]


def test_traditional_characters_cost_the_baselines_nothing():
    for scores in (bm25(TEXTS), cosines(TfIdf.fit(TEXTS, words).encode, TEXTS)):
        np.testing.assert_array_equal(scores(["發票"]), scores(["发票"]))


@pytest.fixture
def static(monkeypatch, tmp_path) -> StaticEncoder:
    """Return a static encoder of a teacher whose answers are kept, as after a first run."""
    idf = WordIdf(100, {"退货": 8, "发票": 5, "怎么": 60})
    vocabulary = vocabulary_of(idf)
    vectors = np.random.default_rng(0).normal(size=(len(vocabulary), 6)).astype(np.float16)
    monkeypatch.setattr(static_encoder, "CACHE", tmp_path / "kept.npz")
    monkeypatch.setattr(static_encoder, "DIMENSION", 4)
    np.savez(static_encoder.CACHE, words=vocabulary, vectors=vectors, teacher="none")
    return StaticEncoder.distil(tmp_path / "absent", idf)


def test_the_static_vocabulary_is_words_by_frequency_and_then_characters():
    vocabulary = vocabulary_of(WordIdf(100, {"退货": 8, "怎么": 60, "么": 2}))
    assert vocabulary[:3] == ["怎么", "退货", "么"]
    assert sorted(vocabulary[3:]) == sorted("怎退货")


def test_a_static_vector_ignores_order_and_has_unit_length(static):
    first, second, unknown = static.encode(["怎么退货", "退货怎么", "😀"])
    np.testing.assert_allclose(first, second, atol=1e-6)
    assert np.linalg.norm(first) == pytest.approx(1, abs=1e-6)
    assert not unknown.any()


def test_a_word_that_is_unknown_is_read_by_its_characters(static):
    assert "退票" not in static.rows
    parts = static.vectors[static.rows["退"]] + static.vectors[static.rows["票"]]
    np.testing.assert_allclose(static.encode(["退票"])[0], parts / np.linalg.norm(parts), rtol=1e-5)


def test_frequent_words_weigh_less_in_a_static_vector(static):
    plain = {word: np.linalg.norm(static.vectors[row]) for word, row in static.rows.items()}
    assert plain["怎么"] < plain["发票"] < plain["退"]


def test_without_a_teacher_new_words_are_refused_with_what_to_do(static, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"encoder-teacher\.py"):
        StaticEncoder.distil(tmp_path / "absent", WordIdf(100, {"运费": 3}))
