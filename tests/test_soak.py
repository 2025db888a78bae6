"""A short soak; the long one is benchmarks/soak.py."""

import soak
from indexer.build import publish
from indexer.records import Entry
from indexer.store import Store


def test_no_reply_is_lost_or_mixed_while_weights_change(tmp_path, encoder):
    db = tmp_path / "faq.db"
    store = Store.create(db)
    entries = [Entry(key="refund", question="如何申请退货？", variants=("怎么退货",), answer="A")]
    publish(store, store.snapshot(), encoder, entries)
    store.close()
    seen = soak.soak(db, encoder, asks=400, pause=0.0, threads=3)
    assert (seen.asks, seen.errors, seen.mixed) == (400, [], [])
    assert seen.canaries == 40
    assert seen.revisions > 0
    assert len(Store.open(db).logged_queries()) == 400
