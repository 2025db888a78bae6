"""Which stored questions share the query's characters? A sparse index beside the vectors.

In: weighted texts. Out: cosines of their characters and pairs of characters, weighted by the very
weights that pool the encoder's vectors: what an operator changes acts here too. What the encoder
does not know (a product's name, dialect, a rare word) is found here.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from distill.weights import WeightedText

Features = Mapping[str, float]  # character or pair of characters → weight, of unit length


def features(text: WeightedText) -> Features:
    """Return a text's characters, and neighbouring pairs at their mean weight, as a unit vector."""
    found: dict[str, float] = {}
    weighted = list(zip(text.text, text.weights.tolist(), strict=True))
    for char, weight in weighted:
        if weight > 0:
            found[char] = found.get(char, 0.0) + weight
    for (first, a), (second, b) in pairwise(weighted):
        if a > 0 and b > 0:
            found[first + second] = found.get(first + second, 0.0) + (a + b) / 2
    length = sum(weight * weight for weight in found.values()) ** 0.5
    return {feature: weight / length for feature, weight in found.items()}


class LexicalIndex:
    """Postings by feature; immutable, like the revision it belongs to."""

    def __init__(self, rows: Sequence[Features]) -> None:
        """Index the features of n questions."""
        self._count = len(rows)
        numbers: dict[str, int] = {}
        feature_of, row_of, weights = [], [], []
        for row, found in enumerate(rows):
            for feature, weight in found.items():
                feature_of.append(numbers.setdefault(feature, len(numbers)))
                row_of.append(row)
                weights.append(weight)
        order = np.argsort(np.asarray(feature_of, dtype=np.int64), kind="stable")
        self._rows = np.asarray(row_of, dtype=np.int64)[order]
        self._weights = np.asarray(weights, dtype=np.float32)[order]
        counts = np.bincount(np.asarray(feature_of, dtype=np.int64), minlength=len(numbers))
        self._start = np.concatenate(([0], np.cumsum(counts)))
        self._numbers = numbers

    def cosines(self, query: Features) -> np.ndarray:
        """Return the cosine of each question with the query: float32 (n,), in the order given."""
        scores = np.zeros(self._count, dtype=np.float32)
        for feature, weight in query.items():
            if (number := self._numbers.get(feature)) is not None:
                part = slice(self._start[number], self._start[number + 1])
                scores[self._rows[part]] += weight * self._weights[part]
        return scores
