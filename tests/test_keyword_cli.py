import csv

import pytest
from click.testing import CliRunner

from indexer import regression
from indexer.cli import main
from indexer.errors import TableError
from indexer.history import history
from indexer.keyword_file import read_keywords, write_keywords
from indexer.lexicon import with_keyword
from indexer.store import Store
from tests.conftest import BUNDLE


@pytest.fixture
def db(tmp_path, small_faq):
    path = tmp_path / "faq.db"
    assert run(path, "build", small_faq).exit_code == 0
    return path


def run(db, *arguments, encoder=True):
    options = ["--db", str(db), *(["--encoder", str(BUNDLE)] if encoder else [])]
    result = CliRunner().invoke(main, [*map(str, arguments), *options])
    assert result.exception is None or isinstance(result.exception, SystemExit), result
    return result


def keywords_of(db):
    return Store.open(db).setting("keywords")


@pytest.mark.parametrize(
    ("word", "factor", "why"),
    [
        ("退货", "-1", "权重 -1 不是 0 到 100 之间的数"),
        ("退货", "nan", "权重 nan 不是 0 到 100 之间的数"),
        ("退货", "inf", "权重 inf 不是"),
        ("退货", "1e9", "权重 1e+09 不是"),
        ("   ", "2", "里没有文字"),
        ("，。", "2", "里没有文字"),
        ("很" * 31, "2", "有 31 字, 最多 30 字"),
    ],
)
def test_what_cannot_be_a_weight_is_refused_in_words(db, word, factor, why):
    for command in ("set", "preview"):
        result = run(db, "keywords", command, word, factor)
        assert result.exit_code == 1 and result.stdout == ""
        assert why in result.stderr and "怎么办" in result.stderr
    assert Store.open(db).revision() == 1


def test_0_1_and_100_are_weights(db):
    assert run(db, "keywords", "set", "退货", 0).exit_code == 0
    assert run(db, "keywords", "set", "密码", 100).exit_code == 0
    assert keywords_of(db) == {"退货": 0.0, "密码": 100.0}
    run(db, "keywords", "set", "退货", 1)
    run(db, "keywords", "remove", "密码")
    assert keywords_of(db) is None
    newest = history(Store.open(db))[0]
    assert (newest.by, newest.what) == ("命令行", "关键词 密码 = 1")


def test_keywords_that_overlap_are_allowed_and_said(db):
    run(db, "keywords", "set", "电子发票", 2)
    result = run(db, "keywords", "set", "发票", 3)
    assert "「发票」和「电子发票」重叠" in result.stderr and "较长的那个算数" in result.stderr
    assert keywords_of(db) == {"电子发票": 2.0, "发票": 3.0}
    assert "重叠" not in run(db, "keywords", "set", "发票", 4).stderr  # known already
    # Before the limits there may have been others: they can be taken away.
    assert with_keyword({"很" * 40: 500.0}, "很" * 40, None) == {}


def test_a_preview_shows_the_ranking_and_names_what_changes(db, tmp_path):
    queries = tmp_path / "queries.csv"
    queries.write_text("query,entry_id\n密码的发票,password\n退货,refund\n", encoding="utf-8")
    arguments = ("keywords", "preview", "发票", 0, "--query", "密码的发票", "--queries", queries)
    result = run(db, *arguments)
    assert result.exit_code == 0
    now, after = result.stdout.split("改后")
    assert now.splitlines()[0] == "现在"
    assert len([line for line in after.splitlines() if "  0." in line]) == 4
    assert now.splitlines()[2:] != after.splitlines()[2:6]
    assert "修复 " in after and "变差 " in after and "条提问: 不变" in after
    assert "什么也没有存" in result.stderr
    assert (Store.open(db).revision(), keywords_of(db)) == (1, None)


def test_a_preview_asks_the_regression_set(db):
    store = Store.open(db)
    assert "回归集是空的" in run(db, "keywords", "preview", "退货", 2).stderr
    cases = [regression.NewCase("退货", "refund", "手工")]
    regression.add_cases(store, cases, "小李")
    result = run(db, "keywords", "preview", "退货", 0)
    assert "1 条提问: 不变 0" in result.stdout
    assert "变差 1\n  退货  → refund: " in result.stdout


def test_an_export_is_imported_again_and_stands_for_all(db, tmp_path):
    run(db, "keywords", "set", "退货", 2.5)
    run(db, "keywords", "set", "=sum退货", 0.5)
    for name in ("words.csv", "words.xlsx"):
        file = tmp_path / name
        assert run(db, "keywords", "export", file, encoder=False).exit_code == 0
        run(db, "keywords", "set", "发票", 9)
        assert run(db, "keywords", "import", file).exit_code == 0
        assert keywords_of(db) == {"退货": 2.5, "=sum退货": 0.5}
        assert history(Store.open(db))[0].what == f"导入 {name}"
    with (tmp_path / "words.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [row[0] for row in csv.reader(file)] == ["关键词", "退货", "'=sum退货"]


def test_an_import_names_line_and_column_and_takes_nothing(db, tmp_path):
    file = tmp_path / "words.csv"
    file.write_text(
        "关键词,倍数\n退货,2\n,3\n发票,二\n密码,-1\n退 货,1\n退貨,1\n退货,3\n", encoding="utf-8"
    )
    result = run(db, "keywords", "import", file)
    assert result.exit_code == 1
    for fault in (
        "第 3 行「关键词」列: 关键词「」里没有文字",
        "第 4 行「倍数」列: 倍数「二」不是数字",
        "第 5 行「倍数」列: 权重 -1 不是",
        "第 7 行「关键词」列: 「退货」在第 2 行已经有了",
        "第 8 行「关键词」列: 「退货」在第 2 行已经有了",
    ):
        assert fault in result.stderr
    assert keywords_of(db) is None


def test_factors_survive_a_file_to_the_last_digit(tmp_path):
    factors = {"退货": 0.1 + 0.2, "发票": 1 / 3, "密码": 12.3456789}
    write_keywords(tmp_path / "w.csv", factors)
    assert read_keywords(tmp_path / "w.csv") == factors


def test_a_file_that_is_no_table_is_named(tmp_path):
    with pytest.raises(TableError, match="没有这个文件"):
        read_keywords(tmp_path / "none.csv")


def test_a_header_may_be_english(tmp_path):
    (tmp_path / "w.csv").write_text("Word,Factor\n花呗,2\n", encoding="utf-8")
    assert read_keywords(tmp_path / "w.csv") == {"花呗": 2.0}
