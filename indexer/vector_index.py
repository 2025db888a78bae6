"""Which stored vectors are nearest? FAISS, and nothing else of FAISS anywhere else.

In: ids and unit vectors. Out: (id, cosine), best first. Immutable: another revision is another
index. FAISS's own pitfalls (padding with -1, duplicate ids, silent dtypes) end here.
"""

from collections.abc import Sequence

import faiss
import numpy as np

# One query is too little work to share: on 2 cores, 2 threads took 30 times as long as 1.
faiss.omp_set_num_threads(1)


class VectorIndex:
    """Exact inner-product search over unit vectors, so that scores are cosines."""

    def __init__(self, ids: Sequence[int], vectors: np.ndarray) -> None:
        """Index float32 (n, d) under n distinct ids ≥ 0; raises ValueError."""
        if len(ids) != len(vectors) or len(set(ids)) != len(ids):
            raise ValueError(f"{len(ids)} ids ({len(set(ids))} distinct), {len(vectors)} vectors")
        self._index = faiss.IndexIDMap2(faiss.IndexFlatIP(vectors.shape[1]))
        if len(ids):
            self._index.add_with_ids(
                np.ascontiguousarray(vectors, dtype=np.float32), np.asarray(ids, dtype=np.int64)
            )

    def __len__(self) -> int:
        return self._index.ntotal

    def search(self, vector: np.ndarray, k: int) -> list[tuple[int, float]]:
        """Return up to k (id, cosine in [-1, 1]), best first, for a float32 (d,) unit vector."""
        if not len(self):
            return []
        query = np.ascontiguousarray(vector[None, :], dtype=np.float32)
        scores, ids = self._index.search(query, min(k, len(self)))
        # Rounded to what float32 can tell: the same text has cosine 1, not 0.99999994.
        return [
            (int(i), max(-1.0, min(1.0, round(float(s), 6))))
            for i, s in zip(ids[0], scores[0], strict=True)
            if i >= 0
        ]
