"""Where do words come from? From jieba's dictionary: the likeliest cut of a text by its counts.

In: the ``dict.txt`` of the installed jieba. Out: cuts equal to ``jieba.Tokenizer().cut(text,
HMM=False)``. jieba itself is never imported: as a Python dict its words take 60 MB and a second.
"""

import hashlib
import importlib.util
import math
import re
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from distill.errors import DistillError

SOURCE = "jieba-0.42.1"
_SHA256 = "7197c3211ddd98962b036cdf40324d1ea2bfaa12bd028e68faa70111a88e12a8"
_REMEDY = f"Install it: pip install {SOURCE.replace('-', '==')}"

# As jieba cuts first of all: runs of what words are made of, and all else one by one.
_BLOCK = re.compile(r"[\u4E00-\u9FD5a-zA-Z0-9+#&._%\-]+|\r\n|.", re.DOTALL)
_NEWLINE, _ZERO, _MOST = ord("\n"), ord("0"), 2**32 - 1


class WordCounts(Mapping[str, int]):
    """Words with a count each, at least 1, in some fifteen bytes a word. Immutable.

    A trie in flat arrays: the character ``labels[n]`` leads to node ``n``, whose children are the
    nodes ``children[n]`` to ``children[n + 1] - 1``; ``counts[n]`` belongs to the word that ends
    there, and is 0 if none does. Node 0 is the root. ``total`` is the sum of all counts.
    """

    def __init__(self, labels: str, children: array, counts: array, total: int) -> None:
        self.labels, self.children, self.counts, self.total = labels, children, counts, total
        # Under other nodes the labels are searched, but thousands of characters begin a word.
        self.roots = {labels[node]: node for node in range(1, children[1])}
        self._size = len(counts) - counts.count(0)

    @classmethod
    def of(cls, counts: Mapping[str, int]) -> "WordCounts":
        """Return a copy; raises ValueError for a tab or line break in a word, or a count of 0."""
        return cls.parse("".join(f"{word}\t{n}\n" for word, n in counts.items()).encode())

    @classmethod
    def parse(cls, lines: bytes, separator: bytes = b"\t") -> "WordCounts":
        """Read lines of word, separator, count, in UTF-8; a second separator begins a comment.

        Of a word that stands twice the last count is kept, and ``total`` has both, as in jieba.
        Raises ValueError for anything else. No line becomes a Python object: hundreds of thousands
        of them would take more memory for a moment than the result does for good.
        """
        str(lines, "utf-8")  # raises what the decoder below does not look for
        text, sep = np.frombuffer(lines, dtype=np.uint8), separator[0]
        ends = np.flatnonzero(text == _NEWLINE).astype(np.int32) + 1
        if len(text) != (ends[-1] if len(ends) else 0):
            raise ValueError("the last line does not end")
        cursors = np.concatenate((np.zeros(1, np.int32), ends))[:-1]
        _refuse(text[cursors] == sep, "holds no word")
        # Level by level: every word goes on from its node by its next character, and the distinct
        # (node, character) are the nodes of the next level, in the order of their parents.
        nodes = np.zeros(len(cursors), dtype=np.int32)
        parents, labels, size = [np.empty(0, np.int32)], ["\0"], 1
        alive = np.arange(len(cursors), dtype=np.int32)
        while len(alive):
            characters, widths = _decode(text, cursors[alive])
            _refuse(characters == _NEWLINE, "holds no count", alive)
            edges, places = np.unique(
                nodes[alive].astype(np.int64) << 21 | characters, return_inverse=True
            )
            nodes[alive] = places + size
            parents.append((edges >> 21).astype(np.int32))
            labels.append((edges & 0x1FFFFF).astype("<u4").tobytes().decode("utf-32-le"))
            size += len(edges)
            cursors[alive] += widths
            alive = alive[text[cursors[alive]] != sep]
        values = _numbers(text, cursors + 1, sep)
        counts = np.zeros(size, dtype=np.uint32)
        counts[nodes] = values
        children = np.searchsorted(np.concatenate(parents), np.arange(size + 1, dtype=np.int32)) + 1
        return cls(
            "".join(labels),
            array("I", children.astype(np.uint32).tobytes()),
            array("I", counts.tobytes()),
            int(values.sum()),
        )

    def get(self, word: str, default: int | None = None) -> int | None:
        """Return a word's count, or the default."""
        node = self.roots.get(word[:1])
        if node is None:
            return default
        find, children = self.labels.find, self.children
        for character in word[1:]:
            node = find(character, children[node], children[node + 1])
            if node < 0:
                return default
        return self.counts[node] or default

    def __getitem__(self, word: str) -> int:
        count = self.get(word)
        if count is None:
            raise KeyError(word)
        return count

    def __contains__(self, word: object) -> bool:
        return isinstance(word, str) and self.get(word) is not None

    def __iter__(self) -> Iterator[str]:
        below = [(0, "")]
        while below:
            node, word = below.pop()
            if self.counts[node]:
                yield word
            for child in range(self.children[node + 1] - 1, self.children[node] - 1, -1):
                below.append((child, word + self.labels[child]))

    def __len__(self) -> int:
        return self._size


class Dictionary:
    """Cuts text into the words of highest probability. Immutable, and safe to share."""

    def __init__(self, words: WordCounts) -> None:
        """Take words with their counts in some corpus."""
        self._labels, self._children, self._roots = words.labels, words.children, words.roots
        # math.log and this order of operations are jieba's: between two paths that are equally
        # likely, the last bit decides.
        log_total = math.log(words.total)
        score = {count: math.log(count or 1) - log_total for count in set(words.counts)}
        self._unknown = -log_total
        score[0] = 0.0  # no word: a word's logarithm is never 0
        self._scores = array("d", map(score.__getitem__, words.counts))

    @classmethod
    def load(cls) -> "Dictionary":
        """Read the installed jieba's words; raises DistillError if it is another jieba, or none."""
        spec = importlib.util.find_spec("jieba")
        if spec is None or spec.origin is None:
            raise DistillError(f"words come from {SOURCE}, and no jieba is installed. {_REMEDY}")
        path = Path(spec.origin).with_name("dict.txt")
        lines = path.read_bytes() if path.exists() else b""
        # Not the version: it is these lines that decide how text is cut.
        if hashlib.sha256(lines).hexdigest() != _SHA256:
            raise DistillError(f"{path}: is not the dictionary of {SOURCE}. {_REMEDY}")
        return cls(WordCounts.parse(lines, b" "))

    def cut(self, text: str) -> list[str]:
        """Return the words of a text, which tile it."""
        words = []
        for block in _BLOCK.findall(text):
            if len(block) == 1 or block == "\r\n":
                words.append(block)
            else:
                words += self._cut_block(block)
        return words

    def _cut_block(self, block: str) -> list[str]:
        ends = self._likeliest_ends(block)
        words, start, glue = [], 0, False
        while start < len(block):
            word = block[start : ends[start]]
            start = ends[start]
            # Letters and digits that are no word of the dictionary stay together.
            alone = len(word) == 1 and word.isascii() and word.isalnum()
            if alone and glue:
                words[-1] += word
            else:
                words.append(word)
            glue = alone
        return words

    def _likeliest_ends(self, block: str) -> list[int]:
        """Return for each position where the first word of the likeliest path from there ends."""
        find, children, scores = self._labels.find, self._children, self._scores
        length = len(block)
        best = [0.0] * (length + 1)  # log probability of the likeliest path from a position on
        ends = list(range(1, length + 1))
        for start in range(length - 1, -1, -1):
            highest, end = -math.inf, start
            node = self._roots.get(block[start], 0)
            while node > 0:
                end += 1
                # Of equally likely words the longer one.
                if scores[node] and (score := scores[node] + best[end]) >= highest:
                    highest, ends[start] = score, end
                if end == length:
                    break
                node = find(block[end], children[node], children[node + 1])
            best[start] = highest if highest > -math.inf else self._unknown + best[start + 1]
        return ends


def _decode(text: np.ndarray, cursors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the UTF-8 characters that begin at the cursors, and how many bytes each takes."""
    lead = text[cursors].astype(np.int32)
    widths = 1 + (lead >= 0xC0).astype(np.int32) + (lead >= 0xE0) + (lead >= 0xF0)
    characters = lead & np.array([0, 0x7F, 0x1F, 0x0F, 0x07], dtype=np.int32)[widths]
    for place in (1, 2, 3):
        wide = np.flatnonzero(widths > place)
        characters[wide] = characters[wide] << 6 | text[cursors[wide] + place] & 0x3F
    return characters, widths


def _numbers(text: np.ndarray, cursors: np.ndarray, separator: int) -> np.ndarray:
    """Return the decimal numbers that begin at the cursors, int64."""
    values = np.zeros(len(cursors), dtype=np.int64)
    cursors, alive = cursors.copy(), np.arange(len(cursors), dtype=np.int32)
    while len(alive):
        digits = text[cursors[alive]] - np.uint8(_ZERO)  # what is no digit becomes 10 or more
        alive, digits = alive[digits < 10], digits[digits < 10]
        values[alive] = np.minimum(values[alive] * 10 + digits, _MOST + 1)
        cursors[alive] += 1
    behind = text[cursors]
    wrong = (values < 1) | (values > _MOST) | (behind != separator) & (behind != _NEWLINE)
    _refuse(wrong, f"holds no count from 1 to {_MOST}")
    return values


def _refuse(wrong: np.ndarray, what: str, lines: np.ndarray | None = None) -> None:
    found = np.flatnonzero(wrong)
    if len(found):
        raise ValueError(f"line {(found if lines is None else lines[found])[0] + 1} {what}")
