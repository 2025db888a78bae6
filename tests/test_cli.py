import csv
import json
import re
import sqlite3

import pytest
from click.testing import CliRunner

import distill.cli
import indexer.cli
from indexer.store import Store
from tests.conftest import BUNDLE

SIGNALS = ("wording", "whole", "characters", "coverage", "sound", "answer")


@pytest.fixture
def run(tmp_path):
    """Run `python -m indexer` with the sample encoder; return exit code, stdout and stderr."""

    def run(*arguments, encoder=True, main=indexer.cli.main):
        options = ["--encoder", str(BUNDLE)] if encoder else []
        result = CliRunner().invoke(main, [*map(str, arguments), *options])
        assert result.exception is None or isinstance(result.exception, SystemExit), result
        return result

    return run


@pytest.fixture
def db(tmp_path, run, small_faq):
    path = tmp_path / "faq.db"
    assert run("build", small_faq, "--db", path).exit_code == 0
    return path


def test_search_prints_json_that_others_can_read(run, db):
    result = run("search", "怎么退货", "--db", db, "-k", 2, "--json")
    report = json.loads(result.stdout)
    assert report.keys() == {"query", "decision", "reason", "in_scope", "hits", "revision"}
    best = report["hits"][0]
    assert best.pop("signals").keys() == set(SIGNALS)
    assert best == {
        "entry_id": "refund",
        "question": "怎么退货",
        "answer": "在「我的订单」点「申请售后」。",
        "category": "退货",
        "score": 1.0,
        "confidence": 1.0,
    }
    assert len(report["hits"]) == 2


def test_an_export_imports_again_without_change(run, db, tmp_path):
    for name in ("out.csv", "out.xlsx"):
        assert run("export", tmp_path / name, "--db", db, encoder=False).exit_code == 0
        again = run("build", tmp_path / name, "--db", db)
        assert "不变 4" in again.stderr
        fresh = tmp_path / f"{name}.db"
        run("build", tmp_path / name, "--db", fresh)
        assert Store.open(fresh).snapshot().entries == Store.open(db).snapshot().entries


def test_a_dry_run_writes_nothing(run, small_faq, tmp_path):
    result = run("build", small_faq, "--db", tmp_path / "new.db", "--dry-run")
    assert (result.exit_code, "新增 4" in result.stderr) == (0, True)
    assert not (tmp_path / "new.db").exists()


def test_strict_publishes_nothing_if_a_row_is_faulty(run, small_faq, tmp_path):
    small_faq.write_text(small_faq.read_text("utf-8") + "x,,没有答案,,\n", encoding="utf-8")
    result = run("build", small_faq, "--db", tmp_path / "new.db", "--strict")
    assert result.exit_code == 1
    assert not (tmp_path / "new.db").exists()


def test_the_file_itself_is_never_overwritten_by_its_faulty_rows(run, small_faq, tmp_path):
    before = small_faq.read_bytes()
    result = run("build", small_faq, "--db", tmp_path / "new.db", "--failed", small_faq)
    assert (result.exit_code, small_faq.read_bytes()) == (1, before)


def test_faulty_rows_can_be_corrected_and_imported(run, small_faq, tmp_path):
    small_faq.write_text(small_faq.read_text("utf-8") + "x,,怎么付款,,\n", encoding="utf-8")
    db, failed = tmp_path / "new.db", tmp_path / "failed.csv"
    assert run("build", small_faq, "--db", db, "--failed", failed).exit_code == 0
    with failed.open(encoding="utf-8-sig", newline="") as file:
        header, row = csv.reader(file)
    assert header[0] == "错误原因"
    assert "没有答案" in row[0]
    row[header.index("answer")] = "点付款"
    with failed.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([header, row])
    assert run("build", failed, "--db", db, "--mode", "append").exit_code == 0
    assert Store.open(db).snapshot().entries["x"].answer == "点付款"


def labelled(path, count):
    """A query file of 3 × count dev queries, one of them of an entry that is not there."""
    rows = [
        f"想退货{i},refund,dev\n密码丢了{i},password,dev\n今天天气{i},,dev" for i in range(count)
    ]
    rows += ["不在库里的,nowhere,dev", "券咋用,coupon,test"]
    path.write_text("query,entry_id,split\n" + "\n".join(rows), encoding="utf-8")
    return path


def test_queries_calibrate_the_thresholds(run, small_faq, tmp_path):
    db, queries = tmp_path / "new.db", labelled(tmp_path / "q.csv", 12)
    result = run("build", small_faq, "--db", db, "--queries", queries)
    assert (result.exit_code, "nowhere" in result.stderr) == (0, True)
    stored = Store.open(db).setting("calibration")
    assert (stored["source"], stored["queries"]) == ("q.csv (dev)", 36)
    assert "选自 q.csv" in run("thresholds", "--db", db).stdout
    assert "默认值" in run("thresholds", "--db", db, "--reset").stdout


def test_calibrate_says_what_it_reached_and_when_it_is_out_of_date(run, db, tmp_path):
    queries = labelled(tmp_path / "q.csv", 12)
    result = run("calibrate", queries, "--db", db, "--precision", 0.9, "--refusal", 0.5)
    assert (result.exit_code, "选自 q.csv" in result.stdout) == (0, True)
    assert Store.open(db).setting("calibration")["goal"] == {"precision": 0.9, "refusal": 0.5}
    assert "重新校准" not in run("thresholds", "--db", db).stdout
    run("keywords", "set", "退货", 2, "--db", db)
    assert "重新校准" in run("thresholds", "--db", db).stdout
    before = Store.open(db).revision()
    assert "试运行" in run("calibrate", queries, "--db", db, "--dry-run").stderr
    assert Store.open(db).revision() == before


def test_without_queries_the_out_of_scope_list_says_when_to_refuse(run, db):
    result = run("calibrate", "--db", db)
    assert (result.exit_code, "自带的库外提问" in result.stdout) == (0, True)
    assert 0 < Store.open(db).setting("calibration")["thresholds"]["clarify"] < 1


def test_a_handful_of_queries_does_not_change_the_thresholds(run, db, small_faq, tmp_path):
    queries = labelled(tmp_path / "q.csv", 9)
    for command in (["build", small_faq, "--queries", queries], ["calibrate", queries]):
        result = run(*command, "--db", db)
        assert (result.exit_code, "至少要 30 条" in result.stderr) == (1, True)
    assert Store.open(db).setting("calibration") is None


def test_thresholds_can_be_set_by_hand_even_to_0_and_1(run, db):
    assert "≥ 1.0" in run("thresholds", "--db", db, "--answer", 1, "--clarify", 0).stdout
    assert run("search", "东西不想要了", "--db", db).stdout.startswith("clarify")
    assert run("search", "怎么退货？", "--db", db).stdout.startswith("answer (exact)")
    run("thresholds", "--db", db, "--answer", 0)
    assert run("search", "东西不想要了", "--db", db).stdout.startswith("answer")
    assert run("thresholds", "--db", db, "--answer", 1.5).exit_code == 2


def test_a_keyword_is_set_listed_and_removed(run, db):
    assert run("keywords", "set", "退貨", 2.5, "--db", db).exit_code == 0
    assert run("keywords", "list", "--db", db, encoder=False).stdout == "退货\t2.5\n"
    assert run("check", "--db", db).exit_code == 0
    assert run("keywords", "remove", "退货", "--db", db).exit_code == 0
    assert run("keywords", "list", "--db", db, encoder=False).stdout == ""
    for word, factor in (("😀", 2), ("退货", -1), ("退货", "nan")):
        # Behind "--", or a negative number would be taken for an option.
        result = run(
            "keywords", "set", "--db", db, "--encoder", BUNDLE, "--", word, factor, encoder=False
        )
        assert (result.exit_code, "怎么办" in result.stderr) == (1, True)


def test_synonyms_are_imported_listed_and_cleared(run, db, tmp_path):
    file = tmp_path / "同义词.txt"
    file.write_text("退货=返货, 退回\n# 说明\n\n发票＝税票\n", encoding="gb18030")
    assert run("synonyms", "import", file, "--db", db).exit_code == 0
    assert (
        run("synonyms", "list", "--db", db, encoder=False).stdout == "退货=返货=退回\n发票=税票\n"
    )
    assert run("search", "怎么返货", "--db", db).stdout.startswith("answer (exact)")
    assert run("check", "--db", db).exit_code == 0
    assert run("synonyms", "clear", "--db", db).exit_code == 0
    assert not run("search", "怎么返货", "--db", db).stdout.startswith("answer (exact)")


@pytest.mark.parametrize(
    ("line", "says"), [("只有一个", ":2: "), ("退款=退货", ":2: 「退货」在第 1 行")]
)
def test_a_faulty_group_of_synonyms_is_named_by_its_line(run, db, tmp_path, line, says):
    file = tmp_path / "s.txt"
    file.write_text(f"退货=返货\n{line}\n", encoding="utf-8")
    result = run("synonyms", "import", file, "--db", db)
    assert (result.exit_code, says in result.stderr) == (1, True)
    assert Store.open(db).setting("synonyms") is None


def test_signals_are_shown_and_switched_off(run, db):
    assert "sound\t1\n" in run("signals", "--db", db, encoder=False).stdout
    shown = run(
        "signals", "--db", db, "--set", "sound=0", "--no-negation-guard", encoder=False
    ).stdout
    assert "sound\t0\n" in shown and "negation guard\toff" in shown
    assert "sound\t1\n" in run("signals", "--db", db, "--reset", encoder=False).stdout
    for wrong in ("smell=1", "sound=-1", "sound", "sound=nan"):
        assert run("signals", "--db", db, "--set", wrong, encoder=False).exit_code == 1
    off = [x for n in SIGNALS for x in ("--set", n + "=0")]
    assert run("signals", "--db", db, *off, encoder=False).exit_code == 1


def test_evaluate_reports_measures_and_cases(run, db, tmp_path):
    queries = tmp_path / "q.csv"
    queries.write_text(
        "query,faq_id\n怎么退货,refund\n怎么开发票,invoice\n忘记密码怎么办,coupon\n",
        encoding="utf-8",
    )
    out = tmp_path / "out.json"
    result = run("evaluate", queries, "--db", db, "--json", out)
    assert re.search(r"Recall@1 +66\.7", result.stdout)
    report = json.loads(out.read_text(encoding="utf-8"))
    assert report["overall"]["recall_at_1"] == pytest.approx(2 / 3)
    assert [case["rank"] for case in report["cases"]] == [1, 1, 2] or report["cases"][2][
        "rank"
    ] != 1


def test_prepare_builds_refreshes_and_never_imports_over_a_database(run, small_faq, tmp_path):
    db = tmp_path / "faq.db"
    assert "已发布第 1 版" in run("prepare", small_faq, "--db", db).stderr
    assert run("prepare", small_faq, "--db", db).stderr == ""
    Store.open(db).save_settings({"encoder": "an older one"})
    assert "正在重算向量" in run("prepare", small_faq, "--db", db).stderr
    small_faq.write_text(small_faq.read_text("utf-8") + "x,,怎么付款,,付\n", encoding="utf-8")
    result = run("prepare", small_faq, "--db", db)
    assert f"python -m indexer build {small_faq}" in result.stderr
    assert "x" not in Store.open(db).snapshot().entries


def test_check_is_silent_until_something_is_wrong(run, db):
    assert run("check", "--db", db).exit_code == 0
    with sqlite3.connect(db) as connection:
        connection.execute("update vectors set vector = zeroblob(1536) where rowid = 1")
        connection.execute("update entries set answer = '' where key = 'invoice'")
    result = run("check", "--db", db)
    assert result.exit_code == 1
    assert "不是单位长度" in result.stdout
    assert "条目 invoice: 没有答案" in result.stdout
    assert "python -m indexer check --repair" in result.stdout


NOT_A_TABLE = [
    ("none.csv", None, "none.csv"),
    ("empty.csv", b"", "empty.csv"),
    ("nohead.csv", "甲,乙,丙\n1,2,3\n".encode(), "nohead.csv"),
    ("noquestion.csv", "答案,分类\n甲,乙\n".encode(), "noquestion.csv"),
    ("bytes.csv", b"question,answer\n\xff\xff\xfe\x81,\x80\n", "bytes.csv"),
    ("quote.csv", '问题,答案\n"怎么退,甲\n怎么付,乙\n'.encode(), "quote.csv:2"),
    ("cell.csv", ("问题,答案\n怎么退," + "长" * 1_100_000).encode(), "cell.csv:2"),
    ("table.pdf", b"%PDF", "table.pdf"),
    ("fake.xlsx", b"not a zip", "fake.xlsx"),
    ("useless.csv", "问题,答案\n怎么退,\n".encode(), "useless.csv"),
]


@pytest.mark.parametrize(("name", "data", "place"), NOT_A_TABLE, ids=[n for n, _, _ in NOT_A_TABLE])
def test_bad_files_get_one_message_and_change_nothing(run, db, tmp_path, name, data, place):
    before = Store.open(db).snapshot()
    if data is not None:
        (tmp_path / name).write_bytes(data)
    result = run("build", tmp_path / name, "--db", db)
    assert result.exit_code == 1
    assert place in result.stderr
    assert "怎么办" in result.stderr
    assert "Traceback" not in result.output
    assert Store.open(db).snapshot() == before


def test_sql_and_html_are_only_text(run, tmp_path):
    path = tmp_path / "faq.csv"
    path.write_text(
        "id,问题,答案\n1,'); drop table entries; --,<script>alert(1)</script>\n", encoding="utf-8"
    )
    assert run("build", path, "--db", tmp_path / "x.db").exit_code == 0
    entry = Store.open(tmp_path / "x.db").snapshot().entries["1"]
    assert (entry.question, entry.answer) == (
        "'); drop table entries; --",
        "<script>alert(1)</script>",
    )


@pytest.mark.parametrize("command", ["search 退货", "check", "evaluate q.csv", "refresh"])
def test_a_missing_database_names_the_command_that_makes_it(run, tmp_path, command):
    (tmp_path / "q.csv").write_text("query,entry_id\n退货,a\n", encoding="utf-8")
    arguments = command.replace("q.csv", str(tmp_path / "q.csv")).split()
    result = run(*arguments, "--db", tmp_path / "none.db")
    assert (result.exit_code, "python -m indexer build" in result.stderr) == (1, True)


def test_a_missing_bundle_names_the_option(small_faq, tmp_path):
    arguments = ["build", str(small_faq), "--db", str(tmp_path / "x.db"), "--encoder", "nowhere"]
    result = CliRunner().invoke(indexer.cli.main, arguments)
    assert (result.exit_code, "--encoder" in result.stderr) == (1, True)
    assert not (tmp_path / "x.db").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text,entry_id\n退货,a\n", "缺少列 query"),
        ("query,entry_id,split\n退货,a,train\n", "列 split 是「train」"),
        ("query,entry_id,split\n退货,a,dev\n", "没有可用的查询"),
        ("query,entry_id\n", "没有可用的查询"),
    ],
)
def test_a_faulty_query_file_is_named(run, db, tmp_path, text, message):
    (tmp_path / "q.csv").write_text(text, encoding="utf-8")
    result = run("evaluate", tmp_path / "q.csv", "--db", db, "--split", "test")
    assert (result.exit_code, message in result.stderr) == (1, True)


def test_a_database_path_that_cannot_be_opened_is_explained(run, small_faq, tmp_path):
    result = run("build", small_faq, "--db", tmp_path)  # a directory
    assert (result.exit_code, "是否可写" in result.stderr) == (1, True)


@pytest.mark.parametrize("main", [indexer.cli.main, distill.cli.main], ids=["indexer", "distill"])
def test_every_command_has_help_with_an_example(main):
    for name, command in main.commands.items():
        result = CliRunner().invoke(main, [name, "--help"])
        assert result.exit_code == 0
        assert f"python -m {main.callback.__module__.split('.')[0]} {name}" in result.output
        assert "Example:" in command.help


def test_encode_reads_lines_and_writes_unit_vectors(tmp_path):
    import numpy as np

    out = tmp_path / "v.npy"
    arguments = ["encode", "--encoder", str(BUNDLE), "-o", str(out)]
    result = CliRunner().invoke(distill.cli.main, arguments, input="怎么退货\n发票\n")
    assert result.exit_code == 0
    vectors = np.load(out)
    assert (vectors.shape[0], vectors.dtype) == (2, np.float32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    empty = CliRunner().invoke(distill.cli.main, arguments, input="怎么退货\n\n发票\n")
    assert (empty.exit_code, "line 2: empty" in empty.stderr) == (1, True)
