"""Which word should weigh more, or less? Changes are tried one by one, and what each mends counted.

In: a store, and labelled queries or none (then the FAQ's own similar questions, each asked without
itself). Out: ``Suggestions``, with the queries that each change fixes and breaks by name. Nothing
is stored: changes are rehearsed by the very code that would publish them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from distill.encoder import Encoder
from indexer.build import answer_beginning, counter_examples, publish
from indexer.comparison import sign_test
from indexer.evaluate import Case, LabelledQuery, run_cases
from indexer.leave_one_out import built_in_out_of_scope, leave_one_out, read_out_of_scope
from indexer.lexicon import with_keyword
from indexer.promising_changes import Change, holds, promising_changes
from indexer.records import SearchResult
from indexer.rehearsal import Rehearsal
from indexer.search import Searcher
from indexer.store import Store

LIMIT = 200  # changes that are tried
OWN_AT_MOST = 1_000  # similar questions asked without themselves
AT_MOST_FOUND = 20  # words whose effect on all queries and on the FAQ's own is measured

Search = Callable[[str, int], SearchResult]
Progress = Callable[[Sequence[Change]], Iterable[Change]]


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
    cannot be found should have been left out. ``progress`` wraps the changes that are tried, then
    those of them that are measured on all queries, like tqdm.
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
    worthwhile = [*best_of_word.values()][:AT_MOST_FOUND]
    measured = [trial.measure(change) for change in progress(worthwhile)]
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
                read(text)
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
        return promising_changes(self.searcher, self.cases, self._said)

    def glance(self, change: Change) -> Effect:
        """Return the effect on the queries that hold the word, or found an entry that does.

        Others can change only where an entry rises from beyond the hits: rare, and ``measure``
        counts it.
        """
        concerned = [
            case
            for case, asked in zip(self.cases, self._asked, strict=True)
            if change.word in asked
            or any(holds(self._said[hit.entry_id], change.word) for hit in case.result.hits)
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
