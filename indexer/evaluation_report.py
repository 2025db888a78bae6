"""What does an evaluation say? One ``EvaluationReport`` that terminal, JSON and HTML are made from.

In: cases, the searcher they were asked of, and perhaps an earlier run. Out: the report, and its
JSON, which a later run can be compared with.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from indexer.comparison import Change, Comparison, PastCase, PastRun, compare, setup_in_words
from indexer.confusions import (
    OUT_OF_SCOPE,
    UNSORTED,
    CategoryTable,
    Confusion,
    category_of,
    category_table,
    confusions,
)
from indexer.decision import Thresholds
from indexer.evaluate import Case
from indexer.measures import Group, group
from indexer.records import Entry, Hit
from indexer.search import Searcher
from indexer.threshold_curve import CurvePoint, threshold_curve

_CATEGORIES = 24  # that a picture has room for
TIMED = "一次一条, 从文字到决定 (规范化、切词、编码、检索、打分、决定), 不含启动、载入和网络"


@dataclass(frozen=True)
class Latency:
    """Milliseconds a query takes; see TIMED."""

    p50: float
    p95: float
    p99: float


@dataclass(frozen=True)
class EvaluationReport:
    """Everything that is said of a run."""

    source: str  # where the queries come from
    split: str
    notes: tuple[str, ...]
    revision: int
    encoder: str
    thresholds: Thresholds
    entries: Mapping[str, Entry]
    cases: tuple[Case, ...]
    overall: Group
    by_category: tuple[Group, ...]  # of the expected entry
    by_kind: tuple[Group, ...]
    confusions: tuple[Confusion, ...]
    categories: CategoryTable
    curve: tuple[CurvePoint, ...]
    latency: Latency
    comparison: Comparison | None

    @property
    def failures(self) -> tuple[Case, ...]:
        """Return the cases that did not serve the customer."""
        return tuple(case for case in self.cases if not case.right)


def report_on(
    searcher: Searcher,
    cases: Sequence[Case],
    source: str,
    split: str,
    notes: Sequence[str] = (),
    past: PastRun | None = None,
) -> EvaluationReport:
    """Measure the cases (at least one), and compare them with an earlier run."""
    entries = searcher.entries
    by_category: dict[str, list[Case]] = {}
    by_kind: dict[str, list[Case]] = {}
    for case in cases:
        by_category.setdefault(category_of(case, entries), []).append(case)
        by_kind.setdefault(case.query.kind, []).append(case)
    order = dict.fromkeys(entry.category or UNSORTED for entry in entries.values())
    seconds = [case.seconds for case in cases]
    setup = setup_in_words(
        searcher.revision, searcher.encoder.fingerprint, asdict(searcher.thresholds)
    )
    return EvaluationReport(
        source=source,
        split=split,
        notes=tuple(notes),
        revision=searcher.revision,
        encoder=searcher.encoder.fingerprint,
        thresholds=searcher.thresholds,
        entries=entries,
        cases=tuple(cases),
        overall=group("", cases),
        by_category=tuple(
            group(name, by_category[name]) for name in (*order, OUT_OF_SCOPE) if name in by_category
        ),
        by_kind=tuple(group(kind, by_kind[kind]) for kind in sorted(by_kind) if kind),
        confusions=tuple(confusions(cases)),
        categories=category_table(cases, entries, _CATEGORIES),
        curve=tuple(threshold_curve(cases, searcher.thresholds)),
        latency=Latency(*(1000 * float(x) for x in np.quantile(seconds, (0.5, 0.95, 0.99)))),
        comparison=compare(past, setup, cases) if past else None,
    )


def as_json(report: EvaluationReport) -> str:
    """Return measures, failures and every case as JSON."""
    found: dict[str, Any] = {
        "queries": report.source,
        "split": report.split,
        "notes": report.notes,
        "revision": report.revision,
        "encoder": report.encoder,
        "thresholds": asdict(report.thresholds),
        "overall": _measured(report.overall),
        "by_category": {each.name: _measured(each) for each in report.by_category},
        "by_kind": {each.name: _measured(each) for each in report.by_kind},
        "latency_ms": {**asdict(report.latency), "what": TIMED},
        "confusions": [asdict(confusion) for confusion in report.confusions],
        "categories": asdict(report.categories),
        "curve": [asdict(point) for point in report.curve],
        "failures": [_failure(report, case) for case in report.failures],
        "cases": [_case(case) for case in report.cases],
    }
    if report.comparison:
        found["against"] = _comparison(report.comparison)
    return json.dumps(found, ensure_ascii=False, indent=1)


def _measured(each: Group) -> dict[str, Any]:
    return {
        **asdict(each.measures),
        "intervals_95": {
            field: [interval.low, interval.high] if interval else None
            for field, interval in each.intervals.items()
        },
    }


def _failure(report: EvaluationReport, case: Case) -> dict[str, Any]:
    return {
        "query": case.query.query,
        "expected": case.expected,
        "expected_question": report.entries[case.expected].question if case.expected else "",
        "decision": case.decided,
        "got": case.shown,
        "got_question": report.entries[case.shown].question if case.shown else "",
        "confidence": case.confidence,
        "rank": case.rank,
    }


def _case(case: Case) -> dict[str, Any]:
    return {
        "query": case.query.query,
        "entry_id": case.expected,
        "kind": case.query.kind,
        "rank": case.rank,
        "decision": case.decided,
        "right": case.right,
        "hits": [_hit(hit) for hit in case.result.hits[:5]],
    }


def _hit(hit: Hit) -> list[str | float]:
    return [hit.entry_id, round(hit.score, 4)]


def _comparison(found: Comparison) -> dict[str, Any]:
    return {
        "past": found.past,
        "setup_changes": found.setup_changes,
        "fixed": [_change(change) for change in found.fixed],
        "broken": [_change(change) for change in found.broken],
        "unchanged": [_change(change) for change in found.unchanged],
        "only_before": [_asked(case) for case in found.only_before],
        "only_after": [
            {"query": case.query.query, "entry_id": case.expected} for case in found.only_after
        ],
        "sign_test_p": found.p_value,
        "measures": {
            each.measure.field: {"before": each.before, "after": each.after}
            for each in found.differences
        },
    }


def _change(change: Change) -> dict[str, Any]:
    before, after = change.before, change.after
    return {
        **_asked(before),
        "right": [before.right, after.right],
        "decision": [before.decided, after.decided],
        "got": [before.shown, after.shown],
    }


def _asked(case: PastCase) -> dict[str, str]:
    return {"query": case.query, "entry_id": case.expected}
