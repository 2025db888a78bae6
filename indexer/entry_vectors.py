"""How near is a query to an entry as a whole, all its wordings together?

In: the vectors of an entry's questions. Out: cosines with the entries' centres. Directions in which
wordings of one and the same entry differ (politeness, length, 怎么 or 如何) say little about which
entry is meant, so they are shortened first: within-class covariance normalisation (Hatch et al.
2006), the whitening of Fisher's discriminant, with the covariance drawn to the identity.
"""

import numpy as np
from threadpoolctl import threadpool_limits

# How many times the identity outweighs the covariance found. Chosen on split dev of
# data/queries.csv, where 2 … 5 are alike; a FAQ of one wording an entry gets the identity alone.
_IDENTITY = 3.0


class EntryVectors:
    """The centres of a revision's entries; immutable."""

    def __init__(self, vectors: np.ndarray, start: np.ndarray) -> None:
        """Take unit vectors float32 (n, d), sorted by entry: entry e has rows start[e]:start[e+1].

        Every entry has at least one. ``start`` is int64 (entries + 1,).
        """
        # On busy cores, two threads of numpy's BLAS wait for each other longer than one takes.
        with threadpool_limits(1, user_api="blas"):
            self._learn(vectors, start)

    def _learn(self, vectors: np.ndarray, start: np.ndarray) -> None:
        counts = np.diff(start)
        self._map: np.ndarray | None = None  # the identity
        if not len(counts):  # nothing to be near to
            self._sums = self._centres = vectors
            return
        if len(vectors) > len(counts):
            means = np.add.reduceat(vectors, start[:-1], axis=0) / counts[:, None]
            spread = (vectors - np.repeat(means, counts, axis=0)).astype(np.float64)
            self._map = _whitening(spread.T @ spread)
        whitened = self.whiten(vectors)
        self._sums = np.add.reduceat(whitened, start[:-1], axis=0)  # of an entry's wordings
        self._centres = _unit(self._sums)

    def whiten(self, vector: np.ndarray) -> np.ndarray:
        """Return a unit vector float32 (d,), or n of them, as it lies among the centres.

        It is of unit length again.
        """
        return _unit(vector if self._map is None else vector @ self._map)

    def cosines(self, whitened: np.ndarray, entries: np.ndarray) -> np.ndarray:
        """Return the cosines, float32 (k,), of these entries' centres with a whitened vector."""
        return self._centres.take(entries, axis=0) @ whitened

    def cosine_without(self, whitened: np.ndarray, entry: int, left_out: np.ndarray) -> float:
        """Return the cosine with an entry's centre as it is without some of its wordings.

        ``left_out`` are their vectors, (m, d), not all of the entry's.
        """
        rest = self._sums[entry] - self.whiten(left_out).sum(axis=0)
        return float(_unit(rest) @ whitened)


def _whitening(scatter: np.ndarray) -> np.ndarray | None:
    """Return the float32 matrix W (d, d) by which row vectors are multiplied, None for identity.

    W Wᵀ inverts the covariance, which is scaled to the identity's size (trace d) before both are
    mixed.
    """
    dimension = len(scatter)
    size = np.trace(scatter) / dimension
    if size < 1e-9:  # no two wordings of one entry that differ: nothing is known of what to shorten
        return None
    covariance = (scatter / size + _IDENTITY * np.eye(dimension)) / (1 + _IDENTITY)
    return np.linalg.cholesky(np.linalg.inv(covariance)).astype(np.float32)


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
