"""Answer, ask back, or refuse? Thresholds on the best score and its lead, and how they are chosen.

In: a ``SearchResult``. Out: a ``Decision`` with its reason. Thresholds belong to an encoder: those
of another fingerprint are never used.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from indexer.records import Hit, SearchResult

DecisionKind = Literal["answer", "clarify", "reject"]

# How many entries 您是不是想问 lists at most.
OPTIONS = 5
# What an outcome is worth to the customer, for choosing thresholds: a wrong answer costs as much
# as a right one gains, a click on the right option is half as good as the answer itself.
WORTH = {
    "right answer": 1.0,
    "wrong answer": -1.0,
    "right entry offered": 0.5,
    "only others offered": -0.25,
    "refused, though the FAQ has it": -0.5,
    "refused, as it should be": 0.5,
}


# Leads over the second entry that are tried.
_MARGINS = (0.0, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1)


@dataclass(frozen=True)
class Thresholds:
    """Two scores in 0 … 1 inclusive, ``answer`` ≥ ``clarify``, and where they come from.

    ``margin``: by how much the best entry must lead the second one to be answered unasked.
    """

    answer: float
    clarify: float
    margin: float = 0.0
    calibrated_on: str = ""  # "" for defaults: not calibrated on the user's own queries

    def __post_init__(self) -> None:
        if not (0 <= self.clarify <= self.answer <= 1 and 0 <= self.margin <= 1):
            raise ValueError(f"thresholds need 0 ≤ clarify ≤ answer ≤ 1, margin 0 … 1: {self}")


@dataclass(frozen=True)
class Decision:
    """What to do, the hits it concerns (best first), and why in one word."""

    kind: DecisionKind
    hits: tuple[Hit, ...]
    reason: str


@dataclass(frozen=True)
class Judged:
    """A labelled query as searched: the right entry ("" = out of scope) and the hits."""

    entry_id: str
    hits: tuple[Hit, ...]


# Chosen by `tune` on split dev of data/queries.csv, by encoder fingerprint.
DEFAULTS: Mapping[str, Thresholds] = {
    "082d621ce6daf7a8": Thresholds(answer=0.3745, clarify=0.3385, margin=0.06)
}
# For an encoder nobody has tuned: cautious, it asks back more than it answers.
UNKNOWN_ENCODER = Thresholds(answer=0.8, clarify=0.55, margin=0.05)


def decide(result: SearchResult, thresholds: Thresholds) -> Decision:
    """Answer with the best hit, offer the best few, or refuse."""
    if not result.hits:
        return Decision("reject", (), "no_hits")
    top = result.hits[0].score
    high = top >= thresholds.answer
    if high and (top == 1 or _lead(result.hits) >= thresholds.margin):
        return Decision("answer", result.hits, "exact" if top == 1 else "score")
    options = tuple(hit for hit in result.hits if hit.score >= thresholds.clarify)
    if options:
        # Two entries almost equally near: which one is meant, only the customer knows.
        return Decision("clarify", options[:OPTIONS], "near_equal" if high else "between")
    return Decision("reject", (), "low_score")


def tune(judged: Sequence[Judged], calibrated_on: str) -> Thresholds:
    """Choose the thresholds of the highest mean WORTH over labelled queries.

    The queries must be a dev split, never the test split. Raises ValueError if none has a hit.
    """
    tops = np.array([case.hits[0].score if case.hits else -1.0 for case in judged])
    shown_at = np.array([_score_of(case) for case in judged])
    if not (tops >= 0).any():
        raise ValueError("no labelled query has a hit: nothing to choose thresholds from")
    steps = np.concatenate([tops, shown_at])
    steps = np.unique(steps[(steps >= 0) & (steps <= 1)])
    if len(steps) > 100:
        steps = np.unique(np.quantile(steps, np.linspace(0, 1, 100), method="lower"))
    outside = np.array([not case.entry_id for case in judged])
    first_right = np.array(
        [bool(case.hits) and case.hits[0].entry_id == case.entry_id for case in judged]
    )
    answered = np.where(first_right, WORTH["right answer"], WORTH["wrong answer"])
    refused = np.where(
        outside, WORTH["refused, as it should be"], WORTH["refused, though the FAQ has it"]
    )
    leads = np.array([_lead(case.hits) if case.hits else 0.0 for case in judged])
    # A threshold of 1 besides, for queries on which every answer would be wrong.
    candidates = [*steps, 1.0]
    best = (-np.inf, 1.0, 1.0, 0.0)
    for clarify in candidates:
        offered = np.where(
            shown_at >= clarify, WORTH["right entry offered"], WORTH["only others offered"]
        )
        unanswered = np.where(tops < clarify, refused, offered)
        for margin in _MARGINS:
            clear = (leads >= margin) | (tops == 1)
            gain = np.where(clear, answered - unanswered, 0.0)
            for answer in candidates:
                if answer >= clarify:
                    worth = (unanswered.sum() + gain[tops >= answer].sum()) / len(judged)
                    # Among equals the cautious one.
                    best = max(best, (round(worth, 9), answer, clarify, margin))
    return Thresholds(_floor(best[1]), _floor(best[2]), best[3], calibrated_on)


def thresholds_of(settings: Mapping[str, Any], fingerprint: str) -> Thresholds:
    """Return the stored thresholds if they are this encoder's, else its defaults."""
    stored = settings.get("thresholds")
    if stored and stored["encoder"] == fingerprint:
        return Thresholds(**{name: stored[name] for name in Thresholds.__dataclass_fields__})
    return DEFAULTS.get(fingerprint, UNKNOWN_ENCODER)


def as_setting(thresholds: Thresholds, fingerprint: str) -> dict[str, Any]:
    """Return thresholds in the form in which they are stored."""
    return {"thresholds": asdict(thresholds) | {"encoder": fingerprint}}


def _lead(hits: Sequence[Hit]) -> float:
    """Return how far the best entry is ahead of the second one."""
    return round(hits[0].score - hits[1].score, 5) if len(hits) > 1 else 1.0


def _score_of(case: Judged) -> float:
    """Return the lowest threshold at which the right entry would be shown; -1 if never."""
    offered = case.hits[:OPTIONS]
    return next((hit.score for hit in offered if hit.entry_id == case.entry_id), -1.0)


def _floor(value: float) -> float:
    """Cut to four decimals, downwards, so that the case it was read from still passes."""
    return int(value * 10_000) / 10_000
