"""Groups of texts: their names, their order, the csv and the page."""

import csv
import re

import numpy as np
import pytest
from click.testing import CliRunner

from distill.cli import main
from distill.errors import CorpusError
from distill.idf import WordIdf
from distill.text_groups import group_texts
from distill.text_groups_html import as_html
from tests.test_classifier import TOPICS

TEXTS = [text for texts in TOPICS.values() for text in texts.split()]
IDF = WordIdf(100, {"怎么": 60, "发票": 3, "密码": 2, "退货": 5})


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def along(axes, spread=0.1):
    """Vectors near one axis each."""
    rng = np.random.default_rng(0)
    return unit(np.eye(8)[axes] + spread * rng.normal(size=(len(axes), 8))).astype(np.float32)


def test_groups_are_named_by_what_they_speak_of_more_than_the_others():
    axes = [0] * 7 + [1] * 7 + [2] * 7
    groups = group_texts(TEXTS, along(axes), IDF)
    assert [sorted(group.rows) for group in groups] == [
        list(range(0, 7)), list(range(7, 14)), list(range(14, 21)),
    ]  # fmt: skip
    assert [group.words[0] for group in groups] == ["退货", "发票", "密码"]
    assert all("怎么" not in group.words[:1] for group in groups)


def test_the_most_typical_text_comes_first():
    vectors = along([0] * 6 + [1] * 4, spread=0.0)
    vectors[3] = unit(vectors[3:4] + 0.4 * np.eye(8, dtype=np.float32)[[5]])[0]
    group = group_texts(TEXTS[:10], vectors, IDF)[0]
    assert group.rows[-1] == 3
    assert list(group.likeness) == sorted(group.likeness, reverse=True)


@pytest.mark.parametrize("count", [2, 3, 5])
def test_as_many_groups_as_were_asked_for(count):
    groups = group_texts(TEXTS, along([0] * 7 + [1] * 7 + [2] * 7), IDF, count=count)
    assert len(groups) == count
    assert sorted(row for group in groups for row in group.rows) == list(range(21))
    assert [len(g.rows) for g in groups] == sorted((len(g.rows) for g in groups), reverse=True)


def test_more_groups_than_texts_are_refused():
    with pytest.raises(CorpusError, match="只有 2 种不同的文本, 分不成 3 组.*--groups 改小"):
        group_texts(TEXTS[:4], along([0, 0, 1, 1], 0.0), IDF, count=3)


def test_too_many_texts_to_compare_each_with_each_are_refused(monkeypatch):
    monkeypatch.setattr("distill.text_groups.MOST_TEXTS", 5)
    with pytest.raises(CorpusError, match="最多 5 条.*--groups"):
        group_texts(TEXTS[:6], along([0, 0, 0, 1, 1, 1]), IDF)
    assert len(group_texts(TEXTS[:6], along([0, 0, 0, 1, 1, 1]), IDF, count=2)) == 2


def test_texts_that_are_all_the_same_are_one_group():
    [group] = group_texts(["退货"] * 5, along([0] * 5, 0.0), IDF)
    assert group.words == ("退货",)


def test_a_text_without_words_still_has_a_name():
    groups = group_texts(["!!", "退货", "退货吗"], along([0, 1, 1]), IDF)
    assert {group.name for group in groups} == {"(没有文字)", "退货"}


def test_the_page_escapes_every_text_and_asks_nobody_for_anything():
    texts = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "退货 & 换货"]
    page = as_html("<b>.csv", texts, group_texts(texts, along([0, 0, 1]), IDF))
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page
    assert "退货 &amp; 换货" in page
    assert "<title>文本分组: &lt;b&gt;.csv</title>" in page
    assert not re.search(r"https?://|style=", page)
    assert "default-src &#x27;none&#x27;" in page


def run(*arguments):
    return CliRunner().invoke(main, ["cluster", *map(str, arguments)])


def test_from_a_table_to_a_csv_and_a_page(tmp_path):
    given, output, page = (tmp_path / name for name in ("句.csv", "组.csv", "组.html"))
    given.write_text("文本\n" + "\n".join([*TEXTS, "=1+1"]) + "\n", encoding="utf-8")
    result = run(given, "-o", output, "--html", page, "--groups", 4)
    assert result.exit_code == 0, result.output
    with output.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["组", "组名", "条数", "典型程度", "文本"]
    assert {row["文本"] for row in rows} == {*TEXTS, "'=1+1"}
    assert {row["组"] for row in rows} == {"1", "2", "3", "4"}
    for text in ("怎么退货", "发票能补开吗"):
        assert text in page.read_text("utf-8")


def test_the_encoder_puts_topics_apart(tmp_path):
    given, output = tmp_path / "句.txt", tmp_path / "组.csv"
    given.write_text("\n".join(TEXTS), encoding="utf-8")
    assert run(given, "-o", output).exit_code == 0
    with output.open(encoding="utf-8-sig", newline="") as file:
        group = {row["文本"]: row["组"] for row in csv.DictReader(file)}
    assert group["忘记密码了"] == group["找回密码"] != group["发票抬头写错了"]


def test_what_cannot_be_grouped_is_refused(tmp_path):
    given = tmp_path / "句.txt"
    given.write_text("退货\n", encoding="utf-8")
    for arguments, message in (
        ((given, "-o", tmp_path / "o.csv"), "不到两条"),
        ((given, "-o", given), "就是要读的文件"),
        ((given, "-o", tmp_path / "没有" / "o.csv"), "mkdir -p"),
        ((tmp_path / "没有.txt", "-o", tmp_path / "o.csv"), "检查路径"),
    ):
        result = run(*arguments)
        assert result.exit_code == 1
        assert message in result.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["句.txt"]
