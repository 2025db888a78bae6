"""`python -m indexer evaluate` from end to end: what it asks, says, writes and refuses."""

import json
import re
from dataclasses import replace

import pytest
from click.testing import CliRunner

import indexer.cli
from indexer.build import publish
from indexer.evaluate import LabelledQuery, contradictory, run_cases, unknown_entries
from indexer.evaluation_report import report_on
from indexer.measures import measure
from indexer.records import Entry
from indexer.search import Searcher
from indexer.store import Store
from indexer.threshold_curve import threshold_curve
from tests.conftest import BUNDLE

QUERIES = """\
query,entry_id,kind
怎么退货,refund,口语
发票在哪里开,invoice,口语
忘记密码怎么办,password,书面
密码找不回来了,refund,标错
今天天气怎么样,,闲聊
"""


@pytest.fixture
def evaluate(tmp_path, small_faq):
    """Run the command on the small FAQ; returns click's result."""
    db = tmp_path / "faq.db"
    common = ["--db", str(db), "--encoder", str(BUNDLE)]
    built = CliRunner().invoke(indexer.cli.main, ["build", str(small_faq), *common])
    assert built.exit_code == 0, built.output

    def run(*arguments):
        result = CliRunner().invoke(indexer.cli.main, ["evaluate", *map(str, arguments), *common])
        assert result.exception is None or isinstance(result.exception, SystemExit), result
        return result

    return run


@pytest.fixture
def queries(tmp_path):
    path = tmp_path / "提问.csv"
    path.write_text(QUERIES, encoding="utf-8")
    return path


def test_the_terminal_the_json_and_the_page_tell_the_same(evaluate, queries, tmp_path):
    result = evaluate(queries, "--json", tmp_path / "o.json", "--html", tmp_path / "o.html")
    assert result.exit_code == 0
    report = json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))
    overall = report["overall"]
    assert (overall["queries"], overall["in_scope"]) == (5, 4)
    assert overall["recall_at_1"] == 3 / 4
    low, high = overall["intervals_95"]["recall_at_1"]
    assert low <= 0.75 <= high
    assert re.search(r"Recall@1 +75\.0", result.stdout)
    assert "75.0 %" in (tmp_path / "o.html").read_text(encoding="utf-8")
    assert report["by_category"]["退货"]["queries"] == 2
    assert report["by_kind"]["口语"]["recall_at_1"] == 1
    assert report["by_kind"]["闲聊"]["recall_at_1"] is None
    assert report["latency_ms"]["p50"] <= report["latency_ms"]["p99"]
    failure = next(f for f in report["failures"] if f["query"] == "密码找不回来了")
    assert (failure["expected"], failure["expected_question"]) == ("refund", "如何申请退货？")
    confused = [(pair["expected"], pair["got"]) for pair in report["confusions"]]
    assert ("refund", "password") in confused
    assert "refund 如何申请退货？ → password 忘记密码怎么办？" in result.stdout


def test_a_run_compares_with_an_earlier_one(evaluate, queries, tmp_path):
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    evaluate(queries, "--json", old)
    report = json.loads(old.read_text(encoding="utf-8"))
    report["cases"][0]["right"] = False
    report["cases"][3]["right"] = True
    report["cases"].pop()
    old.write_text(json.dumps(report), encoding="utf-8")
    result = evaluate(queries, "--against", old, "--json", new, "--html", tmp_path / "o.html")
    against = json.loads(new.read_text(encoding="utf-8"))["against"]
    assert [row["query"] for row in against["fixed"]] == ["怎么退货"]
    assert [row["query"] for row in against["broken"]] == ["密码找不回来了"]
    assert len(against["unchanged"]) == 2
    assert [row["query"] for row in against["only_after"]] == ["今天天气怎么样"]
    assert against["sign_test_p"] == 1
    assert "修好 1, 弄坏 1, 不变 2" in result.stdout
    assert "修好 1, 弄坏 1, 不变 2" in (tmp_path / "o.html").read_text(encoding="utf-8")
    # A run with a comparison can itself be compared with.
    assert "修好 0, 弄坏 0, 不变 5" in evaluate(queries, "--against", new).stdout


def test_runs_without_a_query_in_common_are_told_so(evaluate, queries, tmp_path):
    evaluate(queries, "--json", tmp_path / "old.json")
    (tmp_path / "q.csv").write_text("query,entry_id\n密码忘了,password\n", encoding="utf-8")
    result = evaluate(
        tmp_path / "q.csv", "--against", tmp_path / "old.json", "--html", tmp_path / "o.html"
    )
    assert (result.exit_code, "没有共有的提问" in result.stdout) == (0, True)


def test_a_foreign_file_to_compare_with_is_refused_before_anything_is_asked(evaluate, queries):
    result = evaluate(queries, "--against", queries)
    assert (result.exit_code, result.stdout) == (1, "")
    assert re.search("提问.csv: 不是 JSON.*怎么办", result.stderr)


@pytest.mark.parametrize(
    ("bounds", "code", "said"),
    [
        (["recall@1=0.75"], 0, ""),
        (["Recall@1=0.76"], 1, "recall@1=0.76: 未达到, 首位命中 Recall@1 是 75.0 %"),
        (["recall@1=0.76", "recall@3=0.1", "accuracy=1"], 1, "accuracy=1.0: 未达到"),
        (["recall@1=0.1", "mrr@10=0"], 0, ""),
        (["recal@1=0.5"], 2, "没有指标「recal@1」。可用的指标: recall@1, recall@3"),
        (["misled=0.5"], 2, "没有指标「misled」"),
        (["recall@1=85"], 2, "要在 0 到 1 之间"),
        (["recall@1=-0.1"], 2, "要在 0 到 1 之间"),
        (["recall@1=nan"], 2, "要在 0 到 1 之间"),
        (["recall@1"], 2, "要在 0 到 1 之间"),
        (["recall@1=高"], 2, "可用的指标: recall@1"),
    ],
)
def test_a_measure_that_falls_short_ends_with_exit_code_1(evaluate, queries, bounds, code, said):
    options = [part for bound in bounds for part in ("--fail-under", bound)]
    result = evaluate(queries, *options)
    assert result.exit_code == code
    assert said in result.stderr


def test_a_bound_on_what_cannot_be_measured_fails(evaluate, tmp_path):
    (tmp_path / "q.csv").write_text("query,entry_id\n天气,\n", encoding="utf-8")
    result = evaluate(tmp_path / "q.csv", "--fail-under", "recall@1=0.1")
    assert (result.exit_code, "没有可以测量它的提问" in result.stderr) == (1, True)


def test_without_labelled_queries_the_faq_asks_itself(evaluate, tmp_path):
    result = evaluate("--json", tmp_path / "o.json", "--html", tmp_path / "o.html")
    assert result.exit_code == 0
    report = json.loads((tmp_path / "o.json").read_text(encoding="utf-8"))
    assert report["overall"]["in_scope"] == 9  # 3 + 2 + 2 + 2 similar questions
    assert report["overall"]["queries"] >= 200
    assert report["by_kind"].keys() >= {"similar", "chitchat", "bank", "english"}
    assert "留一法" in result.stdout
    own = [case for case in report["cases"] if case["entry_id"]]
    assert all(case["hits"][0][1] < 1 for case in own)  # nothing found itself


def test_a_list_of_ones_own_takes_the_place_of_the_built_in_one(evaluate, tmp_path):
    own = tmp_path / "own.txt"
    own.write_text("今天几号\n怎么退货\n", encoding="utf-8")
    result = evaluate("--out-of-scope", own, "--sample", 3)
    assert "4 条提问 (库内 3, 库外 1)" in result.stdout
    assert "1 条库外提问就是库里的问法" in result.stdout
    assert "相似问共 9 个, 抽取了 3 个" in result.stdout


def test_options_that_would_do_nothing_are_refused(evaluate, queries):
    for arguments in (["--split", "dev"], [queries, "--sample", 5]):
        result = evaluate(*arguments)
        assert (result.exit_code, "不起作用" in result.stderr) == (2, True)


def test_an_output_in_a_folder_that_is_not_there_is_refused_first(evaluate, queries, tmp_path):
    for option in ("--json", "--html"):
        result = evaluate(queries, option, tmp_path / "none" / "o")
        assert (result.exit_code, result.stdout) == (1, "")
        assert "mkdir -p" in result.stderr


def test_an_output_never_takes_another_files_place(evaluate, queries, tmp_path):
    out = tmp_path / "o"
    for arguments in (["--json", queries], ["--html", tmp_path], ["--json", out, "--html", out]):
        result = evaluate(queries, *arguments)
        assert (result.exit_code, result.stdout, "怎么办" in result.stderr) == (1, "", True)
    assert queries.read_text(encoding="utf-8") == QUERIES


def test_labels_of_entries_that_are_not_there_are_named_and_left_out(evaluate, tmp_path):
    rows = [f"密码{i},gone-{i}" for i in range(25)]
    (tmp_path / "q.csv").write_text(
        "\n".join(["query,entry_id", "密码忘了,password", *rows]), encoding="utf-8"
    )
    result = evaluate(tmp_path / "q.csv")
    assert "1 条提问 (库内 1, 库外 0)" in result.stdout
    note = re.search("注意: 25 条提问的条目不在库里.*", result.stdout)[0]
    assert ("gone-19" in note, "gone-20" in note, "共 25 个" in note) == (True, False, True)
    assert re.search(r"Recall@1 +100\.0", result.stdout)


def test_a_file_of_another_faq_is_refused(evaluate, tmp_path):
    (tmp_path / "q.csv").write_text("query,entry_id\n密码,gone\n", encoding="utf-8")
    result = evaluate(tmp_path / "q.csv")
    assert (result.exit_code, "gone" in result.stderr, "怎么办" in result.stderr) == (1, True, True)


def test_a_file_without_a_single_label_is_all_out_of_scope(evaluate, tmp_path):
    (tmp_path / "q.csv").write_text("query,entry_id\n天气,\n股票,\n", encoding="utf-8")
    result = evaluate(tmp_path / "q.csv", "--html", tmp_path / "o.html")
    assert result.exit_code == 0
    assert "没有一条提问写了 entry_id" in result.stdout
    assert re.search(r"Recall@1 +– ", result.stdout)
    assert re.search(r"Coverage +– ", result.stdout)


def test_the_same_query_with_different_labels_is_pointed_out(evaluate, tmp_path):
    (tmp_path / "q.csv").write_text(
        "query,entry_id\n密码忘了,password\n密码忘了 ,refund\n密码忘了,password\n", encoding="utf-8"
    )
    result = evaluate(tmp_path / "q.csv")
    assert "1 条提问出现多次而标注不同 (都计入, 至多一个标注能对): 密码忘了" in result.stdout
    assert "3 条提问" in result.stdout


@pytest.mark.parametrize("query", ["退", "我要退货。" * 1000, "😀", "。"], ids=len)
def test_very_short_long_and_empty_queries_are_only_queries(evaluate, tmp_path, query):
    (tmp_path / "q.csv").write_text(f"query,entry_id\n{query},refund\n", encoding="utf-8")
    result = evaluate(tmp_path / "q.csv", "--html", tmp_path / "o.html")
    assert (result.exit_code, "1 条提问" in result.stdout) == (0, True)
    assert max(map(len, result.stdout.splitlines())) < 300


def test_what_steers_a_terminal_does_not_reach_it(evaluate, tmp_path):
    (tmp_path / "q.csv").write_text("query,entry_id\n\x1b[2J发票在哪,refund\n", encoding="utf-8")
    result = evaluate(tmp_path / "q.csv")
    assert ("\x1b" in result.stdout, "[2J发票在哪" in result.stdout) == (False, True)


@pytest.fixture
def searcher(tmp_path, encoder):
    def load(*entries):
        store = Store.create(tmp_path / "few.db")
        publish(store, store.snapshot(), encoder, entries)
        return Searcher.load(store, encoder)

    return load


REFUND = Entry(key="refund", question="如何申请退货？", variants=("怎么退货",), answer="A")
INVOICE = Entry(key="invoice", question="如何开具发票？", variants=("怎么开发票",), answer="B")


def test_an_index_of_one_entry_is_measured_like_any_other(searcher):
    found = searcher(REFUND)
    queries = [LabelledQuery("怎么退货", "refund", "", ""), LabelledQuery("天气", "", "", "")]
    report = report_on(found, run_cases(found, queries), "q", "all")
    assert report.overall.measures.recall_at_1 == 1
    assert [each.name for each in report.by_category] == ["(未分类)", "(库外)"]


def test_a_faq_without_similar_questions_is_asked_what_is_out_of_scope(tmp_path):
    faq, db = tmp_path / "one.csv", tmp_path / "one.db"
    faq.write_text("问题,答案\n怎么退货,去退\n", encoding="utf-8")
    for command in (["build", faq], ["evaluate"]):
        arguments = [*command, "--db", db, "--encoder", BUNDLE]
        result = CliRunner().invoke(indexer.cli.main, list(map(str, arguments)))
        assert result.exit_code == 0, result.output
    assert "只能看库外提问是否被拒答" in result.stdout
    assert "1 个条目除标准问外没有别的问法, 无法测量" in result.stdout
    assert re.search(r"Recall@1 +– ", result.stdout)


def test_an_entry_that_cannot_be_found_today_is_unknown(searcher):
    found = searcher(REFUND, replace(INVOICE, valid_to="2020-01-01"))
    queries = [LabelledQuery("q", key, "", "") for key in ("refund", "invoice", "none", "")]
    assert [query.entry_id for query in unknown_entries(found, queries)] == ["invoice", "none"]


def test_contradictions_are_found_by_what_is_said():
    queries = [
        LabelledQuery(query, entry, "", "")
        for query, entry in (("怎么退货", "a"), ("怎麼退貨", "b"), ("发票", "c"), ("发票", "c"))
    ]
    assert contradictory(queries) == ["怎么退货"]


def test_the_curve_is_what_deciding_anew_gives(searcher):
    found = searcher(REFUND, INVOICE)
    queries = [
        LabelledQuery(text, entry, "", "")
        for text, entry in (
            *(("怎么退货", "refund"), ("想退东西", "refund"), ("开票", "invoice")),
            *(("发票能退吗", "refund"), ("天气", ""), ("退休金怎么领", "")),
        )
    ]
    points = threshold_curve(run_cases(found, queries), found.thresholds)
    assert (points[0].answer, points[-1].answer) == (0, 1)
    coverage = [point.coverage for point in points]
    assert coverage == sorted(coverage, reverse=True)
    for point in points[::10]:
        tried = replace(found.thresholds, answer=point.answer)
        again = measure(run_cases(found, queries, tried))
        assert (point.precision, point.coverage) == (again.answer_precision, again.coverage)
        assert point.misled == again.out_of_scope_answered
