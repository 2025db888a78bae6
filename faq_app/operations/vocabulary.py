"""Which words are the FAQ's questions made of, and how many questions hold each?

In: a searcher, and the vocabulary of the revision before. Out: a ``Vocabulary``. Only what changed
is cut and counted again: a publish changes few questions, and most change none.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from distill.text import normalise, segment, speaks
from indexer.search import Searcher

_AFRESH = 0.2  # share of the questions beyond which counting all is no slower


@dataclass(frozen=True)
class Vocabulary:
    """Questions, normalised, and the words in them, with how many questions each is cut from.

    ``holding``: how many questions have the word in them, however they are cut: as a keyword it
    would be found there.
    """

    questions: Counter[str]
    cut: Counter[str]
    holding: Counter[str]
    keywords: frozenset[str]

    def counts(self) -> Iterator[tuple[str, int]]:
        """Yield the words of the questions, and all keywords, with the questions that hold them."""
        for word in self.cut.keys() | self.keywords:
            yield word, self.holding[word]

    def count(self, word: str) -> int:
        """Return how many questions hold any word."""
        if word in self.cut or word in self.keywords:
            return self.holding[word]
        return _holding(self.questions, (word,))[word]


def vocabulary_of(searcher: Searcher, before: Vocabulary | None = None) -> Vocabulary:
    """Return the vocabulary of the questions that are searched."""
    questions = Counter(normalise(question.text) for question in searcher.questions)
    keywords = frozenset(searcher.lexicon.keywords)
    if before is None:
        before = Vocabulary(Counter(), Counter(), Counter(), frozenset())
    gone, new = before.questions - questions, questions - before.questions
    if gone.total() + new.total() > _AFRESH * questions.total():
        cut = _cut(questions)
        return Vocabulary(questions, cut, _holding(questions, {*cut, *keywords}), keywords)
    cut = +(before.cut + _cut(new) - _cut(gone))  # +: words that are in no question any more go
    known = {*before.cut, *before.keywords}
    holding = before.holding.copy()
    holding.subtract(_holding(gone, known))
    holding.update(_holding(new, known))
    unknown = {*cut, *keywords} - known
    holding.update(_holding(questions, unknown))
    return Vocabulary(questions, cut, +holding, keywords)


def _cut(questions: Counter[str]) -> Counter[str]:
    words: Counter[str] = Counter()
    for text, times in questions.items():
        for word in {word.text for word in segment(text) if speaks(word.text)}:
            words[word] += times
    return words


def _holding(questions: Counter[str], words: Iterable[str]) -> Counter[str]:
    """Return in how many questions each word stands: all pieces of a question are looked up."""
    words = frozenset(words)
    lengths = sorted({len(word) for word in words})
    found: Counter[str] = Counter()
    for text, times in questions.items():
        size = len(text)
        pieces = {
            piece
            for length in lengths
            if length <= size
            for start in range(size - length + 1)
            if (piece := text[start : start + length]) in words
        }
        for piece in pieces:
            found[piece] += times
    return found
