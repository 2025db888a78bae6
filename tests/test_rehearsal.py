from dataclasses import replace

import pytest

from indexer.build import publish
from indexer.errors import PublishError
from indexer.records import Entry
from indexer.rehearsal import Rehearsal
from indexer.search import Searcher
from indexer.store import Store

ENTRIES = (
    Entry(key="refund", question="如何申请退货？", variants=("怎么退货",), answer="A"),
    Entry(key="invoice", question="如何开具发票？", negatives=("发票抬头",), answer="B"),
)
SETTINGS = {"keywords": {"退货": 3.0, "发票": 0.5}}


@pytest.fixture
def store(tmp_path, encoder):
    store = Store.create(tmp_path / "faq.db")
    publish(store, store.snapshot(), encoder, ENTRIES)
    return store


def test_what_is_rehearsed_is_what_publishing_does(store, encoder):
    rehearsal = Rehearsal(store)
    first = Searcher.load(rehearsal, encoder)
    tried = publish(rehearsal, rehearsal.snapshot(), encoder, settings=SETTINGS)
    rehearsed = Searcher.load(rehearsal, encoder, first)
    published = publish(store, store.snapshot(), encoder, settings=SETTINGS)
    assert tried == published
    assert rehearsal.revision() == store.revision() == 2
    real = Searcher.load(store, encoder)
    for query in ("退货要发票吗", "发票抬头", "怎么退"):
        assert rehearsed.search(query) == real.search(query) != first.search(query)


def test_the_store_below_does_not_know_of_it(store, encoder):
    below = Rehearsal(store)
    before = below.snapshot()
    above = Rehearsal(below)
    publish(above, above.snapshot(), encoder, settings=SETTINGS)
    assert above.setting("keywords") == SETTINGS["keywords"]
    assert below.snapshot() == before == store.snapshot()
    assert above.snapshot().vector_keys != before.vector_keys
    assert not store.vectors(list(above.snapshot().vector_keys.values()))


def test_it_stays_on_its_revision_while_the_database_goes_on(store, encoder):
    rehearsal = Rehearsal(store)
    Searcher.load(rehearsal, encoder)
    publish(store, store.snapshot(), encoder, [replace(ENTRIES[0], question="退货流程")])
    hit = Searcher.load(rehearsal, encoder).search("如何申请退货").hits[0]
    assert (hit.question, hit.exact) == ("如何申请退货？", True)


def test_changed_entries_are_rehearsed_as_they_will_be_published(store, encoder):
    rehearsal = Rehearsal(store)
    changes = [
        replace(ENTRIES[0], variants=("退掉它", "怎么退货"), answer="C", negatives=("退票",)),
        Entry(key="pay", question="怎么付款？", variants=("付钱",), answer="D"),
    ]
    for target in (rehearsal, store):
        snapshot = target.snapshot()
        publish(target, snapshot, encoder, changes, SETTINGS, deleted=["invoice"])
    assert rehearsal.snapshot() == store.snapshot()
    tried, real = Searcher.load(rehearsal, encoder), Searcher.load(store, encoder)
    for query in ("退掉它", "怎么付", "退票", "发票抬头"):
        assert tried.search(query) == real.search(query)
    assert tried.search("付钱").hits[0].exact


def test_it_takes_changes_of_its_own_revision_only(store, encoder):
    rehearsal = Rehearsal(store)
    before = rehearsal.snapshot()
    publish(rehearsal, before, encoder, settings=SETTINGS)
    with pytest.raises(PublishError, match="基于第 1 版"):
        publish(rehearsal, before, encoder, settings=SETTINGS)


def test_settings_without_vectors_are_rehearsed_too(store, encoder):
    rehearsal = Rehearsal(store)
    assert rehearsal.publish_settings({"negation_guard": False, "signals": None}) == 2
    assert rehearsal.setting("negation_guard") is False
    assert store.revision() == 1
    assert not Searcher.load(rehearsal, encoder).negation_guard


def test_nothing_else_can_be_written_to_it(store):
    with pytest.raises(TypeError, match="writes nothing"):
        Rehearsal(store).save_settings({"x": 1})
