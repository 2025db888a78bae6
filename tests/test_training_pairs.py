"""Which sentence pairs does a FAQ give to fine-tune an encoder on?"""

from itertools import combinations
from math import cos, sin

import numpy as np
import pytest
from click.testing import CliRunner

import indexer.cli
from distill.corpus import LabelledPair, read_pairs
from indexer.errors import StoreError
from indexer.publication import Publication
from indexer.records import Entry
from indexer.store import Store
from indexer.training_pairs import PairLimits, training_pairs

REFUND = Entry(key="a", question="退货", variants=("怎么退", "不要了"), answer="点退货")
EXCHANGE = Entry(key="b", question="换货", variants=("怎么换",), answer="点换货")
INVOICE = Entry(key="c", question="发票", variants=("开发票",), answer="点发票")
ANGLES = {
    "退货": 0.0,
    "怎么退": 0.1,
    "不要了": 0.2,
    "换货": 0.3,
    "怎么换": 0.4,
    "发票": 1,
    "开发票": 1.1,
}


@pytest.fixture
def store(tmp_path):
    """Make a store of entries whose questions' vectors stand at the angles given."""

    def make(*entries, angles=ANGLES):
        store = Store.create(tmp_path / "faq.db")
        texts = [text for entry in entries for text in (entry.question, *entry.variants)]
        vectors = {
            text: np.array([cos(angle), sin(angle)], np.float32)
            for text, angle in ((text, angles[text]) for text in texts)
        }
        keys = {text: text for text in texts}
        store.publish(Publication(store.snapshot(), entries, keys, vectors, {}))
        return store

    return make


def of_label(store, label, **limits):
    pairs = [p for p in training_pairs(store, PairLimits(**limits)) if p.label == label]
    return [(pair.first, pair.second) for pair in pairs]


def test_all_questions_of_an_entry_are_positives_of_one_another(store):
    wanted = {
        frozenset(pair)
        for entry in (REFUND, EXCHANGE)
        for pair in combinations((entry.question, *entry.variants), 2)
    }
    found = of_label(store(REFUND, EXCHANGE), 1)
    assert {frozenset(pair) for pair in found} == wanted
    assert len(found) == len(wanted)


def test_hard_negatives_are_the_nearest_questions_of_the_nearest_entries(store):
    found = of_label(store(REFUND, EXCHANGE, INVOICE), 0, near_entries=1)
    assert ("怎么退", "换货") in found
    assert ("开发票", "怎么换") in found
    assert not any({"退货", "怎么退", "不要了"} & {a} and "发票" in b for a, b in found)


def test_no_pair_comes_twice_in_either_order(store):
    pairs = list(training_pairs(store(REFUND, EXCHANGE, INVOICE), PairLimits()))
    assert len({frozenset((p.first, p.second)) for p in pairs}) == len(pairs)


def test_entries_of_equal_answers_are_not_told_from_one_another(store):
    same = Entry(key="b", question="换货", variants=("怎么换",), answer=" 点退货 ")
    found = of_label(store(REFUND, same, INVOICE), 0)
    assert found
    for first, second in found:
        assert "票" in first + second, (first, second)


def test_counter_examples_are_hard_negatives_of_their_entry(store):
    entry = Entry(key="a", question="退货", negatives=("退货款", "退货", ""), answer="点退货")
    assert of_label(store(entry), 0) == [("退货", "退货款")]


def test_entries_that_are_switched_off_give_no_pair(store):
    off = Entry(key="b", question="换货", variants=("怎么换",), answer="点换货", enabled=False)
    for pair in training_pairs(store(REFUND, off), PairLimits()):
        assert "换" not in pair.first + pair.second


def test_an_entry_of_many_questions_gives_no_more_than_its_limit(store):
    many = [f"退货{i}" for i in range(200)]
    entry = Entry(key="z", question="退", variants=tuple(many), answer="退")
    angles = ANGLES | {text: 0.001 * i for i, text in enumerate(["退", *many])}
    made = store(REFUND, entry, INVOICE, angles=angles)
    own = {"退", *many}
    positives = [pair for pair in of_label(made, 1) if own.issuperset(pair)]
    assert len(positives) == 20
    assert len([pair for pair in of_label(made, 0) if pair[0] in own]) <= 20
    # No question more often than another, the standard one among them.
    assert sum("退" in pair for pair in positives) == 2


def test_the_same_faq_gives_the_same_pairs(store):
    made = store(REFUND, EXCHANGE, INVOICE)
    assert list(training_pairs(made, PairLimits())) == list(training_pairs(made, PairLimits()))


def test_an_empty_database_is_refused(tmp_path):
    with pytest.raises(StoreError, match="先建库"):
        list(training_pairs(Store.create(tmp_path / "new.db"), PairLimits()))


def test_a_faq_without_an_entry_switched_on_gives_nothing(store):
    off = Entry(key="b", question="换货", answer="点换货", enabled=False)
    assert list(training_pairs(store(off), PairLimits())) == []


def test_the_command_writes_what_finetune_reads(store, tmp_path):
    entry = Entry(key="a", question="退\n货", variants=("怎么\t退",), answer="点退货")
    made = store(entry, INVOICE, angles=ANGLES | {"退\n货": 0.0, "怎么\t退": 0.1})
    result = CliRunner().invoke(indexer.cli.main, ["pairs", "--db", str(made.path)])
    assert (result.exit_code, "2 对同义" in result.stderr) == (0, True)
    assert result.stdout.splitlines()[0] == "退 货\t怎么 退\t1"
    out = tmp_path / "pairs.tsv"
    result = CliRunner().invoke(indexer.cli.main, ["pairs", "--db", str(made.path), "-o", str(out)])
    assert result.stdout == ""
    assert LabelledPair("退 货", "怎么 退", 1.0) in list(read_pairs([out]))


def test_the_command_says_what_a_faq_lacks_for_fine_tuning(store):
    made = store(Entry(key="a", question="退货", answer="点退货"))
    result = CliRunner().invoke(indexer.cli.main, ["pairs", "--db", str(made.path)])
    assert (result.exit_code, "相似问" in result.stderr) == (0, True)
