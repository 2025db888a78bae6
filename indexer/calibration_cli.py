"""The commands that say when the bot is sure enough: `calibrate` and `thresholds`."""

import json
from dataclasses import replace
from pathlib import Path

import click

from distill.encoder import Encoder
from indexer import evaluate as evaluating
from indexer.calibration import (
    Calibration,
    Goal,
    Thresholds,
    as_json,
    default_for,
    refusing,
    untrained,
)
from indexer.leave_one_out import built_in_out_of_scope, leave_one_out, read_out_of_scope
from indexer.measures import measure
from indexer.options import BY, PATH, db_option, encoder_option, say
from indexer.progress import Progress, counted, silent
from indexer.search import Searcher
from indexer.store import Store
from indexer.threshold_curve import threshold_curve

AT_MOST = 2_000  # similar questions asked without themselves; more tell no more
_SHARE = click.FloatRange(0, 1)
_CURVE = 10  # points of the curve that are printed


@click.command()
@click.argument("queries", type=PATH, required=False)
@db_option
@encoder_option
@click.option(
    "--split", type=click.Choice(["dev", "test", "all"]), default="dev", show_default=True
)
@click.option(
    "--precision",
    type=_SHARE,
    default=Goal.precision,
    show_default=True,
    help="Of what is answered unasked, how much must be right.",
)
@click.option(
    "--refusal",
    type=_SHARE,
    default=Goal.refusal,
    show_default=True,
    help="Of the queries that the FAQ does not answer, how many must be refused.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be chosen; store nothing.")
@click.option("--as-default", type=PATH, help="Write a file of defaults instead, fitted afresh.")
def calibrate(
    queries: Path | None,
    db: Path,
    encoder: Path,
    split: evaluating.Split,
    precision: float,
    refusal: float,
    dry_run: bool,
    as_default: Path | None,
) -> None:
    """Fit confidences and choose the thresholds on labelled queries (columns query, entry_id).

    Without QUERIES, only when to refuse is chosen, on a built-in list of questions that no FAQ
    answers; the FAQ's own similar questions, each asked without itself, show how often it is right.

    \b
    Example:
      python -m indexer calibrate data/queries.csv --precision 0.9
    """
    store = Store.open(db)
    searcher = Searcher.load(store, Encoder.load(encoder))
    goal = Goal(precision, refusal)
    prior = untrained() if as_default else None
    if queries:
        labelled = evaluating.read_queries(queries, split)
        source = f"{queries.name} ({split})"
        found = evaluating.calibrate(searcher, labelled, source, goal, prior=prior)
        cases = evaluating.run_cases(replace(searcher, calibration=found), labelled)
    else:
        found = calibrate_unlabelled(searcher, goal)
        cases = None
    if as_default:
        # What it was fitted to is another FAQ's matter; what it fits is the encoder.
        text = json.dumps(as_json(replace(found, conditions="")), ensure_ascii=False, indent=1)
        as_default.write_text(text + "\n", encoding="utf-8")
        say(f"{as_default}: 编码器 {found.encoder} 的默认校准")
        return
    if cases:
        click.echo("阈值     precision  coverage")
        points = threshold_curve(cases, found.thresholds)
        for point in points[:: max(1, len(points) // _CURVE)]:
            shares = (point.precision, point.coverage)
            shown = "  ".join("      –" if x is None else f"{x:7.1%}" for x in shares)
            click.echo(f"{point.answer:5.2f}      {shown}")
    click.echo(in_words(found, searcher))
    if dry_run:
        say("试运行: 什么也没有存")
        return
    what = f"用 {queries.name} 校准" if queries else "校准"
    revision = store.publish_settings({"calibration": as_json(found)}, BY, what)
    say(f"{db}: 已校准, 已发布第 {revision} 版")


@click.command()
@db_option
@encoder_option
@click.option("--answer", type=_SHARE, help="Answer unasked from this confidence on.")
@click.option("--clarify", type=_SHARE, help="Ask back from this chance on that the FAQ knows.")
@click.option("--reset", is_flag=True, help="Go back to the encoder's defaults.")
def thresholds(
    db: Path, encoder: Path, answer: float | None, clarify: float | None, reset: bool
) -> None:
    """Show when the bot answers, asks back or refuses; or set it by hand.

    \b
    Example:
      python -m indexer thresholds --answer 0.8
    """
    store = Store.open(db)
    if reset:
        store.publish_settings({"calibration": None}, BY, "阈值回到默认值")
    searcher = Searcher.load(store, Encoder.load(encoder))
    now = searcher.calibration
    if answer is not None or clarify is not None:
        chosen = Thresholds(
            now.thresholds.answer if answer is None else answer,
            now.thresholds.clarify if clarify is None else clarify,
        )
        by_hand = replace(now, thresholds=chosen, encoder=searcher.encoder.fingerprint)
        by_hand = replace(by_hand, source=now.source or "手工设定", reached=(0.0, 0.0))
        what = f"阈值: 直接回答 ≥ {chosen.answer}, 反问 ≥ {chosen.clarify}"
        store.publish_settings({"calibration": as_json(by_hand)}, BY, what)
        searcher = Searcher.load(store, Encoder.load(encoder))
    click.echo(in_words(searcher.calibration, searcher))


def calibrate_unlabelled(
    searcher: Searcher, goal: Goal, progress: Progress = silent
) -> Calibration:
    """Choose when to refuse, on the built-in out-of-scope list; say what leave-one-out finds.

    Confidences and the answer threshold stay those that come with the encoder, which were fitted to
    what customers type. A FAQ's own similar questions, each asked without itself, are a harder set
    (whoever writes them makes them differ), so their precision is a lower bound.
    """
    calibration = default_for(searcher.encoder.fingerprint)
    own = leave_one_out(searcher, AT_MOST)
    outside = read_out_of_scope(built_in_out_of_scope())
    outside = [query for query in outside if not own.holds(query.query)]
    uncalibrated = replace(searcher, calibration=calibration)
    in_scope = [uncalibrated.search(query.query).in_scope for query in counted(outside, progress)]
    clarify = refusing(in_scope, goal.refusal)
    found = replace(
        calibration,
        thresholds=replace(calibration.thresholds, clarify=clarify),
        encoder=searcher.encoder.fingerprint,
        goal=goal,
        source="自带的库外提问和自己的相似问 (留一法)",
        queries=len(own.queries) + len(outside),
        conditions=searcher.conditions,
    )
    calibrated = replace(searcher, calibration=found)
    measured = measure(
        [
            *evaluating.run_cases(calibrated, counted(own.queries, progress), search=own.search),
            *evaluating.run_cases(calibrated, outside),
        ]
    )
    reached = (measured.answer_precision or 0.0, measured.out_of_scope_rejected or 0.0)
    return replace(found, reached=reached)


def in_words(calibration: Calibration, searcher: Searcher | None) -> str:
    """Say in a line what the thresholds are, where they come from, and whether they still hold.

    Without a searcher, whether they hold is not said.
    """
    chosen = calibration.thresholds
    line = f"阈值: 直接回答 ≥ {chosen.answer}, 反问 ≥ {chosen.clarify}; "
    if not calibration.source:
        return line + "默认值, 未在您的提问上校准 (校准: python -m indexer calibrate 提问表)"
    line += f"选自 {calibration.source}, {calibration.queries} 条"
    if any(calibration.reached):
        precision, refusal = calibration.reached
        line += f": 答对 {precision:.1%}, 库外拒答 {refusal:.1%}"
    if searcher and calibration.conditions and calibration.conditions != searcher.conditions:
        line += "; 此后问法、关键词权重或信号改过, 应重新校准: python -m indexer calibrate 提问表"
    return line
