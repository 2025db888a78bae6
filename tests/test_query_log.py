import csv
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from indexer import query_log
from indexer.cli import main
from indexer.errors import TableError
from indexer.migrations import m005_judging_and_counting as m005
from indexer.period import Period, moment
from indexer.query_log import COLUMNS, count_before, export_log, prune_log
from indexer.store import Store
from tests.hand_made_log import log


@pytest.fixture
def store(tmp_path):
    store = Store.create(tmp_path / "faq.db")
    log(store, "2026-03-02 08:00", "=1+1 等于几", "reject", milliseconds=1.5)
    log(store, "2026-03-01 08:00", "打13812345678找我", "answer", entry_key="refund")
    log(store, "2026-03-03 08:00", "怎么退货", "answer", entry_key="refund", feedback="useful")
    return store


def rows(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_the_log_is_exported_oldest_first_without_who_asked(store, tmp_path):
    path = tmp_path / "log.csv"
    assert export_log(store, path) == 3
    found = rows(path)
    assert tuple(found[0]) == COLUMNS
    assert [row["text"] for row in found] == ["打[手机号]找我", "'=1+1 等于几", "怎么退货"]
    assert "13812345678" not in path.read_text(encoding="utf-8-sig")
    assert [row["milliseconds"] for row in found] == ["", "1.5", ""]
    assert found[2]["feedback"] == "useful"


def test_a_period_of_it_is_exported(store, tmp_path):
    day = date(2026, 3, 2)
    assert export_log(store, tmp_path / "log.csv", Period(day, day, ZoneInfo("UTC"))) == 1


def test_a_file_that_cannot_be_written_leaves_the_old_one(store, tmp_path):
    with pytest.raises(TableError, match=r"\.csv。怎么办"):
        export_log(store, tmp_path / "log.xlsx")
    with pytest.raises(TableError, match="怎么办"):
        export_log(store, tmp_path / "none" / "log.csv")
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".csv"] == []


def test_only_what_is_older_is_pruned(store, monkeypatch):
    monkeypatch.setattr(query_log, "_AT_A_TIME", 1)
    before = moment(datetime(2026, 3, 2, 8, 0, tzinfo=UTC) + timedelta(milliseconds=1))
    assert count_before(store, before) == 2
    assert prune_log(store, before) == 2
    assert [row["query"] for row in store.logged_queries()] == ["怎么退货"]
    assert prune_log(store, before) == 0


def test_the_commands_export_and_prune(store, tmp_path):
    def run(*arguments):
        result = CliRunner().invoke(main, ["log", *arguments, "--db", str(store.path)])
        assert result.exit_code == 0, result.output
        return result.stderr

    old = (datetime.now(UTC) - timedelta(days=31)).strftime("%Y-%m-%d %H:%M")
    new = (datetime.now(UTC) - timedelta(days=29)).strftime("%Y-%m-%d %H:%M")
    prune_log(store, moment(datetime.now(UTC)))
    log(store, old, "旧的", "reject")
    log(store, new, "新的", "reject")
    assert "2 条提问" in run("export", str(tmp_path / "log.csv"))
    assert "没有删除" in run("prune", "--older-than", "30", "--dry-run")
    assert len(store.logged_queries()) == 2
    assert "删除了 1 条" in run("prune", "--older-than", "30")
    assert [row["query"] for row in store.logged_queries()] == ["新的"]


def test_a_log_of_an_earlier_version_gets_its_texts(store):
    """As m005 found it: without text and times, under the old index."""
    with store.transaction() as db:
        for table in ("regression_cases", "regression_runs", "handled"):
            db.execute(f"drop table {table}")
        db.execute("drop index query_log_counted")
        db.execute("alter table query_log drop column text")
        db.execute("alter table query_log drop column milliseconds")
        db.execute("create index idx_query_log_asked_at on query_log (asked_at)")
        m005(db)
        indexes = {index.name for index in db.table("query_log").indexes}
    assert {row["text"] for row in store.logged_queries()} == {
        "打[手机号]找我",
        "=1+1 等于几",
        "怎么退货",
    }
    assert "query_log_counted" in indexes
    assert "idx_query_log_asked_at" not in indexes
