"""By which queries is a change judged? The regression set, its runs, and what a change does to it.

In: a store, and the searcher of a revision or of a preview. Out: cases, a ``Run`` over them, and a
``Comparison`` of two: fixed, broken and unchanged by name.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from sqlite_utils import Database

from distill.text import normalise, speaks
from indexer.comparison import Comparison, PastCase, PastRun, compare, setup_in_words
from indexer.errors import InputError, TableError
from indexer.evaluate import Case, LabelledQuery, read_queries, run_cases
from indexer.masking import as_asked, masked
from indexer.measures import Evaluation, measure
from indexer.period import moment
from indexer.progress import Progress, counted, silent
from indexer.search import Searcher
from indexer.store import Store
from indexer.table_cells import CellError, clean_line, read_switch
from indexer.table_export import write_rows
from indexer.table_file import read_rows

Origin = Literal["csv", "未命中", "反馈", "手工"]

LONGEST = 500  # characters of a query: what the chat takes
KEPT = 50  # latest runs whose outcomes are kept; of older ones the measures are
HEADER = ("query", "entry_id", "origin", "added_by", "added_at", "enabled")


@dataclass(frozen=True)
class NewCase:
    """A query for the regression set, and the entry that answers it; "" if it must be refused."""

    query: str
    entry_key: str
    origin: Origin
    enabled: bool = True


@dataclass(frozen=True)
class RegressionCase:
    """A labelled query as stored. There is one for each normalised text."""

    id: int
    query: str
    entry_key: str
    origin: Origin
    added_by: str
    added_at: str  # UTC, ISO 8601
    enabled: bool


@dataclass(frozen=True)
class CasePage:
    """Some of the cases that were searched for, and how many there are."""

    cases: tuple[RegressionCase, ...]
    total: int


@dataclass(frozen=True)
class Added:
    """What became of new cases; ``changed``: the text was there with another label."""

    added: int
    changed: int
    unchanged: int


@dataclass(frozen=True)
class Run:
    """The regression set as asked of one searcher. Measures are None where there is no case."""

    revision: int
    setup: Mapping[str, str]  # what it ran with, in words
    cases: tuple[Case, ...]
    measures: Evaluation
    # Cases whose entry cannot be found: deleted, switched off or not valid today. They were asked,
    # and came out wrong.
    lost: tuple[Case, ...]

    @property
    def failures(self) -> tuple[Case, ...]:
        """Return the cases that did not serve the customer."""
        return tuple(case for case in self.cases if not case.right)


@dataclass(frozen=True)
class RecordedRun:
    """A point of the curve. Measures that a later version added are None."""

    id: int
    revision: int
    at: str  # UTC, ISO 8601
    by: str
    measures: Evaluation


def add_cases(store: Store, cases: Sequence[NewCase], by: str) -> Added:
    """Add cases; of two for the same normalised text the later says how it is labelled.

    Numbers of telephones and the like are masked. Raises InputError for a query that says
    nothing or is longer than LONGEST, and for an entry that is not in the FAQ; then none is added.
    """
    with store.transaction() as db:
        known = {row[0] for row in db.execute("select key from entries").fetchall()}
        for case in cases:
            if case.entry_key and case.entry_key not in known:
                raise InputError(
                    f"「{case.query}」: 没有编号为 {case.entry_key} 的条目。"
                    "怎么办: 改成已有条目的编号; 应当拒答的留空"
                )
        return write_cases(db, cases, by)


def write_cases(db: Database, cases: Sequence[NewCase], by: str) -> Added:
    """Add cases within a transaction, whatever entries there are; see ``add_cases``."""
    at = moment(datetime.now(UTC))
    added = changed = 0
    for case in cases:
        query = masked(clean_line(case.query))
        if problem := _problem(query, case.entry_key):
            raise InputError(f"「{query[:40]}」{problem}")
        row = (as_asked(query), query, case.entry_key, case.origin, by, at, int(case.enabled))
        stored = db.execute(
            "select entry_key from regression_cases where text = ?", row[:1]
        ).fetchone()
        if stored is None:
            db.execute(
                "insert into regression_cases"
                " (text, query, entry_key, origin, added_by, added_at, enabled)"
                " values (?, ?, ?, ?, ?, ?, ?)",
                row,
            )
            added += 1
        elif stored[0] != case.entry_key:
            db.execute(
                "update regression_cases set query = ?, entry_key = ?, origin = ?, added_by = ?,"
                " added_at = ?, enabled = ? where text = ?",
                (*row[1:], row[0]),
            )
            changed += 1
    return Added(added, changed, len(cases) - added - changed)


def remove_cases(store: Store, ids: Iterable[int]) -> int:
    """Take cases out of the set; return how many there were."""
    with store.transaction() as db:
        sql = "delete from regression_cases where id = ?"
        return sum(db.execute(sql, [number]).rowcount for number in ids)


def enable_cases(store: Store, ids: Iterable[int], enabled: bool) -> int:
    """Let cases take part in runs, or rest; return how many there were."""
    with store.transaction() as db:
        sql = "update regression_cases set enabled = ? where id = ?"
        return sum(db.execute(sql, [int(enabled), number]).rowcount for number in ids)


def list_cases(
    store: Store,
    search: str = "",
    origin: Origin | None = None,
    start: int = 0,
    count: int | None = 50,
) -> CasePage:
    """Return cases, latest first: those that hold ``search`` in the query or the entry's key.

    ``count`` None: all of them.
    """
    where = "where (? = '' or instr(text, ?) or instr(entry_key, ?)) and (? is null or origin = ?)"
    found = [as_asked(search), as_asked(search), search.strip(), origin, origin]
    with store.reading() as db:
        total = db.execute(f"select count(*) from regression_cases {where}", found).fetchone()[0]
        rows = db.query(
            "select id, query, entry_key, origin, added_by, added_at, enabled"
            f" from regression_cases {where} order by id desc limit ? offset ?",
            [*found, -1 if count is None else count, start],
        )
        cases = tuple(RegressionCase(**row | {"enabled": bool(row["enabled"])}) for row in rows)
    return CasePage(cases, total)


def labelled_queries(store: Store) -> list[LabelledQuery]:
    """Return what runs ask: the cases that are switched on, in the order they were added."""
    sql = "select query, entry_key, origin from regression_cases where enabled order by id"
    with store.reading() as db:
        rows = db.execute(sql).fetchall()
    return [LabelledQuery(query, key, "", origin) for query, key, origin in rows]


def import_cases(store: Store, path: Path, by: str) -> Added:
    """Add the cases of a file as `evaluate` reads it, and of a column enabled, if there is one.

    Of a file with a column split only its dev part: what judges every change cannot be the test
    of the whole. Raises TableError, with the line, for what evaluate refuses, for a query that says
    nothing or is too long, and for one with two labels; and if no entry of the file is known. Other
    unknown entries are taken: they may be imported later.
    """
    table = read_rows(path)
    header = [name.strip().lower() for name in table.header]
    queries = read_queries(path, "dev" if "split" in header else "all")
    column = header.index("query")
    switch = header.index("enabled") if "enabled" in header else None
    lines: dict[str, int] = {}
    off: set[str] = set()
    for row in table.rows:
        query = row.cells[column].strip() if column < len(row.cells) else ""
        lines.setdefault(query, row.line)
        if switch is not None and switch < len(row.cells):
            try:
                if read_switch(row.cells[switch]) is False:
                    off.add(query)
            except CellError as error:
                raise TableError(f"{path}:{row.line}: {error}") from error
    labels: dict[str, LabelledQuery] = {}
    for query in queries:
        place = f"{path}:{lines[query.query]}"
        if problem := _problem(query.query, query.entry_id):
            raise TableError(f"{place}: 「{query.query[:40]}」{problem}")
        other = labels.setdefault(as_asked(query.query), query)
        if other.entry_id != query.entry_id:
            raise TableError(
                f"{place}: 「{query.query}」有两个标注: {other.entry_id or '(拒答)'} 和 "
                f"{query.entry_id or '(拒答)'}。怎么办: 只留一个"
            )
    wanted = {query.entry_id for query in queries} - {""}
    with store.transaction() as db:
        known = {row[0] for row in db.execute("select key from entries").fetchall()}
        if wanted and not wanted & known:
            raise TableError(
                f"{path}: {len(wanted)} 个条目没有一个在库里 (第一个: {min(wanted)})。"
                "怎么办: 检查提问表是否属于这个库, 或先导入它的问答表"
            )
        cases = [
            NewCase(query.query, query.entry_id, "csv", query.query not in off)
            for query in labels.values()
        ]
        return write_cases(db, cases, by)


def export_cases(store: Store, path: Path) -> int:
    """Write all cases, in the order they were added, as .csv or .xlsx; return how many.

    ``import_cases`` and `evaluate` read it. Raises TableError if it cannot be written.
    """
    cases = list_cases(store, count=None).cases[::-1]
    rows = [
        (c.query, c.entry_key, c.origin, c.added_by, c.added_at, "是" if c.enabled else "否")
        for c in cases
    ]
    write_rows(path, HEADER, rows)
    return len(rows)


def run(
    store: Store,
    searcher: Searcher,
    queries: Sequence[LabelledQuery] | None = None,
    progress: Progress = silent,
) -> Run:
    """Ask the regression set of a searcher; nothing is recorded.

    ``queries`` are those of ``labelled_queries``, where they are at hand.
    """
    queries = labelled_queries(store) if queries is None else queries
    cases = tuple(run_cases(searcher, counted(queries, progress)))
    live = searcher.live_entries()
    return Run(
        searcher.revision,
        setup_in_words(
            searcher.revision, searcher.encoder.fingerprint, asdict(searcher.thresholds)
        ),
        cases,
        measure(cases),
        tuple(case for case in cases if case.expected and case.expected not in live),
    )


def judge(store: Store, before: Searcher | Run, after: Searcher) -> Comparison:
    """Return what a change fixes and breaks, measured over the same cases.

    ``before`` may be a run already made of it: a preview then asks every case only once.
    """
    if isinstance(before, Searcher):
        before = run(store, before)
    return compare_runs(before, run(store, after, [case.query for case in before.cases]))


def compare_runs(before: Run | PastRun, after: Run) -> Comparison:
    """Return what became of each case between two runs; ``before`` may be a recorded one."""
    past = before if isinstance(before, PastRun) else _past(before)
    return compare(past, dict(after.setup), after.cases)


def record(store: Store, done: Run, by: str) -> int:
    """Keep a run for the curve, and its outcomes as long as it is one of the latest KEPT.

    Returns its id.
    """
    with store.transaction() as db:
        cursor = db.execute(
            'insert into regression_runs (revision, at, "by", setup, measures, cases)'
            " values (?, ?, ?, ?, ?, ?)",
            (
                done.revision,
                moment(datetime.now(UTC)),
                by,
                _json(done.setup),
                _json(asdict(done.measures)),
                _json([asdict(case) for case in _past(done).cases]),
            ),
        )
        db.execute(
            "update regression_runs set cases = null where cases is not null and id <= ?",
            [cursor.lastrowid - KEPT],
        )
        return cursor.lastrowid


def recorded_runs(store: Store) -> tuple[RecordedRun, ...]:
    """Return all recorded runs, oldest first: the curve."""
    sql = 'select id, revision, at, "by", measures from regression_runs order by id'
    with store.reading() as db:
        rows = list(db.query(sql))
    return tuple(RecordedRun(**row | {"measures": _evaluation(row["measures"])}) for row in rows)


def recorded_run(store: Store, number: int | None = None) -> PastRun | None:
    """Return the outcomes of a recorded run, by default the latest; None if they are not kept."""
    sql = (
        "select revision, setup, cases from regression_runs"
        " where (? is null or id = ?) order by id desc limit 1"
    )
    with store.reading() as db:
        row = db.execute(sql, [number, number]).fetchone()
    if row is None or row[2] is None:
        return None
    cases = tuple(PastCase(**case) for case in json.loads(row[2]))
    return PastRun(f"第 {row[0]} 版", json.loads(row[1]), cases)


def as_json(found: Comparison) -> dict[str, Any]:
    """Return what a revision remembers of its judgement: figures, and what changed by name."""
    return {
        "before": found.past,
        "cases": len(found.fixed) + len(found.broken) + len(found.unchanged),
        "fixed": [change.before.query for change in found.fixed],
        "broken": [change.before.query for change in found.broken],
        "sign_test_p": found.p_value,
        "measures": {each.measure.field: [each.before, each.after] for each in found.differences},
    }


def _problem(query: str, entry_key: str) -> str:
    text = normalise(query)
    # 😀 is asked too, and must be refused; no entry can be the answer to it.
    if not text or (entry_key and not speaks(text)):
        return "里没有文字。怎么办: 写成顾客会问的话"
    if len(query) > LONGEST:
        return f"有 {len(query)} 字。怎么办: 缩短到 {LONGEST} 字以内"
    return ""


def _past(done: Run) -> PastRun:
    cases = tuple(
        PastCase(c.query.query, c.expected, c.rank, c.decided, c.right, c.shown) for c in done.cases
    )
    return PastRun(f"第 {done.revision} 版", dict(done.setup), cases)


def _evaluation(measures: str) -> Evaluation:
    stored = json.loads(measures)
    return Evaluation(**{each.name: stored.get(each.name) for each in fields(Evaluation)})


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
