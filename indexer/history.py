"""What was changed by whom, what differs between two revisions, and how does one go back?

In: a store. Out: its revisions, the newest first; the differences of any two; and a new revision
that equals an old one. A revision keeps what it replaced, so an old one is today's FAQ with all
that was replaced since laid over it.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from distill.encoder import Encoder
from distill.errors import DistillError
from indexer import revisions
from indexer.build import Published, publish
from indexer.errors import PublishError
from indexer.publication import Snapshot
from indexer.records import Entry
from indexer.revisions import Revision, changed_words
from indexer.store import Store


@dataclass(frozen=True)
class FieldChange:
    """A field of an entry, or a setting, on both sides; None where it is not there."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True)
class EntryChange:
    """An entry on both sides; None where it is not there."""

    key: str
    before: Entry | None
    after: Entry | None

    @property
    def kind(self) -> Literal["added", "changed", "deleted"]:
        """Return what became of it."""
        if self.before is None:
            return "added"
        return "changed" if self.after is not None else "deleted"

    @property
    def fields(self) -> tuple[FieldChange, ...]:
        """Return the fields that differ; of an added or deleted entry all that say something."""
        pairs = (
            FieldChange(field.name, _value(self.before, field.name), _value(self.after, field.name))
            for field in fields(Entry)
            if field.name != "key"
        )
        return tuple(pair for pair in pairs if (pair.before or None) != (pair.after or None))


@dataclass(frozen=True)
class Changes:
    """What has to be done to one revision to get the other."""

    before: int
    after: int
    entries: tuple[EntryChange, ...]
    keywords: tuple[FieldChange, ...]  # factors by word, 1 where there is none
    settings: tuple[FieldChange, ...]  # the others


def history(store: Store, limit: int = 50, offset: int = 0) -> list[Revision]:
    """Return revisions, the newest first."""
    with store.reading() as db:
        return revisions.read(db, limit, offset)


def revision_count(store: Store) -> int:
    """Return how many revisions ``history`` has."""
    with store.reading() as db:
        return revisions.count(db)


def keyword_changes(store: Store) -> dict[str, Revision]:
    """Return for every word whose factor was ever changed the revision that did so last."""
    last: dict[str, Revision] = {}
    with store.reading() as db:
        after = store.setting("keywords") or {}
        for revision, before in revisions.replaced_keywords(db):
            for word in changed_words(before, after):
                last.setdefault(word, revision)
            after = before
    return last


def changes_between(store: Store, a: int, b: int) -> Changes:
    """Return what was changed from revision a to b; b may be the earlier one.

    Raises PublishError for a revision of which nothing is kept.
    """
    snapshot = store.snapshot()
    one, other = _past(store, snapshot, a), _past(store, snapshot, b)
    keys = dict.fromkeys((*one.entries, *other.entries))
    changes = [
        EntryChange(key, one.entry(snapshot, key), other.entry(snapshot, key)) for key in keys
    ]
    settings = [
        FieldChange(name, one.setting(snapshot, name), other.setting(snapshot, name))
        for name in sorted({*one.settings, *other.settings} - revisions.SILENT - {"keywords"})
    ]
    words = changed_words(one.setting(snapshot, "keywords"), other.setting(snapshot, "keywords"))
    return Changes(
        a,
        b,
        tuple(change for change in changes if change.before != change.after),
        tuple(FieldChange(word, *pair) for word, pair in words.items()),
        tuple(change for change in settings if change.before != change.after),
    )


def rollback(store: Store, encoder: Encoder, revision: int, by: str) -> Published:
    """Publish a new revision that equals an old one: entries, questions and all settings.

    Where the old revision's encoder was another than ``encoder``, it is loaded from where it lay
    then. Raises PublishError if the revision is not kept, if it equals the present one, or if its
    encoder is not there any more; and if somebody published meanwhile.
    """
    snapshot = store.snapshot()
    past = _past(store, snapshot, revision)
    entries, deleted = past.differences(snapshot)
    settings = {
        name: value for name, value in past.settings.items() if snapshot.settings.get(name) != value
    }
    if not entries and not deleted and not settings.keys() - {"encoder_path"}:
        raise PublishError(f"{store.path}: 现在的内容和第 {revision} 版一样, 没有什么可以回退")
    return publish(
        store,
        snapshot,
        _encoder_of(store, snapshot, past, encoder),
        [entry for _, entry in entries.values()],
        {name: value for name, value in settings.items() if name not in _OF_THE_ENCODER},
        deleted=deleted,
        positions={key: position for key, (position, _) in entries.items()},
        by=by,
        what=f"回退到第 {revision} 版",
    )


_OF_THE_ENCODER = ("encoder", "encoder_path")


@dataclass(frozen=True)
class _Past:
    """What was otherwise in an old revision. None: it was not there."""

    revision: int
    entries: Mapping[str, tuple[int, Entry] | None]  # position, entry
    settings: Mapping[str, Any]

    def entry(self, now: Snapshot, key: str) -> Entry | None:
        if key not in self.entries:
            return now.entries.get(key)
        found = self.entries[key]
        return found[1] if found else None

    def setting(self, now: Snapshot, name: str) -> Any:
        return self.settings[name] if name in self.settings else now.settings.get(name)

    def differences(self, now: Snapshot) -> tuple[dict[str, tuple[int, Entry]], list[str]]:
        """Return the entries to write, with their positions, and the keys to delete."""
        write = {
            key: found
            for key, found in self.entries.items()
            if found and found != (now.positions.get(key), now.entries.get(key))
        }
        delete = [
            key for key, found in self.entries.items() if found is None and key in now.entries
        ]
        return write, delete


def _past(store: Store, now: Snapshot, revision: int) -> _Past:
    """Return what a revision had otherwise: of each thing what was replaced first since then."""
    entries: dict[str, tuple[int, Entry] | None] = {}
    settings: dict[str, Any] = {}
    expected = revision + 1
    with store.reading() as db:
        for number, replaced in revisions.replaced_since(db, revision):
            # A gap, or a revision that was published after ``now`` was read.
            if number != expected or number > now.revision:
                break
            expected += 1
            for key, found in replaced.entries.items():
                entries.setdefault(key, found)
            for name, value in replaced.settings.items():
                settings.setdefault(name, value)
    if revision < 1 or revision > now.revision or expected != now.revision + 1:
        raise PublishError(
            f"{store.path}: 没有第 {revision} 版的记录 (现在是第 {now.revision} 版)。"
            f"怎么办: 看有哪些版本: python -m indexer history --db {store.path}"
        )
    return _Past(revision, entries, settings)


def _encoder_of(store: Store, now: Snapshot, past: _Past, encoder: Encoder) -> Encoder:
    wanted = past.setting(now, "encoder")
    if wanted == encoder.fingerprint:
        return encoder
    recorded = past.setting(now, "encoder_path")
    if recorded:
        with suppress(DistillError):  # gone, or damaged: it is not there any more
            found = Encoder.load(Path(recorded))
            if found.fingerprint == wanted:
                return found
    where = f"当时在 {recorded}, 现在那里没有它" if recorded else "没有记下它当时在哪里"
    raise PublishError(
        f"{store.path}: 第 {past.revision} 版用的是另一个编码器 {wanted}: {where}, 什么也没有改。"
        f"怎么办: 把它放回去, 或指明它在哪里: "
        f"python -m indexer rollback {past.revision} --db {store.path} --encoder 目录"
    )


def _value(entry: Entry | None, name: str) -> Any:
    return None if entry is None else getattr(entry, name)
