"""What do plain methods give on the same texts? BM25 and TF-IDF, nothing trained.

In: texts, normalised and cut like ours, so that traditional characters and full width cost them
nothing. Out: vectors, or scores of queries against questions.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import bm25s
import numpy as np
from scipy.sparse import csr_array, issparse

from distill.text import normalise, segment

Vectors = np.ndarray | csr_array  # float (n, d), each row of unit length, or of zeros
Encode = Callable[[Sequence[str]], Vectors]
Scores = Callable[[Sequence[str]], np.ndarray]  # q queries → float (q, n), one score a question


def words(text: str) -> list[str]:
    """Return the jieba words of a text."""
    return [word.text for word in segment(normalise(text)) if not word.text.isspace()]


def character_grams(text: str) -> list[str]:
    """Return the characters of a text, and its pairs of neighbouring characters."""
    text = normalise(text)
    return [*text, *(text[i : i + 2] for i in range(len(text) - 1))]


@dataclass(frozen=True)
class TfIdf:
    """Counts × ln((1 + N) / (1 + df)) + 1 over the terms of the texts it was fitted on."""

    terms: Callable[[str], list[str]]
    columns: dict[str, int]
    idf: np.ndarray  # float64 (d,)

    @classmethod
    def fit(cls, texts: Sequence[str], terms: Callable[[str], list[str]]) -> "TfIdf":
        """Count in how many of these texts each term occurs."""
        frequency = Counter(term for text in texts for term in set(terms(text)))
        counts = np.array(list(frequency.values()))
        columns = {term: column for column, term in enumerate(frequency)}
        return cls(terms, columns, np.log((1 + len(texts)) / (1 + counts)) + 1)

    def encode(self, texts: Sequence[str]) -> csr_array:
        """Return float64 (n, d), unit length; a text without a known term is a row of zeros."""
        data, indices, starts = [], [], [0]
        for text in texts:
            counts = Counter(
                self.columns[term] for term in self.terms(text) if term in self.columns
            )
            values = np.fromiter(counts.values(), float) * self.idf[list(counts)]
            data.append(values / (np.linalg.norm(values) or 1))
            indices += counts
            starts.append(len(indices))
        shape = (len(texts), len(self.columns))
        # scikit-learn takes 32-bit places only.
        places = (np.array(each, np.int32) for each in (indices, starts))
        return csr_array((np.concatenate(data), *places), shape=shape)


def cosines(encode: Encode, questions: Sequence[str]) -> Scores:
    """Score queries by the cosine of their vectors with those of the questions."""
    columns = encode(questions).T
    columns = columns.tocsr() if issparse(columns) else columns

    def scores(queries: Sequence[str]) -> np.ndarray:
        found = encode(queries) @ columns
        return found.toarray() if issparse(found) else found

    return scores


def bm25(questions: Sequence[str]) -> Scores:
    """Score queries by BM25 (bm25s, its defaults) over jieba words."""
    index = bm25s.BM25()
    index.index([words(text) for text in questions], show_progress=False)
    known = set(index.vocab_dict)

    def score(query: str) -> np.ndarray:
        found = [word for word in words(query) if word in known]
        return index.get_scores(found) if found else np.zeros(len(questions), np.float32)

    return lambda queries: np.stack([score(query) for query in queries])
