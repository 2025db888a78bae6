"""Suggestions while somebody types: characters, Pinyin, initials, mixtures."""

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indexer.records import Question
from indexer.typeahead import LONGEST, Typeahead

QUESTIONS = [
    ("refund", "如何申请退货？"),
    ("refund", "怎么退货"),
    ("refund", "退货要多久"),
    ("invoice", "如何开具电子发票？"),
    ("invoice", "发票在哪里开"),
    ("vip", "怎么开通 VIP 会员"),
    ("again", "重新绑定手机号"),
    ("silk", "丝绸能机洗吗"),
    ("nothing", "？！"),
]


@pytest.fixture(scope="module")
def typeahead():
    return Typeahead(
        [Question(n, key, text, "similar") for n, (key, text) in enumerate(QUESTIONS, 1)]
    )


def suggested(typeahead, typed, **more):
    return [(each.entry_id, each.question) for each in typeahead.matches(typed, **more)]


def first(typeahead, typed):
    return next((each.question for each in typeahead.matches(typed)), None)


@pytest.mark.parametrize(
    ("typed", "question"),
    [
        ("退", "退货要多久"),
        ("退货", "退货要多久"),
        ("申请退", "如何申请退货？"),
        ("tuihuo", "退货要多久"),
        ("tui", "退货要多久"),
        ("tuih", "退货要多久"),
        ("TuiHuo", "退货要多久"),
        ("ｔｕｉ", "退货要多久"),
        ("tui'huo", "退货要多久"),
        ("tui huo ", "退货要多久"),
        ("th", "退货要多久"),
        ("sqth", "如何申请退货？"),
        ("thuo", "退货要多久"),
        ("退huo", "退货要多久"),
        ("t货", "退货要多久"),
        ("申请tuih", "如何申请退货？"),
        ("zenmet", "怎么退货"),
        ("dzfp", "如何开具电子发票？"),
        ("vip", "怎么开通 VIP 会员"),
        ("开通VIP会", "怎么开通 VIP 会员"),
        ("kaitongvip", "怎么开通 VIP 会员"),
        ("chongxin", "重新绑定手机号"),
        ("zhongxin", "重新绑定手机号"),
        ("發票", "发票在哪里开"),
        ("sichou", "丝绸能机洗吗"),
    ],
)
def test_what_is_half_typed_is_found(typeahead, typed, question):
    assert first(typeahead, typed) == question


@pytest.mark.parametrize("typed", ["", " ", "？", "\n", "xyzzy", "货退", "uihuo", "飞", "😀", "'"])
def test_what_nobody_asks_finds_nothing(typeahead, typed):
    assert suggested(typeahead, typed) == []


def test_an_entry_comes_once_and_beginnings_before_middles(typeahead):
    assert suggested(typeahead, "发票") == [("invoice", "发票在哪里开")]
    assert [key for key, _ in suggested(typeahead, "如何")] == ["refund", "invoice"]
    # 发票 begins with it; 电子发票 would only hold it.
    assert suggested(typeahead, "fapiao")[0] == ("invoice", "发票在哪里开")


def test_of_equals_the_entry_asked_most_comes_first(typeahead):
    assert [key for key, _ in suggested(typeahead, "如何", asked={"invoice": 3})] == [
        "invoice",
        "refund",
    ]
    # Popularity does not put a middle before a beginning.
    assert suggested(typeahead, "怎么", asked={"silk": 99})[0][0] in {"refund", "vip"}


def test_characters_come_before_sounds(typeahead):
    both = Typeahead(
        [Question(1, "sound", "退伙流程", "standard"), Question(2, "same", "怎样退货", "standard")]
    )
    assert [key for key, _ in suggested(both, "tuihuo")] == ["sound", "same"]
    assert [key for key, _ in suggested(both, "退货")] == ["same"]


def test_a_match_never_runs_over_into_the_next_question(typeahead):
    two = Typeahead([Question(1, "a", "退", "standard"), Question(2, "b", "货", "standard")])
    assert suggested(two, "退货") == []
    assert suggested(two, "th") == []


def test_no_questions_no_suggestions():
    assert suggested(Typeahead([]), "退货") == []


def test_however_long_it_is_only_the_beginning_is_looked_at(typeahead):
    assert suggested(typeahead, "a" * 100_000) == []
    assert suggested(typeahead, "退" * (LONGEST + 1)) == []


@given(st.text(max_size=30))
def test_anything_may_be_typed(text):
    typeahead = Typeahead(
        [Question(1, "a", text, "standard"), Question(2, "b", "怎么退货", "standard")]
    )
    for typed in (text, text[:3], "th" + text):
        for each in islice(typeahead.matches(typed), 3):
            assert each.entry_id in {"a", "b"}


@given(st.text(alphabet="怎么退货发票tuihofap", min_size=1, max_size=6))
def test_what_stands_in_a_question_is_always_found(part):
    typeahead = Typeahead([Question(1, "a", f"请问{part}吗", "standard")])
    assert [each.entry_id for each in typeahead.matches(part)] == ["a"]
