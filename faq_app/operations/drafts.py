"""Which changes wait to be published together? The one draft, as operators fill and publish it.

In: a desk, entries and factors. Out: the draft's items, what they mend and break together, and one
new revision.
"""

from faq_app.operations import effects
from faq_app.operations.desk import Desk
from faq_app.operations.effects import Effect, TooMuchBroken, effect_of
from indexer import draft
from indexer.build import Published
from indexer.draft import Item, Kind
from indexer.records import Entry
from indexer.search import Searcher


def items(desk: Desk) -> tuple[Item, ...]:
    """Return what waits, in the order in which it was begun."""
    return draft.items(desk.service.store)


def stale(desk: Desk) -> frozenset[tuple[Kind, str]]:
    """Return kind and name of what was published otherwise meanwhile."""
    return frozenset((item.kind, item.name) for item in draft.stale(desk.service.store))


def of_entry(desk: Desk, key: str) -> Item | None:
    """Return the change of an entry that waits, if there is one."""
    found = (item for item in items(desk) if (item.kind, item.name) == ("entry", key))
    return next(found, None)


def add_word(desk: Desk, word: str, factor: float, by: str) -> None:
    """Let a word's factor wait. Raises ValueError for what cannot be one."""
    draft.add_keyword(desk.service.store, word, factor, by)
    desk.note(by, "草稿: 关键词", f"{word} = {factor:g}")


def add_entry(desk: Desk, entry: Entry, seen: Entry | None, by: str) -> None:
    """Let an entry wait. Raises PublishError if it is not as it was seen any more."""
    draft.add_entry(desk.service.store, entry, by, seen)
    desk.note(by, "草稿: 条目", entry.question[:60])


def add_deletion(desk: Desk, seen: Entry, by: str) -> None:
    """Let the deletion of an entry wait. Raises PublishError as ``add_entry`` does."""
    draft.add_deletion(desk.service.store, seen.key, by, seen)
    desk.note(by, "草稿: 删除条目", seen.question[:60])


def discard(desk: Desk, kind: Kind, name: str, by: str) -> None:
    """Take one change out of the draft."""
    draft.discard(desk.service.store, kind, name)
    desk.note(by, "草稿: 放弃", name)


def effect(desk: Desk) -> Effect:
    """Return what the whole draft would mend and break. Raises PublishError if it is stale."""
    encoder = desk.service.encoder
    rehearsal = draft.preview(desk.service.store, encoder)
    return effect_of(desk, Searcher.load(rehearsal, encoder, desk.searcher))


def publish(desk: Desk, by: str, insist: bool = False) -> Published:
    """Publish the whole draft as one revision.

    Raises TooMuchBroken as ``effects.publish`` does, and PublishError if it is empty or stale.
    """
    store = desk.service.store
    record = None
    if effects.labelled_cases(desk):
        found = effect(desk)
        if found.broken_cases > effects.allowed(desk) and not insist:
            raise TooMuchBroken(found, effects.allowed(desk))
        record = found.record
    done = draft.publish(
        store,
        desk.service.encoder,
        by,
        judge=(lambda _: record) if record else None,
        at_most_broken=effects.allowed(desk),
        force=insist,
        previous=desk.searcher,
    )
    desk.published(by, "发布草稿", done)
    return done
