"""Why was this found, and why was it decided so? Every number behind a reply, taken apart.

In: a searcher and a query. Out: an ``Explanation``, of which ``dataclasses.asdict`` is JSON. What
it says of a score comes from the very code that ranks; reasons.py puts it into words.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, astuple, dataclass, replace

import numpy as np

from distill.errors import TextError
from distill.text import speaks
from distill.weights import WeightedText
from indexer.calibration import Thresholds
from indexer.decision import OPTIONS, Band, DecisionKind, band, decide
from indexer.reasons import reason_in_words
from indexer.records import Hit, SearchResult, Signals
from indexer.search import Searcher

# The heaviest words of a query are silenced, one after the other, and no more: a text of thousands
# of characters would take many seconds, and none of its words matters much.
SILENCED = 32
_DEEP = 20  # hits among which a hit is looked for after a word was silenced, before all are ranked


@dataclass(frozen=True)
class Synonym:
    """A word of the query that was read as another."""

    said: str
    read: str


@dataclass(frozen=True)
class WordWeight:
    """A word of the query as read, all its occurrences together.

    ``idf`` is what it weighs by itself, ``factor`` what an operator multiplies that by, ``weight``
    the share of the whole query's weight that it has in the end, 0 … 1.
    """

    text: str
    count: int
    idf: float
    factor: float
    weight: float


@dataclass(frozen=True)
class WordEffect:
    """What a word does for the similarity of query and entry; see ``explain``."""

    text: str
    fall: float
    share: float


@dataclass(frozen=True)
class HitExplanation:
    """An entry found, and what its score is made of.

    ``contributions`` are the parts of ``similarity``: weight × value ÷ sum of weights. ``rules`` is
    what the score has beyond it: an exact match makes it 1, a 反例 (``objection``) takes away.
    ``words`` are those that were silenced, in the order of the query.
    """

    entry_id: str
    standard_question: str
    question: str  # the nearest wording
    score: float
    similarity: float
    rules: float
    signals: Signals
    contributions: Signals
    exact: bool
    objection: str
    contradiction: str
    confidence: float
    band: Band
    words: tuple[WordEffect, ...]


@dataclass(frozen=True)
class Lead:
    """What puts the best hit before the next one, in parts that add up to ``score``.

    ``decided_by`` is the greatest of them: the name of a signal, or "rules". ``over`` is the entry
    left behind, "" if there is none (the parts are then those of the best hit itself).
    """

    over: str = ""
    score: float = 0.0
    signals: Signals = Signals()
    rules: float = 0.0
    decided_by: str = ""


@dataclass(frozen=True)
class Explanation:
    """A query as read, its words, its best hits, and what was decided.

    Weights of ``words``, and of ``punctuation``, add up to 1 (0 if nothing has a weight).
    ``not_silenced`` counts the words left out of the hits' ``words``. ``by_thresholds`` is what the
    thresholds alone would have decided: where it differs from ``decision``, the rule that
    ``reason`` names has changed it, and ``sentence`` says so.
    """

    query: str
    read: str
    synonyms: tuple[Synonym, ...]
    words: tuple[WordWeight, ...]
    punctuation: float
    not_silenced: int
    weights: Signals
    hits: tuple[HitExplanation, ...]
    lead: Lead
    decision: DecisionKind
    reason: str
    sentence: str
    by_thresholds: DecisionKind
    confidence: float
    band: Band
    in_scope: float
    thresholds: Thresholds
    revision: int


def explain(searcher: Searcher, query: str, k: int = 3) -> Explanation:
    """Search, decide, and say of the k best hits what they owe to each word and signal.

    Let s(q) be the similarity of query and entry: the weighted mean of the signals. Silencing a
    word w sets its weights to 0 everywhere in the query and scales the others to sum 1, as an
    operator's 0 would; the rest is encoded and ranked anew:

        fall(w) = s(q) − s(q without w),   share(w) = fall(w) ÷ Σ |fall(v)| over all silenced v.

    A word without which the query were nearer to the entry has a negative share. Where nothing
    that speaks is left, s is 0: a query of one word owes all to it, its share is 1. Only the
    SILENCED heaviest words are silenced. (Leave one out, called occlusion where images are
    explained: Zeiler & Fergus 2014; for words Li, Monroe & Jurafsky 2016.)
    """
    # Half a character (a lone surrogate), as a shell or JSON may carry it, could not be printed.
    query = query.encode("utf-8", "replace").decode("utf-8")
    asked = searcher.reader.read(query)
    result = searcher.search(query, max(k, OPTIONS))  # as many as an answering service looks at
    decision = decide(result, searcher.thresholds)
    words = _words(searcher, asked)
    shown = result.hits[:k]
    heaviest = sorted(words, key=lambda word: -word.weight)[:SILENCED] if shown else ()
    silenced = {word.text for word in heaviest}
    without = {
        word.text: _similarities(searcher, _silence(asked, word.text), {h.entry_id for h in shown})
        for word in words
        if word.text in silenced
    }
    confidence = result.hits[0].confidence if result.hits else 0.0
    return Explanation(
        query=query,
        read=asked.text,
        synonyms=tuple(Synonym(*pair) for pair in dict.fromkeys(searcher.reader.replaced(query))),
        words=words,
        punctuation=round(
            _weight_of(asked, (w.text for w in asked.words if not speaks(w.text))), 5
        ),
        not_silenced=len(words) - len(silenced),
        weights=searcher.weights,
        hits=tuple(_hit(searcher, hit, without) for hit in shown),
        lead=_lead(searcher, result.hits[:2]),
        decision=decision.kind,
        reason=decision.reason,
        sentence=reason_in_words(result, decision, searcher.thresholds),
        by_thresholds=_by_thresholds(result, searcher.thresholds),
        confidence=confidence,
        band=band(confidence),
        in_scope=result.in_scope,
        thresholds=searcher.thresholds,
        revision=result.revision,
    )


def _words(searcher: Searcher, asked: WeightedText) -> tuple[WordWeight, ...]:
    weighting = searcher.encoder.weighting
    counts: dict[str, int] = {}
    weights: dict[str, float] = {}
    for word in asked.words:
        if speaks(word.text):
            counts[word.text] = counts.get(word.text, 0) + 1
            weight = float(asked.weights[word.start : word.end].sum())
            weights[word.text] = weights.get(word.text, 0.0) + weight
    return tuple(
        WordWeight(
            text,
            count,
            round(weighting.idf.idf(text), 4),
            weighting.keywords.get(text, 1.0),
            round(weights[text], 5),
        )
        for text, count in counts.items()
    )


def _weight_of(asked: WeightedText, texts: Iterable[str]) -> float:
    chosen = set(texts)
    spans = (asked.weights[w.start : w.end] for w in asked.words if w.text in chosen)
    return float(sum(span.sum() for span in spans))


def _silence(asked: WeightedText, text: str) -> WeightedText:
    """Return the query without the weight of a word, wherever it occurs."""
    weights = asked.weights.astype(np.float64)
    for word in asked.words:
        if word.text == text:
            weights[word.start : word.end] = 0.0
    total = weights.sum()
    return replace(asked, weights=(weights / total if total else weights).astype(np.float32))


def _similarities(
    searcher: Searcher, asked: WeightedText, wanted: Collection[str]
) -> Mapping[str, float]:
    """Return the similarity of the query with each of the entries wanted; 0 if it says nothing."""
    nothing = dict.fromkeys(wanted, 0.0)
    if not any(speaks(w.text) and asked.weights[w.start : w.end].any() for w in asked.words):
        return nothing
    try:
        vector = searcher.encoder.encode([asked])[0]
    except TextError:  # all that is left stands behind what the encoder reads of a text
        return nothing
    k = _DEEP
    while True:
        found = {hit.entry_id: hit for hit in searcher.rank(asked, vector, k)}
        if found.keys() >= set(wanted) or k >= len(searcher.entries):
            # An entry whose last day ends between two rankings is not found any more.
            return nothing | {
                key: _similarity(searcher, found[key].signals) for key in wanted if key in found
            }
        k = min(20 * k, len(searcher.entries))


def _hit(
    searcher: Searcher, hit: Hit, without: Mapping[str, Mapping[str, float]]
) -> HitExplanation:
    similarity = _similarity(searcher, hit.signals)
    falls = {text: similarity - rest[hit.entry_id] for text, rest in without.items()}
    total = sum(map(abs, falls.values()))
    return HitExplanation(
        entry_id=hit.entry_id,
        standard_question=searcher.entries[hit.entry_id].question,
        question=hit.question,
        score=hit.score,
        similarity=round(similarity, 5),
        rules=_rules(searcher, hit),
        signals=hit.signals,
        contributions=_contributions(searcher, hit.signals),
        exact=hit.exact,
        objection=hit.objection,
        contradiction=hit.contradiction,
        confidence=hit.confidence,
        band=band(hit.confidence),
        words=tuple(
            WordEffect(text, round(fall, 5), round(fall / total, 5) if total else 0.0)
            for text, fall in falls.items()
        ),
    )


def _lead(searcher: Searcher, hits: tuple[Hit, ...]) -> Lead:
    if not hits:
        return Lead()
    best, *others = hits
    second = others[0] if others else Hit("", 0, "", 0.0)
    pairs = zip(
        astuple(_contributions(searcher, best.signals)),
        astuple(_contributions(searcher, second.signals)),
        strict=True,
    )
    signals = Signals(*(round(one - other, 5) for one, other in pairs))
    rules = round(_rules(searcher, best) - _rules(searcher, second), 5)
    parts = {**asdict(signals), "rules": rules}
    return Lead(
        second.entry_id,
        round(best.score - second.score, 5),
        signals,
        rules,
        max(parts, key=parts.__getitem__),
    )


def _rules(searcher: Searcher, hit: Hit) -> float:
    """Return what an exact match adds to the score, or a 反例 takes from it."""
    ruled = hit.exact or bool(hit.objection)
    return round(hit.score - _similarity(searcher, hit.signals), 5) if ruled else 0.0


def _similarity(searcher: Searcher, signals: Signals) -> float:
    weights = astuple(searcher.weights)
    return float(np.dot(astuple(signals), weights) / sum(weights))


def _contributions(searcher: Searcher, signals: Signals) -> Signals:
    weights = astuple(searcher.weights)
    parts = np.multiply(astuple(signals), weights) / sum(weights)
    return Signals(*(round(float(part), 5) for part in parts))


def _by_thresholds(result: SearchResult, thresholds: Thresholds) -> DecisionKind:
    """Return what would be decided if no rule stood above the thresholds."""
    unopposed = tuple(replace(hit, objection="", contradiction="") for hit in result.hits)
    return decide(replace(result, hits=unopposed, evidence=()), thresholds).kind
