"""Which questions might somebody be typing? Suggestions from the first letter on.

In: what stands in the box so far: characters, Pinyin (tuihuo), initials (th), or a mixture (退huo,
t货). Out: questions of the FAQ that hold it, an entry once. One immutable ``Typeahead`` a revision.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice, product

import numpy as np
from pypinyin import Style, pinyin

from distill.text import normalise
from indexer.records import Question

LONGEST = 60  # characters that are looked at: more is no beginning of a question any more
_READINGS = 6  # ways to cut letters into syllables that are tried, those of fewest syllables first
_TRIED = 12  # readings of all that was typed
_MATCHES = 20_000  # places that are ranked: of a single letter there are more than anybody can see
_NOBODY: Mapping[str, int] = {}
_BREAK = "\n"
_SILENT = re.compile(r"[\W_]+")  # also what an input method puts between syllables: tui'huo
_RUNS = re.compile("[a-z]+|.")
_SYLLABLE = 6  # letters of the longest: zhuang


@dataclass(frozen=True)
class Suggested:
    """A question to offer, and its entry."""

    entry_id: str
    question: str


class Typeahead:
    """The characters of all questions, one after the other; safe to share between threads."""

    def __init__(self, questions: Sequence[Question]) -> None:
        """Take in the questions, an entry's together, standard question first."""
        self._questions = tuple(questions)
        texts = [_SILENT.sub("", normalise(question.text)) for question in questions]
        joined = _BREAK.join(["", *texts, ""])
        codes = np.frombuffer(joined.encode("utf-32-le"), dtype=np.uint32)
        known, numbers = np.unique(codes, return_inverse=True)
        chars = [chr(code) for code in known.tolist()]
        self._number_of = {char: number for number, char in enumerate(chars)}
        self._numbers = numbers.astype(np.int32)  # of each character of the joined text
        self._lengths = np.array([len(text) for text in texts], dtype=np.int64)
        self._start = 1 + np.cumsum(self._lengths + 1) - (self._lengths + 1)
        keys = list(dict.fromkeys(question.entry_key for question in questions))
        self._place = {key: place for place, key in enumerate(keys)}
        self._entry = np.array([self._place[q.entry_key] for q in questions], dtype=np.int64)
        # Which characters letters may stand for: those one of whose readings begins with them.
        beginnings: dict[str, list[int]] = {}
        for number, char in enumerate(chars):
            for reading in _readings(char):
                for end in range(1, len(reading) + 1):
                    beginnings.setdefault(reading[:end], []).append(number)
        self._beginnings = beginnings
        self._chars = len(chars)
        self._asked = (_NOBODY, np.zeros(len(keys), dtype=np.int64))

    def matches(self, typed: str, asked: Mapping[str, int] = _NOBODY) -> Iterator[Suggested]:
        """Yield questions that begin with what was typed, then those that hold it.

        Of equals first those that hold the characters, not only the sounds; then the entry that is
        ``asked`` most (the same mapping is read once), then the shorter question. An entry comes
        once.
        """
        text = _SILENT.sub("", normalise(typed[: 4 * LONGEST]))[:LONGEST]
        if not text or not self._questions:
            return
        seen: set[int] = set()
        for row in self._ranked(text, self._popularity(asked)).tolist():
            if (entry := int(self._entry[row])) not in seen:
                seen.add(entry)
                yield Suggested(self._questions[row].entry_key, self._questions[row].text)

    def _popularity(self, asked: Mapping[str, int]) -> np.ndarray:
        """Return how often each entry was asked, int64."""
        read, counts = self._asked
        if read is not asked:
            counts = np.array([asked.get(key, 0) for key in self._place], dtype=np.int64)
            self._asked = (asked, counts)
        return counts

    def _ranked(self, text: str, popularity: np.ndarray) -> np.ndarray:
        """Return the rows of questions that hold a text, best first; a row may come twice."""
        found = [self._places([self._literal(char) for char in text])]
        found += [self._places(units) for units in islice(self._spelt(text), _TRIED)]
        places = np.concatenate(found)
        by_sound = np.repeat([0, *[1] * (len(found) - 1)], [len(part) for part in found])
        places, by_sound = places[:_MATCHES], by_sound[:_MATCHES]
        rows = np.searchsorted(self._start, places, side="right") - 1
        begins = places == self._start[rows]
        asked = popularity[self._entry[rows]]
        # One number to sort by: beginning, characters, popularity, length.
        score = ((2 * ~begins + by_sound) << 48) - (np.minimum(asked, 1 << 31) << 16)
        score = score + np.minimum(self._lengths[rows], (1 << 16) - 1)
        return rows[np.argsort(score, kind="stable")]

    def _places(self, units: Sequence[np.ndarray]) -> np.ndarray:
        """Return where in the joined text the units stand one after the other, int64.

        A unit is the numbers of the characters it may be.
        """
        if not all(map(len, units)):
            return np.zeros(0, dtype=np.int64)
        places = np.flatnonzero(self._may_be(units[0], self._numbers))
        for offset, unit in enumerate(units[1:], 1):
            # The text ends with a break, which no unit is: what would stand behind it is never met.
            places = places[self._may_be(unit, self._numbers[places + offset])]
        return places

    def _may_be(self, unit: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        if len(unit) == 1:
            return numbers == unit[0]
        wanted = np.zeros(self._chars, dtype=bool)
        wanted[unit] = True
        return wanted[numbers]

    def _literal(self, char: str) -> np.ndarray:
        number = self._number_of.get(char)
        return np.array([] if number is None else [number], dtype=np.int64)

    def _spelt(self, text: str) -> Iterator[list[np.ndarray]]:
        """Yield the units of each way to read the letters of a text as Pinyin."""
        runs = _RUNS.findall(text)
        if not any(run.isascii() and run.isalpha() for run in runs):
            return
        ways = [
            [
                [np.array(self._beginnings[part], dtype=np.int64) for part in parts]
                for parts in self._cut(run)
            ]
            if run.isascii() and run.isalpha()
            else [[self._literal(run)]]
            for run in runs
        ]
        for chosen in product(*ways):
            yield [unit for units in chosen for unit in units]

    def _cut(self, letters: str) -> list[list[str]]:
        """Return the ways to cut letters into beginnings of syllables, of fewest parts first."""
        ways: list[list[list[str]]] = [[] for _ in letters] + [[[]]]
        for start in range(len(letters) - 1, -1, -1):
            found = [
                [letters[start:end], *rest]
                for end in range(start + 1, min(start + _SYLLABLE, len(letters)) + 1)
                if letters[start:end] in self._beginnings
                for rest in ways[end]
            ]
            ways[start] = sorted(found, key=len)[:_READINGS]
        return ways[0]


@cache
def _readings(char: str) -> tuple[str, ...]:
    """Return all readings of a character without tones; a letter or digit is its own."""
    if char.isascii():
        return (char,) if char.isalnum() else ()
    [found] = pinyin(char, style=Style.NORMAL, heteronym=True, errors="ignore") or [[]]
    return tuple(dict.fromkeys(found))
