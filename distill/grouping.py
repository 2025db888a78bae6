"""Which texts mean the same? Average-linkage clustering of their vectors, with a threshold.

In: unit vectors. Out: a group number for each; how many groups there are is found, not asked.
Nothing of size n × n is ever held.
"""

import numpy as np

_CELLS = 8_000_000  # similarities in memory at a time: 32 MB


def group_by_meaning(vectors: np.ndarray, threshold: float) -> np.ndarray:
    """Return the groups, int64 (n,) from 0 in order of first text, of unit vectors float32 (n, d).

    Average linkage (UPGMA: Sokal, Michener 1958): the two groups whose texts have the greatest mean
    cosine with one another are joined, until no two reach ``threshold``. That mean is the dot
    product of the groups' mean vectors, which is all that is kept. Pairs that are each other's
    nearest are joined in one round: average linkage is reducible (Bruynooghe 1977; Murtagh 1983),
    so that a union is never nearer to a third group than the nearer of its parts was. The result
    is the same; and a group without a neighbour at ``threshold`` is done for good.
    """
    means = np.array(vectors, dtype=np.float32)
    sizes = np.ones(len(means), dtype=np.int64)
    joined = np.arange(len(means))  # the group that each group went into
    nearest = np.zeros(len(means), dtype=np.int64)
    likeness = np.zeros(len(means), dtype=np.float32)
    live = stale = np.arange(len(means))
    while len(stale):
        nearest[stale], likeness[stale] = _nearest(means, stale, live)
        live = live[likeness[live] >= threshold]
        into, gone = _pairs(live, nearest, likeness)
        weight = (sizes[gone] / (sizes[into] + sizes[gone]))[:, None].astype(np.float32)
        means[into] += weight * (means[gone] - means[into])
        sizes[into] += sizes[gone]
        joined[gone] = into
        live = np.setdiff1d(live, gone, assume_unique=True)
        touched = np.concatenate([into, gone])
        stale = live[np.isin(live, into) | np.isin(nearest[live], touched)]
    while (further := joined[joined]).tobytes() != joined.tobytes():
        joined = further
    _, first, groups = np.unique(joined, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[groups]


def _nearest(means: np.ndarray, rows: np.ndarray, live: np.ndarray) -> tuple:
    """Return for some of the live groups which other is nearest, int64, and how near, float32."""
    others = means[live]
    found = np.zeros(len(rows), dtype=np.int64)
    values = np.full(len(rows), -np.inf, dtype=np.float32)
    if len(live) < 2:
        return found, values
    step = max(1, _CELLS // len(live))
    place = np.searchsorted(live, rows)
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        cosines = means[rows[part]] @ others.T
        own = np.arange(len(cosines))
        cosines[own, place[part]] = -np.inf
        best = cosines.argmax(axis=1)
        found[part], values[part] = live[best], cosines[own, best]
    return found, values


def _pairs(live: np.ndarray, nearest: np.ndarray, likeness: np.ndarray) -> tuple:
    """Return the pairs to join: the lower numbers, and the higher."""
    mutual = live[(nearest[nearest[live]] == live) & (live < nearest[live])]
    if len(live) and not len(mutual):
        # Equal cosines, or ones that differ in the last bit by the order of adding, in a ring.
        best = live[likeness[live].argmax()]
        mutual, other = np.array([min(best, nearest[best])]), np.array([max(best, nearest[best])])
        return mutual, other
    return mutual, nearest[mutual]
