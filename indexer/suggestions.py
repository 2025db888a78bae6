"""Which word should weigh more, or less? Changes are tried one by one, and what each mends counted.

In: a store, and labelled queries or none (then the FAQ's own similar questions, each asked without
itself). Out: ``Suggestions``, with the queries that each change fixes and breaks by name. Nothing
is stored: changes are rehearsed by the very code that would publish them.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from distill.encoder import Encoder
from distill.text import speaks
from distill.weights import WeightedText
from indexer.build import answer_beginning, counter_examples, publish
from indexer.comparison import sign_test
from indexer.evaluate import Case, LabelledQuery, run_cases
from indexer.leave_one_out import built_in_out_of_scope, leave_one_out, read_out_of_scope
from indexer.lexicon import with_keyword
from indexer.records import SearchResult
from indexer.rehearsal import Rehearsal
from indexer.search import Searcher
from indexer.store import Store

FACTORS = (0.0, 0.25, 0.5, 1.0, 2.0, 4.0)
LIMIT = 200  # changes that are tried
OWN_AT_MOST = 1_000  # similar questions asked without themselves
AT_MOST_FOUND = 20  # words whose effect on all queries and on the FAQ's own is measured
# A keyword is found inside longer words too: a single character would cut them to pieces.
_SHORTEST = 2
_TELLING = 0.05  # a lead so much larger is 1/e as likely to be turned
_WORDING_SHARE = 0.3  # of the score, roughly, that changes with the words of the entry alone

Search = Callable[[str, int], SearchResult]
Progress = Callable[[Sequence["Change"]], Iterable["Change"]]


@dataclass(frozen=True)
class Change:
    """A word's factor, as it is and as it might be."""

    word: str
    before: float
    factor: float


@dataclass(frozen=True)
class Effect:
    """Queries that come out right only with the change, or only without; see ``Case.right``."""

    fixed: tuple[str, ...]
    broken: tuple[str, ...]

    @property
    def net(self) -> int:
        """Return the queries gained."""
        return len(self.fixed) - len(self.broken)


@dataclass(frozen=True)
class Suggestion:
    """A change and what it does to the queries.

    ``first_before`` and ``first_after``: the in-scope queries whose entry is found first. ``own``:
    the effect on the FAQ's similar questions, None where these are the queries. ``p_value``: of the
    sign test on this change alone; of many that are tried, some look good by chance.
    """

    change: Change
    effect: Effect
    first_before: int
    first_after: int
    own: Effect | None
    p_value: float

    @property
    def sound(self) -> bool:
        """Say whether what else was counted agrees: ranking and own questions are no worse."""
        return self.first_after >= self.first_before and (self.own is None or self.own.net >= 0)


@dataclass(frozen=True)
class Suggestions:
    """What was found: at most one change a word, each fixing more than it breaks.

    The sound ones come first, the others are likely chance; both by net gain. ``best`` is the first
    of all, or, where none is worth it, the one that came nearest.
    """

    found: tuple[Suggestion, ...]
    best: Suggestion | None
    queries: int
    failed: int
    promising: int  # changes that might help; of these the first ``tried`` were tried
    tried: int
    left_out: int  # words that help too, beyond the ``AT_MOST_FOUND`` that were measured


def suggest_keywords(
    store: Store,
    encoder: Encoder,
    queries: Sequence[LabelledQuery] = (),
    limit: int = LIMIT,
    progress: Progress = iter,
) -> Suggestions:
    """Try the ``limit`` most promising changes of one word's factor.

    Queries must be a dev split: what is chosen by them is not judged by them. Those of entries that
    cannot be found should have been left out. ``progress`` wraps the changes, like tqdm.
    """
    trial = _Trial(store, encoder, queries)
    promising = trial.promising()
    tried = promising[:limit]
    effects = [(change, trial.glance(change)) for change in progress(tried)]
    # Of each word the best factor; equals in the order in which they promised to help.
    effects.sort(key=lambda pair: (-pair[1].net, len(pair[1].broken)))
    best_of_word: dict[str, Change] = {}
    for change, effect in effects:
        if effect.net > 0:
            best_of_word.setdefault(change.word, change)
    measured = [trial.measure(change) for change in [*best_of_word.values()][:AT_MOST_FOUND]]
    if not measured and effects:
        measured = [trial.measure(effects[0][0])]
    measured.sort(key=_gain, reverse=True)
    found = [suggestion for suggestion in measured if suggestion.effect.net > 0]
    return Suggestions(
        tuple(found),
        next(iter(found or measured), None),
        len(trial.cases),
        sum(not case.right for case in trial.cases),
        len(promising),
        len(tried),
        max(0, len(best_of_word) - AT_MOST_FOUND),
    )


def _gain(suggestion: Suggestion) -> tuple[int, ...]:
    return (
        suggestion.sound,
        suggestion.effect.net,
        -len(suggestion.effect.broken),
        suggestion.own.net if suggestion.own else 0,
        suggestion.first_after - suggestion.first_before,
    )


class _Trial:
    """The published revision, the queries as they come out on it, and changes tried on a copy."""

    def __init__(self, store: Store, encoder: Encoder, queries: Sequence[LabelledQuery]) -> None:
        self._store = Rehearsal(store)
        self._encoder = encoder
        self.searcher = Searcher.load(self._store, encoder)
        own = leave_one_out(self.searcher, OWN_AT_MOST)
        self._labelled = labelled = bool(queries)
        if not labelled:
            outside = read_out_of_scope(built_in_out_of_scope())
            queries = [*own.queries, *(q for q in outside if not own.holds(q.query))]
        self.cases = run_cases(self.searcher, queries, search=self._search_of(self.searcher))
        self._own = run_cases(self.searcher, own.queries, search=own.search) if labelled else []
        read = self.searcher.reader.read_stored
        self._asked = [self.searcher.reader.read(case.query.query).text for case in self.cases]
        self._said = {
            key: tuple(
                read(text).text
                for text in (
                    entry.question,
                    *entry.variants,
                    *counter_examples(entry),
                    answer_beginning(entry),
                )
                if text
            )
            for key, entry in self.searcher.live_entries().items()
        }

    def promising(self) -> list[Change]:
        """Return what may be worth trying, the likeliest first."""
        return _promising(self.searcher, self.cases, self._said)

    def glance(self, change: Change) -> Effect:
        """Return the effect on the queries that hold the word, or found an entry that does.

        Others can change only where an entry rises from beyond the hits: rare, and ``measure``
        counts it.
        """
        concerned = [
            case
            for case, asked in zip(self.cases, self._asked, strict=True)
            if change.word in asked
            or any(_holds(self._said[hit.entry_id], change.word) for hit in case.result.hits)
        ]
        changed = self._with(change)
        queries = [case.query for case in concerned]
        return _effect(concerned, run_cases(changed, queries, search=self._search_of(changed)))

    def measure(self, change: Change) -> Suggestion:
        """Return the effect on all queries, and on the FAQ's own."""
        changed = self._with(change)
        queries = [case.query for case in self.cases]
        after = run_cases(changed, queries, search=self._search_of(changed))
        effect = _effect(self.cases, after)
        own = None
        if self._labelled:
            held_out = leave_one_out(changed, OWN_AT_MOST)
            own = _effect(self._own, run_cases(changed, held_out.queries, search=held_out.search))
        return Suggestion(
            change,
            effect,
            sum(case.rank == 1 for case in self.cases),
            sum(case.rank == 1 for case in after),
            own,
            sign_test(len(effect.fixed), len(effect.broken)),
        )

    def _with(self, change: Change) -> Searcher:
        rehearsal = Rehearsal(self._store)
        keywords = with_keyword(self.searcher.lexicon.keywords, change.word, change.factor)
        publish(rehearsal, rehearsal.snapshot(), self._encoder, settings={"keywords": keywords})
        return Searcher.load(rehearsal, self._encoder, self.searcher)

    def _search_of(self, searcher: Searcher) -> Search:
        if self._labelled:
            return searcher.search
        return leave_one_out(searcher, OWN_AT_MOST).search


def _effect(before: Sequence[Case], after: Sequence[Case]) -> Effect:
    pairs = list(zip(before, after, strict=True))
    return Effect(
        tuple(new.query.query for old, new in pairs if new.right and not old.right),
        tuple(new.query.query for old, new in pairs if old.right and not new.right),
    )


def _promising(
    searcher: Searcher, cases: Sequence[Case], said: Mapping[str, Sequence[str]]
) -> list[Change]:
    """Return changes that may help more than they harm, the likeliest first.

    A first-order estimate from the words alone, good enough to say what to try first. Where a query
    failed, the right entry should gain on the first hit; or, if it is the first but was refused,
    gain as such; or, out of scope, the first hit lose. Queries that succeeded count against what
    would pull them the other way. A lead counts e times less for each ``_TELLING`` of its size.

    A word that a single query holds, and the FAQ does not, would teach that query by heart; and
    more weight on what the FAQ does not hold finds nothing in it. Both are left out.
    """
    faq = "\n".join(text for texts in said.values() for text in texts)
    asking = Counter(
        word
        for case in cases
        for word in {word for word, _ in _parts(searcher.reader.read(case.query.query))}
    )
    gains: dict[tuple[str, bool], float] = defaultdict(float)
    helped: set[tuple[str, bool]] = set()
    for case in cases:
        if not case.result.hits:
            continue
        lead, pulls = _pulls(searcher, case, said)
        for word, pull in pulls:
            size = abs(pull) * math.exp(-abs(lead) / _TELLING)
            # Does more weight (True) or less bring the query to where it should come out?
            good = pull > 0
            if case.right:
                gains[word, not good] -= size
            else:
                gains[word, good] += size
                helped.add((word, good))
    known = searcher.lexicon.keywords
    return [
        Change(word, known.get(word, 1.0), factor)
        for word, up in sorted(helped, key=lambda key: (-gains[key], key))
        if gains[word, up] > 0 and (word in faq or (asking[word] > 1 and not up))
        for factor in FACTORS
        if (factor > known.get(word, 1.0) if up else factor < known.get(word, 1.0))
    ]


def _pulls(
    searcher: Searcher, case: Case, said: Mapping[str, Sequence[str]]
) -> tuple[float, list[tuple[str, float]]]:
    """Return what a query lacks, and how far more weight on each word would bring it there.

    The derivative of a cosine by the logarithm of a word's weight is p·(a - c): p is the word's
    part of the query's squared length, a is 1 if the entry holds the word and else 0, c the cosine.
    In the difference of two entries about as near, c falls out.
    """
    asked = searcher.reader.read(case.query.query)

    def has(entry: str, word: str) -> bool:
        # Not by the query itself, which is passed over where it is one of the FAQ's questions.
        return _holds((text for text in said[entry] if text != asked.text), word)

    right, hits = case.expected, case.result.hits
    rival = next((hit for hit in hits if hit.entry_id != right), None)
    if right and rival and (case.right or hits[0] is rival):
        own = hits[case.rank - 1] if case.rank else None
        lead = (own or hits[-1]).score - rival.score
        pulls = [
            (word, part * (has(right, word) - has(rival.entry_id, word)))
            for word, part in _parts(asked)
        ]
        # Weight on what only their wordings hold takes them further off.
        for hit, sign in ((own, -1), (rival, 1)):
            if hit:
                wording = searcher.reader.read_stored(hit.question)
                pulls += [
                    (word, sign * _WORDING_SHARE * part)
                    for word, part in _parts(wording)
                    if word not in asked.text
                ]
        return lead, pulls
    best, sign = hits[0], 1 if right else -1
    return case.result.in_scope - searcher.thresholds.clarify, [
        (word, sign * part * (has(best.entry_id, word) - best.score))
        for word, part in _parts(asked)
    ]


def _holds(texts: Iterable[str], word: str) -> bool:
    return any(word in text for text in texts)


def _parts(text: WeightedText) -> list[tuple[str, float]]:
    """Return the words that could be keywords, each with its part of the squared length.

    What the dictionary does not know, a brand for instance, is cut into single characters; two
    such neighbours are taken for a word too.
    """
    squares = np.square(text.weights.astype(np.float64))
    total = squares.sum() or 1.0
    spans = [(word.start, word.end) for word in text.words if len(word.text) >= _SHORTEST]
    spans += [
        (one.start, other.end)
        for one, other in pairwise(text.words)
        if len(one.text) == len(other.text) == 1 and speaks(one.text) and speaks(other.text)
    ]
    return [
        (text.text[start:end], float(squares[start:end].sum() / total))
        for start, end in spans
        if speaks(text.text[start:end])
    ]
