"""The command `python -m indexer evaluate`: a thin skin over evaluate.py and what stands beside it.

In: a database, and labelled queries or none. Out: the report to standard output, files on request,
messages to standard error; exit code 1 if a measure falls short of --fail-under.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import click
from tqdm import tqdm

from distill.encoder import Encoder
from indexer.comparison import read_past_run
from indexer.errors import TableError
from indexer.evaluate import (
    DEPTH,
    LabelledQuery,
    contradictory,
    read_queries,
    run_cases,
    unknown_entries,
)
from indexer.evaluation_html import as_html
from indexer.evaluation_report import EvaluationReport, as_json, report_on
from indexer.evaluation_text import as_text, percent
from indexer.leave_one_out import built_in_out_of_scope, leave_one_out, read_out_of_scope
from indexer.measures import MEASURES, Measure
from indexer.options import PATH, db_option, encoder_option, say
from indexer.records import SearchResult
from indexer.search import Searcher
from indexer.store import Store

_NAMED = 20  # queries or entries named before the rest is counted
_BOUNDED = {each.name: each for each in MEASURES if each.more_is_better}


@dataclass(frozen=True)
class _Bound:
    """What a measure must reach."""

    measure: Measure
    least: float


@dataclass(frozen=True)
class _Questions:
    """What is asked, where it comes from, how it is searched, and what must be said about it."""

    source: str
    split: str
    queries: Sequence[LabelledQuery]
    search: Callable[[str, int], SearchResult]
    notes: Sequence[str]


class _BoundType(click.ParamType):
    name = "measure=value"

    def convert(self, value: object, param: object, ctx: object) -> _Bound:
        if isinstance(value, _Bound):
            return value
        name, _, number = str(value).partition("=")
        if (measure := _BOUNDED.get(name.strip().lower())) is None:
            self.fail(f"没有指标「{name}」。可用的指标: {', '.join(_BOUNDED)}")
        try:
            least = float(number)
        except ValueError:
            least = -1.0
        if not 0 <= least <= 1:
            self.fail(
                f"「{value}」的值要在 0 到 1 之间, 例如 {measure.name}=0.85。"
                f"可用的指标: {', '.join(_BOUNDED)}"
            )
        return _Bound(measure, least)


@click.command()
@click.argument("queries", type=PATH, required=False)
@db_option
@encoder_option
@click.option(
    "--split",
    type=click.Choice(["dev", "test", "all"]),
    default="all",
    show_default=True,
    help="Part of the query file to ask.",
)
@click.option("--json", "json_file", type=PATH, help="Write measures and all cases here too.")
@click.option("--html", "html_file", type=PATH, help="Write a report to read in a browser.")
@click.option("--against", type=PATH, help="Compare with an earlier run's --json file.")
@click.option(
    "--fail-under",
    "bounds",
    multiple=True,
    type=_BoundType(),
    help="Exit with code 1 if a measure is less, e.g. recall@1=0.85; may be repeated. "
    f"Measures: {', '.join(_BOUNDED)}.",
)
@click.option(
    "--out-of-scope",
    type=PATH,
    help="Without a query file: questions that the FAQ does not answer, instead of the built-in "
    "list (a query file, or a .txt with one a line).",
)
@click.option(
    "--sample",
    default=5000,
    show_default=True,
    type=click.IntRange(1),
    help="Without a query file: similar questions asked at most.",
)
@click.pass_context
def evaluate(
    ctx: click.Context,
    queries: Path | None,
    db: Path,
    encoder: Path,
    split: str,
    json_file: Path | None,
    html_file: Path | None,
    against: Path | None,
    bounds: tuple[_Bound, ...],
    out_of_scope: Path | None,
    sample: int,
) -> None:
    """Say how often it is right, when it refuses, and what a change broke.

    QUERIES is a table with columns query and entry_id (empty: out of scope), and perhaps split and
    kind. Without it each similar question of the FAQ is asked against the index without itself
    (leave-one-out), beside a built-in list of questions that no FAQ answers.

    \b
    Example:
      python -m indexer evaluate data/queries.csv --split dev --html report.html
      python -m indexer evaluate --json before.json
      python -m indexer evaluate --against before.json --fail-under precision=0.8
    """
    _refuse_options_without_effect(ctx, queries)
    _refuse_outputs(queries, [path for path in (json_file, html_file) if path])
    past = read_past_run(against) if against else None
    labelled = read_queries(queries, split) if queries else []
    searcher = Searcher.load(Store.open(db), Encoder.load(encoder))
    asked = (
        _from_file(searcher, queries, labelled, split)
        if queries
        else _from_faq(searcher, db, out_of_scope, sample)
    )
    asked.search(asked.queries[0].query, DEPTH)  # what only the first search loads is not timed
    with tqdm(asked.queries, unit=" queries", file=sys.stderr, disable=None) as progress:
        cases = run_cases(searcher, progress, search=asked.search)
    report = report_on(searcher, cases, asked.source, asked.split, asked.notes, past)
    click.echo(as_text(report))
    if json_file:
        json_file.write_text(as_json(report) + "\n", encoding="utf-8")
        say(f"{json_file}: 指标和 {len(cases)} 条明细")
    if html_file:
        html_file.write_text(as_html(report), encoding="utf-8")
        say(f"{html_file}: 报告, 用浏览器打开")
    if short := list(_shortfalls(report, bounds)):
        raise click.ClickException("\n".join(short))


def _refuse_options_without_effect(ctx: click.Context, queries: Path | None) -> None:
    without = ("split",) if queries is None else ("out_of_scope", "sample")
    for name in without:
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            option = f"--{name.replace('_', '-')}"
            remedy = "加上提问表" if queries is None else "去掉提问表"
            raise click.UsageError(f"{option} 在这里不起作用。怎么办: {remedy}, 或去掉 {option}")


def _refuse_outputs(queries: Path | None, outputs: Sequence[Path]) -> None:
    taken = {queries.resolve()} if queries else set()
    for path in outputs:
        if not path.parent.is_dir():
            raise click.ClickException(f"{path}: 目录不存在。先建目录: mkdir -p {path.parent}")
        if path.is_dir():
            raise click.ClickException(f"{path}: 是目录。怎么办: 写一个文件名")
        if path.resolve() in taken:
            raise click.ClickException(f"{path}: 会覆盖另一个文件。怎么办: 换一个文件名")
        taken.add(path.resolve())


def _from_file(
    searcher: Searcher, path: Path, labelled: Sequence[LabelledQuery], split: str
) -> _Questions:
    notes = []
    unknown = unknown_entries(searcher, labelled)
    if unknown:
        missing = dict.fromkeys(query.entry_id for query in unknown)
        notes.append(
            f"{len(unknown)} 条提问的条目不在库里、已停用或今天不在有效期内, 没有问, 不计入指标: "
            f"{_named(list(missing))}"
        )
    left_out = set(unknown)
    queries = [query for query in labelled if query not in left_out]
    if not queries:
        raise TableError(
            f"{path}: {len(unknown)} 条提问的条目都不在库里 (第一个: {unknown[0].entry_id})。"
            f"怎么办: 检查提问表是否属于这个库, 或先导入它的问答表"
        )
    if not any(query.entry_id for query in queries):
        notes.append("没有一条提问写了 entry_id, 全部按库外提问算; 库内的指标无从测起, 记作 –")
    if doubtful := contradictory(queries):
        notes.append(
            f"{len(doubtful)} 条提问出现多次而标注不同 (都计入, 至多一个标注能对): "
            f"{_named(doubtful)}"
        )
    return _Questions(path.name, split, queries, searcher.search, notes)


def _from_faq(searcher: Searcher, db: Path, out_of_scope: Path | None, sample: int) -> _Questions:
    held_out = leave_one_out(searcher, sample)
    path = out_of_scope or built_in_out_of_scope()
    outside = read_out_of_scope(path)
    strange = [query for query in outside if not held_out.holds(query.query)]
    queries = [*held_out.queries, *strange]
    notes = [
        "没有提问表, 库里也没有能测的相似问: 只能看库外提问是否被拒答"
        if not held_out.queries
        else f"没有提问表: {len(held_out.queries)} 个相似问逐个提问, 检索时去掉它自己和说法相同的"
        "问法 (留一法 leave-one-out)。相似问彼此差别大时结果比真实提问低, 彼此雷同时偏高: "
        "宜用来比较改动前后, 不宜当作真实的准确率"
    ]
    if held_out.measurable > len(held_out.queries):
        notes.append(
            f"相似问共 {held_out.measurable} 个, 抽取了 {len(held_out.queries)} 个 (--sample 可改)"
        )
    if held_out.unmeasurable:
        notes.append(
            f"{len(held_out.unmeasurable)} 个条目除标准问外没有别的问法, 无法测量: "
            f"{_named(held_out.unmeasurable)}"
        )
    if out_of_scope is None:
        notes.append(
            f"{len(strange)} 条库外提问来自自带清单 {path.name} (闲聊、天气、银行、电信、医院、"
            "政务、常识……); 若您的业务正好回答其中一些, 用 --out-of-scope 文件 换成自己的"
        )
    if repeated := len(outside) - len(strange):
        notes.append(f"{repeated} 条库外提问就是库里的问法, 没有问")
    if not queries:
        raise TableError(f"{db}: 没有相似问, {path} 也没有可用的提问。怎么办: 补充「相似问」再导入")
    return _Questions(f"{db.name} 的相似问 + {path.name}", "all", queries, held_out.search, notes)


def _shortfalls(report: EvaluationReport, bounds: Sequence[_Bound]) -> Iterator[str]:
    for bound in bounds:
        value = getattr(report.overall.measures, bound.measure.field)
        if value is None:
            yield f"--fail-under {bound.measure.name}={bound.least}: 没有可以测量它的提问"
        elif value < bound.least:
            yield (
                f"--fail-under {bound.measure.name}={bound.least}: 未达到, "
                f"{bound.measure.title} 是 {percent(value)} % ({value:.4f})"
            )


def _named(names: Sequence[str]) -> str:
    more = f" …… 共 {len(names)} 个" if len(names) > _NAMED else ""
    return ", ".join(name if len(name) <= 40 else f"{name[:40]}…" for name in names[:_NAMED]) + more
