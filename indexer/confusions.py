"""Which entries, and which categories, are taken for one another?

In: cases and the entries they are about. Out: pairs of entries, most frequent first, and a table of
categories. What came is the entry that the customer saw first; who was refused saw none.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from indexer.evaluate import Case
from indexer.records import Entry

OUT_OF_SCOPE = "(库外)"
UNSORTED = "(未分类)"
REFUSED = "(拒答)"
OTHERS = "(其他)"


@dataclass(frozen=True)
class Confusion:
    """One entry shown first in another's place; ``expected`` is "" for out-of-scope queries."""

    expected: str
    got: str
    count: int
    example: str  # the first such query


@dataclass(frozen=True)
class CategoryTable:
    """How many queries of a category (row) were shown an entry of which category (column)."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


def category_of(case: Case, entries: Mapping[str, Entry]) -> str:
    """Return the category of the entry that the query asks for."""
    return entries[case.expected].category or UNSORTED if case.expected else OUT_OF_SCOPE


def confusions(cases: Sequence[Case]) -> list[Confusion]:
    """Return which entry was shown first instead of which, most frequent first.

    A list that offers the right entry further down counts too: the two were still confused.
    """
    counts: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], str] = {}
    for case in cases:
        if case.shown and case.shown != case.expected:
            pair = case.expected, case.shown
            counts[pair] += 1
            examples.setdefault(pair, case.query.query)
    # most_common keeps the order of equals, that of the queries.
    return [Confusion(*pair, n, examples[pair]) for pair, n in counts.most_common()]


def category_table(
    cases: Sequence[Case], entries: Mapping[str, Entry], at_most: int
) -> CategoryTable:
    """Count expected category against shown category.

    Beyond ``at_most`` categories those with the fewest queries are taken together.
    """
    pairs = [
        (
            category_of(case, entries),
            (entries[case.shown].category or UNSORTED) if case.shown else REFUSED,
        )
        for case in cases
    ]
    order = list(dict.fromkeys(entry.category or UNSORTED for entry in entries.values()))
    sizes = Counter(name for pair in pairs for name in pair)
    met = sorted((name for name in order if sizes[name]), key=lambda name: -sizes[name])
    kept = [name for name in order if name in met[:at_most]]
    rest = [OTHERS] if len(met) > at_most else []
    named = {*kept, OUT_OF_SCOPE, REFUSED}
    counts = Counter(tuple(name if name in named else OTHERS for name in pair) for pair in pairs)
    rows = (*kept, *rest, *([OUT_OF_SCOPE] if sizes[OUT_OF_SCOPE] else []))
    columns = (*kept, *rest, REFUSED)
    return CategoryTable(
        rows, columns, tuple(tuple(counts[row, column] for column in columns) for row in rows)
    )
