"""Do operators' actions hold what they promise, without any page?"""

import subprocess
import sys

import pytest

from faq_app.operations import cases, drafts, effects, entries, missed, settings, trial, words
from faq_app.operations.desk import Desk
from faq_app.operations.effects import TooMuchBroken
from faq_app.service import Service
from faq_app.wording import Wording
from indexer.errors import InputError, PublishError
from indexer.regression import NewCase, add_cases
from tests.conftest import BUNDLE, ROOT

FORM = {
    "key": "", "question": "怎么付款？", "variants": "", "negatives": "", "answer": "扫码。",
    "category": "", "tags": "", "valid_from": "", "valid_to": "", "enabled": True,
}  # fmt: skip


@pytest.fixture
def desk(small_faq, tmp_path):
    if not (BUNDLE / "manifest.json").exists():
        pytest.skip("data/encoder is not there")
    db = tmp_path / "faq.db"
    build = [sys.executable, "-m", "indexer", "build", str(small_faq), "--db", str(db)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    service = Service.open(db)
    noted = []
    desk = Desk(service, lambda *what: noted.append(what))
    desk.noted = noted
    yield desk
    service.close()


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"question": " "}, "没有标准问"),
        ({"question": "？！"}, "没有标准问"),
        ({"answer": ""}, "没有答案"),
        ({"variants": "怎么付\n。。。"}, "里没有文字"),
        ({"variants": "长" * 501}, "最多 500"),
        ({"valid_from": "明天"}, "看不懂日期"),
        ({"valid_from": "2026-02-01", "valid_to": "2026-01-01"}, "生效日晚于失效日"),
    ],
)
def test_a_form_that_cannot_be_an_entry_says_why(changed, told):
    with pytest.raises(InputError, match=told):
        entries.compose(None, **FORM | changed)


def test_lines_of_a_form_become_wordings_each_once():
    entry = entries.compose(
        None, **FORM | {"variants": " 付款 \n\n付款\n怎么付款？\n刷卡", "tags": "a，b, c"}
    )
    assert entry.variants == ("付款", "刷卡")  # the standard question is none of them
    assert entry.tags == ("a", "b", "c")


def test_a_wording_belongs_to_one_entry(desk):
    entry = entries.compose(None, **FORM | {"variants": "怎么退货"})
    with pytest.raises(InputError, match="如何申请退货"):
        entries.save(desk, entry, None, "wang")


def test_a_publish_that_breaks_too_much_is_refused_until_somebody_insists(desk):
    queries = [("怎么退货", "refund"), ("怎么开发票", "invoice"), ("密码忘了", "password")]
    add_cases(desk.service.store, [NewCase(q, key, "手工") for q, key in queries], "wang")
    settings.save_gate(desk, 0, "wang")
    seen = desk.searcher.entries["refund"]
    before = desk.searcher.revision
    with pytest.raises(TooMuchBroken, match="会弄坏 1 条") as refused:
        entries.delete(desk, seen, "wang")
    assert [outcome.query for outcome in refused.value.effect.broken] == ["怎么退货"]
    assert desk.searcher.revision == before
    entries.delete(desk, seen, "wang", insist=True)
    assert "refund" not in desk.searcher.entries
    assert desk.noted[-1][:2] == ("wang", "删除「如何申请退货？」")


def test_the_gate_stands_before_a_draft_too(desk):
    add_cases(desk.service.store, [NewCase("怎么退货", "refund", "手工")], "wang")
    settings.save_gate(desk, 0, "wang")
    drafts.add_deletion(desk, desk.searcher.entries["refund"], "wang")
    with pytest.raises(TooMuchBroken):
        drafts.publish(desk, "wang")
    assert len(drafts.items(desk)) == 1
    drafts.publish(desk, "wang", insist=True)
    assert drafts.items(desk) == ()


def test_a_preview_stores_nothing(desk):
    before = desk.searcher.revision
    words.preview(desk, "退货", 3, "怎么退货")
    assert words.effect(desk, "退货", 3).unchanged > 0
    assert words.effect(desk, "退货", 1) is None
    assert desk.service.store.revision() == before
    assert words.word_row(desk, "退货").factor == 1


@pytest.mark.parametrize("factor", [-1, float("nan"), float("inf"), 1e9])
def test_a_factor_that_cannot_be_one_is_refused(desk, factor):
    with pytest.raises(ValueError):
        words.save(desk, "退货", factor, "wang")
    assert desk.service.store.setting("keywords") is None


def test_a_new_case_counts_at_once(desk):
    assert effects.labelled_cases(desk) == ()
    cases.add(desk, "怎么退货", "refund", "wang")
    assert [case.expected for case in effects.labelled_cases(desk)] == ["refund"]


def test_what_is_unticked_is_left_out_of_a_group(desk):
    for query in ("xyzzy 怎么弄", "xyzzy 怎么弄呢"):
        trace = desk.service.ask(query).trace_id
        desk.service.feedback(trace, "none_of_these")
    [group] = missed.groups(desk, 7).groups
    assert len(group.queries) == 2
    [left] = missed.group(desk, group.representative, [group.representative]).queries
    assert left.text != group.representative
    with pytest.raises(InputError, match="一条也没有勾选"):
        missed.group(desk, group.representative, [query.text for query in group.queries])


def test_a_batch_is_read_with_and_without_a_header(tmp_path):
    plain, labelled = tmp_path / "a.txt", tmp_path / "b.csv"
    plain.write_text("怎么退货\n发票\n", encoding="utf-8")
    labelled.write_text("编号,提问\nrefund,怎么退货\n,天气\n", encoding="utf-8")
    assert [q.query for q in trial.read_batch(plain)] == ["怎么退货", "发票"]
    assert [(q.query, q.entry_id) for q in trial.read_batch(labelled)] == [
        ("怎么退货", "refund"), ("天气", ""),
    ]  # fmt: skip


def test_the_chat_pages_words_are_checked_and_served(desk):
    with pytest.raises(InputError, match="不能用"):
        Wording(handoff_link="javascript:alert(1)").checked()
    settings.save_wording(desk, Wording(welcome="你好", frequent=("怎么退货",)), "wang")
    assert desk.service.wording.welcome == "你好"
    assert desk.service.frequent_questions() == ("怎么退货",)
    with pytest.raises(InputError, match="没有改动"):
        settings.save_wording(desk, desk.service.wording, "wang")


def test_two_operators_do_not_overwrite_each_other(desk):
    seen = desk.searcher.entries["refund"]
    mine = entries.compose(seen, **FORM | {"question": seen.question, "answer": "我的"})
    theirs = entries.compose(seen, **FORM | {"question": seen.question, "answer": "他的"})
    entries.save(desk, theirs, seen, "li")
    with pytest.raises(PublishError, match="li"):
        entries.save(desk, mine, seen, "wang")
    assert desk.searcher.entries["refund"].answer == "他的"
