"""The part of `python -m indexer check` that looks at what a FAQ says: `--quality`.

In: a consistent database, and labelled queries or none. Out: the report to standard output, JSON on
request. Findings are advice: they change no exit code.
"""

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import click
from tqdm import tqdm

from distill.encoder import Encoder
from indexer.evaluate import LabelledQuery, read_queries, unknown_entries
from indexer.options import say
from indexer.promising_changes import Change
from indexer.quality import inspect_quality
from indexer.quality_text import as_json, as_text
from indexer.search import Searcher
from indexer.store import Store
from indexer.suggestions import suggest_keywords


def check_quality(
    store: Store,
    encoder: Encoder,
    queries: Path | None,
    split: Literal["dev", "all"],
    json_file: Path | None,
    suggest: bool,
    limit: int,
) -> None:
    """Print what is weak in the FAQ; with ``suggest`` also which word should weigh otherwise."""
    if json_file and not json_file.parent.is_dir():
        raise click.ClickException(
            f"{json_file}: 目录不存在。先建目录: mkdir -p {json_file.parent}"
        )
    searcher = Searcher.load(store, encoder)
    labelled = _known_queries(searcher, queries, split) if queries else []
    report = inspect_quality(searcher, labelled, progress=_asked)
    suggestions = suggest_keywords(store, encoder, labelled, limit, _tried) if suggest else None
    click.echo(as_text(report, suggestions))
    if json_file:
        json_file.write_text(as_json(report, suggestions) + "\n", encoding="utf-8")
        say(f"{json_file}: 全部发现")


def _known_queries(
    searcher: Searcher, path: Path, split: Literal["dev", "all"]
) -> list[LabelledQuery]:
    labelled = read_queries(path, split)
    unknown = set(unknown_entries(searcher, labelled))
    if unknown:
        say(f"{path}: {len(unknown)} 条提问的条目不在库里、已停用或今天不在有效期内, 没有问")
    known = [query for query in labelled if query not in unknown]
    if not known:
        raise click.ClickException(
            f"{path}: 没有一条提问的条目在库里。怎么办: 检查提问表是否属于这个库"
        )
    return known


def _asked(queries: Sequence[LabelledQuery]) -> Iterable[LabelledQuery]:
    return tqdm(queries, unit=" queries", file=sys.stderr, disable=None)


def _tried(changes: Sequence[Change]) -> Iterable[Change]:
    return tqdm(changes, unit=" changes", file=sys.stderr, disable=None)
