"""When does it answer, ask back, refuse? Thresholds, what they would do, and fitting them anew.

In: a desk, thresholds or goals. Out: the curve of right against answered, figures, a new revision.
"""

import itertools
from dataclasses import dataclass, replace

from faq_app.operations import drafts, effects
from faq_app.operations.desk import Desk
from indexer import evaluate
from indexer.build import Published
from indexer.calibration import FEWEST, Calibration, Goal, Thresholds, as_json
from indexer.calibration_cli import calibrate_unlabelled
from indexer.decision import decide
from indexer.errors import InputError
from indexer.measures import Evaluation, measure
from indexer.progress import Progress, silent
from indexer.records import SearchResult
from indexer.search import Searcher
from indexer.threshold_curve import CurvePoint, threshold_curve


@dataclass(frozen=True)
class Standing:
    """The thresholds in force, and the curve on which they lie."""

    calibration: Calibration
    curve: tuple[CurvePoint, ...]
    source: str  # of the curve, in words
    stale: bool  # words, questions or signals changed since the thresholds were chosen


def standing(desk: Desk) -> Standing:
    """Return where the thresholds of the published revision stand."""
    searcher = desk.searcher
    calibration = searcher.calibration
    cases, source = effects.cases_now(desk)
    points = desk.once_a_revision("curve", lambda s: tuple(threshold_curve(cases, s.thresholds)))
    stale = bool(calibration.conditions) and calibration.conditions != searcher.conditions
    return Standing(calibration, points, source, stale)


def is_ready(desk: Desk) -> bool:
    """Say whether ``standing`` would be there at once, or has to be worked out first."""
    return desk.is_ready("curve")


def figures(desk: Desk, answer: float, clarify: float) -> Evaluation:
    """Return what other thresholds would come to, over the same queries; nothing is stored."""
    tried = _thresholds(answer, clarify)
    cases, _ = effects.cases_now(desk)
    return measure([replace(case, decision=decide(case.result, tried)) for case in cases])


def save(desk: Desk, answer: float, clarify: float, by: str, insist: bool = False) -> Published:
    """Publish thresholds set by hand. Raises InputError, or as ``effects.publish``."""
    by_hand = _by_hand(desk, answer, clarify)
    chosen = by_hand.thresholds
    if chosen == desk.searcher.thresholds:
        raise InputError("阈值没有改。怎么办: 先拖动滑块")
    what = f"阈值: 直接回答 ≥ {chosen.answer}, 反问 ≥ {chosen.clarify}"
    return _publish(desk, by, what, by_hand, insist)


def to_draft(desk: Desk, answer: float, clarify: float, by: str) -> bool:
    """Let thresholds wait in the draft; say whether they differ from those in force."""
    by_hand = _by_hand(desk, answer, clarify)
    same = by_hand.thresholds == desk.searcher.thresholds
    stored = desk.service.store.setting("calibration") if same else as_json(by_hand)
    return drafts.add_setting(desk, "calibration", stored, by)


def recalibrate(
    desk: Desk,
    precision: float,
    refusal: float,
    by: str,
    insist: bool = False,
    progress: Progress = silent,
) -> Published:
    """Fit the thresholds anew: to the regression set, or without one to the FAQ's own questions."""
    found = fitted(desk, Goal(precision, refusal), progress)
    return _publish(desk, by, f"重新校准 ({found.source})", found, insist, progress)


def fitted(desk: Desk, goal: Goal, progress: Progress = silent) -> Calibration:
    """Return what calibrating would choose; nothing is stored."""
    searcher: Searcher = desk.searcher
    labelled = [case.query for case in effects.labelled_cases(desk)]
    if len(labelled) < FEWEST:
        return calibrate_unlabelled(searcher, goal, progress)
    asked = itertools.count()

    def search(query: str, k: int) -> SearchResult:
        progress(next(asked), len(labelled))
        return searcher.search(query, k)

    source = f"回归集, {len(labelled)} 条"
    return evaluate.calibrate(searcher, labelled, source, goal, search=search)


def _publish(
    desk: Desk,
    by: str,
    what: str,
    found: Calibration,
    insist: bool,
    progress: Progress = silent,
) -> Published:
    settings = {"calibration": as_json(found)}
    return effects.publish(desk, by, what, settings=settings, insist=insist, progress=progress)


def _by_hand(desk: Desk, answer: float, clarify: float) -> Calibration:
    now = desk.searcher.calibration
    return replace(
        now,
        thresholds=_thresholds(answer, clarify),
        encoder=desk.searcher.encoder.fingerprint,
        source=now.source or "手工设定",
        reached=(0.0, 0.0),
    )


def _thresholds(answer: float, clarify: float) -> Thresholds:
    try:
        return Thresholds(round(float(answer), 4), round(float(clarify), 4))
    except (TypeError, ValueError) as error:
        raise InputError("阈值要在 0 和 1 之间。怎么办: 拖动滑块") from error
