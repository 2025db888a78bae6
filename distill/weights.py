"""How much does each character count? Word-level IDF spread over characters.

In: a text. Out: a ``WeightedText``, the one input from which tokens for every model are made. What
an operator changes is a factor on a word; tokens and vectors follow from it.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from distill.idf import WordIdf
from distill.text import Word, normalise, segment

DEFAULT_SMOOTHING = 0.5
_REMEMBERED = 10_000  # words whose share is kept; the same few make up nearly every question
_PERTURBED = 0.3  # share of words whose weight a perturbation changes


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
    _shares: dict[str, float] = field(default_factory=dict, init=False, repr=False, compare=False)

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
        shares, known = [], self._shares
        if len(known) > _REMEMBERED:
            known.clear()
        for word in words:
            share = known.get(word.text)
            if share is None:
                share = known[word.text] = self._share(word.text)
            shares += [share] * len(word.text)
        weights = np.array(shares, dtype=np.float64)
        total = weights.sum()
        if total > 0:
            weights /= total
        return WeightedText(text, words, weights.astype(np.float32))

    def perturb(self, weighted: WeightedText, seed: int, *, even: bool = False) -> WeightedText:
        """Return the text as if an operator had changed some of its words' weights.

        Each word is chosen with a chance of 0.3 and gets a factor between 1/4 and 4, uniform in
        its logarithm; a text in which none is chosen gets one. The same words for the same seed and
        text. ``even`` starts from equal characters instead of IDF: what mean pooling does.
        """
        rng = random.Random(f"{seed} {weighted.text}")
        speaking = [word for word in weighted.words if not word.text.isspace()]
        chosen = [word for word in speaking if rng.random() < _PERTURBED]
        if not chosen and speaking:
            chosen = [rng.choice(speaking)]
        weights = weighted.weights.astype(np.float64)
        if even:
            weights = (weights > 0).astype(np.float64)
        for word in chosen:
            factor = 4.0 ** rng.uniform(-1, 1)
            # As in weigh(): smoothing takes part in what makes a word lighter, not heavier.
            share = self.idf.idf(word.text) / (word.end - word.start)
            smoothing = self.smoothing
            if even:
                change = factor
            else:
                change = (share * factor + smoothing * min(factor, 1)) / (share + smoothing)
            weights[word.start : word.end] *= change
        total = weights.sum()
        if total > 0:
            weights /= total
        return replace(weighted, weights=weights.astype(np.float32))

    def word_weight(self, word: str) -> float:
        """Return IDF × operator's factor of a normalised word."""
        return self.idf.idf(word) * self.keywords.get(word, 1.0)

    def _share(self, word: str) -> float:
        """Return what each character of a word weighs before the text is scaled to sum 1."""
        if word.isspace():
            return 0.0
        # Smoothing belongs to the character, the factor to the word: an operator's 0 silences the
        # word altogether, or "0" would still leave it half its weight.
        factor = self.keywords.get(word, 1.0)
        return self.word_weight(word) / len(word) + self.smoothing * min(factor, 1)
