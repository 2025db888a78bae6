"""How rare is a word? Document frequencies over a corpus, and the IDF made from them.

In: sentences. Out: a ``WordIdf``, saved as counts (not floats), so that a table can be checked by
hand, with what cut the sentences: words cut otherwise are other words. Operators' factors are
applied in weights.py, not here.
"""

import gzip
import itertools
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from distill.dictionary import WordCounts
from distill.errors import BundleError
from distill.files import write_whole
from distill.text import NORMALISER, SEGMENTER, normalise, segment


@dataclass(frozen=True)
class WordIdf:
    """Document counts of a corpus: ``documents`` sentences, ``frequency[word]`` of them with it.

    Immutable: whatever mapping it is given, it keeps a copy, in a tenth of a dict's memory.
    """

    documents: int
    frequency: Mapping[str, int]

    def __post_init__(self) -> None:
        if not isinstance(self.frequency, WordCounts):
            object.__setattr__(self, "frequency", WordCounts.of(self.frequency))

    def idf(self, word: str) -> float:
        """Return ln((1 + N) / (1 + df)) + 1; a word never seen has df 0, the highest IDF.

        The smoothed form of Spärck Jones's inverse document frequency (1972): never zero, so a
        word that stands in every sentence still takes part.
        """
        return math.log((1 + self.documents) / (1 + self.frequency.get(word, 0))) + 1

    def save(self, path: Path) -> None:
        """Write ``documents⇥segmenter⇥normaliser``, then ``word⇥df``, frequent first, gzipped."""
        rows = sorted(self.frequency.items(), key=lambda item: (-item[1], item[0]))
        head = f"{self.documents}\t{SEGMENTER}\t{NORMALISER}\n"
        text = head + "".join(f"{word}\t{count}\n" for word, count in rows)
        # No time stamp inside: the same table is the same bytes, so its checksum can be compared.
        write_whole(path, gzip.compress(text.encode("utf-8"), compresslevel=9, mtime=0))

    @classmethod
    def load(cls, path: Path) -> "WordIdf":
        """Read what ``save`` wrote; raises BundleError, also for words that were cut otherwise."""
        remedy = f"怎么办: 重新统计: python -m distill idf CORPUS -o {path}"
        try:
            head, _, rows = gzip.decompress(path.read_bytes()).partition(b"\n")
            documents, *made_with = head.decode("utf-8").split("\t")
            table = cls(int(documents), WordCounts.parse(rows))
        except (OSError, EOFError, ValueError, zlib.error) as error:
            raise BundleError(f"{path}: 不是 IDF 表 ({error})。{remedy}") from error
        if made_with != [SEGMENTER, NORMALISER]:
            maker = " 和 ".join(made_with) or "不知哪个分词器"
            raise BundleError(
                f"{path}: 里面的词是由 {maker} 切的, 这里装的是 {SEGMENTER} 和 {NORMALISER}, "
                f"切出来的词对不上。{remedy}"
            )
        return table


def count_words(
    sentences: Iterable[str], *, minimum: int = 1, workers: int = 1, chunk: int = 20_000
) -> WordIdf:
    """Count in how many sentences each word occurs; words below ``minimum`` are left out.

    Sentences that normalise to nothing do not count as documents. Memory is bounded by the
    vocabulary and ``workers`` chunks, not by the corpus.
    """
    chunks = _chunked(sentences, chunk)
    documents, total = 0, Counter()
    if workers == 1:
        for part in map(_count, chunks):
            documents += part[0]
            total.update(part[1])
    else:
        with ProcessPoolExecutor(workers) as pool:
            # map() would read the whole corpus ahead; a few chunks in flight are enough.
            while batch := list(itertools.islice(chunks, 4 * workers)):
                for part in pool.map(_count, batch):
                    documents += part[0]
                    total.update(part[1])
    return WordIdf(documents, {word: n for word, n in total.items() if n >= minimum})


def _count(sentences: list[str]) -> tuple[int, Counter[str]]:
    documents, counts = 0, Counter()
    for sentence in sentences:
        words = {word.text for word in segment(normalise(sentence))}
        words.discard(" ")
        documents += bool(words)
        counts.update(words)
    return documents, counts


def _chunked(sentences: Iterable[str], size: int) -> Iterable[list[str]]:
    iterator = iter(sentences)
    while part := list(itertools.islice(iterator, size)):
        yield part
