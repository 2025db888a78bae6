"""The command `python -m indexer regression`: a thin skin over regression.py."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import click

from distill.encoder import Encoder
from indexer.comparison import Comparison
from indexer.errors import InputError
from indexer.evaluation_text import percent
from indexer.measures import MEASURES
from indexer.options import BY, PATH, db_option, encoder_option, say
from indexer.regression import (
    Origin,
    Run,
    compare_runs,
    export_cases,
    import_cases,
    list_cases,
    record,
    recorded_run,
    run,
)
from indexer.search import Searcher
from indexer.store import Store

_NAMED = 20  # queries printed before the rest is counted


@click.group()
def regression() -> None:
    """Keep the labelled queries by which every change is judged.

    \b
    Example:
      python -m indexer regression import data/queries.csv
      python -m indexer regression run
    """


@regression.command("import")
@click.argument("queries", type=PATH)
@db_option
def import_queries(queries: Path, db: Path) -> None:
    """Add the queries of a table as `evaluate` reads it; of one with splits the dev part only.

    \b
    Example:
      python -m indexer regression import data/queries.csv
    """
    done = import_cases(Store.open(db), queries, BY)
    say(f"{db}: 新增 {done.added} 条, 改了标注 {done.changed} 条, 已有 {done.unchanged} 条")
    say(f"下一步: python -m indexer regression run --db {db}")


@regression.command("list")
@click.argument("search", default="")
@click.option("--origin", type=click.Choice(get_args(Origin)), help="Only those from there.")
@click.option("--start", default=0, show_default=True, type=click.IntRange(0), help="Pass over.")
@click.option("--count", default=50, show_default=True, type=click.IntRange(1), help="At most.")
@db_option
def list_queries(search: str, origin: Origin | None, start: int, count: int, db: Path) -> None:
    """Print the cases that hold SEARCH in query or entry, latest first, one a line.

    \b
    Example:
      python -m indexer regression list 发票 --origin 反馈
    """
    page = list_cases(Store.open(db), search, origin, start, count)
    for case in page.cases:
        state = "" if case.enabled else "\t停用"
        click.echo(f"{case.query}\t{case.entry_key or '(拒答)'}\t{case.origin}{state}")
    say(f"{db}: 共 {page.total} 条, 显示了 {len(page.cases)} 条")


@regression.command("run")
@db_option
@encoder_option
def run_regression(db: Path, encoder: Path) -> None:
    """Ask all cases, print the measures, and what changed since the last run; record this one.

    \b
    Example:
      python -m indexer regression run
    """
    store = Store.open(db)
    done = run(store, Searcher.load(store, Encoder.load(encoder)))
    if not done.cases:
        raise InputError(
            f"{db}: 回归集里没有启用的提问。"
            f"怎么办: python -m indexer regression import 提问表 --db {db}"
        )
    past = recorded_run(store)
    record(store, done, BY)
    _print_measures(done)
    if past:
        _print_changes(compare_runs(past, done))


@regression.command("export")
@click.argument("output", type=PATH)
@db_option
def export_queries(output: Path, db: Path) -> None:
    """Write all cases to a csv or xlsx file, which imports again.

    \b
    Example:
      python -m indexer regression export 回归集.csv
    """
    say(f"{output}: {export_cases(Store.open(db), output)} 条")


def _print_measures(done: Run) -> None:
    click.echo(f"第 {done.revision} 版, {len(done.cases)} 条提问")
    for each in MEASURES:
        value = getattr(done.measures, each.field)
        if value is not None:
            click.echo(f"{percent(value):>6} %  {each.title}")
    for case in done.lost[:_NAMED]:
        say(f"条目不在库里、已停用或今天不在有效期内: {case.query.query} ({case.expected})")
    if (more := len(done.lost) - _NAMED) > 0:
        say(f"… 还有 {more} 条的条目找不到")


def _print_changes(found: Comparison) -> None:
    click.echo(
        f"与上次 ({found.past}) 相比: 修好 {len(found.fixed)}, 弄坏 {len(found.broken)}, "
        f"不变 {len(found.unchanged)}"
    )
    for name, changes in (("修好", found.fixed), ("弄坏", found.broken)):
        _print_named(name, [f"{c.before.query} ({c.before.expected or '拒答'})" for c in changes])


def _print_named(name: str, queries: Sequence[str]) -> None:
    for query in queries[:_NAMED]:
        click.echo(f"{name}: {query}")
    if (more := len(queries) - _NAMED) > 0:
        click.echo(f"… 还有 {more} 条{name}")
