"""The command `python -m indexer log`: the query log is exported, and pruned by age."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from indexer.options import PATH, db_option, say
from indexer.period import moment
from indexer.query_log import count_before, export_log, prune_log
from indexer.store import Store


@click.group()
def log() -> None:
    """Export what customers asked, and forget what is old.

    \b
    Example:
      python -m indexer log prune --older-than 365
    """


@log.command("export")
@click.argument("output", type=PATH)
@db_option
def export_queries(output: Path, db: Path) -> None:
    """Write the query log as csv; numbers of telephones, identity and bank cards are masked.

    \b
    Example:
      python -m indexer log export 日志.csv
    """
    say(f"{output}: {export_log(Store.open(db), output)} 条提问")


@log.command("prune")
@click.option("--older-than", "days", required=True, type=click.IntRange(1, 36_500), help="Days.")
@click.option("--dry-run", is_flag=True, help="Count; delete nothing.")
@db_option
def prune(days: int, dry_run: bool, db: Path) -> None:
    """Delete logged queries older than so many days. Regression cases stay.

    \b
    Example:
      python -m indexer log prune --older-than 365
    """
    store = Store.open(db)
    before = moment(datetime.now(UTC) - timedelta(days=days))
    if dry_run:
        say(f"{db}: {count_before(store, before)} 条提问早于 {days} 天; 试运行, 没有删除")
        return
    say(f"{db}: 删除了 {prune_log(store, before)} 条早于 {days} 天的提问")
