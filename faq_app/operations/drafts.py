"""Which changes wait to be published together? The one draft, as operators fill and publish it.

In: a desk, entries and factors. Out: the draft's items, what they mend and break together, and one
new revision.
"""

from typing import Any

from faq_app.operations import effects
from faq_app.operations.desk import Desk
from faq_app.operations.effects import Effect, TooMuchBroken, effect_of
from indexer import draft
from indexer.build import Published
from indexer.draft import Item, Kind
from indexer.records import Entry
from indexer.revisions import setting_name
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


def add_word(desk: Desk, word: str, factor: float | None, by: str) -> None:
    """Let a word's factor wait; None, or 1, takes it away. Raises ValueError for none."""
    draft.add_keyword(desk.service.store, word, factor, by)
    desk.note(by, "草稿: 关键词", f"{word} = {1 if factor is None else factor:g}")


def add_entry(desk: Desk, entry: Entry, seen: Entry | None, by: str) -> None:
    """Let an entry wait. Raises PublishError if it is not as it was seen any more."""
    draft.add_entry(desk.service.store, entry, by, seen)
    desk.note(by, "草稿: 条目", entry.question[:60])


def add_deletion(desk: Desk, seen: Entry, by: str) -> None:
    """Let the deletion of an entry wait. Raises PublishError as ``add_entry`` does."""
    draft.add_deletion(desk.service.store, seen.key, by, seen)
    desk.note(by, "草稿: 删除条目", seen.question[:60])


def add_setting(desk: Desk, name: str, value: Any, by: str) -> bool:
    """Let a setting that decides replies wait; say whether it differs from what is published.

    One that does not is taken out of the draft. ``value`` must have been checked.
    """
    draft.add_setting(desk.service.store, name, value, by)
    waits = any((item.kind, item.name) == ("setting", name) for item in items(desk))
    desk.note(by, "草稿: 设置" if waits else "草稿: 放弃", setting_name(name))
    return waits


def discard_all(desk: Desk, by: str) -> int:
    """Empty the draft; return how many changes it held."""
    count = draft.discard_all(desk.service.store)
    desk.note(by, "草稿: 全部放弃", f"{count} 处改动")
    return count


def discard(desk: Desk, kind: Kind, name: str, by: str) -> Item | None:
    """Take one change out of the draft; return it, to be put back."""
    gone = next((item for item in items(desk) if (item.kind, item.name) == (kind, name)), None)
    draft.discard(desk.service.store, kind, name)
    desk.note(by, "草稿: 放弃", name)
    return gone


def put_back(desk: Desk, item: Item, by: str) -> None:
    """Let a change wait again. Raises PublishError if what it is of was published meanwhile."""
    if item.kind == "entry" and item.content is None:
        add_deletion(desk, item.base, by)
    elif item.kind == "entry":
        add_entry(desk, item.content, item.base, by)
    elif item.kind == "keyword":
        add_word(desk, item.name, item.content, by)
    else:
        add_setting(desk, item.name, item.content, by)


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
