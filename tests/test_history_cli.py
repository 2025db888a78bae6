import json

import pytest
from click.testing import CliRunner

from indexer.build import publish
from indexer.cli import main
from indexer.store import Store
from tests.conftest import BUNDLE


@pytest.fixture
def db(tmp_path, small_faq):
    path = tmp_path / "faq.db"
    run("build", small_faq, "--db", path, "--encoder", BUNDLE)
    run("keywords", "set", "退货", 2, "--db", path, "--encoder", BUNDLE)
    changed = small_faq.read_text("utf-8").replace("在哪里开", "在哪开").replace("refund", "back")
    small_faq.write_text(changed, encoding="utf-8")
    run("build", small_faq, "--db", path, "--encoder", BUNDLE)
    run("thresholds", "--answer", 0.9, "--db", path, "--encoder", BUNDLE)
    return path


def run(*arguments, **options):
    result = CliRunner().invoke(main, list(map(str, arguments)), **options)
    assert result.exception is None or isinstance(result.exception, SystemExit), result
    return result


def test_history_lists_who_did_what(db):
    lines = [line.split("\t") for line in run("history", "--db", db).stdout.splitlines()]
    assert lines[0][3].startswith("阈值: 直接回答 ≥ 0.9, 反问 ≥ ")
    assert [(line[0], line[2], line[3]) for line in lines[1:]] == [
        ("3", "命令行", "导入 faq.csv"),
        ("2", "命令行", "关键词 退货 = 2"),
        ("1", "命令行", "导入 faq.csv"),
    ]
    assert len(run("history", "-n", 2, "--db", db).stdout.splitlines()) == 2
    report = json.loads(run("history", "--json", "--db", db).stdout)
    assert report[1]["summary"]["added_names"] == ["如何申请退货？"]
    assert report[2]["summary"]["keywords"] == ["退货 = 2"]


def test_show_tells_the_difference_in_both_directions(db):
    shown = run("history", "show", 1, 4, "--db", db).stdout
    assert "新增 back 如何申请退货？" in shown
    assert "更新 refund 如何申请退货？\n  是否启用: 是 → 否" in shown
    assert "  相似问: 怎么开发票、发票在哪里开 → 怎么开发票、发票在哪开" in shown
    assert "关键词 退货: 1 → 2" in shown
    assert '设置 阈值: (无) → {"answer": 0.9' in shown
    back = run("history", "show", 4, 1, "--db", db).stdout
    assert "删除 back" in back and "关键词 退货: 2 → 1" in back
    assert run("history", "show", 2, "--db", db).stdout == "关键词 退货: 1 → 2\n"
    assert "一样" in run("history", "show", 2, 2, "--db", db).stdout
    report = json.loads(run("history", "show", 1, 3, "--json", "--db", db).stdout)
    assert {row["key"]: row["kind"] for row in report["entries"]}["back"] == "added"


def test_rollback_asks_shows_and_can_be_taken_back(db):
    before = Store.open(db).snapshot()
    arguments = ("rollback", 1, "--db", db, "--encoder", BUNDLE)
    refused = run(*arguments, input="n\n")
    assert refused.exit_code == 1 and "删除 back" in refused.stderr
    assert Store.open(db).revision() == 4
    done = run(*arguments, "--yes")
    assert done.exit_code == 0 and done.stdout == ""
    assert "已发布第 5 版, 内容同第 1 版" in done.stderr and "rollback 4" in done.stderr
    now = Store.open(db).snapshot()
    assert "back" not in now.entries and "keywords" not in now.settings
    run("rollback", 4, "--yes", "--db", db, "--encoder", BUNDLE)
    again = Store.open(db).snapshot()
    assert (again.entries, list(again.entries)) == (before.entries, list(before.entries))
    assert again.settings | {"revision": 0} == before.settings | {"revision": 0}


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("rollback", "9", "--yes"), "没有第 9 版的记录"),
        (("rollback", "4", "--yes"), "没有什么可以回退"),
        (("history", "show", "1"), "第 1 版之前什么也没有"),
        (("history", "show", "1", "9"), "没有第 9 版的记录"),
    ],
)
def test_what_cannot_be_done_is_said(db, arguments, why):
    options = ["--encoder", str(BUNDLE)] if arguments[0] == "rollback" else []
    result = run(*arguments, "--db", db, *options)
    assert result.exit_code == 1 and why in result.stderr and result.stdout == ""


def test_what_a_regression_set_said_stands_beside_the_revision(db, encoder):
    store = Store.open(db)
    verdict = {"fixed": ["a", "b"], "broken": ["c"]}
    publish(store, store.snapshot(), encoder, by="小李", what="试", regression=verdict)
    assert "小李\t试\t修复 2, 变差 1" in run("history", "--db", db).stdout
