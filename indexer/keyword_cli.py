"""The command by which an operator weighs words: `python -m indexer keywords`."""

from pathlib import Path

import click

from distill.encoder import Encoder
from indexer import regression
from indexer.build import publish
from indexer.comparison import Change
from indexer.decision import band, decide
from indexer.evaluate import read_queries
from indexer.keyword_file import read_keywords, write_keywords
from indexer.lexicon import Lexicon, overlapping, with_keyword
from indexer.lexicon_cli import publish_settings
from indexer.options import PATH, db_option, encoder_option, say
from indexer.rehearsal import Rehearsal
from indexer.search import Searcher
from indexer.store import Store

_HITS = 5
_NEGATIVE = {"ignore_unknown_options": True}  # -1 is a factor to refuse, no option
_NAMED = 20  # queries printed before the rest is counted


@click.group()
def keywords() -> None:
    """Let a word count for more or less, in vectors and characters alike.

    \b
    Example:
      python -m indexer keywords preview 花呗 2 --query 花呗怎么还
      python -m indexer keywords set 花呗 2
    """


@keywords.command("list")
@db_option
def list_keywords(db: Path) -> None:
    """Print the words whose weight was changed, as word⇥factor."""
    for word, factor in _known(Store.open(db)).items():
        click.echo(f"{word}\t{factor:g}")


@keywords.command("set", context_settings=_NEGATIVE)
@click.argument("word")
@click.argument("factor", type=float)
@db_option
@encoder_option
def set_keyword(word: str, factor: float, db: Path, encoder: Path) -> None:
    """Let WORD weigh FACTOR times its IDF; 0 silences it, 1 changes nothing, 100 is the most.

    \b
    Example:
      python -m indexer keywords set 花呗 2
    """
    known = _known(Store.open(db))
    changed = _changed(known, word, factor)
    _say_overlaps(changed, known)
    publish_settings(db, encoder, {"keywords": changed or None}, "")


@keywords.command("remove")
@click.argument("word")
@db_option
@encoder_option
def remove_keyword(word: str, db: Path, encoder: Path) -> None:
    """Let WORD weigh what it weighs by itself."""
    changed = with_keyword(_known(Store.open(db)), word, None)
    publish_settings(db, encoder, {"keywords": changed or None}, "")


@keywords.command("preview", context_settings=_NEGATIVE)
@click.argument("word")
@click.argument("factor", type=float)
@db_option
@encoder_option
@click.option("--query", help="Show what this question finds, before and after.")
@click.option("--queries", type=PATH, help="Labelled queries, instead of the regression set.")
def preview(
    word: str, factor: float, db: Path, encoder: Path, query: str | None, queries: Path | None
) -> None:
    """Show what WORD weighing FACTOR would fix and break; nothing is stored.

    Of a file with a column split, the dev part is asked.

    \b
    Example:
      python -m indexer keywords preview 花呗 2 --query 花呗怎么还
    """
    store, model = Store.open(db), Encoder.load(encoder)
    rehearsal = Rehearsal(store)
    before = Searcher.load(rehearsal, model)
    changed = _changed(before.lexicon.keywords, word, factor)
    _say_overlaps(changed, before.lexicon.keywords)
    done = publish(rehearsal, rehearsal.snapshot(), model, settings={"keywords": changed})
    after = Searcher.load(rehearsal, model, before)
    say(f"会重新编码 {done.encoded} 条文字; 这是预览, 什么也没有存")
    if query:
        for when, searcher in (("现在", before), ("改后", after)):
            click.echo("\n".join([when, *_ranking(searcher, query)]))
    asked = read_queries(queries, "dev") if queries else regression.labelled_queries(store)
    if not asked:
        say("回归集是空的: 用 --queries 提问表, 或先 python -m indexer regression import 提问表")
        return
    found = regression.compare_runs(
        regression.run(store, before, asked), regression.run(store, after, asked)
    )
    click.echo(f"{len(asked)} 条提问: 不变 {len(found.unchanged)}")
    for name, changes in (("修复", found.fixed), ("变差", found.broken)):
        click.echo(f"{name} {len(changes)}")
        for change in changes[:_NAMED]:
            click.echo(f"  {_outcome(change)}")
        if (more := len(changes) - _NAMED) > 0:
            click.echo(f"  … 还有 {more} 条")


@keywords.command("import")
@click.argument("file", type=PATH)
@db_option
@encoder_option
def import_keywords(file: Path, db: Path, encoder: Path) -> None:
    """Replace all factors by those of FILE: a csv or xlsx with the columns 关键词 and 倍数.

    \b
    Example:
      python -m indexer keywords import 关键词.csv
    """
    factors = read_keywords(file)
    publish_settings(db, encoder, {"keywords": factors or None}, f"导入 {file.name}")
    say(f"{db}: {len(factors)} 个词的权重")


@keywords.command("export")
@click.argument("file", type=PATH)
@db_option
def export_keywords(file: Path, db: Path) -> None:
    """Write the changed words to a csv or xlsx that `import` reads back.

    \b
    Example:
      python -m indexer keywords export 关键词.csv
    """
    factors = _known(Store.open(db))
    write_keywords(file, factors)
    say(f"{file}: {len(factors)} 个词的权重")


def _known(store: Store) -> dict[str, float]:
    return dict(Lexicon.of({"keywords": store.setting("keywords")}).keywords)


def _changed(known: dict[str, float], word: str, factor: float) -> dict[str, float]:
    try:
        return with_keyword(known, word, factor)
    except ValueError as error:
        raise click.ClickException(
            f"{error}。怎么办: python -m indexer keywords set 词 2"
        ) from error


def _say_overlaps(changed: dict[str, float], known: dict[str, float]) -> None:
    for word in changed.keys() - known.keys():
        for other in overlapping(known, word):
            say(f"说明: 「{word}」和「{other}」重叠: 两个都在的地方, 较长的那个算数")


def _ranking(searcher: Searcher, query: str) -> list[str]:
    result = searcher.search(query, _HITS)
    decision = decide(result, searcher.thresholds)
    return [
        f"  {decision.kind} ({decision.reason}), 库里有答案的可能: {result.in_scope:.0%}",
        *(
            f"  {hit.score:.3f}  {band(hit.confidence)} {hit.confidence:4.0%}  {hit.entry_id}"
            f"  {hit.question}"
            for hit in result.hits
        ),
    ]


def _outcome(change: Change) -> str:
    """Return a query, the right entry, and what was and would be shown."""
    before, after = change.before, change.after
    expected = after.expected or "(应拒答)"
    was = f"{before.decided} {before.shown}".strip()
    now = f"{after.decided} {after.shown}".strip()
    return f"{before.query}  → {expected}: {was} → {now}"
