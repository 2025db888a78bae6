"""What does a change mend, and what does it break? Told by name, before anything is published.

In: a desk and the searcher that a change would make. Out: an ``Effect``: queries that come out
right only with the change, only without, or as before; and a publish that is refused if too much
breaks, unless somebody insists.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from faq_app.operations.desk import Desk
from indexer import regression
from indexer.build import Published
from indexer.comparison import Change
from indexer.decision import DecisionKind
from indexer.errors import PublishError
from indexer.evaluate import Case, LabelledQuery, run_cases
from indexer.leave_one_out import built_in_out_of_scope, leave_one_out, read_out_of_scope
from indexer.progress import Progress, counted, silent
from indexer.reasons import DECISIONS
from indexer.records import Entry
from indexer.search import Searcher

# Similar questions asked without themselves, where nobody has labelled any queries, or so few.
OWN_AT_MOST = 300
FEW = 50
GATE = 3  # regression cases that a publish may break unasked, until somebody sets another number
GATE_SETTING = "gate"


@dataclass(frozen=True)
class Outcome:
    """One query before and after, in words; ``expected`` is the right entry's question."""

    query: str
    expected: str
    before: str
    after: str


@dataclass(frozen=True)
class Effect:
    """What became of the queries.

    ``source`` says in words which ones were asked; ``record`` is what a revision remembers, None
    where nobody has labelled any.
    """

    fixed: tuple[Outcome, ...]
    broken: tuple[Outcome, ...]
    unchanged: int
    source: str
    record: Mapping[str, Any] | None = None

    @property
    def broken_cases(self) -> int:
        """Return how many of the regression set are broken."""
        return len(self.record["broken"]) if self.record else 0


class TooMuchBroken(PublishError):
    """A publish would break more regression cases than is allowed unasked; nothing was done."""

    def __init__(self, effect: Effect, allowed: int) -> None:
        super().__init__(
            f"这个改动会弄坏 {effect.broken_cases} 条回归提问 (最多允许 {allowed} 条), 还没有发布。"
            "怎么办: 看看是哪些, 改一改; 或者确认仍然发布"
        )
        self.effect = effect


@dataclass(frozen=True)
class _Before:
    """The queries as they come out now: the regression set, and the FAQ's own if it is small."""

    labelled: tuple[LabelledQuery, ...]
    run: regression.Run | None
    own: tuple[Case, ...] = ()


def effect_of(desk: Desk, changed: Searcher, progress: Progress = silent) -> Effect:
    """Ask the regression queries of ``changed``, and compare with what is published."""
    before = _before(desk)
    entries = {**desk.searcher.entries, **changed.entries}
    fixed, broken, unchanged, sources, record = [], [], 0, [], None
    if before.run is not None:
        after = regression.run(desk.service.store, changed, before.labelled, progress)
        found = regression.compare_runs(before.run, after)
        fixed += [_of_change(change, entries) for change in found.fixed]
        broken += [_of_change(change, entries) for change in found.broken]
        unchanged += len(found.unchanged)
        sources.append(f"回归集的 {len(before.labelled)} 条提问")
        record = regression.as_json(found)
    if before.own:
        search = leave_one_out(changed, OWN_AT_MOST).search
        live = changed.live_entries()
        # The questions of an entry that goes are none of the FAQ's own any more.
        own = [case for case in before.own if case.expected in live]
        queries = counted([case.query for case in own], progress)
        cases = run_cases(changed, queries, search=search)
        for old, new in zip(own, cases, strict=True):
            if old.right == new.right:
                unchanged += 1
            else:
                (fixed if new.right else broken).append(_of_cases(old, new, entries))
        sources.append(f"自己的 {len(cases)} 条相似问 (各自去掉自己再问)")
    return Effect(tuple(fixed), tuple(broken), unchanged, "和".join(sources), record)


def labelled_cases(desk: Desk) -> tuple[Case, ...]:
    """Return the regression set as it comes out now; empty if there is none."""
    run = _before(desk).run
    return run.cases if run else ()


def cases_now(desk: Desk) -> tuple[tuple[Case, ...], str]:
    """Return what there is to measure by, as it comes out now, and what it is, in words.

    With a small regression set, or none: the FAQ's own questions, and the built-in ones that no
    FAQ answers.
    """
    labelled = labelled_cases(desk)
    if len(labelled) >= FEW:
        return labelled, f"回归集的 {len(labelled)} 条提问"
    outside = desk.once_a_revision("outside", _outside)
    own = _before(desk).own
    source = f"自己的 {len(own)} 条相似问 (各自去掉自己再问), 和自带的 {len(outside)} 条库外提问"
    return (*own, *outside), source


def publish(
    desk: Desk,
    by: str,
    what: str,
    changes: Iterable[Entry] = (),
    settings: Mapping[str, Any] | None = None,
    deleted: Collection[str] = (),
    *,
    insist: bool = False,
    progress: Progress = silent,
    **more: Any,
) -> Published:
    """Publish a change together with what the regression set says of it.

    Raises TooMuchBroken if it breaks more cases than is allowed, unless somebody insists; what
    ``progress`` raises, before anything is written; otherwise as ``Desk.publish``.
    """
    changes = tuple(changes)
    record = None
    if regression.labelled_queries(desk.service.store):
        rehearsed = desk.rehearse(changes, settings, deleted, progress)
        effect = effect_of(desk, rehearsed, progress)
        if effect.broken_cases > allowed(desk) and not insist:
            raise TooMuchBroken(effect, allowed(desk))
        record = effect.record
    return desk.publish(
        by, what, changes, settings, progress, deleted=deleted, regression=record, **more
    )


def allowed(desk: Desk) -> int:
    """Return how many regression cases a publish may break unasked."""
    stored = desk.service.store.setting(GATE_SETTING, GATE)
    # What somebody wrote by hand and is no number of cases counts for nothing.
    return stored if isinstance(stored, int) and stored >= 0 else GATE


def _before(desk: Desk) -> _Before:
    store = desk.service.store
    labelled = tuple(regression.labelled_queries(store))
    before = desk.once_a_revision("effects", lambda searcher: _asked(desk, searcher, labelled))
    if before.labelled != labelled:  # the set changed, the FAQ did not
        desk.forget("effects")
        desk.forget("curve")
        before = desk.once_a_revision("effects", lambda searcher: _asked(desk, searcher, labelled))
    return before


def _asked(desk: Desk, searcher: Searcher, labelled: Sequence[LabelledQuery]) -> _Before:
    run = regression.run(desk.service.store, searcher, labelled) if labelled else None
    if len(labelled) >= FEW:
        return _Before(tuple(labelled), run)
    own = leave_one_out(searcher, OWN_AT_MOST)
    cases = run_cases(searcher, own.queries, search=own.search)
    return _Before(tuple(labelled), run, tuple(cases))


def _outside(searcher: Searcher) -> tuple[Case, ...]:
    own = leave_one_out(searcher, OWN_AT_MOST)
    outside = read_out_of_scope(built_in_out_of_scope())
    return tuple(run_cases(searcher, [query for query in outside if not own.holds(query.query)]))


def _of_cases(before: Case, after: Case, entries: Mapping[str, Entry]) -> Outcome:
    return Outcome(
        before.query.query,
        _expected(before.expected, entries),
        _said(before.decided, before.shown, before.right, entries),
        _said(after.decided, after.shown, after.right, entries),
    )


def _of_change(change: Change, entries: Mapping[str, Entry]) -> Outcome:
    return Outcome(
        change.before.query,
        _expected(change.before.expected, entries),
        _said(change.before.decided, change.before.shown, change.before.right, entries),
        _said(change.after.decided, change.after.shown, change.after.right, entries),
    )


def _expected(key: str, entries: Mapping[str, Entry]) -> str:
    if not key:
        return "(库外, 应拒答)"
    return entries[key].question if key in entries else f"{key} (已没有)"


def _said(decided: DecisionKind, key: str, right: bool, entries: Mapping[str, Entry]) -> str:
    shown, done = entries.get(key), DECISIONS[decided]
    if decided == "clarify":
        done += " (列出了应有的)" if right else " (没有列出应有的)"
    return f"{done}: {shown.question}" if shown else done
