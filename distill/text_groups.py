"""Which short texts belong together, what is each group about, and which text stands for it?

In: texts, their unit vectors and their words. Out: ``TextGroup``s, largest first. How texts are
joined is grouping.py's; here groups get their name and their order.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from distill.errors import CorpusError
from distill.grouping import group_by_meaning
from distill.idf import WordIdf
from distill.text import normalise, segment, speaks

# Mean cosine, the texts' mean being taken away, from which two groups are joined. Chosen by the
# adjusted mutual information with the labels of four sets' train or dev parts, where 0.08 to 0.15
# were equally good; see benchmarks/results/LOG.md.
THRESHOLD = 0.12
MOST_TEXTS = 50_000  # whose number of groups is found; each text is compared with each
_FEW = 30  # texts whose mean is half trusted: of a few alike, it is what they speak of
_WORDS = 3  # in a name
_RESTARTS = 4  # of k-means; the best is kept
_SEED = 7


@dataclass(frozen=True)
class TextGroup:
    """Texts of one meaning: ``rows`` say which, the most typical first, ``likeness`` how typical.

    ``words`` is what they speak of more than the others do.
    """

    words: tuple[str, ...]
    rows: tuple[int, ...]
    likeness: tuple[float, ...]  # cosine of each to the group's mean

    @property
    def name(self) -> str:
        """Return the words in one string."""
        return "、".join(self.words) or "(没有文字)"


def group_texts(
    texts: Sequence[str],
    vectors: np.ndarray,
    idf: WordIdf,
    *,
    count: int | None = None,
    threshold: float = THRESHOLD,
) -> tuple[TextGroup, ...]:
    """Group texts with vectors float32 (n, d); ``count`` groups, or as many as there are found.

    Raises CorpusError for more than MOST_TEXTS if the number is to be found, or if there are fewer
    texts than groups.
    """
    centred = _unit(vectors - vectors.sum(axis=0) / (len(vectors) + _FEW))
    if count is None:
        if len(texts) > MOST_TEXTS:
            raise CorpusError(
                f"有 {len(texts)} 条文本; 自动找组数要两两比较, 最多 {MOST_TEXTS} 条。"
                f"怎么办: 用 --groups 给出组数 (时间随条数增长), 或先抽样"
            )
        numbers = group_by_meaning(centred, threshold)
    else:
        numbers = _k_means(centred, count)
    words = [_words(text) for text in texts]
    total = Counter(word for found in words for word in found)
    groups = []
    for number in np.unique(numbers):
        rows = np.flatnonzero(numbers == number)
        likeness = centred[rows] @ _unit(centred[rows].mean(axis=0))
        order = np.argsort(-likeness, kind="stable")
        inside = Counter(word for row in rows for word in words[row])
        groups.append(
            TextGroup(
                _heaviest(inside, len(rows), total, len(texts), idf),
                tuple(rows[order].tolist()),
                tuple(likeness[order].tolist()),
            )
        )
    return tuple(sorted(groups, key=lambda group: (-len(group.rows), group.rows[0])))


def _k_means(vectors: np.ndarray, count: int) -> np.ndarray:
    """Return the nearest of ``count`` centres for each vector, int64 (n,).

    Lloyd's algorithm on unit vectors: nearest by distance is then nearest by cosine. Where the
    number is given it finds the labels' groups better than average linkage cut to that number.
    """
    from sklearn.cluster import KMeans

    different = len(np.unique(vectors, axis=0))
    if different < count:
        raise CorpusError(
            f"只有 {different} 种不同的文本, 分不成 {count} 组。怎么办: 把 --groups 改小"
        )
    return KMeans(count, n_init=_RESTARTS, random_state=_SEED).fit(vectors).labels_


def _words(text: str) -> set[str]:
    words = {word.text for word in segment(normalise(text)) if speaks(word.text)}
    # Single characters are mostly particles; they count where there is nothing longer.
    return {word for word in words if len(word) > 1} or words


def _heaviest(
    inside: Counter[str], rows: int, total: Counter[str], texts: int, idf: WordIdf
) -> tuple[str, ...]:
    """Return the words that weigh most: IDF × how much more often within than without."""
    without = texts - rows

    def weight(word: str) -> float:
        within = inside[word] / rows
        rest = (total[word] - inside[word]) / without if without else 0.0
        return idf.idf(word) * (within - rest)

    ranked = sorted(inside, key=lambda word: (-weight(word), word))
    # A name is of what several texts share, if they share anything.
    shared = [word for word in ranked if inside[word] > 1 and weight(word) > 0]
    return tuple((shared or ranked)[:_WORDS])


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
