import json
from dataclasses import replace

import pytest

from indexer.build import publish
from indexer.evaluate import LabelledQuery
from indexer.quality import inspect_quality
from indexer.quality_text import as_json, as_text
from indexer.records import Entry
from indexer.search import Searcher
from indexer.store import Store

REFUND = Entry(
    key="refund",
    question="如何申请退货？",
    variants=("怎么申请退货退款", "申请退货的步骤", "我要申请退货"),
    answer="在「我的订单」点「申请售后」。",
    category="退货",
)
INVOICE = Entry(
    key="invoice",
    question="如何开具电子发票？",
    variants=("怎么开电子发票", "电子发票在哪里开", "我要开具电子发票"),
    answer="订单完成后点「申请发票」。",
    category="发票",
)
PASSWORD = Entry(
    key="password",
    question="忘记登录密码怎么办？",
    variants=("登录密码忘记了", "怎么找回登录密码", "忘记登录密码如何找回"),
    answer="点「忘记密码」。",
    category="账户",
)
CLEAN = (REFUND, INVOICE, PASSWORD)


@pytest.fixture
def report(tmp_path, encoder):
    def report(*entries, queries=(), **options):
        store = Store.create(tmp_path / "faq.db")
        publish(store, store.snapshot(), encoder, entries)
        return inspect_quality(Searcher.load(store, encoder), queries, **options)

    return report


def test_a_clean_faq_has_no_findings(report):
    found = report(*CLEAN)
    assert (found.entries, found.questions) == (3, 12)
    assert (found.duplicates, found.defeats, found.wordings, found.overlaps) == ((), (), (), ())
    assert found.notes == ()
    assert as_text(found).count("没有") == 5


AGAIN = Entry(key="again", question="怎么申请退货", answer="联系客服。", category="退货")


def test_entries_of_alike_standard_questions_and_other_answers_are_duplicates(report):
    (pair,) = report(*CLEAN, AGAIN).duplicates
    assert pair.entries == ("refund", "again")
    assert pair.questions == ("如何申请退货？", "怎么申请退货")
    assert pair.cosine > 0.9 and pair.characters > 0.7


@pytest.mark.parametrize(
    "changes",
    [
        {"answer": f" {REFUND.answer}"},  # customers get the same whichever is found
        {"question": "怎么申请换货"},
        {"enabled": False},
        {"valid_to": "2020-01-01"},
    ],
    ids=["same answer", "another question", "switched off", "expired"],
)
def test_these_are_no_duplicates(report, changes):
    assert report(*CLEAN, replace(AGAIN, **changes)).duplicates == ()


def test_entries_most_of_whose_wordings_are_alike_are_duplicates(report):
    other = Entry(
        key="other",
        question="货不想要",
        variants=("怎样申请退货退款", "申请退货步骤", "我想申请退货"),
        answer="联系客服。",
    )
    assert [pair.entries for pair in report(*CLEAN, other).duplicates] == [("refund", "other")]
    one_alike = replace(other, variants=("怎样申请退货退款", "想换个颜色", "尺码不合适"))
    assert report(*CLEAN, one_alike).duplicates == ()


def test_a_similar_question_of_another_entry_is_found_with_both_scores(report):
    misplaced = replace(INVOICE, variants=(*INVOICE.variants, "退货怎么申请"))
    (defeat,) = report(REFUND, misplaced, PASSWORD).defeats
    assert (defeat.entry, defeat.question, defeat.standard) == ("invoice", "退货怎么申请", False)
    assert (defeat.winner, defeat.winner_question) == ("refund", "怎么申请退货退款")
    assert defeat.winner_score > 0.6 > 0.5 > defeat.score
    assert defeat.lead == pytest.approx(defeat.winner_score - defeat.score)


def test_an_entry_that_loses_its_standard_question_is_found(report):
    wrong = replace(PASSWORD, question="电子发票如何开具？")
    lost = [defeat for defeat in report(REFUND, INVOICE, wrong).defeats if defeat.standard]
    assert [(d.entry, d.winner) for d in lost if d.entry == "password"] == [("password", "invoice")]


def test_who_is_answered_alike_defeats_nobody(report):
    misplaced = replace(INVOICE, variants=("退货怎么申请",), answer=REFUND.answer)
    assert report(REFUND, misplaced, PASSWORD).defeats == ()


def test_entries_without_other_wordings_are_named_as_unknown(report):
    found = report(*CLEAN, Entry(key="alone", question="运费谁出？", answer="您"))
    assert [note for note in found.notes if "1 个条目" in note and "alone" in note]
    assert found.defeats == ()


def test_a_sample_is_said_to_be_one(report):
    notes = report(*CLEAN, at_most=2).notes
    assert "相似问共 9 个, 抽查了 2 个" in notes[0]
    assert "标准问共 3 个, 只查了前 2 个" in notes[1]


def test_questions_that_say_too_little_or_too_much_are_found(report):
    long = f"{'我上周买的那件衣服颜色和图片上不一样而且尺码也偏小' * 3}怎么退"
    odd = replace(REFUND, variants=(*REFUND.variants, "退货", "怎么办？", long))
    found = {(each.fault, each.question): each.length for each in report(odd, INVOICE).wordings}
    assert found == {
        ("too_short", "退货"): 2,
        ("too_short", "怎么办？"): 4,
        ("too_long", long): len(long),
    }


def test_a_question_of_words_that_everybody_uses_is_unspecific(report):
    topics = ("电子发票", "登录密码", "收货地址", "会员积分", "优惠券")
    entries = [Entry(key=topic, question=f"请问怎么修改{topic}", answer=topic) for topic in topics]
    assert report(*entries).wordings == ()
    entries[0] = replace(entries[0], variants=("请问怎么修改",))
    assert [(w.fault, w.question) for w in report(*entries).wordings] == [
        ("unspecific", "请问怎么修改")
    ]


STRAYED = Entry(
    key="strayed",
    question="商家电话是多少？",
    variants=("商家电话怎么查", "退货怎么申请", "如何申请退货退款", "申请退货要几步"),
    answer="见店铺首页。",
    category="商家",
)


def test_categories_that_lose_questions_to_one_another_overlap(report):
    (overlap,) = report(*CLEAN, STRAYED).overlaps
    assert (overlap.category, overlap.other) == ("商家", "退货")
    assert (overlap.count, overlap.asked, overlap.share) == (3, 5, 0.6)
    assert {defeat.entry for defeat in overlap.examples} == {"strayed"}
    assert report(*CLEAN, replace(STRAYED, category="")).overlaps == ()
    assert report(*CLEAN, replace(STRAYED, category="退货")).overlaps == ()


def test_labelled_queries_add_to_what_categories_are_judged_by(report):
    texts = ("电子发票怎么开具", "开个电子发票", "电子发票去哪开")
    queries = [LabelledQuery(text, "password", "dev", "") for text in texts]
    unknown = [LabelledQuery("你好", "", "dev", ""), LabelledQuery("退货", "gone", "dev", "")]
    (overlap,) = report(*CLEAN, queries=[*queries, *unknown]).overlaps
    assert (overlap.category, overlap.other, overlap.count, overlap.asked) == (
        "账户", "发票", 3, 7,
    )  # fmt: skip


def test_text_and_json_name_every_finding_and_what_to_do(report):
    misplaced = replace(INVOICE, variants=(*INVOICE.variants, "退货怎么申请"))
    found = report(REFUND, misplaced, PASSWORD, AGAIN, STRAYED)
    text = as_text(found)
    assert text.count("怎么办: ") >= 4
    for line in ("again 怎么申请退货", "invoice 退货怎么申请 (", "商家 → 退货: "):
        assert line in text
    read = json.loads(as_json(found))
    pairs = [pair["entries"] for pair in read["near_duplicates"]["found"]]
    assert ["refund", "again"] in pairs
    defeats = read["misplaced_similar_questions"]["found"]
    assert "退货怎么申请" in {defeat["question"] for defeat in defeats}
    assert all(read[name]["remedy"] for name in read if isinstance(read[name], dict))


def test_a_long_list_is_cut_in_the_text_and_whole_in_json(report):
    entries = [
        Entry(key=f"e{i}", question=f"{word}", answer=str(i))
        for i, word in enumerate(["退货", "发票", "密码", "地址", "积分", "运费", "客服"] * 4)
    ]
    # The same question cannot belong to two entries: told apart by punctuation.
    entries = [replace(e, question=e.question + "！？。…"[i // 7]) for i, e in enumerate(entries)]
    found = report(*entries)
    assert "还有 8 个" in as_text(found).split("太短、太泛")[1]
    assert len(json.loads(as_json(found))["wordings"]["found"]) == 28


def test_a_text_cannot_steer_the_terminal(report):
    assert "\x1b" not in as_text(report(*CLEAN, replace(AGAIN, question="怎么\x1b[31m申请退货")))
