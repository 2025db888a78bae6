import threading

import faiss
import numpy as np
import pytest

from indexer import vector_index
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


def heaps(n, seed):
    """Vectors in 150 heaps, as sentences lie about what they are about."""
    vectors = unit(150, 32, seed=2)[np.arange(n) % 150] + 0.7 * unit(n, 32, seed)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def approximate(monkeypatch):
    monkeypatch.setattr(vector_index, "SCANNED_UP_TO", 3000)
    return VectorIndex(heaps(7000, seed=3))


def test_above_a_count_nearly_all_of_the_nearest_are_found_in_their_order(approximate):
    assert not approximate.scanned
    assert approximate._index.nprobe < approximate._index.nlist
    shared = 0
    for query in heaps(200, seed=4):
        cosines = approximate.vectors @ query
        found = approximate.search(query, 10)
        assert len(set(found.tolist())) == 10
        assert np.all(np.diff(approximate.cosines(query, found)) <= 0)
        shared += len({*found.tolist()} & {*np.argsort(-cosines)[:10].tolist()})
    assert shared >= 0.97 * 2000


def test_up_to_that_count_all_are_scanned_and_the_nearest_found():
    index, shared = VectorIndex(heaps(7000, seed=3)), 0
    assert index.scanned
    for query in heaps(200, seed=4):
        nearest = np.argsort(-(index.vectors @ query), kind="stable")[:30]
        assert index.search(query, 10).tolist() == nearest[:10].tolist()
        shared += len({*nearest.tolist()} & {*index.near(query, 90).tolist()})
    assert shared >= 0.97 * 6000


def test_vectors_of_odd_length_are_found_too():
    vectors = unit(400, 33)
    index = VectorIndex(vectors)
    assert index.search(vectors[7], 1).tolist() == [7]
    assert index.vectors.shape == (400, 33)


def test_the_approximate_index_is_the_same_each_time_it_is_built(approximate):
    again = VectorIndex(approximate.vectors)
    for query in heaps(20, seed=5):
        assert again.search(query, 60).tolist() == approximate.search(query, 60).tolist()


def test_more_than_there_are_is_all_there_are(approximate):
    approximate._index.nprobe = approximate._index.nlist
    assert len(approximate.search(unit(1, 32)[0], 8000)) == 7000


def test_a_search_uses_one_thread_whichever_thread_asks():
    index, seen = VectorIndex(unit(50, 8)), []

    def ask():
        faiss.omp_set_num_threads(2)
        index.search(unit(1, 8)[0], 3)
        seen.append(faiss.omp_get_max_threads())

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert seen == [1]
