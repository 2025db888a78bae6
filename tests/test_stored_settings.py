"""Is what somebody wrote into the settings by hand found out before anything is answered by it?"""

import json
import logging
import subprocess
import sys
from dataclasses import asdict

import pytest

from faq_app.service import Service
from faq_app.wording import Wording
from indexer.build import publish
from indexer.calibration import as_json, default_for
from indexer.errors import StoreError
from indexer.records import Entry
from indexer.search import WEIGHTS, Searcher
from indexer.store import Store
from tests.conftest import BUNDLE, ROOT

GOOD = asdict(WEIGHTS)


@pytest.fixture
def store(tmp_path, encoder):
    store = Store.create(tmp_path / "faq.db")
    entry = Entry(key="refund", question="如何申请退货？", variants=("怎么退货",), answer="申请。")
    publish(store, store.snapshot(), encoder, [entry])
    yield store
    store.close()


def write(store, name, value):
    """Write a setting as one who does not know what it means."""
    with store.transaction() as db:
        row = {"name": name, "value": value if isinstance(value, str) else json.dumps(value)}
        db.table("settings").upsert(row, pk="name")


def bad_threshold(encoder):
    stored = as_json(default_for(encoder.fingerprint))
    return stored | {"encoder": encoder.fingerprint, "thresholds": {"answer": 2, "clarify": 0.5}}


BAD = {
    "a negative weight": ("signals", GOOD | {"sound": -1}, "sound 的权重 -1", "signals --reset"),
    "no number": ("signals", GOOD | {"whole": float("nan")}, "whole 的权重 nan", "signals --reset"),
    "infinite": ("signals", GOOD | {"whole": float("inf")}, "whole 的权重 inf", "signals --reset"),
    "words for weights": ("signals", GOOD | {"whole": "高"}, "whole 的权重 高", "signals --reset"),
    "an unknown signal": ("signals", GOOD | {"smell": 1}, "wording", "signals --reset"),
    "all off": ("signals", dict.fromkeys(GOOD, 0), "都是 0", "signals --reset"),
    "guard": ("negation_guard", "\"也许\"", "也许", "signals --negation-guard"),
    "a keyword": ("keywords", {"退货": float("nan")}, "退货", "keywords import"),
    "a negative keyword": ("keywords", {"退货": -2}, "退货", "keywords import"),
    "synonyms": ("synonyms", [["退货"]], "退货", "synonyms clear"),
    "a threshold": ("calibration", bad_threshold, "between 0 and 1", "thresholds --reset"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_setting_that_cannot_be_used_is_named_with_the_command_that_repairs_it(
    store, encoder, case
):
    name, value, told, command = BAD[case]
    write(store, name, value(encoder) if callable(value) else value)
    with pytest.raises(StoreError, match=f"{name}.*{told}.*怎么办: python -m indexer {command}"):
        Searcher.load(store, encoder)


@pytest.mark.parametrize("case", ["a negative weight", "guard", "synonyms", "a threshold"])
def test_the_command_repairs_it(store, encoder, case):
    name, value, _, command = BAD[case]
    write(store, name, value(encoder) if callable(value) else value)
    more = ["--encoder", str(BUNDLE)] if name in ("synonyms", "calibration") else []
    run = [sys.executable, "-m", "indexer", *command.split(), "--db", str(store.path), *more]
    subprocess.run(run, cwd=ROOT, check=True, capture_output=True)
    assert Searcher.load(store, encoder).search("怎么退货").hits[0].entry_id == "refund"


def test_many_bad_keywords_are_replaced_at_once(store, encoder, tmp_path):
    write(store, "keywords", {"退货": -2, "申请": float("inf")})
    table = tmp_path / "words.csv"
    table.write_text("关键词,倍数\n退货,2\n", encoding="utf-8")
    run = [sys.executable, "-m", "indexer", "keywords", "import", str(table)]
    run += ["--db", str(store.path), "--encoder", str(BUNDLE)]
    subprocess.run(run, cwd=ROOT, check=True, capture_output=True)
    assert Searcher.load(store, encoder).lexicon.keywords == {"退货": 2.0}


def test_a_running_server_goes_on_with_what_it_has(store, encoder, caplog):
    service = Service(store, encoder)
    write(store, "signals", GOOD | {"sound": -1})
    write(store, "revision", store.revision() + 1)
    with caplog.at_level(logging.ERROR):
        assert service.ask("怎么退货").answer == "申请。"
    assert "sound 的权重 -1" in caplog.text
    assert service.revision == store.revision() - 1


def test_words_of_the_chat_page_that_cannot_be_shown_are_replaced_by_our_own(caplog):
    for stored in ({"welcome": 3}, {"hello": "x"}, ["x"], {"handoff_link": "javascript:x"}):
        assert Wording.of(stored) == Wording()
    assert caplog.text.count("setting wording") == 4
