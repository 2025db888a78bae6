"""Which pairs of questions contradict each other, though they are alike in all but a character?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from distill.text import normalise
from indexer.negation import Stance, contradiction, opposite, polarity
from indexer.table_import import read_table
from negation import TOGGLES, statements
from tests.conftest import ROOT

FIRES = [
    ("优惠券怎么用", "优惠券为什么不能用", "用"),
    ("如何使用优惠券", "优惠券无法使用", "用"),
    ("怎么取消订单", "不想取消订单了", "取消"),
    ("别取消我的订单", "怎么取消订单", "取消"),
    ("没有发票还能保修吗", "有发票能保修吗", "有发票"),
    ("没发票能修吗", "有发票能修吗", "有发票"),
    ("无发票能修吗", "有发票能修吗", "有发票"),
    ("没收到货怎么办", "收到货了怎么办", "收到了"),
    ("收不到验证码", "收到验证码", "收到"),
    ("一直没有收到验证码", "收到验证码之后", "收到了"),
    ("退不了货怎么办", "怎么退货", "退"),
    ("登录不上", "怎么登录", "登录"),
    ("会自动续费", "不会自动续费", "续费"),
    ("会员要付运费", "会员不要付运费", "付"),
    ("商城支持货到付款", "商城不支持货到付款", "支持"),
    ("卖的是正品", "卖的不是正品", "是正品"),
    ("哪些可以退", "哪些不可以退", "退"),
    ("能不能走原路退回", "能不能不走原路退回", "走"),
    ("可以不退货吗", "可以退货吗", "退"),
    ("退货行吗", "不退货行吗", "退"),
    ("退货,可以吗", "不退货,可以吗", "退"),
    ("不实名能用余额吗", "实名能用余额吗", None),
    ("不实名能买东西吗", "买东西要实名", "实名"),
    ("支付失败", "怎么支付", "支付"),
    ("支付失败", "支付成功", None),
    ("支付不成功", "支付成功", None),
    ("是不是不能退", "怎么退", "退"),
    ("会不会退不掉", "怎么退", "退"),
    ("非会员的价格", "会员的价格", "会员"),
    ("换卡不行", "换卡可以", "可以"),
    ("订单没付款", "订单已付款", "付款了"),
    ("有库存", "没有库存", "有库存"),
    ("商家拒绝开发票", "怎么开发票", None),
    ("不能无理由退的商品", "怎么无理由退", "退"),
    ("女生不能送什么礼物", "女生送什么礼物", "送"),
    ("送修半个月了,不想要了怎么退", "不能退的商品", "退"),
]
AGREE = [
    # A不A asks, and so contradicts neither answer.
    ("能不能用", "不能用"),
    ("能不能用", "能用"),
    ("有没有发票", "没有发票"),
    ("有没有发票", "有发票"),
    ("有无发票", "没有发票"),
    ("取没取消", "取消了"),
    ("退不退运费", "不退运费"),
    ("是不是正品", "不是正品"),
    ("是否支持分期", "不支持分期"),
    ("支持不支持分期", "不支持分期"),
    ("换卡行不行", "换卡不行"),
    ("支付宝能用不", "支付宝不能用"),
    ("货收到没有", "没收到货"),
    ("收到没收到", "没收到"),
    ("要不要钱", "不要钱"),
    # A question with 吗 asks the same as its opposite, and neither presupposes an answer.
    ("不能退吗", "能退吗"),
    ("不能退吗", "怎么退"),
    ("不能退吗", "为什么不能退"),
    ("还能退吗", "不能退吗"),
    ("不支持货到付款吗", "支持货到付款吗"),
    ("不是可以退吗", "可以退吗"),
    # Denied here as there.
    ("不能用怎么办", "为什么不能用"),
    ("是不是不能用", "不能用"),
    ("退不了", "不能退"),
    ("退不了", "无法退"),
    ("收不到验证码", "没收到验证码"),
    ("登录不上", "无法登录"),
    ("支付失败", "支付不成功"),
    ("不让叠加是吗", "不能叠加"),
    # Denied twice.
    ("不能不退", "怎么退"),
    ("不得不退", "怎么退"),
    ("没有不退的", "怎么退"),
    ("不是不能退", "怎么退"),
    # Words with 不, 没, 无, 未, 别, 非 that deny nothing.
    ("不好意思,怎么退货", "怎么退货"),
    ("不过怎么退货", "怎么退货"),
    ("差不多能退", "能退"),
    ("没关系,可以退", "可以退"),
    ("没事,能退就行", "能退"),
    ("没问题能退", "能退"),
    ("特别好用", "好用"),
    ("别人用", "我要用"),
    ("跟别的号共用", "共用"),
    ("区别不大,怎么用", "怎么用"),
    ("无理由退货怎么弄", "怎么退货"),
    ("无线耳机怎么退", "怎么退"),
    ("未来能退", "能退"),
    ("非常好用", "好用"),
    ("不仅能退", "能退"),
    ("不同的颜色能换", "能换颜色"),
    ("余额不足怎么支付", "怎么支付"),
    ("订单不见了", "看见订单"),
    ("不错,怎么买", "怎么买"),
    ("不客气,能用", "能用"),
    ("不然怎么退", "怎么退"),
    ("不到 10 块能用", "能用"),
    ("不了解怎么用", "怎么用"),
    # The negation is of something else.
    ("没点过取消,也付了款,为什么单子没了", "订单为什么自动取消了"),
    ("东西没问题,就是不想要了怎么退", "怎么退"),
    ("怎么还没退款", "怎么退款"),
    ("没发货的订单怎么取消", "怎么取消订单"),
    ("预约的取件员没来能改时间", "能改时间"),
    ("豆浆和什么不能一起吃", "豆浆不能和什么一起吃"),
    ("入口都没有了", "入口在哪"),
    ("借款显示身份错误", "无法借款"),
    ("取消借款", "不借款了"),
    ("退货的时候没人来取", "快递员不取件"),
]


@pytest.mark.parametrize(("one", "other", "word"), FIRES)
def test_what_one_affirms_the_other_denies(one, other, word):
    found = opposite(normalise(one), normalise(other))
    assert found == word if word else found


@pytest.mark.parametrize(("one", "other"), AGREE)
def test_no_alarm(one, other):
    assert opposite(normalise(one), normalise(other)) == ""


@pytest.mark.parametrize("pair", [pair[:2] for pair in FIRES] + AGREE)
def test_it_does_not_matter_which_is_the_query(pair):
    one, other = map(normalise, pair)
    assert opposite(one, other) == opposite(other, one)


def test_a_text_says_of_a_word_whether_it_is_so():
    assert polarity("怎么退") == {"退": Stance.AFFIRMED}
    assert polarity("为什么不能退") == {"退": Stance.DENIED}
    assert polarity("能不能退") == polarity("不能退吗") == {"退": Stance.ASKED}
    assert polarity("能不能不退") == {"退": Stance.ASKED_NOT}
    assert polarity("没发票") == {"发票了": Stance.DENIED, "有发票": Stance.DENIED}


def test_a_text_of_two_minds_takes_no_stance():
    assert "退" not in polarity("有人能退,有人不能退")
    assert opposite("有人能退,有人不能退", "不能退") == ""


def test_a_text_without_words_takes_no_stance():
    assert polarity("") == polarity("?!") == polarity("不") == polarity("吗") == {}


def test_a_kept_polarity_cannot_be_changed():
    with pytest.raises(TypeError):
        polarity("怎么退")["退"] = Stance.DENIED


# What matters to the rules, in any order.
PIECES = st.sampled_from(
    [char for char in "不没未无别非能会要想有是行吗了到上退用的来都还好过,?a1"]
)
WORDS = st.sampled_from(
    ["没有", "无法", "失败", "不成功", "能不能", "是不是", "怎么", "退货", "收到", "什么"]
)
TEXTS = st.one_of(st.lists(PIECES | WORDS, max_size=12).map("".join), st.text()).map(normalise)


@given(TEXTS)
def test_a_text_never_contradicts_itself(text):
    assert opposite(text, text) == ""


@given(TEXTS, TEXTS)
def test_opposite_is_symmetric_and_is_the_contradiction_of_the_polarities(one, other):
    word = opposite(one, other)
    assert word == opposite(other, one) == contradiction(polarity(one), polarity(other))
    assert not word or (word in polarity(one) and word in polarity(other))


@pytest.fixture(scope="module")
def questions():
    rows = read_table(ROOT / "data" / "faq.csv").rows
    return [normalise(text) for row in rows for text in (row.question, *row.variants)]


@pytest.mark.parametrize("toggle", TOGGLES, ids=lambda toggle: toggle.denied)
def test_a_toggled_polarity_is_seen_in_the_sample_faq(toggle, questions):
    made = [forms for used, *forms in statements(questions) if used is toggle]
    assert len(made) >= 10
    seen = sum(bool(opposite(affirmed, denied)) for affirmed, denied, _ in made)
    assert seen >= 0.8 * len(made)
    for affirmed, denied, asked in made:
        assert opposite(asked, affirmed) == opposite(asked, denied) == "", asked
