"""How sure may one be? Cosines become probabilities, fitted to labelled queries.

In: the hits of a query. Out: the probability that the best one is right, and the probability that
the FAQ answers the query at all. Both are logistic regressions (Platt 1999) over what the signals
say, how far the best entry leads, and how long the query is. With few queries they stay near the
coefficients that come with the encoder.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from operator import mul
from pathlib import Path
from typing import Any

import numpy as np

from indexer.records import Entry, Hit, Signals

# What a query is judged by. Leads are over the best, and over the second best, of the entries that
# would be answered otherwise; ``covered`` is the share of the query's weight in characters that the
# best entry has, too.
_SIGNALS = tuple(field.name for field in fields(Signals))
EVIDENCE = ("lead", "lead_over_third", "log_length", "covered", *_SIGNALS)
# What an unrelated entry scores at best, in a FAQ of hundreds. Where there are ten, or one, hardly
# any rival comes so near, but to lead over nothing proves nothing.
_RIVAL = 0.35
# Rough spreads of the above: the penalty of the fit must mean the same to each of them.
_SPREAD = np.array([0.06, 0.06, 0.8, 0.2, *6 * [0.12]])
_PENALTY = 1.0  # as if one query of standard spread contradicted each coefficient
_FOLDS = 10
FEWEST = 30  # labelled queries below which nothing is fitted

_DEFAULTS = Path(__file__).with_name("default_calibration.json")


@dataclass(frozen=True)
class Goal:
    """What the thresholds are chosen for, shares from 0 to 1.

    ``precision``: of what is answered unasked, how much must be right. ``refusal``: of the queries
    that the FAQ does not answer, how many must be refused.
    """

    precision: float = 0.95
    refusal: float = 0.9

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 <= value <= 1:
                raise ValueError(f"{name} {value} is not between 0 and 1")


@dataclass(frozen=True)
class Thresholds:
    """Two probabilities in 0 … 1 inclusive.

    ``answer``: a query whose best entry is at least so likely right is answered unasked.
    ``clarify``: a query that the FAQ at least so likely answers is asked back, others are refused.
    """

    answer: float
    clarify: float

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if not 0 <= value <= 1:
                raise ValueError(f"threshold {name} must be between 0 and 1, not {value}")


@dataclass(frozen=True)
class Calibration:
    """Coefficients, thresholds, and what they were fitted to.

    ``right`` and ``in_scope`` hold an intercept and a coefficient for each of EVIDENCE.
    ``conditions`` is what must not have changed since: see ``Searcher.conditions``.
    """

    right: tuple[float, ...]
    in_scope: tuple[float, ...]
    thresholds: Thresholds
    encoder: str = ""  # fingerprint; "" for one that fits any encoder roughly
    goal: Goal = Goal()
    source: str = ""  # "" for defaults: not calibrated on the user's own queries
    queries: int = 0
    reached: tuple[float, float] = (0.0, 0.0)  # precision, refusal; by cross-validation
    conditions: str = ""

    def __post_init__(self) -> None:
        for coefficients in (self.right, self.in_scope):
            if len(coefficients) != 1 + len(EVIDENCE) or not np.isfinite(coefficients).all():
                raise ValueError(f"calibration: {len(EVIDENCE) + 1} finite coefficients are needed")

    @classmethod
    def of(cls, settings: Mapping[str, Any], encoder: str) -> "Calibration":
        """Return the stored calibration if it is this encoder's, else the default one."""
        stored = settings.get("calibration")
        # One that was fitted to other evidence, by an earlier version, says nothing now.
        if stored and stored["encoder"] == encoder and stored.get("evidence") == [*EVIDENCE]:
            return from_json(stored)
        return default_for(encoder)

    def judge(
        self, evidence: Sequence[float], hits: Sequence[Hit]
    ) -> tuple[float, tuple[float, ...]]:
        """Return P(the FAQ answers the query), and for each hit P(it is the answer).

        Hits must be the ones that ``evidence`` was taken from, best first. The probabilities of
        the hits add up to at most 1.
        """
        if hits[0].exact:
            rest = tuple(1.0 if hit.exact else 0.0 for hit in hits[1:])
            return 1.0, (1.0, *rest)
        right = _probability(self.right, evidence)
        in_scope = max(right, _probability(self.in_scope, evidence))
        # What is left of it falls to the others by their scores.
        shares = [math.exp(_SHARPNESS * (hit.score - hits[0].score)) for hit in hits[1:]]
        rest = (in_scope - right) / max(sum(shares), 1.0)
        return in_scope, (right, *(round(min(share * rest, right), 6) for share in shares))


_SHARPNESS = 30.0  # a score lower by 0.1 is about a twentieth as likely


@dataclass(frozen=True)
class Judged:
    """A labelled query as searched: the right entry ("" = out of scope), the hits, the evidence."""

    entry_id: str
    hits: tuple[Hit, ...]
    evidence: tuple[float, ...]

    @property
    def right(self) -> bool:
        """Say whether the best hit is the right one."""
        return bool(self.hits) and bool(self.entry_id) and self.hits[0].entry_id == self.entry_id


def evidence_of(
    text: str, hits: Sequence[Hit], entries: Mapping[str, Entry], covered: float
) -> tuple[float, ...]:
    """Return the values of EVIDENCE for a normalised query and its hits, best first."""
    best = hits[0]
    answer = entries[best.entry_id].answer
    others = [hit.score for hit in hits[1:] if entries[hit.entry_id].answer != answer]
    others = [max(score, _RIVAL) for score in (*others, 0.0, 0.0)]
    return (
        best.score - others[0],
        best.score - others[1],
        math.log(max(1, len(text))),
        covered,
        *(getattr(best.signals, name) for name in _SIGNALS),
    )


def fit(
    judged: Sequence[Judged], goal: Goal, prior: Calibration, source: str, encoder: str
) -> Calibration:
    """Fit both regressions, drawn toward those of ``prior``, and choose the thresholds.

    Thresholds are chosen on probabilities that each query gets from a fit to the others
    (10 folds). Raises ValueError if fewer than FEWEST queries have hits.
    """
    # An exact match is sure by rule, and would only make the rest look surer than it is.
    cases = [case for case in judged if case.evidence and not case.hits[0].exact]
    if len(cases) < FEWEST:
        raise ValueError(f"{len(cases)} queries to calibrate on, at least {FEWEST} are needed")
    evidence = np.array([case.evidence for case in cases])
    right = np.array([case.right for case in cases])
    inside = np.array([bool(case.entry_id) for case in cases])
    fold = np.arange(len(cases)) % _FOLDS
    sure, scope = np.zeros(len(cases)), np.zeros(len(cases))
    for number in range(_FOLDS):
        test, rest = fold == number, fold != number
        for values, labels, old in ((sure, right, prior.right), (scope, inside, prior.in_scope)):
            found = _regress(evidence[rest], labels[rest], old)
            values[test] = _probabilities(found, evidence[test])
    scope = np.maximum(scope, sure)
    thresholds, reached = choose(sure, scope, right, inside, goal)
    return replace(
        prior,
        right=_regress(evidence, right, prior.right),
        in_scope=_regress(evidence, inside, prior.in_scope),
        thresholds=thresholds,
        encoder=encoder,
        goal=goal,
        source=source,
        queries=len(judged),
        reached=reached,
    )


def choose(
    sure: np.ndarray, scope: np.ndarray, right: np.ndarray, inside: np.ndarray, goal: Goal
) -> tuple[Thresholds, tuple[float, float]]:
    """Choose thresholds for a goal; return them, and the precision and refusal that they reach.

    All (n,): the two probabilities, whether the best entry is right, whether the FAQ answers the
    query. ``answer`` is the lowest at which what is answered is precise enough, 1 if none is.
    ``clarify`` is the lowest that refuses enough of what the FAQ does not answer; what is answered
    is never refused.
    """
    order = np.argsort(-sure, kind="stable")
    precision = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    # Only where the next probability is a lower one: equal ones stand or fall together.
    ends = np.append(sure[order][:-1] > sure[order][1:], True)
    enough = np.flatnonzero(ends & (precision >= goal.precision))
    answer = _floor(sure[order][enough[-1]]) if len(enough) else 1.0
    answered = sure >= answer
    # Those that are answered by mistake are not refused, whatever the second threshold is.
    clarify = refusing(np.where(answered, 1.0, scope)[~inside], goal.refusal)
    refused = ~answered & (scope < clarify)
    return Thresholds(answer, clarify), (
        float(right[answered].mean()) if answered.any() else 0.0,
        float(refused[~inside].mean()) if (~inside).any() else 0.0,
    )


def refusing(scope: Sequence[float], share: float) -> float:
    """Return the lowest ``clarify`` that refuses this share of queries, given their P(in scope).

    All of them are queries that the FAQ does not answer; 0 if there is none.
    """
    falling = sorted(scope, reverse=True)
    # So many may be asked back; a hair is added, or 0.1 × 30 would be 2.
    allowed = math.floor((1 - share) * len(falling) + 1e-9)
    return _ceil(falling[allowed]) if allowed < len(falling) else 0.0


def as_json(calibration: Calibration) -> dict[str, Any]:
    """Return a calibration in the form in which it is stored."""
    return asdict(calibration) | {"evidence": [*EVIDENCE]}


def from_json(stored: Mapping[str, Any]) -> Calibration:
    """Return a calibration that was stored; raises ValueError or TypeError if it is none."""
    kept = {name: stored[name] for name in Calibration.__dataclass_fields__}
    return Calibration(
        **{
            **kept,
            "right": tuple(stored["right"]),
            "in_scope": tuple(stored["in_scope"]),
            "thresholds": Thresholds(**stored["thresholds"]),
            "goal": Goal(**stored["goal"]),
            "reached": tuple(stored["reached"]),
        }
    )


def default_for(encoder: str) -> Calibration:
    """Return the calibration that comes with an encoder; for another one, a cautious one."""
    default = from_json(_shipped())
    if default.encoder == encoder:
        return replace(default, source="")
    # Nobody has measured it: it asks back more than it answers.
    return replace(default, source="", encoder="", thresholds=Thresholds(answer=0.98, clarify=0.3))


def untrained() -> Calibration:
    """Return coefficients of nought: what the first fit of all is drawn toward."""
    nought = (0.0,) * (1 + len(EVIDENCE))
    return Calibration(nought, nought, Thresholds(answer=1.0, clarify=0.5))


@cache
def _shipped() -> Mapping[str, Any]:
    return json.loads(_DEFAULTS.read_text(encoding="utf-8"))


def _regress(evidence: np.ndarray, labels: np.ndarray, prior: Sequence[float]) -> tuple[float, ...]:
    """Fit P(label) by Newton's method, penalised by the distance from ``prior``.

    Of the intercept the distance costs nothing: how many queries are right differs between FAQs.
    """
    x = np.column_stack([np.ones(len(evidence)), evidence / _SPREAD])
    old = np.array(prior) * [1.0, *_SPREAD]
    penalty = np.diag([1e-3, *len(EVIDENCE) * [_PENALTY]])
    found = old.copy()
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ found, -30, 30)))
        gradient = x.T @ (p - labels) + penalty @ (found - old)
        curvature = (x * (p * (1 - p))[:, None]).T @ x + penalty
        step = np.linalg.solve(curvature, gradient)
        # Damped: far from the solution a full step can overshoot for ever.
        found = found - step / max(1.0, float(np.abs(step).max()) / 2)
        if np.abs(step).max() < 1e-8:
            break
    return tuple(float(round(value, 6)) for value in found / [1.0, *_SPREAD])


def _probability(coefficients: Sequence[float], evidence: Sequence[float]) -> float:
    # Of one query, plain numbers are done before numpy has begun.
    logit = coefficients[0] + sum(map(mul, coefficients[1:], evidence))
    return round(1 / (1 + math.exp(-max(-30.0, min(logit, 30.0)))), 6)


def _probabilities(coefficients: Sequence[float], evidence: np.ndarray) -> np.ndarray:
    logit = coefficients[0] + evidence @ np.array(coefficients[1:])
    return (1 / (1 + np.exp(-np.clip(logit, -30, 30)))).round(6)


def _floor(value: float) -> float:
    """Cut to four decimals, downwards, so that the case it was read from still passes."""
    return math.floor(value * 10_000) / 10_000


def _ceil(value: float) -> float:
    """Cut to four decimals, upwards and beyond, so that the case it was read from does not pass."""
    return min(1.0, math.floor(value * 10_000 + 1) / 10_000)
