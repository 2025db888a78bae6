import shutil
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from distill.encoder import Encoder
from indexer.build import publish, refresh
from indexer.errors import PublishError
from indexer.history import changes_between, history, keyword_changes, revision_count, rollback
from indexer.records import Entry
from indexer.rehearsal import Rehearsal
from indexer.revisions import pack_entries, unpack_entries
from indexer.search import Searcher
from indexer.store import Store
from tests.conftest import BUNDLE, thresholds_setting

REFUND = Entry(key="refund", question="如何申请退货？", variants=("怎么退货",), answer="点售后")
INVOICE = Entry(
    key="invoice", question="如何开发票？", answer="点开票", extra={"来源": "客服"}, tags=("热",)
)


@pytest.fixture
def store(tmp_path, encoder):
    store = Store.create(tmp_path / "faq.db")
    publish(store, store.snapshot(), encoder, [REFUND, INVOICE], by="小李", what="导入 faq.csv")
    return store


def edit(store, encoder, *changes, **options):
    return publish(store, store.snapshot(), encoder, changes, **options)


def test_history_is_newest_first_and_comes_in_pages(store, encoder):
    edit(store, encoder, settings={"keywords": {"退货": 2.0}}, by="运营甲")
    store.publish_settings({"negation_guard": False})
    assert [(r.revision, r.by, r.what) for r in history(store)] == [
        (3, "", "否定检查"),
        (2, "运营甲", "关键词 退货 = 2"),
        (1, "小李", "导入 faq.csv"),
    ]
    assert [r.revision for r in history(store, limit=1, offset=1)] == [2]
    assert revision_count(store) == 3
    assert history(store)[2].at < history(store)[0].at
    assert history(store)[2].at.endswith("+00:00")


def test_the_last_change_of_every_word_is_known(store, encoder):
    edit(store, encoder, settings={"keywords": {"退货": 2.0, "发票": 0.5}}, by="运营甲")
    edit(store, encoder, settings={"keywords": {"退货": 3.0, "发票": 0.5}}, by="小张")
    edit(store, encoder, settings={"keywords": {"退货": 3.0}}, by="小赵")
    store.publish_settings({"negation_guard": False}, by="小孙")
    assert {word: r.by for word, r in keyword_changes(store).items()} == {
        "退货": "小张",
        "发票": "小赵",
    }


def test_two_revisions_differ_by_what_was_done_between_them(store, encoder):
    added = Entry(key="pay", question="怎么付款？", answer="点支付")
    changed = replace(REFUND, answer="七天内点售后", variants=("怎么退货", "退掉"))
    edit(store, encoder, changed, added, deleted=["invoice"])
    edit(store, encoder, settings={"keywords": {"退货": 2.0}, "negation_guard": False})
    found = changes_between(store, 1, 3)
    assert {(c.key, c.kind) for c in found.entries} == {
        ("refund", "changed"),
        ("pay", "added"),
        ("invoice", "deleted"),
    }
    by_key = {c.key: c for c in found.entries}
    assert [(f.name, f.before, f.after) for f in by_key["refund"].fields] == [
        ("variants", ("怎么退货",), ("怎么退货", "退掉")),
        ("answer", "点售后", "七天内点售后"),
    ]
    assert [f.name for f in by_key["pay"].fields] == ["question", "answer", "enabled"]
    assert by_key["invoice"].before == INVOICE
    assert [(k.name, k.before, k.after) for k in found.keywords] == [("退货", 1.0, 2.0)]
    assert [(s.name, s.before, s.after) for s in found.settings] == [
        ("negation_guard", None, False)
    ]
    back = changes_between(store, 3, 1)
    assert [(c.key, c.before, c.after) for c in back.entries] == [
        (c.key, c.after, c.before) for c in found.entries
    ]
    assert [(k.before, k.after) for k in back.keywords] == [(2.0, 1.0)]
    assert not changes_between(store, 2, 2).entries
    assert [c.kind for c in changes_between(store, 2, 3).entries] == []


@pytest.mark.parametrize("revision", [0, -1, 2, 99])
def test_a_revision_that_is_not_there_is_named(store, encoder, revision):
    with pytest.raises(PublishError, match=f"没有第 {revision} 版的记录.*indexer history"):
        rollback(store, encoder, revision, "小李")
    with pytest.raises(PublishError, match="没有第"):
        changes_between(store, 1, revision)


def test_going_back_to_what_is_there_changes_nothing(store, encoder):
    with pytest.raises(PublishError, match="没有什么可以回退"):
        rollback(store, encoder, 1, "小李")
    assert store.revision() == 1


def test_a_deleted_entry_comes_back_whole_and_to_its_place(store, encoder):
    edit(store, encoder, deleted=["refund"])
    edit(store, encoder, Entry(key="pay", question="怎么付款？", answer="点支付"))
    assert list(store.snapshot().entries) == ["invoice", "pay"]
    done = rollback(store, encoder, 1, "小李")
    assert (done.revision, history(store)[0].what) == (4, "回退到第 1 版")
    assert list(store.snapshot().entries.items()) == [("refund", REFUND), ("invoice", INVOICE)]
    # And the way back from there.
    rollback(store, encoder, 3, "小李")
    assert list(store.snapshot().entries) == ["invoice", "pay"]


def test_a_setting_that_was_not_there_is_taken_away_again(store, encoder):
    thresholds = thresholds_setting(encoder.fingerprint, 0.9, 0.2)
    edit(
        store, encoder, settings={"keywords": {"退货": 2.0}, "negation_guard": False, **thresholds}
    )
    rollback(store, encoder, 1, "小李")
    assert store.setting("negation_guard", "not there") == "not there"
    searcher = Searcher.load(store, encoder)
    assert searcher.negation_guard
    assert (searcher.lexicon.keywords, searcher.calibration.source) == ({}, "")
    rollback(store, encoder, 2, "小李")
    assert Searcher.load(store, encoder).thresholds.answer == 0.9


def test_going_back_can_be_rehearsed(store, encoder):
    edit(store, encoder, replace(REFUND, answer="新"), deleted=["invoice"])
    rehearsal = Rehearsal(store)
    rollback(rehearsal, encoder, 1, "小李")
    assert list(rehearsal.snapshot().entries.items()) == [("refund", REFUND), ("invoice", INVOICE)]
    assert (store.revision(), list(store.snapshot().entries)) == (2, ["refund"])


def test_going_back_over_a_change_of_encoder_takes_the_old_one_along(store, encoder, tmp_path):
    lain = tmp_path / "moved"
    shutil.copytree(BUNDLE, lain)
    other = replace_encoder(encoder, lain)
    refresh(store, other, by="小李")
    assert store.setting("encoder_path") == str(lain)
    edit(store, other, replace(REFUND, answer="新"))
    rollback(store, other, 1, "小李")
    assert store.setting("encoder") == encoder.fingerprint
    before = Searcher.load(store, encoder).search("退货")
    assert before.hits[0].entry_id == "refund"


def test_an_encoder_that_is_gone_is_named_and_nothing_changes(store, encoder, tmp_path):
    lain = tmp_path / "moved"
    other = replace_encoder(encoder, lain)  # there is no such directory
    refresh(store, other)
    refresh(store, encoder)
    with pytest.raises(PublishError, match=r"第 2 版用的是另一个编码器 another: 当时在 .*moved"):
        rollback(store, encoder, 2, "小李")
    shutil.copytree(BUNDLE, lain)  # something else lies there now
    with pytest.raises(PublishError, match="现在那里没有它"):
        rollback(store, encoder, 2, "小李")
    assert store.revision() == 3


def replace_encoder(encoder, path) -> Encoder:
    """The same model, under another fingerprint and in another place."""
    return replace(encoder, bundle=replace(encoder.bundle, path=path, fingerprint="another"))


def test_entries_are_packed_without_loss():
    rows = {"a": (3, replace(INVOICE, key="a", related=("x",), negatives=("否",))), "b": None}
    assert unpack_entries(pack_entries(rows)) == rows


WORDS = ("退货", "发票", "密码", "优惠券", "花呗")
PHRASES = tuple(
    f"{how}{word}{end}" for word in WORDS for how in ("怎么", "我要") for end in ("", "？")
)
ENTRY = st.builds(
    lambda key, texts, answer, negatives, enabled: Entry(
        key=key,
        question=texts[0],
        variants=tuple(texts[1:]),
        answer=answer,
        negatives=tuple(negatives),
        enabled=enabled,
    ),
    st.sampled_from("abcd"),
    st.lists(st.sampled_from(PHRASES), min_size=1, max_size=4, unique=True),
    st.sampled_from(WORDS),
    st.lists(st.sampled_from(PHRASES), max_size=1),
    st.booleans(),
)
STEP = st.one_of(
    st.tuples(
        st.just("entries"), st.lists(ENTRY, min_size=1, max_size=3, unique_by=lambda e: e.key)
    ),
    st.tuples(st.just("delete"), st.sampled_from("abcd")),
    st.tuples(
        st.just("settings"),
        st.fixed_dictionaries(
            {},
            optional={
                "keywords": st.dictionaries(
                    st.sampled_from(WORDS), st.sampled_from((0.0, 0.5, 3.0))
                ),
                "synonyms": st.sampled_from(([["退货", "退款"]], None)),
                "negation_guard": st.sampled_from((False, None)),
                "signals": st.sampled_from(
                    (
                        {
                            "wording": 1.0,
                            "whole": 0.0,
                            "characters": 1.0,
                            "sound": 0.5,
                            "answer": 0.0,
                        },
                        None,
                    )
                ),
            },
        ),
    ),
    st.tuples(st.just("back"), st.integers(1, 9)),
)


class Sight:
    """All that a revision is: entries in order, settings, and what queries find.

    A searcher that took over what it could of the one before finds the very same.
    """

    def __init__(self, encoder):
        self._encoder, self._previous = encoder, None

    def of(self, store):
        snapshot = store.snapshot()
        again = Store.open(store.path)
        # What the store remembers is what another process reads.
        assert snapshot == again.snapshot()
        assert list(snapshot.entries) == list(again.snapshot().entries)
        again.close()
        said = {name: value for name, value in snapshot.settings.items() if name != "revision"}
        anew = Searcher.load(store, self._encoder)
        self._previous = Searcher.load(store, self._encoder, self._previous)
        found = []
        for query in ("怎么退货", "退款要发票吗", "密码", "花呗券"):
            result = anew.search(query)
            assert self._previous.search(query) == result
            found.append([replace(hit, question_id=0) for hit in result.hits])
        return list(snapshot.entries.items()), said, found


@settings(max_examples=30)
@given(steps=st.lists(STEP, min_size=1, max_size=6), target=st.integers(1, 7))
def test_after_any_changes_any_revision_comes_back(tmp_path_factory, encoder, steps, target):
    store = Store.create(tmp_path_factory.mktemp("history") / "faq.db")
    publish(store, store.snapshot(), encoder, [replace(REFUND, key="a"), replace(INVOICE, key="b")])
    sight = Sight(encoder)
    was = {1: sight.of(store)}
    for kind, what in steps:
        try:
            if kind == "entries":
                edit(store, encoder, *what)
            elif kind == "delete":
                edit(store, encoder, deleted=[what])
            elif kind == "settings":
                edit(store, encoder, settings=what)
            else:
                rollback(store, encoder, what, "小李")
        except PublishError:  # nothing to delete, or to go back to
            continue
        was[store.revision()] = sight.of(store)
    target = min(target, store.revision())
    try:
        rollback(store, encoder, target, "小李")
    except PublishError as error:
        assert "没有什么可以回退" in str(error)
    assert sight.of(store) == was[target]
    assert not changes_between(store, target, store.revision()).entries
    store.close()
