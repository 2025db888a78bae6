"""What would a customer get, and why? One query taken apart, or a file of them.

In: a desk and queries. Out: an ``Explanation``, or a row for each query of a file. Nothing is
logged: an operator's trials are no customers' questions.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from distill.text import normalise
from faq_app.operations.desk import Desk
from faq_app.service import MAX_QUERY_LENGTH
from indexer.decision import Band, DecisionKind, band
from indexer.errors import TableError
from indexer.evaluate import Case, LabelledQuery, run_cases
from indexer.explain import Explanation, explain
from indexer.reasons import DECISIONS, reason_in_words
from indexer.table_export import write_rows
from indexer.table_file import read_rows

MOST_QUERIES = 20_000  # in a file; half a minute
_QUERY = ("query", "提问", "问题", "question", "用户问题", "顾客提问")
_LABEL = ("entry_id", "faq_id", "编号", "条目", "id")
_HEADER = (
    "提问", "决定", "原因", "条目", "标准问", "可信度", "档", "应为条目", "对错",
)  # fmt: skip


@dataclass(frozen=True)
class Tried:
    """One query of a file and what came of it; ``right`` is None where nobody said what is."""

    query: str
    decision: DecisionKind
    sentence: str
    entry_id: str
    question: str
    confidence: float
    band: Band
    expected: str
    right: bool | None


def explain_query(desk: Desk, query: str, k: int = 5) -> Explanation:
    """Return why a query is decided as it is. Raises ValueError for one that is too long."""
    if len(query) > MAX_QUERY_LENGTH:
        raise ValueError(f"提问太长了 (最多 {MAX_QUERY_LENGTH} 个字)。怎么办: 只写一件事")
    return explain(desk.searcher, query, k)


def read_batch(path: Path) -> list[LabelledQuery]:
    """Read queries from a table, or one a line where there is no header.

    A column 编号 (entry_id) that is there says which entry is right; queries with an empty one are
    then out of scope. Raises TableError if there are none, or too many.
    """
    table = read_rows(path)
    names = [normalise(cell).strip() for cell in table.header]
    asked = next((names.index(name) for name in _QUERY if name in names), None)
    label = next((names.index(name) for name in _LABEL if name in names), None)
    rows = table.lines if asked is None else table.rows
    labelled = asked is not None and label is not None
    queries = []
    for row in rows:
        query = row.cells[asked or 0].strip() if (asked or 0) < len(row.cells) else ""
        entry = row.cells[label].strip() if labelled and label < len(row.cells) else ""
        if query:
            queries.append(LabelledQuery(query, entry, "", "labelled" if labelled else ""))
    if not queries:
        raise TableError(f"{path.name}: 没有一条提问。怎么办: 每行写一条, 或写一列「提问」")
    if len(queries) > MOST_QUERIES:
        raise TableError(
            f"{path.name}: 有 {len(queries)} 条提问, 一次最多 {MOST_QUERIES} 条。"
            "怎么办: 分成几个文件"
        )
    return queries


def run_batch(
    desk: Desk,
    queries: Sequence[LabelledQuery],
    progress: Callable[[Sequence[LabelledQuery]], Iterable[LabelledQuery]] = iter,
) -> list[Tried]:
    """Ask all queries of one revision."""
    searcher = desk.searcher

    def tried(case: Case) -> Tried:
        entry = searcher.entries.get(case.shown)
        return Tried(
            case.query.query,
            case.decided,
            reason_in_words(case.result, case.decision, searcher.thresholds),
            case.shown,
            entry.question if entry else "",
            case.confidence,
            band(case.confidence),
            case.expected,
            case.right if case.query.kind else None,
        )

    return [tried(case) for case in run_cases(searcher, progress(queries))]


def write_batch(path: Path, rows: Iterable[Tried]) -> None:
    """Write what came of a batch as .csv or .xlsx."""
    write_rows(
        path,
        _HEADER,
        (
            (
                row.query,
                DECISIONS[row.decision],
                row.sentence,
                row.entry_id,
                row.question,
                f"{row.confidence:.4f}",
                row.band,
                row.expected,
                "" if row.right is None else "对" if row.right else "错",
            )
            for row in rows
        ),
    )
