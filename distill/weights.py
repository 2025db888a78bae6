"""How much does each character count? Word-level IDF spread over characters.

In: a text. Out: a ``WeightedText``, the one input from which tokens for every model are made. What
an operator changes is a factor on a word; tokens and vectors follow from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from distill.idf import WordIdf
from distill.text import Word, normalise, segment

DEFAULT_SMOOTHING = 0.5


@dataclass(frozen=True)
class WeightedText:
    """A normalised text, the words that tile it, and a weight for each character.

    ``weights``: float32 (c,), non-negative; they sum to 1, or to 0 for the empty text.
    """

    text: str
    words: tuple[Word, ...]
    weights: np.ndarray


@dataclass(frozen=True)
class Weighting:
    """The rule from text to ``WeightedText``; immutable, a changed keyword makes a new one.

    LTD-BERT's rule: a word's IDF (times an operator's factor) is divided by its length in
    characters, ``smoothing`` is added to each character, then each is divided by the sentence's
    sum. White space weighs nothing.
    """

    idf: WordIdf
    smoothing: float = DEFAULT_SMOOTHING
    keywords: Mapping[str, float] = field(default_factory=dict)

    def with_keywords(self, factors: Mapping[str, float]) -> "Weighting":
        """Return a weighting in which these words, kept whole, weigh IDF × factor.

        Raises ValueError for a factor that is negative or not finite, or an empty word.
        """
        clean = {}
        for word, factor in factors.items():
            key = normalise(word)
            if not key:
                raise ValueError(f"keyword {word!r} is empty after normalisation")
            if not 0 <= factor < float("inf"):
                raise ValueError(f"keyword {word!r}: factor {factor} is not a number ≥ 0")
            clean[key] = float(factor)
        return replace(self, keywords=clean)

    def weigh(self, text: str) -> WeightedText:
        """Normalise, cut and weigh a text."""
        text = normalise(text)
        words = segment(text, self.keywords)
        weights = np.zeros(len(text), dtype=np.float64)
        for word in words:
            if word.text.isspace():
                continue
            share = self.word_weight(word.text) / (word.end - word.start)
            # Smoothing belongs to the character, the factor to the word: an operator's 0 silences
            # the word altogether, or "0" would still leave it half its weight.
            factor = self.keywords.get(word.text, 1.0)
            weights[word.start : word.end] = share + self.smoothing * min(factor, 1.0)
        total = weights.sum()
        if total > 0:
            weights /= total
        return WeightedText(text, words, weights.astype(np.float32))

    def word_weight(self, word: str) -> float:
        """Return IDF × operator's factor of a normalised word."""
        return self.idf.idf(word) * self.keywords.get(word, 1.0)
