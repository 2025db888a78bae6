"""Which entries use the query's characters, or its sounds? Sparse indexes beside the vectors.

In: weighted texts. Out: cosines of characters and pairs of characters, weighted by the very weights
that pool the encoder's vectors: what an operator changes acts here too. What the encoder does not
know (a product's name, dialect, a rare word) is found by its characters; what an input method got
wrong (帐户冻洁) by its sounds.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from functools import cache
from itertools import pairwise

import numpy as np

from distill.weights import WeightedText

# Readings of single characters only: the dictionary of phrases would take 40 MB and be unused.
os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")
from pypinyin import lazy_pinyin  # noqa: E402

Features = Mapping[str, float]  # character or sound, or a pair of them → weight, of unit length

# What an answer says counts for less than what a question asks. Chosen on split dev of
# data/queries.csv, where 0.5 … 1 differ by one query in a hundred.
ANSWER_SHARE = 0.7


def characters(text: WeightedText) -> Features:
    """Return a text's characters, and neighbouring pairs at their mean weight, as a unit vector."""
    return _features(text.text, text.weights)


def sounds(text: WeightedText) -> Features:
    """Return the same of a text's Pinyin, a syllable a character, without tones."""
    return _features([_sound(char) for char in text.text], text.weights)


@cache
def _sound(char: str) -> str:
    return lazy_pinyin(char)[0] + " "  # the blank keeps "xi an" apart from "xian"


def _features(units: Sequence[str], weights: np.ndarray) -> Features:
    found: dict[str, float] = {}
    weighted = list(zip(units, weights.tolist(), strict=True))
    for unit, weight in weighted:
        if weight > 0:
            found[unit] = found.get(unit, 0.0) + weight
    for (first, a), (second, b) in pairwise(weighted):
        if a > 0 and b > 0:
            found[first + second] = found.get(first + second, 0.0) + (a + b) / 2
    return _unit(found)


def pairs(text: Features) -> Features:
    """Return what a text's features say in pairs, in shares that add up to 1.

    Of a text without a pair, its single characters: what it says is all there is.
    """
    found = {feature: weight for feature, weight in text.items() if len(feature) > 1} or text
    total = sum(found.values())
    return {feature: weight / total for feature, weight in found.items()}


def coverage(shares: Features, said: Iterable[Features]) -> float:
    """Return the sum of the shares of those features that any of these texts has."""
    said = list(said)
    return sum(share for feature, share in shares.items() if any(feature in t for t in said))


def profile(questions: Iterable[Features], answer: Features | None = None) -> Features:
    """Return what an entry says in all its wordings: of each feature the greatest weight.

    So a query may take one word from one wording and another from the next, and ten wordings that
    say the same count once.
    """
    found: dict[str, float] = {}
    for question in questions:
        for feature, weight in question.items():
            found[feature] = max(found.get(feature, 0.0), weight)
    if answer:
        for feature, weight in answer.items():
            found[feature] = max(found.get(feature, 0.0), ANSWER_SHARE * weight)
    return _unit(found)


def cosine(a: Features, b: Features) -> float:
    """Return the cosine of two texts' features."""
    return sum(weight * b.get(feature, 0.0) for feature, weight in a.items())


def _unit(found: Mapping[str, float]) -> Features:
    length = sum(weight * weight for weight in found.values()) ** 0.5
    return {feature: weight / length for feature, weight in found.items()}


# A feature that more than this share of the rows has is kept as a whole column besides: adding up
# columns costs a row a twentieth of what a posting costs.
_COMMON = 1 / 16


class LexicalIndex:
    """Postings by feature; immutable, like the revision it belongs to."""

    def __init__(self, rows: Sequence[Features]) -> None:
        """Index n sets of features."""
        self._count = 0
        self._numbers: dict[str, int] = {}
        self._start = [0]
        self._rows = np.zeros(0, dtype=np.int32)
        self._weights = np.zeros(0, dtype=np.float32)
        self._add(dict(enumerate(rows)), len(rows))

    def moved(
        self, places: np.ndarray, fresh: Mapping[int, Features], count: int
    ) -> "LexicalIndex":
        """Return the index of ``count`` rows most of which are in this one.

        ``places``, int64 (n,), says where each row of this one stands there, -1 for nowhere;
        ``fresh`` holds the features of all other rows. It costs what is fresh, and a copy.
        """
        other = copy(self)
        rows = places[self._rows]
        there = rows >= 0
        features = np.repeat(np.arange(len(self._numbers)), np.diff(self._start))[there]
        other._rows, other._weights = rows[there].astype(np.int32), self._weights[there]
        counts = np.bincount(features, minlength=len(self._numbers))
        used = counts > 0
        if 2 * used.sum() < len(used):  # most of the numbers are nobody's any more
            renumbered = np.cumsum(used) - 1
            other._numbers = {
                feature: int(renumbered[number])
                for feature, number in self._numbers.items()
                if used[number]
            }
            counts = counts[used]
        else:
            other._numbers = dict(self._numbers)
        other._start = [0, *np.cumsum(counts).tolist()]
        other._add(fresh, count)
        return other

    def _add(self, fresh: Mapping[int, Features], count: int) -> None:
        """Merge the postings of new rows into those there are."""
        numbers = self._numbers
        feature_of, row_of, weights = [], [], []
        for row, found in fresh.items():
            for feature, weight in found.items():
                feature_of.append(numbers.setdefault(feature, len(numbers)))
                row_of.append(row)
                weights.append(weight)
        known = np.repeat(np.arange(len(self._start) - 1, dtype=np.int32), np.diff(self._start))
        features = np.concatenate([known, np.asarray(feature_of, dtype=np.int32)])
        order = np.argsort(features, kind="stable")
        self._rows = np.concatenate([self._rows, np.asarray(row_of, dtype=np.int32)])[order]
        self._weights = np.concatenate([self._weights, np.asarray(weights, dtype=np.float32)])[
            order
        ]
        counts = np.bincount(features, minlength=len(numbers))
        self._start = [0, *np.cumsum(counts).tolist()]
        self._count = count
        common = np.flatnonzero(counts > _COMMON * count).tolist()
        self._column_of = {number: column for column, number in enumerate(common)}
        self._columns = np.zeros((len(common), count), dtype=np.float32)
        for number, column in self._column_of.items():
            part = slice(self._start[number], self._start[number + 1])
            self._columns[column, self._rows[part]] = self._weights[part]

    def cosines(self, query: Features) -> np.ndarray:
        """Return the cosine of each row with the query: float32 (n,), in the order given."""
        return self._sums(query, times_own=True)

    def coverages(self, shares: Features) -> np.ndarray:
        """Return of each row the sum of the shares of those features that it has: float32 (n,)."""
        return self._sums(shares, times_own=False)

    def _sums(self, query: Features, *, times_own: bool) -> np.ndarray:
        start = self._start
        columns, of_columns, rows, own, weights, counts = [], [], [], [], [], []
        for feature, weight in query.items():
            if (number := self._numbers.get(feature)) is None:
                continue
            if (column := self._column_of.get(number)) is not None:
                columns.append(column)
                of_columns.append(weight)
                continue
            first, end = start[number], start[number + 1]
            rows.append(self._rows[first:end])
            own.append(self._weights[first:end])
            weights.append(weight)
            counts.append(end - first)
        sums = np.zeros(self._count, dtype=np.float32)
        if rows:
            # All postings at once: adding them up feature by feature takes twice as long.
            values = np.repeat(np.float32(weights), counts)
            if times_own:
                values *= np.concatenate(own)
            sums += np.bincount(np.concatenate(rows), values, self._count)
        if columns:
            found = self._columns[columns]
            sums += np.float32(of_columns) @ (found if times_own else found > 0)
        return sums
