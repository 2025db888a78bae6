"""Answer, ask back, or refuse? Two thresholds on the best score, and how they are chosen.

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
# Wrong answers cost trust, so of what is answered at least this share should be right on dev.
PRECISION_GOAL = 0.9


@dataclass(frozen=True)
class Thresholds:
    """``answer`` ≥ ``clarify``, both scores in 0 … 1 inclusive; and where they come from."""

    answer: float
    clarify: float
    calibrated_on: str = ""  # "" for defaults: not calibrated on the user's own queries

    def __post_init__(self) -> None:
        if not 0 <= self.clarify <= self.answer <= 1:
            raise ValueError(f"thresholds need 0 ≤ clarify ≤ answer ≤ 1, not {self}")


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
DEFAULTS: Mapping[str, Thresholds] = {}
# For an encoder nobody has tuned: cautious, it asks back more than it answers.
UNKNOWN_ENCODER = Thresholds(answer=0.8, clarify=0.55)


def decide(result: SearchResult, thresholds: Thresholds) -> Decision:
    """Answer with the best hit, offer the best few, or refuse."""
    if not result.hits:
        return Decision("reject", (), "no_hits")
    top = result.hits[0].score
    if top >= thresholds.answer:
        return Decision("answer", result.hits, "exact" if top == 1 else "score")
    options = tuple(hit for hit in result.hits if hit.score >= thresholds.clarify)
    if options:
        return Decision("clarify", options[:OPTIONS], "between_thresholds")
    return Decision("reject", (), "low_score")


def tune(judged: Sequence[Judged], calibrated_on: str) -> Thresholds:
    """Choose thresholds on labelled queries (a dev split, never the test split).

    ``answer``: the lowest at which at least PRECISION_GOAL of what is answered is right (the
    highest score seen if none reaches it). ``clarify``: below it, the one with the largest sum of
    two shares: in-scope queries whose right entry is shown, and out-of-scope queries refused
    (Youden's J). Without out-of-scope queries it stays at the lowest in-scope score.
    """
    tops = np.array([case.hits[0].score if case.hits else -1.0 for case in judged])
    first_right = np.array(
        [bool(case.hits) and case.hits[0].entry_id == case.entry_id for case in judged]
    )
    candidates = np.unique(tops[tops >= 0])
    if not len(candidates):
        raise ValueError("no labelled query has a hit: nothing to choose thresholds from")
    precise = [c for c in candidates if first_right[tops >= c].mean() >= PRECISION_GOAL]
    answer = min(precise, default=candidates[-1])

    outside = np.array([not case.entry_id for case in judged])
    shown_at = np.array([_score_of(case) for case in judged])[~outside]
    lower = np.unique(shown_at[(shown_at >= 0) & (shown_at <= answer)])

    def gain(clarify: float) -> float:
        refused = (tops[outside] < clarify).mean() if outside.any() else 0.0
        return (shown_at >= clarify).mean() + refused

    clarify = max(lower, key=gain) if len(lower) else answer
    return Thresholds(_floor(answer), _floor(clarify), calibrated_on)


def thresholds_of(settings: Mapping[str, Any], fingerprint: str) -> Thresholds:
    """Return the stored thresholds if they are this encoder's, else its defaults."""
    stored = settings.get("thresholds")
    if stored and stored["encoder"] == fingerprint:
        return Thresholds(stored["answer"], stored["clarify"], stored["calibrated_on"])
    return DEFAULTS.get(fingerprint, UNKNOWN_ENCODER)


def as_setting(thresholds: Thresholds, fingerprint: str) -> dict[str, Any]:
    """Return thresholds in the form in which they are stored."""
    return {"thresholds": asdict(thresholds) | {"encoder": fingerprint}}


def _score_of(case: Judged) -> float:
    """Return the lowest threshold at which the right entry would be shown; -1 if never."""
    offered = case.hits[:OPTIONS]
    return next((hit.score for hit in offered if hit.entry_id == case.entry_id), -1.0)


def _floor(value: float) -> float:
    """Cut to four decimals, downwards, so that the case it was read from still passes."""
    return int(value * 10_000) / 10_000
