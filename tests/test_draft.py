from dataclasses import replace

import pytest

from indexer import draft
from indexer.build import publish
from indexer.errors import PublishError
from indexer.history import history
from indexer.records import Entry
from indexer.search import Searcher
from indexer.store import Store

REFUND = Entry(key="refund", question="如何申请退货？", variants=("怎么退货",), answer="点售后")
INVOICE = Entry(key="invoice", question="如何开发票？", answer="点开票", extra={"来源": "客服"})
PAY = Entry(key="pay", question="怎么付款？", answer="点支付")
CHANGED = replace(REFUND, variants=("怎么退货", "退掉它"))


@pytest.fixture
def store(tmp_path, encoder):
    store = Store.create(tmp_path / "faq.db")
    publish(store, store.snapshot(), encoder, [REFUND, INVOICE])
    return store


@pytest.fixture
def drafted(store):
    draft.add_entry(store, CHANGED, "小李", seen=REFUND)
    draft.add_deletion(store, "invoice", "运营甲", seen=INVOICE)
    draft.add_entry(store, PAY, "小李", seen=None)
    draft.add_keyword(store, "退货", 2, "运营甲")
    draft.add_setting(store, "negation_guard", False, "运营甲")
    return store


def test_a_draft_outlives_the_process_and_touches_nothing(drafted):
    again = Store.open(drafted.path)
    assert [(i.in_words, i.by) for i in draft.items(again)] == [
        ("更新条目 refund「如何申请退货？」", "小李"),
        ("删除条目 invoice「如何开发票？」", "运营甲"),
        ("新增条目 pay「怎么付款？」", "小李"),
        ("关键词 退货 = 2", "运营甲"),
        ("设置 否定检查", "运营甲"),
    ]
    assert [i.content for i in draft.items(again)] == [CHANGED, None, PAY, 2.0, False]
    assert [i.base for i in draft.items(again)] == [REFUND, INVOICE, None, None, None]
    assert (again.revision(), list(again.snapshot().entries)) == (1, ["refund", "invoice"])


def test_a_preview_is_what_publishing_makes(drafted, encoder):
    tried = Searcher.load(draft.preview(drafted, encoder), encoder)
    assert drafted.revision() == 1
    done = draft.publish(drafted, encoder, "小张")
    real = Searcher.load(drafted, encoder)
    assert done.revision == real.revision == 2
    assert real.lexicon.keywords == {"退货": 2.0} and not real.negation_guard
    assert real.entries == {"refund": CHANGED, "pay": PAY}
    for query in ("退掉它", "付款", "开发票", "退货"):
        assert tried.search(query) == real.search(query)
    assert draft.items(drafted) == ()
    newest = history(drafted)[0]
    assert (newest.by, newest.what) == ("小张", "发布草稿: 5 处改动 (小李、运营甲)")
    with pytest.raises(PublishError, match="草稿是空的"):
        draft.publish(drafted, encoder, "小张")


def test_a_change_is_replaced_and_one_that_changes_nothing_leaves(drafted):
    draft.add_entry(drafted, replace(CHANGED, answer="新"), "小张", seen=CHANGED)
    found = draft.items(drafted)[0]
    assert (found.content.answer, found.base, found.by) == ("新", REFUND, "小张")
    draft.add_entry(drafted, REFUND, "小张", seen=found.content)
    draft.add_keyword(drafted, "退货", 1, "小张")
    draft.add_setting(drafted, "negation_guard", None, "小张")
    assert [i.name for i in draft.items(drafted)] == ["invoice", "pay"]


def test_changes_are_discarded_one_by_one_or_all(drafted):
    draft.discard(drafted, "keyword", "退货")
    assert "退货" not in [i.name for i in draft.items(drafted)]
    with pytest.raises(PublishError, match="草稿里没有 退货"):
        draft.discard(drafted, "keyword", "退货")
    assert draft.discard_all(drafted) == 4
    assert draft.items(drafted) == ()


def test_the_second_editor_of_a_drafted_entry_is_told_who_was_first(drafted):
    mine = replace(REFUND, answer="我的")
    with pytest.raises(PublishError, match="refund「如何申请退货？」刚被 小李 改过"):
        draft.add_entry(drafted, mine, "小张", seen=replace(REFUND, answer="旧的"))
    assert draft.items(drafted)[0].content == CHANGED
    # Who saw what is published means to begin anew from there.
    draft.add_entry(drafted, mine, "小张", seen=REFUND)
    assert draft.items(drafted)[0].content == mine


def test_what_was_published_meanwhile_is_named_and_nothing_overwritten(drafted, encoder):
    theirs = replace(REFUND, answer="他的")
    options = {"settings": {"keywords": {"退货": 3.0}}, "by": "小赵"}
    publish(drafted, drafted.snapshot(), encoder, [theirs], **options)
    assert [i.name for i in draft.stale(drafted)] == ["refund", "退货"]
    for attempt in (draft.preview, lambda *args: draft.publish(*args, "小张")):
        with pytest.raises(PublishError, match=r"更新条目 refund.*小李.*关键词 退货 = 2 .*运营甲"):
            attempt(drafted, encoder)
    assert drafted.snapshot().entries["refund"] == theirs
    draft.discard(drafted, "keyword", "退货")
    draft.add_entry(drafted, replace(theirs, variants=()), "小李", seen=theirs)
    assert draft.stale(drafted) == ()
    draft.publish(drafted, encoder, "小张")
    assert drafted.snapshot().entries["refund"] == replace(theirs, variants=())
    assert drafted.setting("keywords") == {"退货": 3.0}


def test_words_that_others_changed_stay_as_they_are(drafted, encoder):
    publish(drafted, drafted.snapshot(), encoder, settings={"keywords": {"发票": 3.0}})
    draft.publish(drafted, encoder, "小张")
    assert drafted.setting("keywords") == {"发票": 3.0, "退货": 2.0}


def test_a_draft_that_was_published_but_not_emptied_is_not_stale(drafted, encoder):
    kept = draft.items(drafted)
    draft.publish(drafted, encoder, "小张")
    with drafted.transaction() as db:
        for item in kept:
            draft._write(db, item.kind, item.name, item.content, item.base, item.by)
    assert draft.stale(drafted) == ()
    assert draft.publish(drafted, encoder, "小张").encoded == 0


def test_the_gate_refuses_what_breaks_too_much(drafted, encoder):
    seen = []

    def judge(searcher):
        seen.append(searcher.search("退掉它").hits[0].exact)
        return {"cases": 9, "fixed": [], "broken": ["开发票", "要发票"]}

    with pytest.raises(
        PublishError, match=r"弄坏 2 条回归提问 \(最多允许 1 条\): 「开发票」、「要发票」"
    ):
        draft.publish(drafted, encoder, "小张", judge=judge, at_most_broken=1)
    assert (drafted.revision(), len(draft.items(drafted)), seen) == (1, 5, [True])
    draft.publish(drafted, encoder, "小张", judge=judge, at_most_broken=1, force=True)
    assert history(drafted)[0].regression == judge(Searcher.load(drafted, encoder)) | {
        "forced": True
    }


def test_what_the_gate_lets_through_is_kept_with_the_revision(drafted, encoder):
    draft.publish(drafted, encoder, "小张", judge=lambda _: {"broken": []}, what="改退货")
    assert (history(drafted)[0].regression, history(drafted)[0].what) == ({"broken": []}, "改退货")


def test_keywords_are_drafted_word_by_word(store):
    with pytest.raises(ValueError, match="word by word"):
        draft.add_setting(store, "keywords", {"退货": 2.0}, "小李")
    with pytest.raises(ValueError, match="里没有文字"):
        draft.add_keyword(store, "  ", 2, "小李")
    assert draft.items(store) == ()
