"""The commands of `python -m indexer`: a thin skin over the modules beside it.

Data goes to standard output, messages to standard error; an expected error is one line and exit
code 1.
"""

import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import click
from tqdm import tqdm

from distill.bundle import Bundle, file_sha256
from distill.commands import Commands
from distill.encoder import Encoder
from indexer import build as building
from indexer import evaluate as evaluating
from indexer.backup_cli import backup, restore
from indexer.calibration import Calibration, Goal, as_json
from indexer.calibration_cli import calibrate, in_words, thresholds
from indexer.check import find_problems
from indexer.decision import band, decide
from indexer.errors import IndexerError, PublishError
from indexer.evaluate_cli import evaluate
from indexer.explain_cli import explain
from indexer.history_cli import history, rollback
from indexer.keyword_cli import keywords
from indexer.lexicon_cli import signals, synonyms
from indexer.log_cli import log
from indexer.neighbours_cli import compare_neighbours
from indexer.options import BY, PATH, db_option, encoder_option, say
from indexer.quality_cli import check_quality
from indexer.regression_cli import regression
from indexer.repair import repair, salvage
from indexer.search import Searcher
from indexer.store import Snapshot, Store
from indexer.suggestions import LIMIT
from indexer.table_export import write_table
from indexer.table_import import FailedRow, read_table, write_failures
from indexer.training_pairs import PairLimits, training_pairs

_SHOWN = 20  # reasons printed before the rest is counted


class _Commands(Commands):
    expected = (*Commands.expected, IndexerError)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Put a FAQ table into a database, search it, and measure how well that works.

    \b
    Example:
      python -m indexer build data/faq.csv
    """
    logging.basicConfig(level=logging.WARNING, format="%(message)s")


@main.command()
@click.argument("faq_file", type=PATH)
@db_option
@encoder_option
@click.option(
    "--mode",
    type=click.Choice(["replace", "append"]),
    default="replace",
    show_default=True,
    help="replace: entries absent from the file are switched off, never deleted. "
    "append: they are left alone.",
)
@click.option("--dry-run", is_flag=True, help="Report what would change; write nothing.")
@click.option("--strict", is_flag=True, help="Publish nothing if any row is faulty.")
@click.option("--failed", type=PATH, help="Write faulty rows here, to correct and import again.")
@click.option("--encoding", help="Encoding of the file, if it is not recognised, e.g. gb18030.")
@click.option("--sheet", help="Sheet of an xlsx file; default: the first visible one.")
@click.option("--queries", type=PATH, help="Labelled queries to tune the thresholds on.")
def build(
    faq_file: Path,
    db: Path,
    encoder: Path,
    mode: building.Mode,
    dry_run: bool,
    strict: bool,
    failed: Path | None,
    encoding: str | None,
    sheet: str | None,
    queries: Path | None,
) -> None:
    """Import a FAQ table (csv, tsv, xlsx) and publish it as a new revision.

    \b
    Example:
      python -m indexer build data/faq.csv --queries data/queries.csv
    """
    if failed and failed.resolve() == faq_file.resolve():
        raise click.ClickException(
            f"--failed {failed} 就是要导入的文件, 会覆盖它。怎么办: 换一个文件名"
        )
    table = read_table(faq_file, encoding=encoding, sheet=sheet)
    tuning = evaluating.read_queries(queries, "dev") if queries else []
    model = Encoder.load(encoder)
    # Created only when there is something to publish.
    store = Store.open(db) if db.exists() else None
    snapshot = store.snapshot() if store else Snapshot(0, {}, {}, (), {})
    plan = building.plan_import(snapshot, table, mode)
    faulty = sorted((*table.failures, *plan.rejected), key=lambda row: row.line)
    _report(plan, table.notes, faulty)
    if failed and faulty:
        write_failures(failed, table, plan.rejected)
        say(f"有误的行已写入 {failed}: 改好后用 --mode append 再导入")
    elif failed and failed.exists():
        say(f"没有有误的行; {failed} 是以前留下的, 没有动它")
    if strict and faulty:
        raise PublishError(
            f"{faq_file}: 有 {len(faulty)} 行有误, 因为 --strict, 什么也没有发布。"
            f"怎么办: 改好这些行 (--failed 文件 可导出), 或去掉 --strict"
        )
    if dry_run:
        say("试运行: 数据库没有动")
        return
    if not plan.entries:
        raise PublishError(
            f"{faq_file}: 没有一行可用, 什么也没有发布。"
            f"怎么办: 改好上面列出的行, 再运行 python -m indexer build {faq_file}"
        )
    store = store or Store.create(db)
    # Rows appended to a FAQ are not where it comes from.
    source = {"source": {"name": faq_file.name, "sha256": file_sha256(faq_file)}}
    source = source if mode == "replace" or not snapshot.revision else {}
    stale = snapshot.settings.get("encoder") != model.fingerprint
    if plan.changes or stale:
        with _Progress() as progress:
            done = building.publish(
                store, snapshot, model, plan.changes, source, progress,
                by=BY, what=f"导入 {faq_file.name}",
            )  # fmt: skip
        say(f"{db}: 已发布第 {done.revision} 版, 编码了 {done.encoded} 条文字")
    else:
        store.save_settings(source)
        say(f"{db}: 没有变化, 仍是第 {snapshot.revision} 版")
    if tuning:
        _calibrate(store, model, tuning, queries)
    calibration = Calibration.of(store.snapshot().settings, model.fingerprint)
    # Only thresholds chosen on queries can be out of date; loading all to see takes a while.
    searcher = Searcher.load(store, model) if calibration.source else None
    say(in_words(calibration, searcher))
    say(f"下一步: python app.py --db {db}")


@main.command()
@db_option
@encoder_option
def refresh(db: Path, encoder: Path) -> None:
    """Compute the vectors anew, after the encoder was changed.

    \b
    Example:
      python -m indexer refresh --encoder data/encoder
    """
    store, model = Store.open(db), Encoder.load(encoder)
    with _Progress() as progress:
        done = building.refresh(store, model, progress, BY)
    say(f"{db}: 已发布第 {done.revision} 版, 编码了 {done.encoded} 条文字")


@main.command()
@click.argument("faq_file", type=PATH)
@db_option
@encoder_option
@click.pass_context
def prepare(ctx: click.Context, faq_file: Path, db: Path, encoder: Path) -> None:
    """Make a database ready to serve: build it if absent, refresh it if the encoder changed.

    A changed FAQ file is reported but never imported over a database that people may have edited.

    \b
    Example:
      python -m indexer prepare data/faq.csv
    """
    if not db.exists():
        ctx.invoke(build, faq_file=faq_file, db=db, encoder=encoder, mode="replace")
        return
    store = Store.open(db)
    if store.revision() == 0:  # killed before its first revision
        ctx.invoke(build, faq_file=faq_file, db=db, encoder=encoder, mode="replace")
        return
    if store.setting("encoder") != Bundle.open(encoder).fingerprint:
        say("编码器变了: 正在重算向量")
        ctx.invoke(refresh, db=db, encoder=encoder)
    source = store.setting("source", {})
    if faq_file.exists() and source.get("sha256") != file_sha256(faq_file):
        say(f"{db} 是从 {source.get('name')} 导入的, {faq_file} 的现有内容没有导入。")
        say("要改用它 (它没有的条目会停用):")
        say(f"  python -m indexer build {faq_file} --db {db}")


@main.command()
@click.argument("query")
@db_option
@encoder_option
@click.option("-k", default=5, show_default=True, type=click.IntRange(1, 100), help="Entries.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def search(query: str, db: Path, encoder: Path, k: int, as_json: bool) -> None:
    """Show the entries nearest to a question, and what would be decided.

    \b
    Example:
      python -m indexer search "怎么退货" -k 3
    """
    searcher = Searcher.load(Store.open(db), Encoder.load(encoder))
    result = searcher.search(query, k)
    decision = decide(result, searcher.thresholds)
    hits = [
        {
            "entry_id": hit.entry_id,
            "question": hit.question,
            "answer": searcher.entries[hit.entry_id].answer,
            "category": searcher.entries[hit.entry_id].category,
            "score": hit.score,
            "confidence": hit.confidence,
            "signals": asdict(hit.signals),
        }
        for hit in result.hits
    ]
    if as_json:
        report = {
            "query": query,
            "decision": decision.kind,
            "reason": decision.reason,
            "in_scope": result.in_scope,
            "hits": hits,
            "revision": result.revision,
        }
        click.echo(json.dumps(report, ensure_ascii=False, indent=1))
        return
    click.echo(f"{decision.kind} ({decision.reason}), 库里有答案的可能: {result.in_scope:.0%}")
    click.echo("score  可信度   条目")
    for hit in result.hits:
        sure = f"{band(hit.confidence)} {hit.confidence:4.0%}"
        click.echo(f"{hit.score:.3f}  {sure}  {hit.entry_id}  {hit.question}")


@main.command()
@click.argument("output", type=PATH)
@db_option
def export(output: Path, db: Path) -> None:
    """Write all entries to a csv or xlsx file that imports again without loss.

    \b
    Example:
      python -m indexer export faq-export.csv
    """
    count = write_table(output, Store.open(db).snapshot().entries.values())
    say(f"{output}: {count} 个条目")


for _command in (
    explain,
    evaluate,
    calibrate,
    compare_neighbours,
    thresholds,
    keywords,
    synonyms,
    signals,
    history,
    rollback,
    regression,
    log,
    backup,
    restore,
):
    main.add_command(_command)


@main.command()
@db_option
@click.option("-o", "--output", type=PATH, help="Write a file instead of standard output.")
@click.option(
    "--per-entry",
    default=PairLimits.per_entry,
    show_default=True,
    type=click.IntRange(1),
    help="Pairs of each label that an entry gives at most.",
)
@click.option(
    "--near-entries",
    default=PairLimits.near_entries,
    show_default=True,
    type=click.IntRange(0),
    help="Near entries that each question is told from.",
)
def pairs(db: Path, output: Path | None, per_entry: int, near_entries: int) -> None:
    """Write sentence pairs to fine-tune an encoder on, as question⇥question⇥label lines.

    Label 1: two questions of one entry. Label 0: near questions of different entries, or a
    question and a 反例 of its entry.

    \b
    Example:
      python -m indexer pairs | python -m distill finetune - -o build/tuned
    """
    made = list(training_pairs(Store.open(db), PairLimits(per_entry, near_entries)))
    lines = "".join(
        f"{' '.join(pair.first.split())}\t{' '.join(pair.second.split())}\t{pair.label:.0f}\n"
        for pair in made
    )
    if output is None:
        sys.stdout.buffer.write(lines.encode())
    else:
        output.write_text(lines, encoding="utf-8")
    positive = sum(pair.label == 1 for pair in made)
    say(f"{output or '标准输出'}: {positive} 对同义, {len(made) - positive} 对不同义")
    if not positive:
        say("没有一个条目有两个问法, 这样的句对不能用来微调。怎么办: 补充「相似问」, 再导入")


@main.command()
@db_option
@encoder_option
@click.option("--quality", is_flag=True, help="Also say what is weak in the FAQ itself.")
@click.option("--queries", type=PATH, help="With --quality: labelled queries, as for evaluate.")
@click.option(
    "--split",
    type=click.Choice(["dev", "all"]),
    default="dev",
    show_default=True,
    help="Part of the query file to ask; what is chosen by the test part cannot be judged by it.",
)
@click.option("--suggest", is_flag=True, help="With --quality: try keyword weights (minutes).")
@click.option(
    "--limit",
    default=LIMIT,
    show_default=True,
    type=click.IntRange(1),
    help="With --suggest: changes of a weight that are tried.",
)
@click.option("--json", "json_file", type=PATH, help="With --quality: write all findings here too.")
@click.option("--repair", "mending", is_flag=True, help="Make anew what is derived and faulty.")
@click.option(
    "--salvage",
    "salvaged",
    type=PATH,
    help="Copy what can be read of a damaged database into this new one, and repair that.",
)
@click.pass_context
def check(
    ctx: click.Context,
    db: Path,
    encoder: Path,
    quality: bool,
    queries: Path | None,
    split: Literal["dev", "all"],
    suggest: bool,
    limit: int,
    json_file: Path | None,
    mending: bool,
    salvaged: Path | None,
) -> None:
    """Look for anything inconsistent; exit code 1 and a list if there is something.

    With --repair vectors, indexes and rows of standard questions are made anew where they are
    faulty; entries, keywords and the log stay as they are.

    With --quality it also names entries that are too much alike, questions that find another entry
    than their own, and wordings that say too little; with --suggest also words that should weigh
    more or less. These are advice: the exit code stays 0.

    \b
    Example:
      python -m indexer check --quality --queries data/queries.csv --suggest
    """
    _refuse_without(ctx, "quality", ("queries", "split", "suggest", "json_file"))
    _refuse_without(ctx, "suggest", ("limit",))
    _refuse_without(ctx, "queries", ("split",))
    if salvaged:
        for done in salvage(db, salvaged):
            say(done)
        say(f"下一步: python -m indexer restore {salvaged} --db {db}")
        db, mending = salvaged, True
    store, model = Store.open(db), Encoder.load(encoder)
    if mending:
        for done in repair(store, model):
            say(done)
    problems = find_problems(store, model)
    for problem in problems[:_SHOWN]:
        click.echo(problem)
    if problems:
        raise click.ClickException(f"{db}: {len(problems)} 个问题")
    say(f"{db}: 一致")
    if quality:
        check_quality(store, model, queries, split, json_file, suggest, limit)


def _refuse_without(ctx: click.Context, needed: str, options: Sequence[str]) -> None:
    for name in options:
        given = ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if given and not ctx.params[needed]:
            option = f"--{name.removesuffix('_file')}"
            raise click.UsageError(
                f"{option} 没有 --{needed} 就不起作用。怎么办: 加上 --{needed}, 或去掉 {option}"
            )


def _report(plan: building.Plan, notes: tuple[str, ...], faulty: list[FailedRow]) -> None:
    for note in (*notes, *plan.notes)[:_SHOWN]:
        say(f"说明: {note}")
    for row in faulty[:_SHOWN]:
        say(f"未导入: 第 {row.line} 行: {row.reason}")
    if (more := len(faulty) - _SHOWN) > 0:
        say(f"… 还有 {more} 行未导入 (--failed 文件 可全部导出)")
    for what, entries in (("更新", plan.updated), ("文件里没有, 停用", plan.disabled)):
        for entry in entries[:_SHOWN]:
            say(f"{what}: {entry.key} {entry.question}")
        if (more := len(entries) - _SHOWN) > 0:
            say(f"… 还有 {more} 个{what}")
    say(
        f"新增 {len(plan.added)}, 更新 {len(plan.updated)}, 不变 {len(plan.unchanged)}, "
        f"停用 {len(plan.disabled)}, 未导入 {len(faulty)} 行"
    )


def _calibrate(
    store: Store, model: Encoder, queries: list[evaluating.LabelledQuery], source: Path
) -> None:
    searcher = Searcher.load(store, model)
    if unknown := evaluating.unknown_entries(searcher, queries):
        say(
            f"{source}: {len(unknown)} 条提问的条目不在库里或已停用 "
            f"(第一个: {unknown[0].entry_id!r})"
        )
    found = evaluating.calibrate(searcher, queries, f"{source.name} (dev)", Goal())
    settings = {"calibration": as_json(found)}
    revision = store.publish_settings(settings, BY, f"用 {source.name} 校准")
    say(f"{store.path}: 已校准, 已发布第 {revision} 版")


class _Progress:
    """A progress bar on stderr that appears only if there is something to do."""

    def __enter__(self) -> "_Progress":
        self._bar = tqdm(total=0, unit=" questions", file=sys.stderr, disable=None)
        return self

    def __call__(self, done: int, total: int) -> None:
        self._bar.total = total
        self._bar.update(done - self._bar.n)

    def __exit__(self, *_: object) -> None:
        self._bar.close()
