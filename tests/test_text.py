import jieba
import opencc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.text import normalise, segment, speaks


@pytest.mark.parametrize(
    ("raw", "normal"),
    [
        ("ＡＢＣ１２３？", "abc123?"),  # full width
        ("退貨運費誰出", "退货运费谁出"),  # traditional, character by character
        ("  怎么\t退\r\n货  ", "怎么 退 货"),  # white space, line breaks
        ("怎\u200b么\ufeff退\x00货", "怎么退货"),  # invisible and control characters
        ("iPhone15 PLUS", "iphone15 plus"),
        ("①㎏", "1kg"),  # compatibility forms
        ("\ud800退货", "退货"),  # half a character
        ("", ""),
    ],
)
def test_text_has_one_normal_form(raw, normal):
    assert normalise(raw) == normal


@given(st.text())
def test_normalising_twice_changes_nothing(text):
    assert normalise(normalise(text)) == normalise(text)


def test_traditional_characters_become_what_opencc_makes_of_each_alone():
    convert = opencc.OpenCC("t2s").convert
    for code in range(0x3400, 0xA000):
        simple = convert(chr(code))
        # 薴 becomes 苧, and 苧 by itself 苎: what is normalised must stay as it is.
        assert normalise(chr(code)) == convert(simple)


@given(st.text(alphabet="怎么退货发票花呗abc123 ?。😀繁體", max_size=40))
def test_words_tile_the_text(raw):
    text = normalise(raw)
    for keywords in ((), ("花呗", "货发票")):
        words = segment(text, keywords)
        assert "".join(word.text for word in words) == text
        position = 0
        for word in words:
            assert (word.start, word.text) == (position, text[word.start : word.end])
            position = word.end
        assert position == len(text)


@given(st.text())
def test_words_tile_any_text(raw):
    text = normalise(raw)
    assert "".join(word.text for word in segment(text)) == text


def test_a_keyword_stays_whole_and_the_longest_wins():
    words = [w.text for w in segment("花呗分期怎么还", ("花呗", "花呗分期"))]
    assert words[0] == "花呗分期"


def test_keywords_do_not_change_how_other_sentences_are_cut():
    sentence = "在结算页使用优惠券下单的用户可以享受包邮"
    before = segment(sentence)
    segment("青禾白条怎么还", ("青禾白条",))
    assert segment(sentence) == before


def test_the_gaps_between_keywords_are_cut_as_jieba_cuts_them():
    words = [word.text for word in segment("请问青禾白条还款失败怎么办青禾白条", ("青禾白条",))]
    gap = jieba.Tokenizer().cut("还款失败怎么办", HMM=False)
    assert words == ["请问", "青禾白条", *gap, "青禾白条"]


def test_nobody_elses_dictionary_reaches_the_segmenter():
    sentence = "电子发票怎么开"
    before = segment(sentence)
    jieba.add_word("票怎么", freq=10**8)
    assert segment(sentence) == before


@pytest.mark.parametrize(
    ("text", "answer"), [("退", True), ("a", True), ("7", True), ("😀👍", False), ("？!_ ", False)]
)
def test_only_letters_digits_and_han_speak(text, answer):
    assert speaks(text) is answer
