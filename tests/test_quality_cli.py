import json
import sqlite3

import pytest
from click.testing import CliRunner

from indexer.cli import main
from tests.conftest import BUNDLE

QUERIES = """\
query,entry_id,split
怎么退啊,refund,dev
发票抬头写错,invoice,dev
优惠券用不了,coupon,test
删掉的条目,gone,dev
明天下雨吗,,dev
"""


@pytest.fixture
def check(tmp_path, small_faq):
    """Run `check` on the small FAQ with these options."""
    db = tmp_path / "faq.db"

    def run(*arguments):
        options = ["--db", str(db), "--encoder", str(BUNDLE)]
        result = CliRunner().invoke(main, [*map(str, arguments), *options])
        assert result.exception is None or isinstance(result.exception, SystemExit), result
        return result

    assert run("build", small_faq).exit_code == 0
    return lambda *options: run("check", *options)


@pytest.fixture
def queries(tmp_path):
    path = tmp_path / "queries.csv"
    path.write_text(QUERIES, encoding="utf-8")
    return path


def test_without_quality_only_the_database_is_looked_at(check):
    result = check()
    assert (result.exit_code, result.stdout) == (0, "")


def test_findings_are_advice_and_change_no_exit_code(check, tmp_path):
    file = tmp_path / "found.json"
    result = check("--quality", "--json", file)
    assert result.exit_code == 0
    assert result.stdout.startswith("4 个条目, 13 个问法; 库第 1 版")
    assert "改一个词的权重" not in result.stdout
    read = json.loads(file.read_text("utf-8"))
    assert (read["entries"], read["questions"]) == (4, 13)
    assert "keyword_suggestions" not in read


def test_an_inconsistent_database_is_not_inspected(check, tmp_path):
    with sqlite3.connect(tmp_path / "faq.db") as db:
        db.execute("update settings set value = '\"another\"' where name = 'encoder'")
    result = check("--quality")
    assert result.exit_code == 1
    assert "个条目, " not in result.stdout


def test_suggestions_are_made_on_the_queries_of_split_dev(check, queries, tmp_path):
    file = tmp_path / "found.json"
    result = check("--quality", "--queries", queries, "--suggest", "--limit", 3, "--json", file)
    assert result.exit_code == 0
    assert "1 条提问的条目不在库里" in result.stderr
    read = json.loads(file.read_text("utf-8"))["keyword_suggestions"]
    assert (read["queries"], read["tried"] <= 3) == (3, True)
    assert "3 条提问中" in result.stdout


def test_queries_of_another_faq_are_refused_with_the_remedy(check, tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("query,entry_id,split\n你好,gone,dev\n", encoding="utf-8")
    result = check("--quality", "--queries", path)
    assert (result.exit_code, "怎么办" in result.stderr) == (1, True)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--suggest"], "加上 --quality"),
        (["--json", "x.json"], "加上 --quality"),
        (["--queries", "x.csv"], "加上 --quality"),
        (["--quality", "--limit", "5"], "加上 --suggest"),
        (["--quality", "--split", "all"], "加上 --queries"),
    ],
)
def test_an_option_without_effect_is_refused(check, options, says):
    result = check(*options)
    assert (result.exit_code, says in result.stderr) == (2, True)


def test_a_directory_that_is_missing_is_said_before_the_work(check, tmp_path):
    result = check("--quality", "--json", tmp_path / "no" / "found.json")
    assert (result.exit_code, "mkdir -p" in result.stderr, result.stdout) == (1, True, "")
