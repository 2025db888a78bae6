"""What comes out for labelled queries? They are read, asked, and thresholds chosen on them.

In: a searcher and queries with their right entry ("" = out of scope). Out: a ``Case`` for each, so
that a failure can be looked at; measures.py counts them.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from distill.text import normalise
from indexer.calibration import (
    FEWEST,
    Calibration,
    Goal,
    Judged,
    Thresholds,
    default_for,
    fit,
)
from indexer.decision import Decision, DecisionKind, decide
from indexer.errors import TableError
from indexer.measures import Evaluation, measure
from indexer.records import SearchResult
from indexer.search import Searcher
from indexer.table_file import read_rows

DEPTH = 10  # hits looked at: MRR@10
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
    """A labelled query as it came out; ``seconds`` is what search and decision took."""

    query: LabelledQuery
    result: SearchResult
    decision: Decision
    seconds: float = 0.0

    @property
    def expected(self) -> str:
        """Return the entry that answers the query, "" if none does."""
        return self.query.entry_id

    @property
    def decided(self) -> DecisionKind:
        """Return what was done."""
        return self.decision.kind

    @property
    def shown(self) -> str:
        """Return the entry that the customer saw first, "" if it was refused."""
        return self.decision.hits[0].entry_id if self.decision.hits else ""

    @property
    def confidence(self) -> float:
        """Return what the answer threshold is compared with; 0 without a hit."""
        return self.result.hits[0].confidence if self.result.hits else 0.0

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
    queries: Iterable[LabelledQuery],
    thresholds: Thresholds | None = None,
    search: Callable[[str, int], SearchResult] | None = None,
) -> list[Case]:
    """Search and decide each query; ``search`` puts another ranking in the searcher's place."""
    search = search or searcher.search
    thresholds = thresholds or searcher.thresholds
    cases = []
    for query in queries:
        started = time.perf_counter()
        result = search(query.query, DEPTH)
        decision = decide(result, thresholds)
        cases.append(Case(query, result, decision, time.perf_counter() - started))
    return cases


def measure_by_kind(cases: Sequence[Case]) -> dict[str, Evaluation]:
    """Return the measures of each kind of query."""
    kinds = sorted({case.query.kind for case in cases} - {""})
    return {kind: measure([c for c in cases if c.query.kind == kind]) for kind in kinds}


def calibrate(
    searcher: Searcher,
    queries: Sequence[LabelledQuery],
    source: str,
    goal: Goal,
    *,
    prior: Calibration | None = None,
    search: Callable[[str, int], SearchResult] | None = None,
) -> Calibration:
    """Fit confidences and thresholds to these queries; see ``calibration.fit``.

    The queries must be a dev split, never the test split. Queries of entries that are not there
    say nothing and are left out. ``search`` as for ``run_cases``. Raises TableError if fewer than
    FEWEST are left.
    """
    unknown = set(unknown_entries(searcher, queries))
    queries = [query for query in queries if query not in unknown]
    search = search or searcher.search
    judged = []
    for query in queries:
        result = search(query.query, DEPTH)
        judged.append(Judged(query.entry_id, result.hits, result.evidence))
    prior = prior or default_for(searcher.encoder.fingerprint)
    try:
        found = fit(judged, goal, prior, source, searcher.encoder.fingerprint)
    except ValueError as error:
        raise TableError(
            f"{source}: 只有 {len(queries)} 条可用的提问, 至少要 {FEWEST} 条才能校准, 阈值没有改。"
            f"怎么办: 补充提问 (库外的提问 entry_id 留空)"
        ) from error
    return replace(found, conditions=searcher.conditions)


def unknown_entries(searcher: Searcher, queries: Sequence[LabelledQuery]) -> list[LabelledQuery]:
    """Return the queries whose entry cannot be found today: not in the FAQ, off, or not valid."""
    live = searcher.live_entries()
    return [query for query in queries if query.entry_id and query.entry_id not in live]


def contradictory(queries: Sequence[LabelledQuery]) -> list[str]:
    """Return the texts that are there more than once, with different labels.

    At most one of their labels can come out right.
    """
    labels: dict[str, set[str]] = {}
    texts: dict[str, str] = {}
    for query in queries:
        key = normalise(query.query)
        texts.setdefault(key, query.query)
        labels.setdefault(key, set()).add(query.entry_id)
    return [texts[key] for key, own in labels.items() if len(own) > 1]
