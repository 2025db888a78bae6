import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from indexer.build import plan_import, publish, refresh
from indexer.check import find_problems
from indexer.errors import PublishError
from indexer.records import Entry
from indexer.store import Store
from indexer.table_import import read_table
from tests.conftest import ROOT


@pytest.fixture
def store(tmp_path):
    return Store.create(tmp_path / "faq.db")


def load(store, encoder, path, mode="replace"):
    snapshot = store.snapshot()
    plan = plan_import(snapshot, read_table(path), mode)
    if plan.changes:
        publish(store, snapshot, encoder, plan.changes)
    return plan


def table(tmp_path, *rows):
    path = tmp_path / "table.csv"
    path.write_text("id,问题,相似问,答案\n" + "\n".join(rows), encoding="utf-8")
    return path


def content(store):
    """Everything that a revision holds, but the ids."""
    snapshot = store.snapshot()
    vectors = store.vectors(list(snapshot.vector_keys.values()))
    questions = {
        (q.entry_key, q.text, q.kind, vectors[snapshot.vector_keys[q.id]].tobytes())
        for q in snapshot.questions
    }
    return snapshot.entries, questions


def test_a_file_is_imported_then_found_unchanged(store, encoder, small_faq):
    first = load(store, encoder, small_faq)
    assert (len(first.added), len(first.updated), first.rejected) == (4, 0, ())
    second = load(store, encoder, small_faq)
    assert (len(second.unchanged), second.changes) == (4, ())
    assert store.revision() == 1


def test_replace_switches_absent_entries_off_and_append_leaves_them(store, encoder, tmp_path):
    load(store, encoder, table(tmp_path, "a,怎么退货,,甲", "b,怎么付款,,乙"))
    only = table(tmp_path, "a,怎么退货,,甲")
    assert load(store, encoder, only, "append").disabled == ()
    assert [e.key for e in load(store, encoder, only).disabled] == ["b"]
    assert store.snapshot().entries["b"].enabled is False
    # It comes back with the file, under its key.
    both = table(tmp_path, "a,怎么退货,,甲", "b,怎么付款,,乙")
    assert [e.key for e in load(store, encoder, both).updated] == ["b"]
    assert store.snapshot().entries["b"].enabled is True


def test_an_entry_whose_row_is_faulty_is_not_switched_off(store, encoder, tmp_path):
    load(store, encoder, table(tmp_path, "a,怎么退货,,甲", "b,怎么付款,,乙"))
    plan = load(store, encoder, table(tmp_path, "a,怎么退货,,甲", "b,怎么付款,,"))
    assert plan.disabled == ()


def test_another_cell_of_a_faulty_row_keeps_nobody(store, encoder, tmp_path):
    load(store, encoder, table(tmp_path, "1,怎么退货,,甲", "3,怎么付款,,乙"))
    plan = load(store, encoder, table(tmp_path, "1,怎么退货,,甲", "9,新问题,3,"))
    assert [e.key for e in plan.disabled] == ["3"]


def test_another_row_cannot_take_the_questions_of_an_entry_that_stays(store, encoder, tmp_path):
    load(store, encoder, table(tmp_path, "a,怎么退货,退掉,甲"))
    plan = load(store, encoder, table(tmp_path, "a,怎么退货,退掉,", "b,怎么付款,退掉##付钱,乙"))
    assert store.snapshot().entries["b"].variants == ("付钱",)
    assert "退掉" in plan.notes[0]


def test_the_order_of_similar_questions_is_no_change(store, encoder, tmp_path):
    load(store, encoder, table(tmp_path, "a,怎么退货,甲问##乙问,答"))
    load(store, encoder, table(tmp_path, "a,怎么退货,甲问##新问##乙问,答"))
    assert store.revision() == 2
    assert load(store, encoder, table(tmp_path, "a,怎么退货,乙问##甲问##新问,答")).changes == ()


def test_without_ids_a_row_is_the_entry_of_the_same_question(store, encoder, tmp_path):
    path = tmp_path / "plain.csv"
    path.write_text("问题,答案\n怎么退货？,甲\n", encoding="utf-8")
    (key,) = [e.key for e in load(store, encoder, path).added]
    path.write_text("问题,答案\n怎么退货?,乙\n", encoding="utf-8")
    plan = load(store, encoder, path)
    assert [(e.key, e.answer) for e in plan.updated] == [(key, "乙")]


def test_append_refuses_a_question_that_another_entry_has(store, encoder, tmp_path):
    load(store, encoder, table(tmp_path, "a,怎么退货,想退##退掉,甲"))
    plan = load(store, encoder, table(tmp_path, "b,退掉,,乙", "c,怎么付款,想退##付钱,丙"), "append")
    assert [(row.line, "a" in row.reason) for row in plan.rejected] == [(2, True)]
    assert store.snapshot().entries["c"].variants == ("付钱",)
    assert "想退" in plan.notes[0]


def test_only_what_changed_is_encoded(store, encoder, small_faq):
    load(store, encoder, small_faq)
    snapshot = store.snapshot()
    entry = replace(snapshot.entries["refund"], variants=("怎么退货", "我要退货", "全新的问法"))
    assert publish(store, snapshot, encoder, [entry]).encoded == 1
    answer_only = replace(entry, answer="换了答案")
    assert publish(store, store.snapshot(), encoder, [answer_only]).encoded == 1
    tags_only = replace(answer_only, tags=("热门",))
    assert publish(store, store.snapshot(), encoder, [tags_only]).encoded == 0


def test_any_sequence_of_edits_ends_where_a_fresh_build_does(store, encoder, small_faq, tmp_path):
    load(store, encoder, table(tmp_path, "refund,退,旧的##退货,旧", "x,别的,,别"))
    heavier = encoder.with_keywords({"退货": 3.0})
    refresh(store, heavier)
    load(store, encoder, small_faq)
    refresh(store, encoder)
    fresh = Store.create(tmp_path / "fresh.db")
    load(fresh, encoder, small_faq)
    entries, questions = content(store)
    live = {k: e for k, e in entries.items() if e.enabled}
    assert live == content(fresh)[0]
    assert {q for q in questions if q[0] in live} == content(fresh)[1]


def test_a_keyword_reencodes_only_the_questions_that_contain_it(store, encoder, small_faq):
    load(store, encoder, small_faq)
    before = content(store)[1]
    done = refresh(store, encoder.with_keywords({"发票": 2.0}))
    after = content(store)[1]
    texts = [text for _, text, _, _ in before]
    texts += [entry.answer for entry in store.snapshot().entries.values()]
    assert done.encoded == sum("发票" in text for text in texts)
    assert all("发票" in text for _, text, _, _ in before ^ after)


def test_stored_vectors_are_the_encoders_bytes(store, encoder, small_faq):
    load(store, encoder, small_faq)
    for _, text, _, blob in content(store)[1]:
        assert blob == encoder.encode([text])[0].astype("<f4").tobytes()
    assert np.frombuffer(blob, "<f4").shape == (encoder.dimension,)


def test_new_keys_are_the_same_for_the_same_question(store, encoder, tmp_path):
    path = tmp_path / "plain.csv"
    path.write_text("问题,答案\n怎么退货？,甲\n", encoding="utf-8")
    plans = [plan_import(store.snapshot(), read_table(path), "replace") for _ in range(2)]
    assert plans[0].added == plans[1].added
    assert isinstance(plans[0].added[0], Entry)


@pytest.mark.parametrize("delay", [0.1, 0.4, 0.8, 1.6])
def test_a_build_killed_at_any_moment_leaves_a_whole_revision(
    store, encoder, small_faq, tmp_path, delay
):
    load(store, encoder, small_faq)
    before = content(store)
    rows = [f"k{i},第{i}个新问题怎么处理,说法{i}甲##说法{i}乙,答案{i}" for i in range(3000)]
    big = table(tmp_path, *rows)
    command = [sys.executable, "-m", "indexer", "build", str(big), "--db", str(store.path)]
    process = subprocess.Popen(
        [*command, "--encoder", "data/encoder"], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    for line in process.stderr:
        if "新增" in line:  # the plan is made; encoding begins
            break
    time.sleep(delay)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()
    left = Store.open(store.path)
    if left.revision() == 1:
        assert content(left) == before
    else:  # it was done before it was killed
        assert delay > 1
        assert len(left.snapshot().entries) == 3004


def test_the_second_of_two_editors_of_an_entry_is_told_who_was_first(store, encoder, small_faq):
    load(store, encoder, small_faq)
    seen = store.snapshot().entries["refund"]
    other = store.snapshot().entries["invoice"]
    mine, theirs = replace(seen, answer="我的"), replace(seen, answer="他的")

    def save(entry, expected, **options):
        options |= {"expected": {entry.key: expected}}
        return publish(store, store.snapshot(), encoder, [entry], **options)

    save(theirs, seen, by="运营甲")
    with pytest.raises(
        PublishError, match=r"条目 refund「如何申请退货？」刚被 运营甲 修改过 \(20.*第 2 版\)"
    ):
        save(mine, seen, by="小李")
    assert store.snapshot().entries["refund"] == theirs
    save(replace(other, answer="别的条目"), other)  # which nobody else changed
    publish(store, store.snapshot(), encoder, deleted=["refund"], by="小张")
    with pytest.raises(PublishError, match="刚被 小张 删除过"):
        save(mine, theirs)
    with pytest.raises(PublishError, match="刚被 小张 删除过"):
        publish(store, store.snapshot(), encoder, deleted=["refund"], expected={"refund": theirs})
    save(mine, None)
    with pytest.raises(PublishError, match="刚被 别人 新建过"):
        save(theirs, None)


def test_a_changed_word_is_found_behind_synonyms_and_other_ways_of_writing(
    store, encoder, tmp_path
):
    load(
        store, encoder, table(tmp_path, "a,怎麼退貨,ＰＯＳ机坏了##退 款,甲", "b,怎么付款,,含邮费吗")
    )
    for settings in (
        {"synonyms": [["运费", "邮费"]]},
        {"keywords": {"退货": 2.0}},
        {"keywords": {"退货": 2.0, "运费": 0.0, "pos": 3.0}},
        {"keywords": {"退货款": 1.0, "pos": 1.0}},
        {"keywords": None, "synonyms": None},
    ):
        publish(store, store.snapshot(), encoder, settings=settings)
        assert find_problems(store, encoder) == []
