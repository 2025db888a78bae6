"""How is Chinese text cleaned, and cut into words?

In: any string. Out: its normalised form, and the words that tile it. Nothing here knows of weights.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from typing import NamedTuple

import opencc

from distill.dictionary import SOURCE, Dictionary

SEGMENTER = f"{SOURCE}-nohmm"
NORMALISER = "nfkc-lower-t2s-1"

_SPACES = re.compile(r"\s+")
# Word, digit or Han: what makes a text more than punctuation and emoji.
_SPEAKING = re.compile(r"[^\W_]")


class Word(NamedTuple):
    """One word of a normalised text: ``text == normalised[start:end]``."""

    text: str
    start: int
    end: int


def normalise(text: str) -> str:
    """Return the one form in which all text is compared, weighted and encoded.

    Control and invisible characters go (a line break counts as a space), then NFKC, lower case,
    traditional → simplified character by character, runs of white space to one space, no space at
    the ends. Idempotent.
    """
    text = _visible(text)
    if not text.isascii():
        # Lower case can undo NFKC's composition and the other way round, so NFKC frames it.
        text = unicodedata.normalize("NFKC", text).lower().translate(_to_simplified())
        text = _visible(unicodedata.normalize("NFKC", text))
    else:
        text = text.lower()
    return _SPACES.sub(" ", text).strip()


def speaks(text: str) -> bool:
    """Say whether a text holds a letter, digit or Chinese character at all."""
    return _SPEAKING.search(text) is not None


def segment(text: str, keywords: Iterable[str] = ()) -> tuple[Word, ...]:
    """Cut a normalised text into words that tile it: no gap, no overlap.

    Occurrences of ``keywords`` (normalised) are marked first, longest match from the left, and
    stay whole; the gaps are cut with jieba's frozen dictionary. Keywords never enter the
    dictionary: that would change the cutting of sentences that do not contain them.
    """
    keywords = tuple(keywords)
    if not keywords:
        return tuple(_cut(text, 0, len(text)))
    words = []
    position = 0
    for match in _keyword_pattern(keywords).finditer(text):
        words += _cut(text, position, match.start())
        words.append(Word(match.group(), match.start(), match.end()))
        position = match.end()
    words += _cut(text, position, len(text))
    return tuple(words)


def _cut(text: str, start: int, end: int) -> Iterator[Word]:
    for piece in _dictionary().cut(text[start:end]):
        begun, start = start, start + len(piece)
        yield Word(piece, begun, start)


@lru_cache(maxsize=8)  # the few that are in use at a time, not all there ever were
def _keyword_pattern(keywords: tuple[str, ...]) -> re.Pattern[str]:
    longest_first = sorted(keywords, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)))


@cache
def _dictionary() -> Dictionary:
    # Without a lock: threads that come first together read it twice, to the same effect, but a
    # process forked while a lock is held would wait for ever.
    return Dictionary.load()


@cache
def _to_simplified() -> dict[int, str]:
    """Make a one-to-one table, so that positions in the text stay what they were."""
    convert = opencc.OpenCC("t2s").convert
    table = {}
    for first in range(0x3400, 0xA000, 0x400):
        codes = range(first, first + 0x400)
        # A line each: as neighbours they could be taken for a phrase.
        lines = convert("\n".join(map(chr, codes))).split("\n")
        for code, simple in zip(codes, lines, strict=True):
            if simple != chr(code) and len(simple) == 1:
                table[code] = simple
    # A chain a → b → c would make normalise() change its own output.
    return {code: table.get(ord(simple), simple) for code, simple in table.items()}


def _visible(text: str) -> str:
    """Drop control, format, private and unassigned characters, but not tabs and line breaks."""
    if text.isprintable():  # nearly all text is; this saves most of the time
        return text
    return "".join(c for c in text if unicodedata.category(c)[0] != "C" or c.isspace())
