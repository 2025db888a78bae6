import numpy as np
import pytest
from scipy.cluster.hierarchy import fcluster, linkage

from distill import grouping
from distill.grouping import group_by_meaning
from grouping import adjusted_rand_index, purity


def unit(vectors):
    vectors = np.asarray(vectors, dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def scattered(seed, count, centres, spread):
    rng = np.random.default_rng(seed)
    middle = rng.normal(size=(centres, 16))
    return unit(middle[rng.integers(centres, size=count)] + spread * rng.normal(size=(count, 16)))


def partition(groups):
    return {frozenset(np.flatnonzero(groups == number)) for number in np.unique(groups)}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("threshold", [0.2, 0.5, 0.8])
@pytest.mark.parametrize("spread", [0.3, 1.0])
def test_it_agrees_with_scipys_average_linkage(seed, threshold, spread):
    vectors = scattered(seed, 200, 20, spread)
    tree = linkage(vectors.astype(np.float64), "average", metric="cosine")
    wanted = fcluster(tree, 1 - threshold, "distance")
    assert partition(group_by_meaning(vectors, threshold)) == partition(wanted)


def test_it_is_the_same_however_many_cosines_are_in_memory(monkeypatch):
    vectors = scattered(7, 300, 30, 0.6)
    whole = group_by_meaning(vectors, 0.5)
    monkeypatch.setattr(grouping, "_CELLS", 1)
    assert (group_by_meaning(vectors, 0.5) == whole).all()


def test_groups_are_numbered_by_their_first_text():
    vectors = unit([[1, 0], [0, 1], [1, 0.1], [-1, 0], [0.1, 1]])
    assert group_by_meaning(vectors, 0.9).tolist() == [0, 1, 0, 2, 1]


def test_a_chain_is_not_one_group():
    """Single linkage would join texts that are far apart because others lie between them."""
    angles = np.deg2rad(np.arange(0, 180, 10))
    vectors = unit(np.column_stack([np.cos(angles), np.sin(angles)]))
    groups = group_by_meaning(vectors, np.cos(np.deg2rad(25)))
    assert len(np.unique(groups)) > 3


@pytest.mark.parametrize("count", [0, 1, 2, 500])
def test_equal_texts_are_one_group_and_nothing_is_none(count):
    vectors = unit(np.ones((count, 4))) if count else np.zeros((0, 4), np.float32)
    assert group_by_meaning(vectors, 0.99).tolist() == [0] * count


def test_ties_in_a_ring_come_to_an_end():
    angles = np.deg2rad(np.arange(0, 360, 60))
    vectors = unit(np.column_stack([np.cos(angles), np.sin(angles)]))
    groups = group_by_meaning(vectors, 0.49)
    assert sorted(np.bincount(groups).tolist()) == [2, 2, 2]


def test_the_benchmarks_measures_are_those_counted_by_hand():
    known, found = "aaabbb", "112233"
    # Pairs together in both: 2; in known 6, in found 3, of 15; by chance 6 · 3 / 15.
    assert adjusted_rand_index(known, found) == pytest.approx((2 - 1.2) / (4.5 - 1.2))
    assert (purity(known, found), purity(found, known)) == (5 / 6, 4 / 6)
    assert adjusted_rand_index(known, known) == purity(known, known) == 1
    assert adjusted_rand_index("aabb", "abab") < 0
