"""How good are the vectors? Spearman correlation of cosines with people's labels.

In: an encoder and labelled pairs. Out: one number a set. Retrieval quality is the indexer's.
"""

from collections.abc import Sequence

import numpy as np

from distill.corpus import LabelledPair
from distill.encoder import Encoder


def evaluate_pairs(encoder: Encoder, pairs: Sequence[LabelledPair]) -> float:
    """Return Spearman's ρ × 100 of the cosine of each pair with its label."""
    texts = sorted({text for pair in pairs for text in (pair.first, pair.second)})
    row = {text: i for i, text in enumerate(texts)}
    vectors = encoder.encode(texts)
    first = vectors[[row[pair.first] for pair in pairs]]
    second = vectors[[row[pair.second] for pair in pairs]]
    labels = np.array([pair.label for pair in pairs])
    return 100 * spearman((first * second).sum(axis=1), labels)


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Return Spearman's rank correlation of two float arrays (n,); ties share their mean rank."""
    return float(np.corrcoef(_ranks(a), _ranks(b))[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    _, group, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return ((2 * last - counts + 1) / 2)[group]
