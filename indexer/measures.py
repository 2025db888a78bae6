"""How good is it, in numbers? Every measure by name, with its definition and confidence interval.

In: outcomes of labelled queries. Out: an ``Evaluation``, and intervals by bootstrap over queries.
Each measure is the mean of a value over the queries it is about; nothing else decides what counts.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from indexer.decision import DecisionKind

RESAMPLES = 1000


class Outcome(Protocol):
    """What is known of a query once it was asked: of this run, or read from an earlier one's."""

    @property
    def expected(self) -> str:
        """Return the entry that answers it, "" if none does."""

    @property
    def rank(self) -> int:
        """Return the place of that entry among the hits, from 1; 0 if it is not there."""

    @property
    def decided(self) -> DecisionKind:
        """Return what was done."""

    @property
    def right(self) -> bool:
        """Say whether that served the customer."""


@dataclass(frozen=True)
class Measure:
    """A mean over some queries: ``among`` chooses them, ``value`` (0 … 1) is averaged."""

    field: str  # of Evaluation
    name: str  # as --fail-under takes it
    title: str
    definition: str
    among: Callable[[Outcome], bool]
    value: Callable[[Outcome], float]
    more_is_better: bool | None = True  # None: neither

    def of(self, outcomes: Sequence[Outcome]) -> float | None:
        """Return the mean over these outcomes; None if it is about none of them."""
        values = [float(self.value(outcome)) for outcome in outcomes if self.among(outcome)]
        return sum(values) / len(values) if values else None


@dataclass(frozen=True)
class Evaluation:
    """Measures of a query set: shares from 0 to 1, None where there is nothing to measure.

    What each is about is said in MEASURES. Retrieval counts in-scope queries only.
    """

    queries: int
    in_scope: int
    recall_at_1: float | None
    recall_at_3: float | None
    recall_at_5: float | None
    mrr_at_10: float | None
    decision_accuracy: float | None
    answered: float | None
    clarified: float | None
    rejected: float | None
    answer_precision: float | None
    coverage: float | None
    clarify_right: float | None
    in_scope_served: float | None
    out_of_scope_rejected: float | None
    out_of_scope_answered: float | None


@dataclass(frozen=True)
class Interval:
    """A 95 % confidence interval."""

    low: float
    high: float


@dataclass(frozen=True)
class Group:
    """Queries that have something in common, measured."""

    name: str
    measures: Evaluation
    intervals: Mapping[str, Interval | None]  # by field


def _every(_: Outcome) -> bool:
    return True


def _inside(outcome: Outcome) -> bool:
    return bool(outcome.expected)


def _outside(outcome: Outcome) -> bool:
    return not outcome.expected


def _within(rank: int) -> Callable[[Outcome], float]:
    return lambda outcome: 1 <= outcome.rank <= rank


def _did(kind: DecisionKind) -> Callable[[Outcome], bool]:
    return lambda outcome: outcome.decided == kind


def _right(outcome: Outcome) -> bool:
    return outcome.right


def _reciprocal_rank(outcome: Outcome) -> float:
    return 1 / outcome.rank if 1 <= outcome.rank <= 10 else 0.0


MEASURES = (
    Measure(
        "recall_at_1",
        "recall@1",
        "首位命中 Recall@1",
        "库内提问中, 应有的条目排第一",
        _inside,
        _within(1),
    ),
    Measure(
        "recall_at_3",
        "recall@3",
        "前三命中 Recall@3",
        "库内提问中, 应有的条目在前 3 名",
        _inside,
        _within(3),
    ),
    Measure(
        "recall_at_5",
        "recall@5",
        "前五命中 Recall@5",
        "库内提问中, 应有的条目在前 5 名",
        _inside,
        _within(5),
    ),
    Measure(
        "mrr_at_10",
        "mrr@10",
        "倒数排名 MRR@10",
        "库内提问中, 应有条目名次的倒数, 平均",
        _inside,
        _reciprocal_rank,
    ),
    Measure(
        "decision_accuracy",
        "accuracy",
        "决定正确 Accuracy",
        "全部提问中: 答对、反问时列出应有的条目, 或库外的被拒答",
        _every,
        _right,
    ),
    Measure(
        "answered",
        "answered",
        "直接回答 Answered",
        "全部提问中, 直接给出答案的",
        _every,
        _did("answer"),
        None,
    ),
    Measure(
        "clarified",
        "clarified",
        "反问 Clarified",
        "全部提问中, 列出几个条目请顾客选的",
        _every,
        _did("clarify"),
        None,
    ),
    Measure(
        "rejected",
        "rejected",
        "拒答 Rejected",
        "全部提问中, 说不知道的",
        _every,
        _did("reject"),
        None,
    ),
    Measure(
        "answer_precision",
        "precision",
        "答得对 Precision",
        "直接回答了的提问中, 答对的",
        _did("answer"),
        _right,
    ),
    Measure(
        "coverage",
        "coverage",
        "答得到 Coverage",
        "库内提问中, 直接回答了的 (不论对错)",
        _inside,
        _did("answer"),
    ),
    Measure(
        "clarify_right",
        "clarify",
        "反问有用 Clarify hit",
        "反问了的提问中, 清单里有应有的条目",
        _did("clarify"),
        _right,
    ),
    Measure(
        "in_scope_served",
        "served",
        "库内得到服务 Served",
        "库内提问中, 答对, 或反问时列出应有的条目",
        _inside,
        _right,
    ),
    Measure(
        "out_of_scope_rejected",
        "refused",
        "库外被拒答 Refused",
        "库外提问中, 说不知道的",
        _outside,
        _did("reject"),
    ),
    Measure(
        "out_of_scope_answered",
        "misled",
        "库外被误答 Misled",
        "库外提问中, 直接给出答案的",
        _outside,
        _did("answer"),
        False,
    ),
)


def measure(outcomes: Sequence[Outcome]) -> Evaluation:
    """Return the measures of these outcomes."""
    found = {each.field: each.of(outcomes) for each in MEASURES}
    return Evaluation(len(outcomes), sum(map(_inside, outcomes)), **found)


def intervals(outcomes: Sequence[Outcome], seed: int = 0) -> dict[str, Interval | None]:
    """Return each measure's 95 % confidence interval by field; None where nothing was measured.

    Percentile bootstrap (Efron, Tibshirani: An Introduction to the Bootstrap, 1993, ch. 13): n
    queries are drawn with replacement RESAMPLES times; the interval runs from the 2.5 % to the
    97.5 % quantile of what is measured. Equal outcomes and seeds give equal intervals.
    """
    n = len(outcomes)
    counted = np.array([[m.among(o) for m in MEASURES] for o in outcomes], float)
    values = np.array([[m.among(o) and m.value(o) for m in MEASURES] for o in outcomes], float)
    rng = np.random.default_rng(seed)
    drawn = np.full((RESAMPLES, len(MEASURES)), np.nan)
    for row in drawn if n else ():
        times = np.bincount(rng.integers(n, size=n), minlength=n)
        # Where a sample holds no query that the measure is about, it stays not a number.
        np.divide(times @ values, sums := times @ counted, out=row, where=sums > 0)
    found: dict[str, Interval | None] = {}
    for column, each in enumerate(MEASURES):
        known = drawn[~np.isnan(drawn[:, column]), column]
        found[each.field] = (
            Interval(*map(float, np.quantile(known, (0.025, 0.975)))) if len(known) else None
        )
    return found


def group(name: str, outcomes: Sequence[Outcome]) -> Group:
    """Measure some queries under a name."""
    return Group(name, measure(outcomes), intervals(outcomes))
