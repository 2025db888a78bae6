"""Answer, ask back, or refuse? Two thresholds on calibrated probabilities, and rules above them.

In: a ``SearchResult``. Out: a ``Decision`` with its reason.
"""

from dataclasses import dataclass
from typing import Literal

from indexer.calibration import EVIDENCE, Thresholds
from indexer.records import Hit, SearchResult

DecisionKind = Literal["answer", "clarify", "reject"]
Band = Literal["高", "中", "低"]

# How many entries 您是不是想问 lists at most, and how far below the best one they may score.
OPTIONS = 5
_REACH = 0.25
# Entries of different answers that lie closer together than this are a matter for the customer.
MARGIN = 0.005
LEAD, COVERED = EVIDENCE.index("lead"), EVIDENCE.index("covered")


@dataclass(frozen=True)
class Decision:
    """What to do, the hits it concerns (best first), and why in one word.

    Reasons: exact, score; near_equal, negation, objection, between, covered; low_score, no_hits.
    """

    kind: DecisionKind
    hits: tuple[Hit, ...]
    reason: str


def decide(result: SearchResult, thresholds: Thresholds) -> Decision:
    """Answer with the best hit, offer the best few, or refuse."""
    if not result.hits:
        return Decision("reject", (), "no_hits")
    best = result.hits[0]
    options = tuple(hit for hit in result.hits if hit.score >= best.score - _REACH)[:OPTIONS]
    if best.confidence >= thresholds.answer:
        if result.evidence and result.evidence[LEAD] < MARGIN:
            # Two entries almost equally near: which one is meant, only the customer knows.
            return Decision("clarify", options, "near_equal")
        if best.exact:
            return Decision("answer", result.hits, "exact")
        if best.objection:
            return Decision("clarify", options, "objection")
        if best.contradiction:
            return Decision("clarify", options, "negation")
        return Decision("answer", result.hits, "score")
    if result.in_scope >= thresholds.clarify:
        return Decision("clarify", options, "between")
    # A word alone, such as 发票, that the best entry has: too short to be sure, too good to refuse.
    all_said = result.evidence and result.evidence[COVERED] >= 0.999
    if all_said and result.in_scope >= thresholds.clarify / 2:
        return Decision("clarify", options, "covered")
    return Decision("reject", (), "low_score")


def band(confidence: float) -> Band:
    """Return a calibrated probability as people read it: 高 from 0.9, 中 from 0.6, else 低."""
    return "高" if confidence >= 0.9 else "中" if confidence >= 0.6 else "低"
