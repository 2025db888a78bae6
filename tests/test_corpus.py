import lzma

import pytest

from distill.corpus import (
    HeldOut,
    LabelledPair,
    dedup_key,
    read_pairs,
    read_sentences,
    read_translations,
)
from distill.errors import CorpusError


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    opener = lzma.open if path.suffix == ".xz" else open
    with opener(path, "wt", encoding="utf-8") as file:
        file.write(text)
    return path


def test_sentences_are_compared_on_letters_and_digits_only():
    assert dedup_key("花呗 怎么还款？ＡＢ") == dedup_key("花呗怎么还款!!ab")


def test_each_question_of_a_faqs_cell_is_held_out(tmp_path):
    write(tmp_path / "faq.csv", "id,question,similar\n1,怎么退货,我要退货##退掉\n")
    held_out = HeldOut.read([tmp_path / "faq.csv"])
    assert held_out.holds("怎么退货？") and held_out.holds("退掉")


def test_no_held_out_sentence_is_ever_read(tmp_path):
    write(tmp_path / "eval" / "test.tsv", "怎么退货?\t如何退货\t1\n")
    write(tmp_path / "eval" / "queries.csv", 'query,faq_id\n"发票,怎么开",3\n')
    write(tmp_path / "eval" / "train.tsv", "花呗怎么还\t怎么还花呗\t1\n")
    held_out = HeldOut.read([tmp_path / "eval"])

    text = write(tmp_path / "a.txt.xz", "怎么退货\n发票怎么开？\n花呗怎么还\n")
    assert list(read_sentences([text], held_out)) == ["花呗怎么还"]

    pairs = write(tmp_path / "b.tsv", "如何退货！\t能退吗\t1\n甲\t乙\t0\n")
    assert list(read_pairs([pairs], held_out)) == [LabelledPair("甲", "乙", 0.0)]

    both = write(tmp_path / "c.tsv", "怎么退货\thow to return\n你好\thello\n你好\thello\n")
    assert list(read_translations([both], held_out)) == [("你好", "hello")]


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("甲\t乙\t1\n丙\t丁\t0\n", [("甲", "乙", 1.0), ("丙", "丁", 0.0)]),
        ("甲\t乙\t5\n丙\t丁\t1.0\n", [("甲", "乙", 1.0), ("丙", "丁", 0.2)]),  # STS-B's 0-5
        ("锚\t正\t负\n", [("锚", "正", 1.0), ("锚", "负", 0.0)]),  # triplets
        ("甲\t乙\n", [("甲", "乙", 1.0)]),  # positives only
    ],
)
def test_pair_files_are_read_in_all_their_forms(tmp_path, text, pairs):
    path = write(tmp_path / "p.tsv", text)
    assert [(p.first, p.second, p.label) for p in read_pairs([path])] == pairs


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"\xff\xfe\xfd", "a.txt:1: cannot be read"),
        ("a.txt.xz", b"no xz", "a.txt.xz:1: cannot be read"),
        ("a.pdf", b"x", "ends in .txt"),
    ],
)
def test_unreadable_files_are_named(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CorpusError, match=message):
        list(read_sentences([tmp_path / name]))


@pytest.mark.corpus
def test_training_reads_nothing_that_evaluates(corpus):
    """The rule of the corpus, on the corpus: not one test sentence reaches a training pair."""
    held_out = HeldOut.read([corpus])
    tests = [*corpus.glob("pairs/*/test*.tsv"), corpus / "pairs/afqmc/dev.tsv"]
    keys = {dedup_key(c) for path in tests for p in read_pairs([path]) for c in (p.first, p.second)}
    assert len(keys) > 50_000
    for name in ("bq/train_partial.tsv", "simclue/train_1w.tsv", "afqmc/train.tsv"):
        path = corpus / "pairs" / name
        kept = list(read_pairs([path], held_out))
        assert 0 < len(kept) < len(list(read_pairs([path])))
        assert not any(dedup_key(t) in keys for p in kept for t in (p.first, p.second))
