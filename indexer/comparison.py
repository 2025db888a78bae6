"""What did a change mend, and what did it break? Two runs over the same queries.

In: the cases of this run and the JSON of an earlier one. Out: a ``Comparison``: queries fixed and
broken by name, the difference of each measure, and whether chance explains it.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from indexer.decision import DecisionKind
from indexer.errors import TableError
from indexer.evaluate import Case
from indexer.measures import MEASURES, Measure, measure

_THRESHOLDS = {"answer": "直接回答 ≥", "clarify": "反问 ≥"}

# A name of its own: the file that was given may be anything, and must not be written over.
_REMEDY = (
    "先用改动前的库做一次: python -m indexer evaluate --json 改前.json, 再 --against 改前.json"
)


@dataclass(frozen=True)
class PastCase:
    """A query as an earlier run left it."""

    query: str
    expected: str
    rank: int
    decided: DecisionKind
    right: bool
    shown: str


@dataclass(frozen=True)
class PastRun:
    """What is read of an earlier run; ``setup`` is what it ran with, in words."""

    name: str
    setup: dict[str, str]
    cases: tuple[PastCase, ...]


@dataclass(frozen=True)
class Change:
    """One query in both runs."""

    before: PastCase
    after: Case


@dataclass(frozen=True)
class Difference:
    """A measure over the queries that both runs have; None where there is nothing to measure."""

    measure: Measure
    before: float | None
    after: float | None


@dataclass(frozen=True)
class Comparison:
    """This run against an earlier one; right and wrong are as ``Case.right`` says."""

    past: str
    setup_changes: tuple[str, ...]
    fixed: tuple[Change, ...]
    broken: tuple[Change, ...]
    unchanged: tuple[Change, ...]
    only_before: tuple[PastCase, ...]
    only_after: tuple[Case, ...]
    p_value: float
    differences: tuple[Difference, ...]


def read_past_run(path: Path) -> PastRun:
    """Read what `python -m indexer evaluate --json` wrote; raises TableError if it is not that."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        json.dumps(report, ensure_ascii=False).encode()  # half a character, which none can print
    except FileNotFoundError:
        raise TableError(f"{path}: 没有这个文件。怎么办: {_REMEDY}") from None
    except OSError as error:
        raise TableError(f"{path}: 无法读取 ({error.strerror})。怎么办: 检查路径和权限") from error
    except (ValueError, RecursionError) as error:
        raise TableError(f"{path}: 不是 JSON ({error})。怎么办: {_REMEDY}") from error
    try:
        cases = tuple(map(_past_case, report["cases"]))
        setup = setup_in_words(report["revision"], report["encoder"], report["thresholds"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise TableError(
            f"{path}: 是 JSON, 但不是评测结果 (缺少或写错了 {error})。怎么办: {_REMEDY}"
        ) from error
    return PastRun(path.name, setup, cases)


def setup_in_words(revision: int, encoder: str, thresholds: Mapping[str, object]) -> dict[str, str]:
    """Return what replies depend on, by what it is called."""
    return {
        "库的版本": str(revision),
        "编码器": str(encoder),
        "阈值": thresholds_in_words(thresholds),
    }


def thresholds_in_words(thresholds: Mapping[str, object]) -> str:
    """Return thresholds by name, also those that only an earlier version knew."""
    return ", ".join(f"{_THRESHOLDS.get(name, name)} {value}" for name, value in thresholds.items())


def compare(past: PastRun, setup: dict[str, str], cases: Sequence[Case]) -> Comparison:
    """Match the queries of two runs by text and label, and say what became of each.

    The same query given twice is matched in order. Measures are compared on the queries that both
    runs have, so that a query more or less moves nothing.
    """
    before: dict[tuple[str, str], list[PastCase]] = {}
    for case in past.cases:
        before.setdefault((case.query, case.expected), []).append(case)
    changes, only_after = [], []
    for case in cases:
        if waiting := before.get((case.query.query, case.expected)):
            changes.append(Change(waiting.pop(0), case))
        else:
            only_after.append(case)
    unmatched = {id(case) for waiting in before.values() for case in waiting}
    fixed = tuple(c for c in changes if c.after.right and not c.before.right)
    broken = tuple(c for c in changes if c.before.right and not c.after.right)
    old, new = measure([c.before for c in changes]), measure([c.after for c in changes])
    return Comparison(
        past=past.name,
        setup_changes=tuple(
            f"{name}: {past.setup[name]} → {now}"
            for name, now in setup.items()
            if now != past.setup[name]
        ),
        fixed=fixed,
        broken=broken,
        unchanged=tuple(c for c in changes if c.before.right == c.after.right),
        only_before=tuple(case for case in past.cases if id(case) in unmatched),
        only_after=tuple(only_after),
        p_value=sign_test(len(fixed), len(broken)),
        differences=tuple(
            Difference(each, getattr(old, each.field), getattr(new, each.field))
            for each in MEASURES
        ),
    )


def sign_test(fixed: int, broken: int) -> float:
    """Return how likely chance alone parts the changed queries as unevenly as this, or more so.

    Exact two-sided sign test (McNemar's exact test): with n = fixed + broken and k the smaller of
    the two, p = min(1, 2 · Σ_{i=0..k} C(n, i) / 2ⁿ). Without any change p = 1.
    """
    n, k = fixed + broken, min(fixed, broken)
    term, tail = 1, 1
    for i in range(k):
        term = term * (n - i) // (i + 1)  # C(n, i + 1), exactly
        tail += term
    return min(1.0, 2 * tail / 2**n)


def _past_case(row: dict[str, Any]) -> PastCase:
    case = PastCase(
        query=row["query"],
        expected=row["entry_id"],
        rank=row["rank"],
        decided=row["decision"],
        right=row["right"],
        shown=row["hits"][0][0] if row["hits"] and row["decision"] != "reject" else "",
    )
    kinds = {"query": str, "expected": str, "rank": int, "right": bool, "shown": str}
    for name, kind in kinds.items():
        if not isinstance(getattr(case, name), kind):
            raise ValueError(f"{name}: {getattr(case, name)!r}")
    if case.decided not in get_args(DecisionKind):
        raise ValueError(f"decision: {case.decided!r}")
    return case
