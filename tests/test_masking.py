import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.text import normalise
from indexer.masking import as_asked, masked


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("我的手机13812345678收不到验证码", "我的手机[手机号]收不到验证码"),
        ("138-1234-5678 打不通", "[手机号] 打不通"),
        ("138 1234 5678", "[手机号]"),
        ("+86 13812345678", "[手机号]"),
        ("008613812345678能注册吗", "[手机号]能注册吗"),
        ("１３８１２３４５６７８", "[手机号]"),
        ("tel13812345678", "tel[手机号]"),
        ("换成13812345678和15987654321", "换成[手机号]和[手机号]"),
        ("身份证11010519491231002X对不上", "身份证[证件号]对不上"),
        ("11010519491231002x", "[证件号]"),
        ("110105 19491231 0021", "[证件号]"),
        ("旧身份证110105491231002", "旧身份证[证件号]"),
        ("卡6222021234567890123绑不了", "卡[卡号]绑不了"),
        ("6222 0212 3456 7890 123", "[卡号]"),
        ("4512345678901234", "[卡号]"),
        ("打010-62345678没人接", "打[电话]没人接"),
        ("(0571)87654321", "[电话]"),
    ],
)
def test_numbers_that_say_who_asks_give_way_to_what_they_are(query, shown):
    assert as_asked(query) == shown


@pytest.mark.parametrize(
    "query",
    [
        "满300减50怎么用",
        "订单202601311234什么时候到",
        "2026-01-31 买的",
        "12345678901234567890",  # longer than any
        "138123456789",  # twelve digits
        "12812345678",  # no mobile begins so
        "110105199913310021",  # the 13th month
        "客服电话是400-123-4567吗",
        "iphone 15 128gb",
    ],
)
def test_other_numbers_are_part_of_the_question(query):
    assert as_asked(query) == normalise(query)


def test_text_in_another_case_or_form_is_the_same_query():
    assert as_asked(" 怎麼退貨？PLUS ") == as_asked("怎么退货?plus")


@given(st.text())
def test_what_is_masked_stays_as_it_is(text):
    once = as_asked(text)
    assert masked(once) == once
