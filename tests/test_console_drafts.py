"""Do deletions and settings wait in the draft as words and entries do, and is giving up undone?"""

from dataclasses import replace

import pytest

from faq_app.operations import drafts, settings, thresholds
from faq_app.operations.desk import Desk
from faq_app.service import Service
from faq_app.wording import Wording
from indexer.build import publish
from indexer.errors import InputError, PublishError
from indexer.records import Entry
from indexer.store import Store

ENTRIES = (
    Entry(key="refund", question="如何申请退货？", variants=("怎么退货",), answer="申请。"),
    Entry(key="invoice", question="如何开发票？", variants=("发票在哪里开",), answer="点发票。"),
)


@pytest.fixture
def desk(tmp_path, encoder):
    store = Store.create(tmp_path / "faq.db")
    publish(store, store.snapshot(), encoder, ENTRIES)
    service = Service(store, encoder)
    desk = Desk(service, lambda *what: None)
    yield desk
    service.close()


def waiting(desk):
    return [item.in_words for item in drafts.items(desk)]


def test_settings_wait_and_are_published_together(desk):
    weights = vars_of(desk) | {"sound": 0.5}
    assert thresholds.to_draft(desk, 0.7, 0.4, "wang")
    assert settings.draft_wording(desk, Wording(welcome="你好"), "wang")
    assert settings.draft_signals(desk, weights, "wang")
    drafts.add_deletion(desk, desk.searcher.entries["invoice"], "wang")
    assert waiting(desk) == [
        "设置 阈值",
        "设置 聊天页的文字",
        "设置 信号权重",
        "删除条目 invoice「如何开发票？」",
    ]
    assert desk.searcher.thresholds.answer != 0.7
    drafts.publish(desk, "wang")
    assert (desk.searcher.thresholds.answer, desk.searcher.thresholds.clarify) == (0.7, 0.4)
    assert desk.searcher.weights.sound == 0.5
    assert desk.service.wording.welcome == "你好"
    assert "invoice" not in desk.searcher.entries


def vars_of(desk):
    weights = desk.searcher.weights
    return {name: getattr(weights, name) for name in type(weights).__dataclass_fields__}


def test_what_is_as_published_does_not_wait(desk):
    now = desk.searcher.thresholds
    thresholds.to_draft(desk, 0.7, 0.4, "wang")
    assert not thresholds.to_draft(desk, now.answer, now.clarify, "wang")
    settings.draft_wording(desk, Wording(welcome="你好"), "wang")
    assert not settings.draft_wording(desk, desk.service.wording, "wang")
    assert not settings.draft_signals(desk, vars_of(desk), "wang")
    assert waiting(desk) == []


@pytest.mark.parametrize("weight", [-1, float("nan"), float("inf"), 1e9, "x", None])
def test_a_weight_that_cannot_be_one_is_refused(desk, weight):
    with pytest.raises(InputError, match="怎么办"):
        settings.draft_signals(desk, vars_of(desk) | {"sound": weight}, "wang")
    with pytest.raises(InputError, match="怎么办"):
        settings.save_signals(desk, dict.fromkeys(vars_of(desk), 0), "wang", insist=False)
    assert waiting(desk) == []


def test_a_word_that_weighs_what_it_weighs_leaves_by_the_draft_too(desk):
    drafts.add_word(desk, "退货", 2, "wang")
    drafts.publish(desk, "wang")
    drafts.add_word(desk, "退货", 1, "wang")
    assert waiting(desk) == ["关键词 退货 的调整去掉"]
    drafts.publish(desk, "wang")
    assert desk.searcher.lexicon.keywords == {}


def test_all_is_given_up_at_once(desk):
    drafts.add_word(desk, "退货", 2, "wang")
    settings.draft_wording(desk, Wording(welcome="你好"), "wang")
    assert drafts.discard_all(desk, "wang") == 2
    assert waiting(desk) == []
    assert drafts.discard_all(desk, "wang") == 0


def test_what_was_given_up_comes_back(desk):
    refund, invoice = ENTRIES
    drafts.add_entry(desk, replace(refund, answer="新的。"), refund, "wang")
    drafts.add_deletion(desk, invoice, "wang")
    drafts.add_word(desk, "退货", 2, "wang")
    settings.draft_wording(desk, Wording(welcome="你好"), "wang")
    before = sorted(waiting(desk))
    gone = [drafts.discard(desk, item.kind, item.name, "li") for item in drafts.items(desk)]
    assert waiting(desk) == []
    for item in gone:
        drafts.put_back(desk, item, "li")
    assert sorted(waiting(desk)) == before


def test_what_was_published_otherwise_meanwhile_does_not_come_back(desk, encoder):
    refund = ENTRIES[0]
    drafts.add_entry(desk, replace(refund, answer="新的。"), refund, "wang")
    gone = drafts.discard(desk, "entry", "refund", "wang")
    desk.publish("li", "", [replace(refund, answer="别人的。")])
    with pytest.raises(PublishError, match="refund"):
        drafts.put_back(desk, gone, "wang")
