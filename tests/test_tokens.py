import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from distill.errors import TextError
from distill.idf import WordIdf
from distill.text import normalise
from distill.tokens import tokenise, train_tokenizer
from distill.weights import Weighting

WEIGHTING = Weighting(WordIdf(100, {"怎么": 30, "退货": 3}))
TOKENIZER = train_tokenizer(["怎么退货 apple 12", "怎么退货 apple 12", "apps 1234"] * 5, 200)


def batch(*texts, max_tokens=32):
    return tokenise(TOKENIZER, [WEIGHTING.weigh(text) for text in texts], max_tokens)


@given(st.text(alphabet="怎么退货apple123 😀，x", min_size=1).filter(str.strip))
def test_token_weights_sum_to_1(text):
    tokens = batch(text)
    assert tokens.weights.sum() == pytest.approx(1, abs=1e-5)
    assert tokens.input_ids.shape == tokens.attention_mask.shape == tokens.weights.shape


def test_latin_digits_and_emoji_are_separate_tokens():
    # Left alone, a word-piece model makes one unknown token over all eight characters.
    tokens = batch("apple12😀")
    assert TOKENIZER.decode(tokens.input_ids[0].tolist(), skip_special_tokens=False) == (
        "apple 12 [UNK]"
    )


def test_a_token_carries_the_weights_of_all_its_characters():
    weighted = WEIGHTING.weigh("apple12退")
    weights = tokenise(TOKENIZER, [weighted], 32).weights[0]
    sums = [weighted.weights[:5].sum(), weighted.weights[5:7].sum(), weighted.weights[7]]
    assert weights == pytest.approx(sums, abs=1e-6)


def test_padding_is_masked_and_weighs_nothing():
    tokens = batch("怎么退货", "退")
    assert tokens.attention_mask.tolist() == [[1, 1, 1, 1], [1, 0, 0, 0]]
    assert tokens.weights[1].tolist() == [1, 0, 0, 0]


def test_long_texts_are_cut_and_their_weights_still_sum_to_1():
    tokens = batch("怎么退货" * 100, max_tokens=8)
    assert tokens.input_ids.shape == (1, 8)
    assert tokens.weights.sum() == pytest.approx(1)


def test_a_text_without_tokens_is_refused():
    with pytest.raises(TextError):
        batch("   ")


def test_a_saved_tokenizer_gives_the_same_tokens(tmp_path):
    TOKENIZER.save(str(tmp_path / "t.json"))
    loaded = Tokenizer.from_file(str(tmp_path / "t.json"))
    text = [WEIGHTING.weigh("怎么 apple12😀退货")]
    assert np.array_equal(
        tokenise(loaded, text, 32).input_ids, tokenise(TOKENIZER, text, 32).input_ids
    )


def test_the_same_sentences_give_the_same_vocabulary():
    # All as frequent as one another; of two that normalising makes one, neither.
    every = [chr(0x4E00 + i) for i in range(3000)]
    rare = [c for c in every if normalise(c) == c and normalise("".join(every)).count(c) == 1]
    parts = ["".join(rare[i : i + 30]) for i in range(0, len(rare), 30)]
    sentences = parts * 2 + ["apple pie 12"] * 5
    first, second = (train_tokenizer(sentences, 1000) for _ in range(2))
    assert first.get_vocab() == second.get_vocab()
    han = sorted(token for token in first.get_vocab() if token in set(rare))
    assert han == rare[: len(han)]
    assert len(han) > 700
