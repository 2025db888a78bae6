import lzma
import tracemalloc

import pytest

from distill.corpus import (
    LONGEST_SENTENCE,
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


GOOD = "怎么退货\n\n发票怎么开\n".encode()


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.txt", b"\xff\xfe\xfd", "a.txt:1: cannot be read"),
        ("a.txt.xz", b"no xz", "a.txt.xz:1: cannot be read"),
        ("a.pdf", b"x", "ends in .txt"),
        ("a.txt", b"", "a.txt: holds no text"),
        ("a.txt.xz", b"", "a.txt.xz:1: cannot be read"),
        ("a.txt", b" \n\t\n\n", "a.txt: holds no text"),
        ("a.txt", "\u200b\n".encode(), "nothing is left to read"),  # invisible, so not empty
        ("a.txt", GOOD + b"PK\x03\x00\x14", "a.txt:4: .* NUL byte.*iconv"),
        # Far from the line that is read when the first byte is decoded, yet exact.
        ("a.txt", GOOD + "退货".encode("gb18030"), "a.txt:4: .* UTF-8 .*0xcd.*iconv"),
        ("a.csv", b"a,b\n" + "退".encode("gb18030"), "a.csv:2: .* UTF-8"),
        ("a.csv", b'a,b\n"c\nd",e\n"f,g\nh,i\n', "a.csv:4: .*引号是否配对"),
        ("a.txt.xz", lzma.compress(GOOD * 9000)[:-60], r"a.txt.xz:\d+: .*fetch it again"),
    ],
)
def test_unreadable_files_are_named(tmp_path, name, data, message):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CorpusError, match=message):
        list(read_sentences([tmp_path / name]))


def test_a_missing_file_is_named_before_the_others_are_read(tmp_path):
    paths = [write(tmp_path / "a.txt", "怎么退货\n"), tmp_path / "b.txt"]
    with pytest.raises(CorpusError, match=r"b\.txt: no such file"):
        next(read_sentences(paths))


def test_a_line_without_end_is_never_read_whole(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(GOOD + b"x" * 20_000_000)
    tracemalloc.start()
    with pytest.raises(CorpusError, match=r"a\.txt:4: a line of 1,000,000 .* one sentence a line"):
        list(read_sentences([path]))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12_000_000


def test_what_is_too_long_for_a_sentence_is_left_out_and_counted(tmp_path, caplog):
    long = "长" * (LONGEST_SENTENCE + 1)
    path = write(tmp_path / "a.tsv", f"怎么退货\thow\n{long}\tx\n你好\t{long}\n{long[1:]}\tok\n")
    assert list(read_sentences([path])) == ["怎么退货", "你好", long[1:]]
    assert [student for student, _ in read_translations([path])] == ["怎么退货", long[1:]]
    assert "a.tsv: left out 1 rows" in caplog.messages[0]
    assert "a.tsv: left out 2 rows" in caplog.messages[1]
    pairs = write(tmp_path / "p.tsv", f"甲\t乙\t1\n{long}\t丁\t0\n")
    assert len(list(read_pairs([pairs]))) == 1
    assert "p.tsv: left out 1 rows" in caplog.messages[2]


def test_a_corpus_that_is_wholly_held_out_is_no_corpus(tmp_path):
    path = write(tmp_path / "a.tsv", "怎么退货\t如何退货\t1\n")
    held_out = HeldOut.read([path])
    for read in (read_sentences, read_translations, read_pairs):
        with pytest.raises(CorpusError, match=r"a\.tsv: nothing is left.* fewer --exclude"):
            list(read([path], held_out))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("甲\t乙\t1\n丙\t丁\n", "p.tsv:2: 3 columns"),
        ("甲\t乙\n丙\n戊\t己\n", "p.tsv:2: 2 columns"),
        ("甲\t乙\t1\n\n丙\t\t0\n", "p.tsv:3: 3 columns"),
        ("甲\n乙\n", "p.tsv: no row of the form"),
        ("甲\t乙\t1\n丙\t丁\t是\n", "p.tsv:2: '是' is no label"),
        ("甲\t乙\t1\n丙\t丁\tnan\n", "p.tsv:2: 'nan' is no label"),
        ("甲\t乙\t1\n丙\t丁\t-1\n", "p.tsv:2: '-1' is no label"),
        ("甲\t乙\t1\n丙\t丁\t100\n", "p.tsv:2: '100' is no label"),
        ("甲\t乙\t0\n丙\t丁\t0\n", "p.tsv: all labels are equal"),
    ],
)
def test_a_faulty_pair_file_names_the_line(tmp_path, text, message):
    path = write(tmp_path / "p.tsv", text)
    with pytest.raises(CorpusError, match=message):
        list(read_pairs([path]))


def test_a_pair_file_may_name_its_columns(tmp_path):
    path = write(tmp_path / "p.csv", "s1,s2,label\n甲,乙,1\n丙,丁,0\n")
    assert list(read_pairs([path])) == [
        LabelledPair("甲", "乙", 1.0),
        LabelledPair("丙", "丁", 0.0),
    ]


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
