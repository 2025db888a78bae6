"""The commands by which an operator steers the matching: `synonyms` and `signals`.

`keywords` is in keyword_cli.py.
"""

from dataclasses import asdict, replace
from pathlib import Path

import click

from distill.encoder import Encoder
from indexer.build import publish
from indexer.errors import PublishError
from indexer.lexicon import Lexicon, read_synonyms, synonym_lines
from indexer.options import BY, PATH, db_option, encoder_option, say
from indexer.search import signals_of
from indexer.store import Store


@click.group()
def synonyms() -> None:
    """Read several words as one, in questions, answers and queries alike.

    \b
    Example:
      python -m indexer synonyms import 同义词.txt
    """


@synonyms.command("list")
@db_option
def list_synonyms(db: Path) -> None:
    """Print the groups, one a line; the first word stands for the others."""
    settings = Store.open(db).snapshot().settings
    click.echo(synonym_lines(Lexicon.of(settings).synonyms), nl=False)


@synonyms.command("import")
@click.argument("file", type=PATH)
@db_option
@encoder_option
def import_synonyms(file: Path, db: Path, encoder: Path) -> None:
    """Replace all groups by those of FILE: one a line, such as 运费=邮费=快递费."""
    groups = read_synonyms(file)
    publish_settings(db, encoder, {"synonyms": groups}, f"导入 {file.name}")
    say(f"{db}: {len(groups)} 组同义词")


@synonyms.command("clear")
@db_option
@encoder_option
def clear_synonyms(db: Path, encoder: Path) -> None:
    """Forget all groups."""
    publish_settings(db, encoder, {"synonyms": None}, "清空同义词")


@click.command()
@db_option
@click.option("--set", "changes", multiple=True, metavar="NAME=WEIGHT", help="May be repeated.")
@click.option(
    "--negation-guard/--no-negation-guard",
    "guard",
    default=None,
    help="Whether an entry that denies what the query affirms is at most offered.",
)
@click.option("--reset", is_flag=True, help="Go back to what measured best.")
def signals(db: Path, changes: tuple[str, ...], guard: bool | None, reset: bool) -> None:
    """Show, or set, what each signal weighs in the score; 0 switches it off.

    \b
    Example:
      python -m indexer signals --set sound=0
    """
    store = Store.open(db)
    snapshot = store.snapshot()
    if reset:
        snapshot = replace(snapshot, settings={})
    weights = measured = signals_of(snapshot)
    kept = snapshot.settings.get("negation_guard", True)
    guarded = kept if guard is None else guard
    for change in changes:
        name, _, number = change.partition("=")
        known = asdict(weights)
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if name not in known or not 0 <= value < float("inf"):
            raise click.ClickException(
                f"--set {change}: 要写成 名称=权重, 权重 ≥ 0, 名称是 {', '.join(known)} 之一"
            )
        weights = replace(weights, **{name: value})
    if not any(asdict(weights).values()):
        raise click.ClickException("所有信号都关掉了, 什么也找不到。怎么办: 至少留一个大于 0")
    if changes or reset or guard is not None:
        # Left alone, they go on following the FAQ: see signals_of.
        stored = None if reset and weights == measured else asdict(weights)
        revision = store.publish_settings({"signals": stored, "negation_guard": guarded}, BY)
        say(
            f"{db}: 已发布第 {revision} 版; 分数变了, 应重新校准: "
            "python -m indexer calibrate 提问表"
        )
    for name, value in asdict(weights).items():
        click.echo(f"{name}\t{value:g}")
    click.echo(f"negation guard\t{'on' if guarded else 'off'}")


def publish_settings(db: Path, encoder: Path, settings: dict[str, object], what: str) -> None:
    """Publish settings that ask for other vectors; raises PublishError if there is no FAQ."""
    store = Store.open(db)
    snapshot = store.snapshot()
    if snapshot.revision == 0:
        raise PublishError(
            f"{db}: 里面还没有问答。先建库: python -m indexer build 问答表 --db {db}"
        )
    model = Encoder.load(encoder)
    done = publish(store, snapshot, model, settings=settings, by=BY, what=what)
    say(f"{db}: 已发布第 {done.revision} 版, 重新编码了 {done.encoded} 条文字")
