import numpy as np
import pytest

from indexer.vector_index import VectorIndex


def unit(n, d, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_the_order_is_numpys():
    vectors, query = unit(500, 32), unit(1, 32, seed=1)[0]
    ids = [10 * i + 7 for i in range(500)]
    found = VectorIndex(ids, vectors).search(query, 20)
    cosines = vectors @ query
    order = np.argsort(-cosines)[:20]
    assert [i for i, _ in found] == [ids[row] for row in order]
    assert [c for _, c in found] == pytest.approx(cosines[order].tolist(), abs=1e-5)


def test_the_same_vector_has_cosine_exactly_1():
    vectors = unit(50, 384)
    index = VectorIndex(range(50), vectors)
    assert all(index.search(vector, 1)[0] == (i, 1.0) for i, vector in enumerate(vectors))


def test_more_hits_than_vectors_are_not_padded():
    assert len(VectorIndex([1, 2], unit(2, 8)).search(unit(1, 8)[0], 10)) == 2


def test_an_empty_index_finds_nothing():
    assert VectorIndex([], np.zeros((0, 8), np.float32)).search(unit(1, 8)[0], 5) == []


def test_ids_must_be_distinct():
    with pytest.raises(ValueError, match="1 distinct"):
        VectorIndex([1, 1], unit(2, 8))
