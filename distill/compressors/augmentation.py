"""How do a few texts become more? As Tang et al. (2019) do it: "Distilling Task-Specific Knowledge
from BERT into Simple Neural Networks".

In: examples. Out: others like them: words masked, words replaced by others of the same part of
speech, and a run of words cut out. Their labels say only where they come from: what they are worth
is for the teacher to say. The same seed gives the same texts.
"""

import logging
import random
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from distill.compressors.examples import Examples

MASK = "▢"  # stands for a word; a transformer reads its own mask token there
MASKED, REPLACED, CUT = 0.1, 0.1, 0.25  # chances: of a word, of a word, of a text
LONGEST = 5  # words that are cut out
_MOST = 20  # new texts of one

Tagged = tuple[tuple[str, str], ...]  # words, each with its part of speech


def augmented(examples: Examples, most: int, seed: int) -> Examples:
    """Return up to ``most`` new examples, as many of each text as of any other.

    Of a pair the first text is changed, the second, or both, by turns. What is there already is
    left out.
    """
    rng = random.Random(seed)
    each = min(_MOST, max(1, most // len(examples)))
    rows = [row for _ in range(each) for row in rng.sample(range(len(examples)), len(examples))]
    sides = (examples.texts, examples.others) if examples.pairs else (examples.texts,)
    tagged = [[tag(text) for text in side] for side in sides]
    words = _by_tag([text for side in tagged for text in side])
    found: dict[tuple[str, ...], int] = {}
    known = set(zip(*sides, strict=True))
    for turn, row in enumerate(rows[:most]):
        new = tuple(
            vary(side[row], words, rng)
            if len(sides) == 1 or turn % 3 in (number, 2)
            else original[row]
            for number, (side, original) in enumerate(zip(tagged, sides, strict=True))
        )
        if new not in known:
            found.setdefault(new, row)
    labels = examples.labels[np.array(list(found.values()), np.int64)]
    columns = list(zip(*found, strict=True)) or [()] * len(sides)
    return Examples(tuple(columns[0]), labels, tuple(columns[1]) if len(sides) > 1 else ())


def vary(text: Tagged, words: dict[str, Sequence[str]], rng: random.Random) -> str:
    """Return a text with some words masked or replaced, perhaps cut to a few; never empty."""
    new = []
    for word, tagged in text:
        chance = rng.random()
        if chance < MASKED:
            new.append(MASK)
        elif chance < MASKED + REPLACED:
            new.append(rng.choice(words.get(tagged) or (word,)))
        else:
            new.append(word)
    if rng.random() < CUT:
        length = rng.randint(1, LONGEST)
        start = rng.randrange(max(1, len(new) - length + 1))
        new = new[start : start + length]
    joined = "".join(new).strip()
    if joined.replace(MASK, "").strip():
        return joined
    return "".join(word for word, _ in text)


@cache
def tag(text: str) -> Tagged:
    """Cut a text into words with their parts of speech."""
    return tuple((pair.word, pair.flag) for pair in _tagger().cut(text, HMM=False))


@cache
def _tagger() -> Any:
    import jieba.posseg  # half a second and 60 MB: where this method is used only

    jieba.setLogLevel(logging.WARNING)
    return jieba.posseg


def _by_tag(texts: Sequence[Tagged]) -> dict[str, Sequence[str]]:
    """Return all words of a part of speech, as often as they occur: drawing follows their share."""
    found: dict[str, list[str]] = {}
    for text in texts:
        for word, tagged in text:
            found.setdefault(tagged, []).append(word)
    return found
