import csv
from dataclasses import replace

import pytest
from click.testing import CliRunner

from indexer import regression
from indexer.build import publish
from indexer.cli import main
from indexer.errors import InputError, TableError
from indexer.measures import measure
from indexer.records import Entry
from indexer.regression import (
    Added,
    NewCase,
    add_cases,
    as_json,
    compare_runs,
    enable_cases,
    export_cases,
    import_cases,
    judge,
    labelled_queries,
    list_cases,
    record,
    recorded_run,
    recorded_runs,
    remove_cases,
    run,
)
from indexer.search import Searcher
from indexer.store import Store
from tests.conftest import BUNDLE, thresholds_setting

REFUND = Entry(key="refund", question="如何退货？", variants=("怎么退货",), answer="退。")
INVOICE = Entry(key="invoice", question="如何开发票？", answer="开。")
CASES = (
    NewCase("退货怎么弄呀", "refund", "手工"),
    NewCase("如何开发票", "invoice", "手工"),
    NewCase("火星上有人吗", "", "手工"),
)


@pytest.fixture
def store(tmp_path, encoder):
    """Everything is answered with the nearest entry."""
    store = Store.create(tmp_path / "faq.db")
    settings = thresholds_setting(encoder.fingerprint, 0.0, 1.0)
    publish(store, store.snapshot(), encoder, (REFUND, INVOICE), settings)
    return store


def queries(store):
    return [case.query for case in list_cases(store).cases]


def test_a_case_says_where_it_comes_from(store):
    assert add_cases(store, CASES[:1], "运营甲") == Added(1, 0, 0)
    [case] = list_cases(store).cases
    assert (case.query, case.entry_key, case.origin) == ("退货怎么弄呀", "refund", "手工")
    assert (case.added_by, case.enabled) == ("运营甲", True)
    assert case.added_at.endswith("+00:00")


def test_one_text_has_one_label_and_the_later_counts(store):
    add_cases(store, CASES, "运营甲")
    again = [NewCase(" 退貨怎麼弄呀 ", "refund", "csv"), NewCase("火星上有人吗", "refund", "反馈")]
    assert add_cases(store, again, "小李") == Added(0, 1, 1)
    page = list_cases(store)
    assert page.total == 3
    assert {c.query: (c.entry_key, c.origin, c.added_by) for c in page.cases} == {
        "退货怎么弄呀": ("refund", "手工", "运营甲"),
        "如何开发票": ("invoice", "手工", "运营甲"),
        "火星上有人吗": ("refund", "反馈", "小李"),
    }


@pytest.mark.parametrize(
    ("query", "entry_key", "said"),
    [
        ("", "refund", "里没有文字"),
        ("😀？", "refund", "里没有文字"),
        (" \u200b", "", "里没有文字"),
        ("退" * 501, "refund", "有 501 字"),
        ("怎么退货", "refnud", "没有编号为 refnud 的条目"),
    ],
)
def test_what_cannot_be_a_case_is_refused_and_nothing_is_added(store, query, entry_key, said):
    with pytest.raises(InputError, match=f"{said}.*怎么办"):
        add_cases(store, [CASES[0], NewCase(query, entry_key, "手工")], "运营甲")
    assert queries(store) == []


def test_numbers_that_say_who_asked_do_not_get_in(store):
    add_cases(store, [NewCase("打 13812345678 找我退货", "refund", "未命中")], "运营甲")
    assert queries(store) == ["打 [手机号] 找我退货"]


def test_what_has_no_words_can_only_be_refused(store, encoder):
    add_cases(store, [NewCase("🙃🤡", "", "csv")], "运营甲")
    assert run(store, Searcher.load(store, encoder)).measures.out_of_scope_rejected == 1


def test_cases_are_searched_and_paged_latest_first(store):
    add_cases(store, [NewCase(f"怎么退第{n}件", "refund", "手工") for n in range(7)], "运营甲")
    add_cases(store, [NewCase("发票 100% 真吗", "invoice", "反馈")], "运营甲")
    page = list_cases(store, "怎麼退", start=2, count=3)
    assert (page.total, [case.query for case in page.cases]) == (
        7,
        ["怎么退第4件", "怎么退第3件", "怎么退第2件"],
    )
    assert list_cases(store, "100%").total == 1  # not a pattern
    assert list_cases(store, "%").total == 1
    assert list_cases(store, "invoice").total == 1
    assert list_cases(store, origin="反馈").total == 1
    assert list_cases(store, "没有").cases == ()


def test_cases_rest_and_go(store):
    add_cases(store, CASES, "运营甲")
    ids = {case.query: case.id for case in list_cases(store).cases}
    assert enable_cases(store, [ids["退货怎么弄呀"]], enabled=False) == 1
    assert [query.query for query in labelled_queries(store)] == ["如何开发票", "火星上有人吗"]
    assert remove_cases(store, [ids["如何开发票"], ids["如何开发票"], 999]) == 1
    assert [query.query for query in labelled_queries(store)] == ["火星上有人吗"]
    add_cases(store, CASES[1:2], "运营甲")
    assert list_cases(store).cases[0].id > max(ids.values())


def written(tmp_path, text, name="queries.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def test_of_a_file_with_splits_the_dev_part_is_taken(store, tmp_path):
    path = written(
        tmp_path, "query,entry_id,split\n怎么退货,refund,dev\n退,refund,test\n天气,,dev\n"
    )
    assert import_cases(store, path, "运营甲") == Added(2, 0, 0)
    assert sorted(queries(store)) == ["天气", "怎么退货"]
    assert {case.origin for case in list_cases(store).cases} == {"csv"}


def test_of_a_file_without_splits_all_is_taken(store, tmp_path):
    text = "query,faq_id\n" + "".join(f"怎么退第{n}件,refund\n" for n in range(20)) + ",\n"
    assert import_cases(store, written(tmp_path, text), "运营甲").added == 20


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("question,answer\na,b\n", r"queries\.csv:1: 缺少列 query"),
        ("query,entry_id,split\n退货,refund,train\n", r"queries\.csv:2: .*train"),
        ("query,entry_id\n怎么退货,refund\n？？,refund\n", r"queries\.csv:3: 「？？」里没有文字"),
        ("query,entry_id\n怎么退货,refund\n怎麼退貨,\n", r"queries\.csv:3: .*两个标注: refund 和"),
        (f"query,entry_id\n{'退' * 501},refund\n", r"queries\.csv:2: .*501 字"),
        ("query,entry_id,enabled\n退,refund,也许\n", r"queries\.csv:2: 看不懂是否启用"),
        ("query,entry_id\n怎么退货,x1\n退,x2\n", r"queries\.csv: 2 个条目没有一个在库里 .*x1"),
        ("query,entry_id\n,\n", "没有可用的查询"),
    ],
)
def test_a_faulty_file_is_refused_whole_with_the_line(store, tmp_path, text, said):
    with pytest.raises(TableError, match=said):
        import_cases(store, written(tmp_path, text), "运营甲")
    assert queries(store) == []


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
def test_what_is_exported_imports_again(store, tmp_path, suffix):
    add_cases(store, [*CASES, NewCase('=1+1 "等于几"', "", "反馈")], "运营甲")
    enable_cases(store, [list_cases(store).cases[0].id], enabled=False)
    before = [(c.query, c.entry_key, c.enabled) for c in list_cases(store).cases]
    path = tmp_path / f"out.{suffix}"
    assert export_cases(store, path) == 4
    remove_cases(store, [case.id for case in list_cases(store).cases])
    assert import_cases(store, path, "小李") == Added(4, 0, 0)
    assert [(c.query, c.entry_key, c.enabled) for c in list_cases(store).cases] == before


def test_a_formula_is_disarmed_in_the_csv(store, tmp_path):
    add_cases(store, [NewCase("=HYPERLINK(1)", "", "手工")], "运营甲")
    export_cases(store, tmp_path / "out.csv")
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        assert next(csv.DictReader(file))["query"] == "'=HYPERLINK(1)"


def test_a_run_measures_as_evaluate_does(store, encoder):
    add_cases(store, CASES, "运营甲")
    done = run(store, Searcher.load(store, encoder))
    assert [case.query.query for case in done.cases] == [case.query for case in CASES]
    # 火星上有人吗 is answered too, and ought not to be.
    assert done.measures == measure(done.cases)
    assert done.measures.recall_at_1 == 1
    assert done.measures.decision_accuracy == pytest.approx(2 / 3)
    assert [case.query.query for case in done.failures] == ["火星上有人吗"]
    assert done.lost == ()


def test_an_empty_set_has_nothing_to_measure(store, encoder):
    searcher = Searcher.load(store, encoder)
    assert run(store, searcher).measures.decision_accuracy is None
    found = judge(store, searcher, searcher)
    assert (found.fixed, found.broken, found.unchanged) == ((), (), ())


def test_a_change_is_judged_by_name(store, encoder):
    add_cases(store, CASES, "运营甲")
    before = Searcher.load(store, encoder)
    # Only a question that is in the FAQ is answered now, and one entry is off.
    settings = thresholds_setting(encoder.fingerprint, 1.0, 1.0)
    publish(store, store.snapshot(), encoder, [replace(INVOICE, enabled=False)], settings)
    after = Searcher.load(store, encoder)
    found = judge(store, before, after)
    assert [change.before.query for change in found.fixed] == ["火星上有人吗"]
    assert [change.before.query for change in found.broken] == ["退货怎么弄呀", "如何开发票"]
    assert found.past == "第 1 版"
    assert "阈值: 直接回答 ≥ 0.0, 反问 ≥ 1.0 → 直接回答 ≥ 1.0, 反问 ≥ 1.0" in found.setup_changes
    assert [case.query.query for case in run(store, after).lost] == ["如何开发票"]
    summary = as_json(found)
    assert (summary["cases"], summary["fixed"], summary["broken"]) == (
        3,
        ["火星上有人吗"],
        ["退货怎么弄呀", "如何开发票"],
    )
    assert summary["measures"]["decision_accuracy"] == pytest.approx([2 / 3, 1 / 3])


def test_a_run_made_before_serves_for_every_preview(store, encoder):
    add_cases(store, CASES, "运营甲")
    searcher = Searcher.load(store, encoder)
    before = run(store, searcher)
    add_cases(store, [NewCase("后来的", "", "手工")], "运营甲")
    found = judge(store, before, searcher)
    assert (len(found.unchanged), found.only_after) == (3, ())


def test_runs_make_a_curve(store, encoder):
    assert recorded_runs(store) == ()
    assert recorded_run(store) is None
    add_cases(store, CASES, "运营甲")
    first = run(store, Searcher.load(store, encoder))
    number = record(store, first, "运营甲")
    store.publish_settings(thresholds_setting(encoder.fingerprint, 1.0, 1.0))
    second = run(store, Searcher.load(store, encoder))
    record(store, second, "小李")
    curve = recorded_runs(store)
    assert [(point.revision, point.by) for point in curve] == [(1, "运营甲"), (2, "小李")]
    assert [point.measures for point in curve] == [first.measures, second.measures]
    found = compare_runs(recorded_run(store, number), second)
    assert [change.before.query for change in found.fixed] == ["火星上有人吗"]
    assert [change.before.query for change in found.broken] == ["退货怎么弄呀"]
    assert compare_runs(recorded_run(store), second).broken == ()


def test_of_old_runs_the_measures_are_kept(store, encoder, monkeypatch):
    monkeypatch.setattr(regression, "KEPT", 2)
    add_cases(store, CASES, "运营甲")
    done = run(store, Searcher.load(store, encoder))
    numbers = [record(store, done, "运营甲") for _ in range(3)]
    assert [recorded_run(store, number) is None for number in numbers] == [True, False, False]
    assert [point.measures for point in recorded_runs(store)] == [done.measures] * 3


def test_the_commands_import_list_run_and_export(store, tmp_path):
    def invoke(*arguments, encoder=()):
        where = ["--db", str(store.path), *encoder]
        return CliRunner().invoke(main, ["regression", *arguments, *where])

    bundle = ("--encoder", str(BUNDLE))
    empty = invoke("run", encoder=bundle)
    assert empty.exit_code == 1
    assert "python -m indexer regression import" in empty.stderr
    path = written(tmp_path, "query,entry_id\n退货怎么弄呀,refund\n火星上有人吗,\n")
    done = invoke("import", str(path))
    assert (done.exit_code, done.stdout) == (0, "")
    assert "新增 2 条" in done.stderr
    listed = invoke("list", "火星")
    assert listed.stdout == "火星上有人吗\t(拒答)\tcsv\n"
    first = invoke("run", encoder=bundle)
    assert first.exit_code == 0
    assert " 50.0 %  决定正确 Accuracy" in first.stdout
    store.publish_settings(thresholds_setting(store.setting("encoder"), 1.0, 1.0))
    second = invoke("run", encoder=bundle)
    assert "与上次 (第 1 版) 相比: 修好 1, 弄坏 1, 不变 0" in second.stdout
    assert "弄坏: 退货怎么弄呀 (refund)" in second.stdout
    assert len(recorded_runs(store)) == 2
    exported = invoke("export", str(tmp_path / "out.csv"))
    assert "2 条" in exported.stderr
    broken = invoke("import", str(tmp_path / "none.csv"))
    assert (broken.exit_code, "Traceback" in broken.output) == (1, False)
