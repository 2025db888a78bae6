"""The command that says why: `python -m indexer explain`."""

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click

from distill.encoder import Encoder
from indexer import explain as explaining
from indexer.explain_text import as_text
from indexer.options import db_option, encoder_option
from indexer.search import Searcher
from indexer.store import Store


@click.command()
@click.argument("query")
@db_option
@encoder_option
@click.option("-k", default=3, show_default=True, type=click.IntRange(1, 10), help="Entries.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def explain(query: str, db: Path, encoder: Path, k: int, as_json: bool) -> None:
    """Show why a question finds what it finds: its words, each signal, the decision and its reason.

    \b
    Example:
      python -m indexer explain "怎么退货"
    """
    found = explaining.explain(Searcher.load(Store.open(db), Encoder.load(encoder)), query, k)
    if as_json:
        click.echo(json.dumps(asdict(found), ensure_ascii=False, indent=1))
    else:
        click.echo(as_text(found, terminal=sys.stdout.isatty()))
