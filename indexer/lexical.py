"""Which entries use the query's characters, or its sounds? Sparse indexes beside the vectors.

In: weighted texts. Out: cosines of characters and pairs of characters, weighted by the very weights
that pool the encoder's vectors: what an operator changes acts here too. What the encoder does not
know (a product's name, dialect, a rare word) is found by its characters; what an input method got
wrong (帐户冻洁) by its sounds.
"""

import os
from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from copy import copy
from functools import cache
from itertools import count as counting
from itertools import repeat
from operator import mul

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
    weighing = weights.tolist()
    for unit, weight in zip(units, weighing, strict=True):
        if weight > 0:
            found[unit] = found[unit] + weight if unit in found else weight
    neighbours = zip(units, units[1:], weighing, weighing[1:], strict=False)
    for first, second, a, b in neighbours:
        if a > 0 and b > 0:
            pair = first + second
            found[pair] = found[pair] + (a + b) / 2 if pair in found else (a + b) / 2
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
            if feature not in found or found[feature] < weight:
                found[feature] = weight
    if answer:
        for feature, weight in answer.items():
            if feature not in found or found[feature] < ANSWER_SHARE * weight:
                found[feature] = ANSWER_SHARE * weight
    return _unit(found)


def cosine(a: Features, b: Features) -> float:
    """Return the cosine of two texts' features."""
    return sum(weight * b.get(feature, 0.0) for feature, weight in a.items())


def _unit(found: Mapping[str, float]) -> Features:
    length = sum(map(mul, found.values(), found.values())) ** 0.5
    return {feature: weight / length for feature, weight in found.items()}


# A feature that more than this share of the rows has is kept as a whole column besides: adding up
# columns costs a row a twentieth of what a posting costs.
_COMMON = 1 / 16


class NewRows:
    """The features of rows that an index is to take in, in some ten bytes each."""

    def __init__(self, rows: Mapping[int, Features] | None = None) -> None:
        """Begin with these, or with none."""
        # A feature that is asked for the first time gets the next number.
        self._numbers: defaultdict[str, int] = defaultdict(counting().__next__)
        self.numbers, self.rows, self.weights = array("i"), array("i"), array("f")
        for row, features in (rows or {}).items():
            self.add(row, features)

    def add(self, row: int, features: Features) -> None:
        """Add a row."""
        self.numbers.extend(map(self._numbers.__getitem__, features))
        self.rows.extend(repeat(row, len(features)))
        self.weights.extend(features.values())

    @property
    def features(self) -> Iterable[str]:
        """Return the features by their numbers here."""
        return self._numbers


class LexicalIndex:
    """Postings by feature; immutable, like the revision it belongs to."""

    def __init__(self, rows: Sequence[Features]) -> None:
        """Index n sets of features."""
        self._count = 0
        self._numbers: dict[str, int] = {}
        self._start = np.zeros(1, dtype=np.int64)
        self._rows = np.zeros(0, dtype=np.int32)
        self._weights = np.zeros(0, dtype=np.float32)
        self._add(NewRows(dict(enumerate(rows))), len(rows))

    def moved(self, places: np.ndarray, fresh: NewRows, count: int) -> "LexicalIndex":
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
        other._start = np.append(0, np.cumsum(counts))
        other._add(fresh, count)
        return other

    def _add(self, fresh: NewRows, count: int) -> None:
        """Merge the postings of new rows into those there are."""
        numbers = self._numbers
        number_of = np.array(
            [numbers.setdefault(feature, len(numbers)) for feature in fresh.features],
            dtype=np.int32,
        )
        known = np.repeat(np.arange(len(self._start) - 1, dtype=np.int32), np.diff(self._start))
        features = np.concatenate([known, number_of[np.asarray(fresh.numbers)]])
        order = np.argsort(features, kind="stable")
        self._rows = np.concatenate([self._rows, np.asarray(fresh.rows)])[order]
        self._weights = np.concatenate([self._weights, np.asarray(fresh.weights)])[order]
        counts = np.bincount(features, minlength=len(numbers))
        self._start = np.append(0, np.cumsum(counts))
        self._count = count
        common = np.flatnonzero(counts > _COMMON * count).tolist()
        self._column_of = {number: column for column, number in enumerate(common)}
        self._columns = np.zeros((len(common), count), dtype=np.float32)
        for number, column in self._column_of.items():
            part = slice(self._start[number], self._start[number + 1])
            self._columns[column, self._rows[part]] = self._weights[part]

    def has(self, feature: str, row: int) -> bool:
        """Say whether a row has a feature."""
        if (number := self._numbers.get(feature)) is None:
            return False
        if (column := self._column_of.get(number)) is not None:
            return bool(self._columns[column, row])
        return row in self._rows[self._start[number] : self._start[number + 1]]

    def cosines(self, query: Features) -> np.ndarray:
        """Return the cosine of each row with the query: float32 (n,), in the order given."""
        return self._sums(query, times_own=True)

    def coverages(self, shares: Features) -> np.ndarray:
        """Return of each row the sum of the shares of those features that it has: float32 (n,)."""
        return self._sums(shares, times_own=False)

    def _sums(self, query: Features, *, times_own: bool) -> np.ndarray:
        numbers, column_of = self._numbers, self._column_of
        columns, of_columns, listed, of_listed = [], [], [], []
        for feature, weight in query.items():
            if (number := numbers.get(feature)) is None:
                continue
            if (column := column_of.get(number)) is not None:
                columns.append(column)
                of_columns.append(weight)
            else:
                listed.append(number)
                of_listed.append(weight)
        if listed:
            # All postings at once: adding them up feature by feature takes twice as long.
            feature_numbers = np.array(listed)
            start = self._start[feature_numbers]
            counts = self._start[feature_numbers + 1] - start
            before = counts.cumsum() - counts
            places = np.repeat(start - before, counts)
            places += np.arange(len(places))
            values = np.repeat(np.float32(of_listed), counts)
            if times_own:
                values *= self._weights.take(places)
            sums = np.bincount(self._rows.take(places), values, self._count).astype(np.float32)
        else:
            sums = np.zeros(self._count, dtype=np.float32)
        if columns:
            found = self._columns[columns]
            sums += np.float32(of_columns) @ (found if times_own else found > 0)
        return sums
