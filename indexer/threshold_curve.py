"""What would another answer threshold do? The trade of precision against coverage.

In: cases as searched, and the thresholds in force. Out: a point for each answer threshold tried.
Nothing is searched again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from indexer.decision import Thresholds, decide
from indexer.evaluate import Case
from indexer.measures import measure

STEPS = 50


@dataclass(frozen=True)
class CurvePoint:
    """Shares if ``answer`` were the answer threshold; None where there is nothing to measure."""

    answer: float
    precision: float | None
    coverage: float | None
    misled: float | None  # of out-of-scope queries, answered


def threshold_curve(cases: Sequence[Case], thresholds: Thresholds) -> list[CurvePoint]:
    """Decide all cases again at STEPS + 1 answer thresholds from 0 to 1; the lead stays needed.

    Queries below the answer threshold are asked back or refused as now.
    """
    points = []
    for step in range(STEPS + 1):
        answer = step / STEPS
        tried = replace(thresholds, answer=answer, clarify=min(answer, thresholds.clarify))
        found = measure([replace(case, decision=decide(case.result, tried)) for case in cases])
        points.append(
            CurvePoint(answer, found.answer_precision, found.coverage, found.out_of_scope_answered)
        )
    return points
