"""What has the operator said about words? Keyword weights and synonyms, as stored settings.

In: the settings of a revision. Out: how texts are read under them. Questions, answers and queries
are read alike, so whatever is said here acts in every signal.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from distill.encoder import Encoder
from distill.text import normalise, speaks
from distill.weights import WeightedText
from indexer.errors import TableError
from indexer.table_file import read_text

LONGEST = 30  # characters of a keyword; what is longer is a sentence
HIGHEST = 100.0  # factor; a word of a hundred times its IDF is all that a text says

_SEPARATORS = re.compile(r"[=＝,，、\t]+")


@dataclass(frozen=True)
class Lexicon:
    """Keyword factors by word, and groups of words that mean the same, all normalised."""

    keywords: Mapping[str, float]
    synonyms: tuple[tuple[str, ...], ...]  # the first of each group stands for the others

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> "Lexicon":
        """Read what ``settings`` of a snapshot hold."""
        groups = tuple(tuple(group) for group in settings.get("synonyms") or ())
        return cls(dict(settings.get("keywords") or {}), groups)

    @property
    def fingerprint(self) -> str:
        """Equal fingerprints: equal vectors and scores, with the same encoder and FAQ."""
        content = json.dumps([sorted(self.keywords.items()), self.synonyms], ensure_ascii=False)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def reader(self, encoder: Encoder) -> "Reader":
        """Return what reads texts for this encoder; ``Reader.encoder`` is the one to encode with.

        Raises ValueError for a factor that is negative or not finite.
        """
        weighing = encoder.with_keywords(self.keywords) if self.keywords else encoder
        stands_for = {other: first for first, *others in self.synonyms for other in others}
        # A word that holds another is taken whole: 运费险 is not 运费.
        whole = sorted({word for group in self.synonyms for word in group}, key=len, reverse=True)
        pattern = re.compile("|".join(map(re.escape, whole))) if whole else None
        return Reader(weighing, encoder, stands_for, pattern)


@dataclass(frozen=True)
class Reader:
    """Turns texts into weighted texts, synonyms replaced."""

    encoder: Encoder
    _plain: Encoder
    _stands_for: Mapping[str, str]
    _pattern: re.Pattern[str] | None

    def read(self, text: str) -> WeightedText:
        """Normalise, replace, cut and weigh."""
        return self.encoder.weigh(text if self._pattern is None else self.text(text))

    def text(self, text: str) -> str:
        """Normalise and replace synonyms: return the text that is cut and weighed."""
        text = normalise(text)
        if self._pattern is None:
            return text
        stands_for = self._stands_for
        return normalise(
            self._pattern.sub(lambda match: stands_for.get(match.group(), match.group()), text)
        )

    def replaced(self, text: str) -> tuple[tuple[str, str], ...]:
        """Return what ``read`` replaces, in order: (what is said, what it stands for)."""
        found = self._pattern.findall(normalise(text)) if self._pattern is not None else ()
        return tuple((word, self._stands_for[word]) for word in found if word in self._stands_for)

    def read_stored(self, text: str) -> WeightedText:
        """Read a text of the FAQ, which is never silent.

        Where an operator's 0 leaves nothing of it, its words weigh what they weigh by themselves.
        """
        weighted = self.read(text)
        return weighted if weighted.weights.any() else self._plain.weigh(weighted.text)


def read_synonyms(path: Path) -> tuple[tuple[str, ...], ...]:
    """Read a file of one group a line, such as 运费=邮费=快递费; # starts a comment.

    The first word of a line stands for the others. Raises TableError, with the line, for a group of
    one word, or a word that two groups claim.
    """
    groups: list[tuple[str, ...]] = []
    seen: dict[str, int] = {}
    for number, line in enumerate(read_text(path).splitlines(), 1):
        line = line.split("#", 1)[0]
        words = tuple(dict.fromkeys(filter(speaks, map(normalise, _SEPARATORS.split(line)))))
        if not words:
            continue
        if len(words) == 1:
            raise TableError(
                f"{path}:{number}: 只有一个词「{words[0]}」。"
                "怎么办: 一行写一组, 如 运费=邮费=快递费"
            )
        for word in words:
            if word in seen:
                raise TableError(
                    f"{path}:{number}: 「{word}」在第 {seen[word]} 行已经有了。怎么办: 并成一组"
                )
            seen[word] = number
        groups.append(words)
    return tuple(groups)


def with_keyword(
    keywords: Mapping[str, float], word: str, factor: float | None
) -> dict[str, float]:
    """Return the keyword factors with one set, or taken away (None, and 1 says nothing too).

    Raises ValueError for what ``clean_keyword`` and ``clean_factor`` refuse; a word that is taken
    away may be any.
    """
    clean = normalise(word) if factor is None else clean_keyword(word)
    changed = {key: value for key, value in keywords.items() if key != clean}
    factor = 1.0 if factor is None else clean_factor(factor)
    return changed if factor == 1 else changed | {clean: factor}


def clean_keyword(word: str) -> str:
    """Return a keyword normalised; raises ValueError, in words, for what cannot be one."""
    clean = normalise(word)
    if not speaks(clean):
        raise ValueError(f"关键词「{word[:LONGEST]}」里没有文字")
    if len(clean) > LONGEST:
        raise ValueError(f"关键词「{clean[:LONGEST]}…」有 {len(clean)} 字, 最多 {LONGEST} 字")
    return clean


def clean_factor(factor: float) -> float:
    """Return a keyword's factor; raises ValueError, in words, unless it is 0 … HIGHEST."""
    if not 0 <= factor <= HIGHEST:  # nor is NaN
        raise ValueError(f"权重 {factor:g} 不是 0 到 {HIGHEST:g} 之间的数")
    return float(factor)


def overlapping(keywords: Iterable[str], word: str) -> tuple[str, ...]:
    """Return the keywords that hold this normalised one, or that it holds.

    Where both stand, the longer counts.
    """
    return tuple(other for other in keywords if other != word and (other in word or word in other))


def synonym_lines(groups: Iterable[Sequence[str]]) -> str:
    """Return groups in the form that ``read_synonyms`` reads."""
    return "".join("=".join(group) + "\n" for group in groups)
