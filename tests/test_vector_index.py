import numpy as np
import pytest

from indexer.vector_index import VectorIndex


def unit(n, d, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_the_order_is_numpys():
    vectors, query = unit(500, 32), unit(1, 32, seed=1)[0]
    index = VectorIndex(vectors)
    found = index.search(query, 20)
    assert found.tolist() == np.argsort(-(vectors @ query))[:20].tolist()
    assert index.cosines(query, found) == pytest.approx((vectors @ query)[found], abs=1e-6)


def test_more_hits_than_vectors_are_not_padded():
    assert len(VectorIndex(unit(2, 8)).search(unit(1, 8)[0], 10)) == 2


def test_an_empty_index_finds_nothing():
    index = VectorIndex(np.zeros((0, 8), np.float32))
    assert index.search(unit(1, 8)[0], 5).tolist() == []
