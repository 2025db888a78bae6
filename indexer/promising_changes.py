"""Which changes of a word's weight are worth trying? A guess from the words alone, vectors aside.

In: queries as they came out, and what the entries say. Out: changes, the likeliest to help first.
Whether one does help is found by trying it: suggestions.py.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np

from distill.text import Word, speaks
from distill.weights import WeightedText
from indexer.evaluate import Case
from indexer.search import Searcher

FACTORS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
# A keyword is found inside longer words too: a single character would cut them to pieces.
_SHORTEST = 2
# Two characters are a word that the dictionary lacks (a brand, 价保, 满减) if they stand together
# so often, and are seldom apart: each in this share of the places where it stands by itself.
_COINED_COUNT, _COINED_SHARE = 3, 0.3
_TELLING = 0.05  # a lead so much larger is 1/e as likely to be turned
_WORDING_SHARE = 0.3  # of the score, roughly, that changes with the words of the entry alone


@dataclass(frozen=True)
class Change:
    """A word's factor, as it is and as it might be."""

    word: str
    before: float
    factor: float


def promising_changes(
    searcher: Searcher, cases: Sequence[Case], said: Mapping[str, Sequence[WeightedText]]
) -> list[Change]:
    """Return changes that may help more than they harm, the likeliest first.

    ``said`` is what each live entry says, as the searcher reads it. Where a query failed, the right
    entry should gain on the first hit; or, if it is the first but was refused, gain as such; or,
    out of scope, the first hit lose. Queries that succeeded count against what would pull them the
    other way. A lead counts e times less for each ``_TELLING`` of its size.

    A word that a single query holds, and the FAQ does not, would teach that query by heart; and
    more weight on what the FAQ does not hold finds nothing in it. Both are left out.
    """
    asked = [searcher.reader.read(case.query.query) for case in cases]
    estimate = _Estimate(searcher, said, coined_words(chain(asked, *said.values())))
    asking = Counter(word for text in asked for word in {word for word, _ in estimate.parts(text)})
    gains: dict[tuple[str, bool], float] = defaultdict(float)
    helped: set[tuple[str, bool]] = set()
    for case, text in zip(cases, asked, strict=True):
        if not case.result.hits:
            continue
        lead, pulls = estimate.pulls(case, text)
        for word, pull in pulls:
            size = abs(pull) * math.exp(-abs(lead) / _TELLING)
            # Does more weight (True) or less bring the query to where it should come out?
            good = pull > 0
            if case.right:
                gains[word, not good] -= size
            else:
                gains[word, good] += size
                helped.add((word, good))
    faq = "\n".join(text.text for texts in said.values() for text in texts)
    known = searcher.lexicon.keywords
    return [
        Change(word, known.get(word, 1.0), factor)
        for word, up in sorted(helped, key=lambda key: (-gains[key], key))
        if gains[word, up] > 0 and (word in faq or (asking[word] > 1 and not up))
        for factor in FACTORS
        if (factor > known.get(word, 1.0) if up else factor < known.get(word, 1.0))
    ]


def coined_words(texts: Iterable[WeightedText]) -> frozenset[str]:
    """Return words of two characters that these texts use and the dictionary cuts in two."""
    alone: Counter[str] = Counter()
    together: Counter[str] = Counter()
    for text in texts:
        alone.update(word.text for word in text.words if len(word.text) == 1)
        together.update(one.text + other.text for one, other in _single_pairs(text))
    return frozenset(
        pair
        for pair, count in together.items()
        if count >= max(_COINED_COUNT, _COINED_SHARE * max(alone[char] for char in pair))
    )


def holds(texts: Iterable[WeightedText], word: str) -> bool:
    """Say whether any of the texts holds the word, be it inside another."""
    return any(word in text.text for text in texts)


@dataclass(frozen=True)
class _Estimate:
    """What more weight on a word would do to a query, to the first order."""

    searcher: Searcher
    said: Mapping[str, Sequence[WeightedText]]
    coined: Collection[str]

    def pulls(self, case: Case, asked: WeightedText) -> tuple[float, list[tuple[str, float]]]:
        """Return what a query lacks, and how far more weight on each word would bring it there.

        The derivative of a cosine by the logarithm of a word's weight is p·(a - c): p is the word's
        part of the query's squared length, a is 1 if the entry holds the word and else 0, c the
        cosine. In the difference of two entries about as near, c falls out.
        """

        def has(entry: str, word: str) -> bool:
            # Not by the query itself, which is passed over where it is one of the FAQ's questions.
            return holds((text for text in self.said[entry] if text.text != asked.text), word)

        right, hits = case.expected, case.result.hits
        rival = next((hit for hit in hits if hit.entry_id != right), None)
        if not right or not rival or (hits[0] is not rival and not case.right):
            # Right but refused, or out of scope but not: is the first hit near enough, or too near?
            best, sign = hits[0], 1 if right else -1
            return case.result.in_scope - self.searcher.thresholds.clarify, [
                (word, sign * part * (has(best.entry_id, word) - best.score))
                for word, part in self.parts(asked)
            ]
        own = hits[case.rank - 1] if case.rank else None
        pulls = [
            (word, part * (has(right, word) - has(rival.entry_id, word)))
            for word, part in self.parts(asked)
        ]
        # Weight on what only their wordings hold takes them further off.
        for hit, sign in ((own, -1), (rival, 1)):
            if hit:
                pulls += [
                    (word, sign * _WORDING_SHARE * part)
                    for word, part in self.parts(self.searcher.reader.read_stored(hit.question))
                    if word not in asked.text
                ]
        return (own or hits[-1]).score - rival.score, pulls

    def parts(self, text: WeightedText) -> list[tuple[str, float]]:
        """Return the words that could be keywords, each with its part of the squared length."""
        squares = np.square(text.weights.astype(np.float64))
        total = squares.sum() or 1.0
        spans = [
            (word.start, word.end)
            for word in text.words
            if len(word.text) >= _SHORTEST and speaks(word.text)
        ]
        spans += [
            (one.start, other.end)
            for one, other in _single_pairs(text)
            if one.text + other.text in self.coined
        ]
        return [
            (text.text[start:end], float(squares[start:end].sum() / total)) for start, end in spans
        ]


def _single_pairs(text: WeightedText) -> Iterator[tuple[Word, Word]]:
    """Yield neighbouring words of a single letter, digit or character each."""
    for one, other in pairwise(text.words):
        if len(one.text) == len(other.text) == 1 and speaks(one.text) and speaks(other.text):
            yield one, other
