"""What does a change mend, and what does it break? Told by name, before anything is published.

In: a desk and the searcher that a change would make. Out: an ``Effect``: queries that come out
right only with the change, only without, or as before.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from faq_app.operations.desk import Desk
from indexer.evaluate import Case, LabelledQuery, run_cases
from indexer.leave_one_out import leave_one_out
from indexer.reasons import DECISIONS
from indexer.records import Entry, SearchResult
from indexer.search import Searcher

OWN_AT_MOST = 300  # similar questions asked without themselves, where nobody has labelled any

Search = Callable[[str, int], SearchResult]


@dataclass(frozen=True)
class Outcome:
    """One query before and after, in words; ``expected`` is the right entry's question."""

    query: str
    expected: str
    before: str
    after: str


@dataclass(frozen=True)
class Effect:
    """What became of the queries; ``source`` says in words which ones were asked."""

    fixed: tuple[Outcome, ...]
    broken: tuple[Outcome, ...]
    unchanged: int
    source: str


@dataclass(frozen=True)
class _Yardstick:
    cases: tuple[Case, ...]
    source: str
    search_of: Callable[[Searcher], Search]


def effect_of(desk: Desk, changed: Searcher) -> Effect:
    """Ask the regression queries of ``changed``, and compare with what is published."""
    yardstick = desk.once_a_revision("yardstick", _yardstick)
    queries = [case.query for case in yardstick.cases]
    after = run_cases(changed, queries, search=yardstick.search_of(changed))
    pairs = list(zip(yardstick.cases, after, strict=True))
    entries = {**desk.searcher.entries, **changed.entries}
    fixed = [_outcome(old, new, entries) for old, new in pairs if new.right and not old.right]
    broken = [_outcome(old, new, entries) for old, new in pairs if old.right and not new.right]
    unchanged = len(pairs) - len(fixed) - len(broken)
    return Effect(tuple(fixed), tuple(broken), unchanged, yardstick.source)


def _yardstick(searcher: Searcher) -> _Yardstick:
    def search_of(one: Searcher) -> Search:
        return leave_one_out(one, OWN_AT_MOST).search

    own: Sequence[LabelledQuery] = leave_one_out(searcher, OWN_AT_MOST).queries
    cases = run_cases(searcher, own, search=search_of(searcher))
    return _Yardstick(tuple(cases), f"自己的 {len(own)} 条相似问, 各自去掉自己再问", search_of)


def _outcome(before: Case, after: Case, entries: Mapping[str, Entry]) -> Outcome:
    right = entries.get(before.expected)
    expected = right.question if right else "(库外, 应拒答)"
    return Outcome(before.query.query, expected, _said(before, entries), _said(after, entries))


def _said(case: Case, entries: Mapping[str, Entry]) -> str:
    shown = entries.get(case.shown)
    return f"{DECISIONS[case.decided]}: {shown.question}" if shown else DECISIONS[case.decided]
