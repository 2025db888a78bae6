from dataclasses import replace

import pytest

from indexer.build import publish
from indexer.errors import PublishError
from indexer.records import Entry
from indexer.rehearsal import Rehearsal
from indexer.search import Searcher
from indexer.store import Publication, Store

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


def test_it_takes_settings_of_its_own_revision_only(store, encoder):
    rehearsal = Rehearsal(store)
    with pytest.raises(ValueError, match="no entries"):
        publish(rehearsal, rehearsal.snapshot(), encoder, [replace(ENTRIES[0], answer="C")])
    with pytest.raises(PublishError, match="第 7 版"):
        rehearsal.publish(Publication(7, (), {}, {}, {}))
