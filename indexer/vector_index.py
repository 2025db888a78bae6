"""Which stored vectors are nearest? FAISS, and nothing else of FAISS anywhere else.

In: unit vectors. Out: (row, cosine), best first. Immutable: another revision is another index.
FAISS's own pitfalls (padding with -1, silent dtypes, threads) end here.
"""

from collections.abc import Sequence

import faiss
import numpy as np
from threadpoolctl import threadpool_limits

# One query is too little work to share: on 2 cores, 2 threads took 30 times as long as 1, and
# numpy's BLAS is no different: on busy cores its threads wait for each other.
faiss.omp_set_num_threads(1)
threadpool_limits(1, user_api="blas")

# A scan takes as long as its vectors take to come from memory, so it reads them in half precision,
# and a few more than are wanted; these are put in order by the vectors themselves.
_SPARE = 32


class VectorIndex:
    """Exact inner-product search over unit vectors, so that scores are cosines."""

    def __init__(self, vectors: np.ndarray) -> None:
        """Index float32 (n, d); a vector is known by its row."""
        self.vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        half = faiss.ScalarQuantizer.QT_fp16
        self._index = faiss.IndexScalarQuantizer(vectors.shape[1], half, faiss.METRIC_INNER_PRODUCT)
        self._index.train(self.vectors[:1])  # learns nothing: half precision is the same for all
        self._index.add(self.vectors)

    def __len__(self) -> int:
        return self._index.ntotal

    def search(self, vector: np.ndarray, k: int) -> np.ndarray:
        """Return the rows, int64 (≤ k,), nearest to a float32 (d,) unit vector, best first."""
        if not len(self):
            return np.zeros(0, dtype=np.int64)
        query = np.ascontiguousarray(vector[None, :], dtype=np.float32)
        rows = self._index.search(query, min(k + _SPARE, len(self)))[1][0]
        rows = rows[rows >= 0]
        return rows[np.argsort(-self.cosines(vector, rows), kind="stable")[:k]]

    def cosines(self, vector: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the cosines, float32 (k,), of these rows with a float32 (d,) unit vector."""
        return self.vectors.take(rows, axis=0) @ vector

    def rows(self, rows: Sequence[int]) -> np.ndarray:
        """Return the vectors of these rows, float32 (k, d)."""
        return self.vectors[list(rows)]
