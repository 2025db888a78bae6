"""The commands that look back, and go back: `python -m indexer history` and `rollback`."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from distill.encoder import Encoder
from indexer import history as looking_back
from indexer.errors import PublishError
from indexer.history import Changes, changes_between
from indexer.options import BY, db_option, encoder_option, say
from indexer.revisions import setting_name
from indexer.store import Store

_KINDS = {"added": "新增", "changed": "更新", "deleted": "删除"}
_FIELDS = {
    "question": "标准问",
    "variants": "相似问",
    "negatives": "反例",
    "answer": "答案",
    "category": "分类",
    "tags": "标签",
    "enabled": "是否启用",
    "valid_from": "生效时间",
    "valid_to": "失效时间",
    "related": "相关问",
    "extra": "其他列",
}
_SHOWN = 60  # characters of a value that are printed


@click.group(invoke_without_command=True)
@db_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("-n", "count", default=20, show_default=True, type=click.IntRange(1), help="Newest.")
@click.pass_context
def history(ctx: click.Context, db: Path, as_json: bool, count: int) -> None:
    """List who published what and when, the newest first.

    \b
    Example:
      python -m indexer history -n 10
      python -m indexer history show 3 5
    """
    if ctx.invoked_subcommand:
        return
    found = looking_back.history(Store.open(db), count)
    if as_json:
        _print_json([asdict(revision) for revision in found])
        return
    for revision in found:
        line = f"{revision.revision}\t{_local(revision.at)}\t{revision.by or '–'}\t{revision.what}"
        judged = revision.regression
        if judged:
            line += f"\t修复 {len(judged.get('fixed', ()))}, 变差 {len(judged.get('broken', ()))}"
        click.echo(line)
    if not found:
        say(f"{db}: 还没有发布记录")


@history.command("show")
@click.argument("a", type=click.IntRange(1))
@click.argument("b", type=click.IntRange(1), required=False)
@db_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def show(a: int, b: int | None, db: Path, as_json: bool) -> None:
    """Show what differs between two revisions; of one alone, what it changed.

    \b
    Example:
      python -m indexer history show 3 5
    """
    a, b = (a, b) if b else (a - 1, a)
    if a == 0:
        raise PublishError("第 1 版之前什么也没有。怎么办: 给两个版本, 如 history show 1 2")
    found = changes_between(Store.open(db), a, b)
    if as_json:
        report = asdict(found)
        for change, row in zip(found.entries, report["entries"], strict=True):
            row["kind"] = change.kind
        _print_json(report)
        return
    lines = list(_lines(found))
    click.echo("\n".join(lines) if lines else f"第 {a} 版和第 {b} 版一样")


@click.command()
@click.argument("revision", type=int)
@db_option
@encoder_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def rollback(revision: int, db: Path, encoder: Path, yes: bool) -> None:
    """Publish a new revision that equals an old one: entries, weights, thresholds and encoder.

    \b
    Example:
      python -m indexer rollback 3
    """
    store = Store.open(db)
    now = store.revision()
    found = changes_between(store, now, revision)
    say(f"从第 {now} 版回到第 {revision} 版:")
    for line in _lines(found):
        say(line)
    if not yes:
        click.confirm("发布?", abort=True, err=True)
    model = Encoder.load(encoder)
    done = looking_back.rollback(store, model, revision, BY)
    say(
        f"{db}: 已发布第 {done.revision} 版, 内容同第 {revision} 版。"
        f"要撤回: python -m indexer rollback {now} --db {db}"
    )
    if store.setting("encoder") != model.fingerprint:
        path = store.setting("encoder_path")
        say(f"编码器也换回了: 以后的命令和网页要加 --encoder {path}")


def _lines(found: Changes) -> Iterator[str]:
    for change in found.entries:
        entry = change.after or change.before
        yield f"{_KINDS[change.kind]} {change.key} {entry.question}"
        if change.kind == "changed":
            for field in change.fields:
                name = _FIELDS[field.name]
                yield f"  {name}: {_in_words(field.before)} → {_in_words(field.after)}"
    for word in found.keywords:
        yield f"关键词 {word.name}: {word.before:g} → {word.after:g}"
    for setting in found.settings:
        before, after = _in_words(setting.before), _in_words(setting.after)
        yield f"设置 {setting_name(setting.name)}: {before} → {after}"


def _in_words(value: Any) -> str:
    if value is None or value == () or value == "":
        return "(无)"
    if isinstance(value, bool):
        return "是" if value else "否"
    if isinstance(value, str):
        text = value
    elif isinstance(value, tuple):
        text = "、".join(value)
    else:
        # Of a calibration what people know it by.
        shown = value.get("thresholds", value) if isinstance(value, dict) else value
        text = json.dumps(shown, ensure_ascii=False)
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _local(at: str) -> str:
    return datetime.fromisoformat(at).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=1, default=dict))
