"""How often is it right? Retrieval and decision quality over labelled queries.

In: a searcher and queries with their right entry ("" = out of scope). Out: an ``Evaluation`` with
the field's measures, and every case, so that a failure can be looked at.
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from distill.text import normalise
from indexer.decision import Decision, Judged, Thresholds, decide, tune
from indexer.errors import TableError
from indexer.records import SearchResult
from indexer.search import Searcher
from indexer.table_file import read_rows

DEPTH = 10  # hits looked at: MRR@10
FEWEST = 20  # labelled queries to choose thresholds on
Split = Literal["dev", "test", "all"]


@dataclass(frozen=True)
class LabelledQuery:
    """A customer's words and the entry that answers them; "" if none does."""

    query: str
    entry_id: str
    split: str
    kind: str


@dataclass(frozen=True)
class Case:
    """A labelled query as it came out."""

    query: LabelledQuery
    result: SearchResult
    decision: Decision

    @property
    def rank(self) -> int:
        """Return the place of the right entry among the hits, from 1; 0 if it is not there."""
        ids = [hit.entry_id for hit in self.result.hits]
        return ids.index(self.query.entry_id) + 1 if self.query.entry_id in ids else 0

    @property
    def right(self) -> bool:
        """Say whether the customer was served: right answer, right entry offered, or refused."""
        if not self.query.entry_id:
            return self.decision.kind == "reject"
        if self.decision.kind == "answer":
            return self.rank == 1
        return any(hit.entry_id == self.query.entry_id for hit in self.decision.hits)


@dataclass(frozen=True)
class Evaluation:
    """Measures of a query set; shares from 0 to 1. Retrieval counts in-scope queries only."""

    queries: int
    in_scope: int
    recall_at_1: float
    recall_at_3: float
    recall_at_5: float
    mrr_at_10: float
    decision_accuracy: float
    answered: float  # share of all queries; so are the next two
    clarified: float
    rejected: float
    answer_precision: float  # of what was answered, how much was right
    in_scope_served: float  # of in-scope queries, right answer or right entry offered
    out_of_scope_rejected: float
    out_of_scope_answered: float


def read_queries(path: Path, split: Split = "all") -> list[LabelledQuery]:
    """Read columns query, entry_id (or faq_id), and optionally split and kind.

    Rows without a split get one by their text, half and half.
    Raises TableError if a column is missing, a split is unknown, or nothing is left.
    """
    table = read_rows(path)
    header = [name.strip().lower() for name in table.header]
    column = {name: header.index(name) for name in header}
    label = next((name for name in ("entry_id", "faq_id") if name in column), None)
    if "query" not in column or label is None:
        raise TableError(
            f"{path}:1: 缺少列 query 或 entry_id (也可写作 faq_id), 现有列: {', '.join(header)}。"
            f"怎么办: 第一行写成 query,entry_id"
        )
    queries = []
    for row in table.rows:
        cells = {name: row.cells[i].strip() for name, i in column.items() if i < len(row.cells)}
        if not cells.get("query"):
            continue
        # A file without splits is split like ours: what tunes must not also judge.
        kind = cells.get("split", "") or split_of(cells["query"])
        if kind not in ("dev", "test"):
            raise TableError(
                f"{path}:{row.line}: 列 split 是「{kind}」。怎么办: 写 dev 或 test, 或留空"
            )
        if split in ("all", kind):
            queries.append(
                LabelledQuery(cells["query"], cells.get(label, ""), kind, cells.get("kind", ""))
            )
    if not queries:
        raise TableError(f"{path}: 没有可用的查询 (split {split})。怎么办: 检查列 query 和 split")
    return queries


def split_of(query: str) -> Literal["dev", "test"]:
    """Return the split of a query of data/queries.csv: by its text alone, half and half."""
    digest = hashlib.sha256(normalise(query).encode()).digest()
    return "dev" if digest[0] % 2 == 0 else "test"


def run_cases(
    searcher: Searcher,
    queries: Sequence[LabelledQuery],
    thresholds: Thresholds | None = None,
    search: Callable[[str, int], SearchResult] | None = None,
) -> list[Case]:
    """Search and decide each query; ``search`` puts another ranking in the searcher's place."""
    search = search or searcher.search
    thresholds = thresholds or searcher.thresholds
    cases = []
    for query in queries:
        result = search(query.query, DEPTH)
        cases.append(Case(query, result, decide(result, thresholds)))
    return cases


def measure(cases: Sequence[Case]) -> Evaluation:
    """Return the measures of these cases; a share of nothing is 0."""
    inside = [case for case in cases if case.query.entry_id]
    outside = [case for case in cases if not case.query.entry_id]
    answered = [case for case in cases if case.decision.kind == "answer"]

    def share(chosen: Sequence[Case], test: Callable[[Case], Any]) -> float:
        return sum(bool(test(case)) for case in chosen) / max(1, len(chosen))

    return Evaluation(
        queries=len(cases),
        in_scope=len(inside),
        recall_at_1=share(inside, lambda c: c.rank == 1),
        recall_at_3=share(inside, lambda c: 1 <= c.rank <= 3),
        recall_at_5=share(inside, lambda c: 1 <= c.rank <= 5),
        mrr_at_10=sum(1 / c.rank for c in inside if 1 <= c.rank <= 10) / max(1, len(inside)),
        decision_accuracy=share(cases, lambda c: c.right),
        answered=share(cases, lambda c: c.decision.kind == "answer"),
        clarified=share(cases, lambda c: c.decision.kind == "clarify"),
        rejected=share(cases, lambda c: c.decision.kind == "reject"),
        answer_precision=share(answered, lambda c: c.right),
        in_scope_served=share(inside, lambda c: c.right),
        out_of_scope_rejected=share(outside, lambda c: c.decision.kind == "reject"),
        out_of_scope_answered=share(outside, lambda c: c.decision.kind == "answer"),
    )


def measure_by_kind(cases: Sequence[Case]) -> dict[str, Evaluation]:
    """Return the measures of each kind of query."""
    kinds = sorted({case.query.kind for case in cases} - {""})
    return {kind: measure([c for c in cases if c.query.kind == kind]) for kind in kinds}


def tune_thresholds(
    searcher: Searcher, queries: Sequence[LabelledQuery], source: str
) -> Thresholds:
    """Choose thresholds on these queries; see ``decision.tune``.

    Queries of entries that are not there say nothing of thresholds and are left out. Raises
    TableError if fewer than FEWEST are left, or none finds anything.
    """
    unknown = set(unknown_entries(searcher, queries))
    queries = [query for query in queries if query not in unknown]
    if len(queries) < FEWEST:
        raise TableError(
            f"{source}: dev 部分只有 {len(queries)} 条可用的提问, 至少要 {FEWEST} 条才能选定阈值, "
            f"阈值没有改。怎么办: 补充提问 (库外的提问 entry_id 留空), 或去掉 --queries"
        )
    judged = [Judged(query.entry_id, searcher.search(query.query, DEPTH).hits) for query in queries]
    try:
        return tune(judged, f"{source} ({len(queries)} queries)")
    except ValueError as error:
        raise TableError(
            f"{source}: 没有一条提问在库里找到任何条目, 无法选定阈值。"
            f"怎么办: 检查提问表是否属于这个库"
        ) from error


def unknown_entries(searcher: Searcher, queries: Sequence[LabelledQuery]) -> list[LabelledQuery]:
    """Return the queries whose entry is not in the FAQ, or is switched off."""
    entries = searcher.entries
    return [
        query
        for query in queries
        if query.entry_id and (query.entry_id not in entries or not entries[query.entry_id].enabled)
    ]


def as_json(searcher: Searcher, cases: Sequence[Case], source: str, split: str) -> str:
    """Return measures, thresholds and every case as JSON."""
    report = {
        "queries": source,
        "split": split,
        "revision": searcher.revision,
        "encoder": searcher.encoder.fingerprint,
        "thresholds": asdict(searcher.thresholds),
        "overall": asdict(measure(cases)),
        "by_kind": {kind: asdict(value) for kind, value in measure_by_kind(cases).items()},
        "cases": [
            {
                "query": case.query.query,
                "entry_id": case.query.entry_id,
                "kind": case.query.kind,
                "rank": case.rank,
                "decision": case.decision.kind,
                "right": case.right,
                "hits": [[hit.entry_id, round(hit.score, 4)] for hit in case.result.hits[:5]],
            }
            for case in cases
        ],
    }
    return json.dumps(report, ensure_ascii=False, indent=1)
