"""Which stored vectors are nearest? FAISS, and nothing else of FAISS anywhere else.

In: unit vectors. Out: (row, cosine), best first. Immutable: another revision is another index.
FAISS's own pitfalls (padding with -1, silent dtypes, threads) end here.
"""

from collections.abc import Iterator, Sequence

import faiss
import numpy as np
from threadpoolctl import threadpool_limits

# One query is too little work to share: on 2 cores, 2 threads took 30 times as long as 1, and
# numpy's BLAS is no different: on busy cores its threads wait for each other.
threadpool_limits(1, user_api="blas")

# Both kinds of index compare codes of 4 bits for 2 numbers, a sixteenth of the vectors' bytes, in
# registers; so many times as many rows as are wanted are then put in order by the vectors.
_DEEPER = 4
_LEAST = 300  # but never fewer than these

# Up to so many vectors the codes of all are looked at, and built in a second. Above, it would take
# too large a part of an answer; benchmarks/results/scale.json has both.
SCANNED_UP_TO = 100_000
# A number becomes the nearest of four: what least deviates for a normal distribution (Max 1960).
_LEVELS = np.array([-1.5104, -0.4528, 0.4528, 1.5104], dtype=np.float32)

# Of more, only the codes in the cells nearest to the query are looked at.
_CELLS = 2.0  # times the square root of the count
_LEARNT_FROM, _ROUNDS = 64, 10  # vectors a cell, and rounds of k-means
# So many cells are looked at that stored vectors find this share of their ten nearest: a little
# more than is promised of queries, 0.98.
_WANTED, _TRIED = 0.985, 256
_SEED = 1


class VectorIndex:
    """Inner-product search over unit vectors, so that scores are cosines.

    It finds at least 98 of 100 of the ten nearest, up to SCANNED_UP_TO vectors all but one in a
    thousand, and their order is exact.
    """

    def __init__(self, vectors: np.ndarray) -> None:
        """Index float32 (n, d); a vector is known by its row."""
        self.vectors = np.ascontiguousarray(vectors, dtype=np.float32)
        self.scanned = len(vectors) <= SCANNED_UP_TO
        paired = _paired(self.vectors)
        self._index = _codes(paired) if self.scanned else _in_cells(paired)

    def __len__(self) -> int:
        return len(self.vectors)

    def search(self, vector: np.ndarray, k: int) -> np.ndarray:
        """Return the rows, int64 (≤ k,), nearest to a float32 (d,) unit vector, best first."""
        rows = self.near(vector, max(_DEEPER * k, _LEAST))
        return rows[np.argsort(-self.cosines(vector, rows), kind="stable")[:k]]

    def near(self, vector: np.ndarray, count: int) -> np.ndarray:
        """Return the rows, int64 (≤ count,), that are nearest by their codes, roughly in order.

        For who compares more than codes: the first third of the nearest is nearly always in it.
        """
        if not len(self):
            return np.zeros(0, dtype=np.int64)
        # Of the calling thread alone, so it is said each time: a service has many.
        faiss.omp_set_num_threads(1)
        rows = self._index.search(_paired(vector[None, :]), min(count, len(self)))[1][0]
        return rows[rows >= 0]

    def cosines(self, vector: np.ndarray, rows: np.ndarray) -> np.ndarray:
        """Return the cosines, float32 (k,), of these rows with a float32 (d,) unit vector."""
        return self.vectors.take(rows, axis=0) @ vector

    def rows(self, rows: Sequence[int]) -> np.ndarray:
        """Return the vectors of these rows, float32 (k, d)."""
        return self.vectors[list(rows)]


def _paired(vectors: np.ndarray) -> np.ndarray:
    """Return float32 (n, d) with a zero beside what has no neighbour."""
    if vectors.shape[1] % 2:
        vectors = np.pad(vectors, ((0, 0), (0, 1)))
    return np.ascontiguousarray(vectors, dtype=np.float32)


def _codes(vectors: np.ndarray) -> faiss.Index:
    """Return product-quantised vectors whose code book needs no training (André et al. 2015).

    Each number is scaled by the mean and deviation of its column; two share one of 16 codes.
    """
    dimension = vectors.shape[1]
    index = faiss.IndexPQFastScan(dimension, dimension // 2, 4, faiss.METRIC_INNER_PRODUCT)
    if not len(vectors):
        return index
    mean, deviation = vectors.mean(axis=0), vectors.std(axis=0)
    first, second = (mean[:, None] + deviation[:, None] * _LEVELS).reshape(-1, 2, 4).swapaxes(0, 1)
    book = np.stack([np.repeat(first, 4, axis=1), np.tile(second, (1, 4))], axis=2)  # (d/2, 16, 2)
    faiss.copy_array_to_vector(book.ravel(), index.pq.centroids)
    index.is_trained = True
    faiss.omp_set_num_threads(1)  # here too: customers are being answered meanwhile
    index.add(vectors)
    return index


def _in_cells(vectors: np.ndarray) -> faiss.Index:
    """Return an inverted file of product-quantised vectors that looks at as many cells as need be.

    Jégou et al. 2011; codes of 4 bits that stay in registers: André et al. 2015.
    """
    count, dimension = vectors.shape
    cells = int(_CELLS * count**0.5)
    drawn = np.random.default_rng(_SEED).permutation(count)
    metric = faiss.METRIC_INNER_PRODUCT
    centres = faiss.IndexFlat(dimension, metric)
    index = faiss.IndexIVFPQFastScan(centres, dimension, cells, dimension // 2, 4, metric)
    index.by_residual = False  # else every cell would need its own tables
    index.cp.niter, index.cp.seed = _ROUNDS, _SEED
    # One thread here, too: customers are being answered meanwhile by the index before.
    faiss.omp_set_num_threads(1)
    index.train(vectors[drawn[: _LEARNT_FROM * cells]])
    index.add(vectors)
    _look_at_enough(index, vectors, drawn[:_TRIED])
    return index


def _look_at_enough(index: faiss.Index, vectors: np.ndarray, tried: np.ndarray) -> None:
    """Set how many cells are looked at: as few as will do for these stored vectors."""
    queries = vectors[tried]
    wanted = [set(rows) for rows in _ten_nearest(vectors, tried)]
    for cells in _growing(index.nlist):
        index.nprobe = cells
        found = index.search(queries, _LEAST)[1]
        best = []
        for query, own, rows in zip(queries, tried, found, strict=True):
            rows = rows[(rows >= 0) & (rows != own)]
            best.append(rows[np.argsort(-(vectors.take(rows, axis=0) @ query))[:10]])
        shared = [len(right & set(rows.tolist())) for right, rows in zip(wanted, best, strict=True)]
        if sum(shared) >= _WANTED * sum(map(len, wanted)):
            return


def _ten_nearest(vectors: np.ndarray, tried: np.ndarray) -> list[list[int]]:
    exact = faiss.knn(vectors[tried], vectors, 11, faiss.METRIC_INNER_PRODUCT)[1]
    return [
        [row for row in rows if row != own][:10]
        for own, rows in zip(tried.tolist(), exact.tolist(), strict=True)
    ]


def _growing(most: int) -> Iterator[int]:
    """Yield 8, 10, 12 … by a quarter each time, and ``most`` at last."""
    cells = 8
    while cells < most:
        yield cells
        cells += cells // 4
    yield most
