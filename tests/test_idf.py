import gzip
import math

import pytest
from click.testing import CliRunner

from distill.bundle import IDF
from distill.cli import main
from distill.errors import BundleError
from distill.idf import WordIdf, count_words
from distill.text import NORMALISER, SEGMENTER, normalise, segment

SENTENCES = ["怎么退货", "怎么退货，怎么退款", "发票怎么开", "", "在吗", "Ａpp 怎么 登录"] * 7


def test_idf_equals_a_naive_count():
    documents = [{w.text for w in segment(normalise(s))} - {" "} for s in SENTENCES]
    documents = [words for words in documents if words]
    table = count_words(SENTENCES)
    for word in set().union(*documents):
        df = sum(word in words for words in documents)
        assert table.idf(word) == math.log((1 + len(documents)) / (1 + df)) + 1
    assert table.documents == len(documents)


def test_several_processes_count_the_same():
    assert count_words(SENTENCES, workers=2, chunk=5) == count_words(SENTENCES)


def test_rarer_words_weigh_more_and_unseen_ones_most():
    table = count_words(SENTENCES)
    assert table.idf("怎么") < table.idf("发票") < table.idf("从未见过")


def test_words_below_the_minimum_count_as_unseen():
    table = count_words(SENTENCES, minimum=8)
    assert "发票" not in table.frequency
    assert table.idf("发票") == table.idf("从未见过")


def test_a_table_survives_saving_and_is_the_same_bytes(tmp_path):
    table = count_words(SENTENCES)
    for name in ("a", "b"):
        table.save(tmp_path / name)
    assert WordIdf.load(tmp_path / "a") == table
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_something_else_is_refused_with_the_command_that_makes_a_table(tmp_path):
    (tmp_path / "x").write_text("hello", encoding="utf-8")
    with pytest.raises(BundleError, match="python -m distill idf"):
        WordIdf.load(tmp_path / "x")


def test_a_damaged_table_is_refused(tmp_path):
    path = tmp_path / "idf"
    count_words(SENTENCES).save(path)
    whole = path.read_bytes()
    for damaged in (whole[:-9], whole[:20] + b"\xff" + whole[21:]):
        path.write_bytes(damaged)
        with pytest.raises(BundleError, match="不是 IDF 表"):
            WordIdf.load(path)


def test_a_table_says_what_cut_its_words(tmp_path):
    count_words(SENTENCES).save(tmp_path / "idf")
    head = gzip.decompress((tmp_path / "idf").read_bytes()).decode("utf-8").split("\n")[0]
    assert head == f"35\t{SEGMENTER}\t{NORMALISER}"


@pytest.mark.parametrize(
    ("head", "maker"),
    [
        ("35", "不知哪个分词器"),
        (f"35\tjieba-9\t{NORMALISER}", "jieba-9 和"),
        (f"35\t{SEGMENTER}\tanother", "和 another"),
    ],
)
def test_a_table_of_words_cut_otherwise_is_refused(tmp_path, head, maker):
    path = tmp_path / "idf"
    path.write_bytes(gzip.compress(f"{head}\n退货\t3\n".encode()))
    with pytest.raises(BundleError, match=f"idf: .*{maker}.*python -m distill idf CORPUS -o"):
        WordIdf.load(path)


def test_a_table_keeps_what_it_was_given():
    given = {"退货": 3}
    table = WordIdf(10, given)
    given["退货"] = 9
    assert table.frequency == {"退货": 3}
    assert table == WordIdf(10, {"退货": 3}) != WordIdf(11, {"退货": 3})


def test_the_bundled_table_holds_its_counts(encoder):
    text = gzip.decompress((encoder.bundle.path / IDF).read_bytes()).decode("utf-8")
    head, *rows = text.removesuffix("\n").split("\n")
    table = encoder.weighting.idf
    assert table.documents == int(head.split("\t")[0])
    assert table.frequency == {word: int(n) for word, n in (row.split("\t") for row in rows)}


def test_the_command_names_the_lightest_and_the_heaviest_words(tmp_path):
    (tmp_path / "corpus.txt").write_text("\n".join(SENTENCES), encoding="utf-8")
    output = tmp_path / "idf"
    result = CliRunner().invoke(
        main, f"idf {tmp_path}/corpus.txt --minimum 1 --workers 1 -o {output}".split()
    )
    table = WordIdf.load(output)
    lightest, heaviest = result.output.splitlines()[-2:]
    assert lightest.startswith(f"lightest: 怎么 {table.idf('怎么'):.2f}  ")
    assert heaviest.startswith("heaviest: ")
    assert f"发票 {table.idf('发票'):.2f}" in heaviest
