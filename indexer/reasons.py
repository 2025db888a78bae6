"""How is a reason said? The one place in which decisions, signals and rules are named in Chinese.

In: a ``SearchResult`` and its ``Decision``. Out: a sentence an operator understands.
"""

from collections.abc import Mapping

from distill.text import normalise, speaks
from indexer.calibration import Thresholds
from indexer.decision import LEAD, MARGIN, Decision, DecisionKind
from indexer.records import SearchResult

DECISIONS: Mapping[DecisionKind, str] = {"answer": "直接回答", "clarify": "反问", "reject": "拒答"}
# The signals by their names in ``Signals``, and what is no signal.
SIGNALS = {
    "wording": "最近的问法",
    "whole": "条目的全部问法",
    "characters": "相同的字词",
    "coverage": "说到了多少",
    "sound": "相同的读音",
    "answer": "答案的内容",
    "rules": "规则",
}


def reason_in_words(result: SearchResult, decision: Decision, thresholds: Thresholds) -> str:
    """Say why it was decided so: which threshold was passed or missed, which rule stepped in."""
    return f"{_because(result, decision, thresholds)}, 所以{DECISIONS[decision.kind]}。"


def _because(result: SearchResult, decision: Decision, thresholds: Thresholds) -> str:
    if not result.hits:
        if not speaks(normalise(result.text)):
            return "提问里没有文字 (汉字、字母或数字), 无从比较"
        return "没有条目可比: 提问里的词都被关键词权重 0 静音, 或者没有一个条目今天有效"
    best = result.hits[0]
    sure = f"第一条答对的可能是 {best.confidence:.1%}"
    known = f"库里有答案的可能是 {result.in_scope:.1%}"
    enough = f"{sure}, 够直接回答 (≥ {_exact(thresholds.answer)})"
    missed = (
        f"{sure}, 离直接回答 (≥ {_exact(thresholds.answer)}) "
        f"差{_points(thresholds.answer - best.confidence)}"
    )
    match decision.reason:
        case "exact":
            return f"提问与库里的问法「{best.question}」一字不差 (标点不计)"
        case "score":
            return f"{enough}, 没有规则反对"
        case "near_equal":
            return (
                f"{enough}; 但它只领先答案不同的条目 {result.evidence[LEAD]:.4f} 分 "
                f"(不到 {MARGIN}), 问的是哪一个只有顾客知道"
            )
        case "objection":
            return f"{enough}; 但提问更像这一条的反例「{best.objection}」"
        case "negation":
            return f"{enough}; 但提问和这一条在「{best.contradiction}」上一个肯定、一个否定"
        case "between":
            return f"{missed}; {known}, 够反问 (≥ {_exact(thresholds.clarify)})"
        case "covered":
            return (
                f"{missed}; {known}, 不到反问 (≥ {_exact(thresholds.clarify)}), "
                "但提问里的每个字第一条都有"
            )
        case "low_score":
            return (
                f"{missed}; {known}, 离反问 (≥ {_exact(thresholds.clarify)}) "
                f"差{_points(thresholds.clarify - result.in_scope)}"
            )
    raise ValueError(f"unknown reason {decision.reason!r}")


def _exact(share: float) -> str:
    """Return a threshold in per cent as exactly as it is stored, without trailing noughts."""
    return f"{100 * share:.2f}".rstrip("0").rstrip(".") + "%"


def _points(difference: float) -> str:
    """Return a difference of shares in percentage points."""
    return f" {100 * difference:.1f} 个百分点" if difference >= 0.0005 else "不到 0.1 个百分点"
