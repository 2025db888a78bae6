"""When does the FAQ change, and when are vectors computed anew? One path for both.

In: a table of entries, or only another encoder. Out: a new revision, committed whole. All slow
work happens before the one transaction.
"""

import hashlib
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from distill.encoder import Encoder
from distill.text import normalise, speaks
from indexer.errors import PublishError
from indexer.lexicon import Lexicon, Reader
from indexer.publication import Publication, Snapshot
from indexer.records import Entry, FaqRow
from indexer.store import Store
from indexer.table_import import FailedRow, ImportedTable

# As much of an answer as is matched against. More ranks no better (measured on split dev of
# data/queries.csv), and what an import has to encode stays short.
ANSWER_LENGTH = 100

_AT_A_TIME = 2000  # texts that are read and encoded before the next are

# What no normalisation takes away.
_SPEAKS_AS_IT_IS = re.compile("[0-9A-Za-z\u4e00-\u9fff]")

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
    naming = [
        column
        for name in ("key", "question", "questions", "heading")
        for column in table.fields.get(name, ())
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
    settings: Mapping[str, Any] | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
    *,
    deleted: Collection[str] = (),
    expected: Mapping[str, Entry | None] | None = None,
    positions: Mapping[str, int] | None = None,
    by: str = "",
    what: str = "",
    regression: Mapping[str, Any] | None = None,
    afresh: bool = False,
    rehearsed: Store | None = None,
    distrusted: Collection[str] = (),
) -> Published:
    """Write changed entries and make every vector current, in one commit.

    A vector is current exactly when its key is: sha256 of encoder, normalised text and weights. So
    the same call serves an edited question, a new file, another encoder and a changed weight
    (``settings`` with keywords or synonyms; None takes a setting away). Only texts that the change
    can touch are read, or all of them ``afresh``. Vectors under ``distrusted`` keys are made again.

    ``expected`` holds entries as their editor saw them, None for one that was not there.
    ``positions``, ``by``, ``what`` and ``regression`` are those of ``Publication``. ``rehearsed``
    may have vectors of the change already: those are not computed again.
    Raises PublishError if another process published since ``snapshot``, or if an expected entry is
    another by now; then nothing is written.
    """
    _require(expected or {}, snapshot, store)
    changes = tuple(changes)
    settings = {
        "encoder": encoder.fingerprint,
        "encoder_path": str(encoder.bundle.path.resolve()),
        **(settings or {}),
    }
    entries = dict(snapshot.entries) | {entry.key: entry for entry in changes}
    for key in deleted:
        entries.pop(key, None)
    texts = dict.fromkeys(text for entry in entries.values() for text in _texts(entry))
    lexicon = Lexicon.of({**snapshot.settings, **settings})
    reader = lexicon.reader(encoder)
    known = {} if afresh else _still_current(snapshot, encoder, lexicon, reader)
    reading = [text for text in texts if text not in known]
    key_of: dict[str, str] = dict(known)
    made: dict[str, np.ndarray] = {}
    done = 0

    def count(texts: int) -> None:
        nonlocal done
        done += texts
        progress(done, len(reading))

    # Part by part: words and weights of all texts at once would take more memory than all else.
    for start in range(0, len(reading), _AT_A_TIME):
        weighted = {text: reader.read_stored(text) for text in reading[start : start + _AT_A_TIME]}
        keys = {text: encoder.vector_key(weight) for text, weight in weighted.items()}
        key_of |= keys
        missing = {key: weighted[text] for text, key in keys.items() if key not in made}
        for key in store.vectors([key for key in missing if key not in distrusted]):
            del missing[key]
        if rehearsed:
            made |= (found := rehearsed.vectors([*missing]))
            missing = {key: text for key, text in missing.items() if key not in found}
        if known_already := len(weighted) - len(missing):
            count(known_already)
        vectors = encoder.encode(list(missing.values()), progress=count)
        made |= zip(missing, vectors, strict=True)
    revision = store.publish(
        Publication(
            snapshot,
            changes,
            {text: key_of[text] for text in texts},
            made,
            settings,
            tuple(deleted),
            positions or {},
            by,
            what,
            regression,
        )
    )
    return Published(revision, len(made))


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
    by: str = "",
) -> Published:
    """Make all vectors this encoder's; the entries stay as they are."""
    what = "重算向量"
    return publish(
        store, store.snapshot(), encoder, (), None, progress, by=by, what=what, afresh=True
    )


def _texts(entry: Entry) -> Iterator[str]:
    """Yield all of an entry's texts that have a vector."""
    yield entry.question
    yield from entry.variants
    yield from counter_examples(entry)
    if text := answer_beginning(entry):
        yield text


def _still_current(
    snapshot: Snapshot, encoder: Encoder, lexicon: Lexicon, reader: Reader
) -> Mapping[str, str]:
    """Return the stored vector keys, by text, that new settings leave as they are.

    A keyword acts where it stands: a text without it is cut and weighed as before.
    """
    before = Lexicon.of(snapshot.settings)
    if snapshot.settings.get("encoder") != encoder.fingerprint:
        return {}
    if before.synonyms != lexicon.synonyms:
        return {}
    keys = snapshot.text_keys()
    old, new = before.keywords, lexicon.keywords
    words = [normalise(word) for word in old.keys() | new if old.get(word) != new.get(word)]
    if not words:
        return keys
    holds = re.compile("|".join(map(re.escape, words))).search
    return {text: key for text, key in keys.items() if not holds(reader.text(text))}


def _require(expected: Mapping[str, Entry | None], snapshot: Snapshot, store: Store) -> None:
    for key, entry in expected.items():
        now = snapshot.entries.get(key)
        if now == entry:
            continue
        change = store.last_change(key)
        who, when = (change.by, f" ({change.at}, 第 {change.revision} 版)") if change else ("", "")
        did = "删除" if now is None else "新建" if entry is None else "修改"
        name = (now or entry).question if now or entry else ""
        raise PublishError(
            f"条目 {key}「{name}」刚被 {who or '别人'} {did}过{when}, 您的改动没有保存。"
            "怎么办: 刷新, 看过现在的内容后再改一次"
        )


def _readable(text: str) -> bool:
    # Nearly every text is, at first sight; normalising it to see takes most of a small publication.
    return _SPEAKS_AS_IT_IS.search(text) is not None or speaks(normalise(text))


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
