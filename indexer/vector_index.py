"""Which stored vectors are nearest? FAISS, and nothing else of FAISS anywhere else.

In: unit vectors. Out: (row, cosine), best first. Immutable: another revision is another index.
FAISS's own pitfalls (padding with -1, silent dtypes, threads) end here.
"""

from collections.abc import Sequence

import faiss
import numpy as np

# One query is too little work to share: on 2 cores, 2 threads took 30 times as long as 1.
faiss.omp_set_num_threads(1)


class VectorIndex:
    """Exact inner-product search over unit vectors, so that scores are cosines."""

    def __init__(self, vectors: np.ndarray) -> None:
        """Index float32 (n, d); a vector is known by its row."""
        self.vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        self._index = faiss.IndexFlatIP(vectors.shape[1])
        self._index.add(self.vectors)

    def __len__(self) -> int:
        return self._index.ntotal

    def search(self, vector: np.ndarray, k: int) -> np.ndarray:
        """Return the rows, int64 (≤ k,), nearest to a float32 (d,) unit vector, best first."""
        if not len(self):
            return np.zeros(0, dtype=np.int64)
        query = np.ascontiguousarray(vector[None, :], dtype=np.float32)
        rows = self._index.search(query, min(k, len(self)))[1][0]
        return rows[rows >= 0]

    def cosines(self, vector: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the cosines, float32 (k,), of these rows with a float32 (d,) unit vector."""
        return self.vectors[rows] @ vector

    def rows(self, rows: Sequence[int]) -> np.ndarray:
        """Return the vectors of these rows, float32 (k, d)."""
        return self.vectors[list(rows)]
