"""When does the FAQ change, and when are vectors computed anew? One path for both.

In: a table of entries, or only another encoder. Out: a new revision, committed whole. All slow
work happens before the one transaction.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from distill.encoder import Encoder
from distill.text import normalise, speaks
from indexer.lexicon import Lexicon
from indexer.records import Entry, FaqRow
from indexer.store import Publication, Snapshot, Store
from indexer.table_columns import read_header
from indexer.table_import import FailedRow, ImportedTable

# As much of an answer as is matched against. More ranks no better (measured on split dev of
# data/queries.csv), and what an import has to encode stays short.
ANSWER_LENGTH = 100

Mode = Literal["replace", "append"]


@dataclass(frozen=True)
class Plan:
    """What a file would change; nothing is written yet. ``entries`` are whole, with their keys."""

    added: tuple[Entry, ...]
    updated: tuple[Entry, ...]
    unchanged: tuple[Entry, ...]
    disabled: tuple[Entry, ...]  # enabled before, absent from the file, mode replace
    rejected: tuple[FailedRow, ...]  # found here; what the file itself failed at is in the table
    notes: tuple[str, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Return the entries that the file holds."""
        return self.added + self.updated + self.unchanged

    @property
    def changes(self) -> tuple[Entry, ...]:
        """Return the entries to write."""
        return self.added + self.updated + self.disabled


@dataclass(frozen=True)
class Published:
    """What a publication did."""

    revision: int
    encoded: int  # texts whose vector was computed now


def plan_import(snapshot: Snapshot, table: ImportedTable, mode: Mode) -> Plan:
    """Compare a file with what is stored.

    A row is the stored entry of the same key, else of the same standard question (normalised); so
    an entry keeps its key when its file has none. A question that another entry already has is
    refused (standard question) or left out (similar question), with a reason.
    """
    rows = table.rows
    by_question = {normalise(e.question): e.key for e in snapshot.entries.values()}
    keys = _keys(rows, snapshot.entries, by_question)
    present = set(keys)
    # A faulty row still names its entry: being faulty is not being absent.
    columns = read_header(table.header).fields
    naming = [
        i for name in ("key", "question", "questions", "heading") for i in columns.get(name, ())
    ]
    named = {
        normalise(failed.cells[i])
        for failed in table.failures
        for i in naming
        if i < len(failed.cells)
    }
    disabled = []
    # Whose question is it? Entries that stay as they are keep theirs.
    owner: dict[str, str] = {}
    for entry in snapshot.entries.values():
        if not entry.enabled or entry.key in present:
            continue
        names = (normalise(entry.key), normalise(entry.question))
        if mode == "append" or not named.isdisjoint(names):
            for text in (entry.question, *entry.variants):
                owner.setdefault(normalise(text), entry.key)
        else:
            disabled.append(replace(entry, enabled=False))

    added, updated, unchanged, rejected, notes = [], [], [], [], []
    taken: set[str] = set()
    for row, key in zip(rows, keys, strict=True):
        other = owner.get(normalise(row.question))
        if not normalise(row.question):
            rejected += table.refuse(row.line, "标准问没有可见的文字")
            continue
        if key in taken:
            rejected += table.refuse(row.line, f"编号 {key} 已被本文件中更早的一行使用")
            continue
        if other is not None and other != key:
            rejected += table.refuse(row.line, f"标准问与已有条目 {other} 的问题相同")
            continue
        taken.add(key)
        variants = []
        for text in row.variants:
            if not normalise(text):
                continue
            other = owner.setdefault(normalise(text), key)
            if other == key:
                variants.append(text)
            else:
                notes.append(f"第 {row.line} 行: 相似问「{text}」已属于条目 {other}, 未导入")
        fields = {name: getattr(row, name) for name in Entry.__dataclass_fields__}
        entry = Entry(**fields | {"key": key, "variants": tuple(variants)})
        stored = snapshot.entries.get(key)
        if stored is None:
            added.append(entry)
        else:
            (unchanged if _in_any_order(stored) == _in_any_order(entry) else updated).append(entry)
    return Plan(
        tuple(added), tuple(updated), tuple(unchanged), tuple(disabled), tuple(rejected),
        tuple(notes),
    )  # fmt: skip


def publish(
    store: Store,
    snapshot: Snapshot,
    encoder: Encoder,
    changes: Iterable[Entry] = (),
    settings: Mapping[str, object] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Published:
    """Write changed entries and make every vector current, in one commit.

    A vector is current exactly when its key is: sha256 of encoder, normalised text and weights. So
    the same call serves an edited question, a new file, another encoder and a changed weight
    (``settings`` with keywords or synonyms).
    Raises PublishError if another process published since ``snapshot``.
    """
    changes = tuple(changes)
    entries = dict(snapshot.entries) | {entry.key: entry for entry in changes}
    reader = Lexicon.of({**snapshot.settings, **(settings or {})}).reader(encoder)
    asked = [
        (entry.key, text)
        for entry in entries.values()
        for text in (entry.question, *entry.variants)
    ]
    besides = [
        text
        for entry in entries.values()
        for text in (*counter_examples(entry), answer_beginning(entry))
        if text
    ]
    weighted = {text: reader.read_stored(text) for text in (*(text for _, text in asked), *besides)}
    key_of = {text: encoder.vector_key(weight) for text, weight in weighted.items()}
    stored = store.vectors(sorted(set(key_of.values())))
    missing = {key_of[text]: weighted[text] for text in weighted if key_of[text] not in stored}
    done = 0

    def count(texts: int) -> None:
        nonlocal done
        done += texts
        progress(done, len(missing))

    vectors = encoder.encode(list(missing.values()), progress=count)
    revision = store.publish(
        Publication(
            snapshot.revision,
            changes,
            {(key, text): key_of[text] for key, text in asked},
            dict(zip(missing, vectors, strict=True)),
            {"encoder": encoder.fingerprint, **(settings or {})},
            {key_of[text] for text in besides},
        )
    )
    return Published(revision, len(missing))


def counter_examples(entry: Entry) -> tuple[str, ...]:
    """Return an entry's 反例, as far as there is anything to read in them."""
    return tuple(filter(_readable, entry.negatives))


def answer_beginning(entry: Entry) -> str:
    """Return as much of an entry's answer as is matched against; "" if there is nothing to read."""
    text = entry.answer[:ANSWER_LENGTH]
    return text if _readable(text) else ""


def refresh(
    store: Store,
    encoder: Encoder,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Published:
    """Make all vectors this encoder's; the entries stay as they are."""
    return publish(store, store.snapshot(), encoder, progress=progress)


def _readable(text: str) -> bool:
    return speaks(normalise(text))


def _in_any_order(entry: Entry) -> Entry:
    """Return the entry with its similar questions sorted: their order means nothing."""
    return replace(entry, variants=tuple(sorted(entry.variants)))


def _keys(
    rows: Sequence[FaqRow], stored: Mapping[str, Entry], by_question: Mapping[str, str]
) -> list[str]:
    """Return each row's key: its own, else that of the stored question, else a new one."""
    used = set(stored) | {row.key for row in rows if row.key}
    keys = []
    for row in rows:
        key = row.key or by_question.get(normalise(row.question), "")
        if not key:
            digest = hashlib.sha256(normalise(row.question).encode()).hexdigest()
            # Eight digits are enough to type; longer only where they are taken.
            key = next(c for c in (f"q{digest[:n]}" for n in range(8, 65)) if c not in used)
            used.add(key)
        keys.append(key)
    return keys
