"""What would another answer threshold do? The trade of precision against coverage.

In: cases as searched, and the thresholds in force. Out: a point for each answer threshold tried.
Nothing is searched again.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from indexer.decision import Thresholds, decide
from indexer.evaluate import Case
from indexer.measures import MEASURES

STEPS = 50
_BY_NAME = {each.name: each for each in MEASURES}
_SHOWN = tuple(_BY_NAME[name] for name in ("precision", "coverage", "misled"))


@dataclass(frozen=True)
class CurvePoint:
    """Shares if ``answer`` were the answer threshold; None where there is nothing to measure."""

    answer: float
    precision: float | None
    coverage: float | None
    misled: float | None  # of out-of-scope queries, answered


def threshold_curve(cases: Sequence[Case], thresholds: Thresholds) -> list[CurvePoint]:
    """Decide all cases again at STEPS + 1 answer thresholds from 0 to 1.

    All other rules stay; what is below is asked back or refused as now.
    """
    points = []
    for step in range(STEPS + 1):
        answer = step / STEPS
        tried = replace(thresholds, answer=answer)
        again = [replace(case, decision=decide(case.result, tried)) for case in cases]
        points.append(CurvePoint(answer, *(measure.of(again) for measure in _SHOWN)))
    return points
