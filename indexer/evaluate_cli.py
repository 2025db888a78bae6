"""The command `python -m indexer evaluate`: a thin skin over evaluate.py and what stands beside it.

In: a database and labelled queries. Out: the report to standard output, messages to standard error.
"""

from dataclasses import asdict
from pathlib import Path

import click

from distill.encoder import Encoder
from indexer import evaluate as evaluating
from indexer.search import Searcher
from indexer.store import Store

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("queries", type=_PATH)
@click.option(
    "--db",
    default=Path("data/faq.db"),
    show_default=True,
    type=_PATH,
    help="The database.",
)
@click.option(
    "--encoder",
    default=Path("data/encoder"),
    show_default=True,
    type=_PATH,
    help="Encoder bundle.",
)
@click.option("--split", type=click.Choice(["dev", "test", "all"]), default="all")
@click.option("--json", "json_file", type=_PATH, help="Write measures and all cases here too.")
def evaluate(queries: Path, db: Path, encoder: Path, split: str, json_file: Path | None) -> None:
    """Measure retrieval and decisions on labelled queries.

    \b
    Example:
      python -m indexer evaluate data/queries.csv --split test
    """
    if json_file and not json_file.parent.is_dir():
        raise click.ClickException(
            f"{json_file}: 目录不存在。先建目录: mkdir -p {json_file.parent}"
        )
    labelled = evaluating.read_queries(queries, split)
    searcher = Searcher.load(Store.open(db), Encoder.load(encoder))
    if unknown := evaluating.unknown_entries(searcher, labelled):
        _say(
            f"{queries}: {len(unknown)} 条提问的条目不在库里或已停用 "
            f"(第一个: {unknown[0].entry_id!r})"
        )
    cases = evaluating.run_cases(searcher, labelled)
    overall = evaluating.measure(cases)
    for name, value in asdict(overall).items():
        click.echo(f"{name:24}{value if isinstance(value, int) else format(value, '.4f')}")
    click.echo(f"\n{'kind':16}queries  recall@1  decision accuracy")
    for kind, part in evaluating.measure_by_kind(cases).items():
        recall = format(part.recall_at_1, ".3f") if part.in_scope else "-"
        click.echo(f"{kind:16}{part.queries:7}  {recall:>8}  {part.decision_accuracy:17.3f}")
    if json_file:
        report = evaluating.as_json(searcher, cases, queries.name, split)
        json_file.write_text(report + "\n", encoding="utf-8")
        _say(f"{json_file}: 指标和 {len(cases)} 条明细")


def _say(message: str) -> None:
    click.echo(message, err=True)
