"""What does a publication do to the stored FAQ, row by row? Worked out before anything is written.

In: the revision that a change starts from, and the change. Out: ``Steps``, which store.py writes in
one transaction and rehearsal.py follows in memory, so that both end at the same revision.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from indexer.errors import PublishError
from indexer.records import Entry, Question, QuestionKind


@dataclass(frozen=True)
class Snapshot:
    """All entries and questions of one revision, read in one transaction."""

    revision: int
    settings: Mapping[str, Any]
    entries: Mapping[str, Entry]  # in file order
    questions: tuple[Question, ...]  # an entry's in its order, standard question first
    vector_keys: Mapping[int, str]  # by question id
    # By text, of what is no question: beginnings of answers, and 反例. A database of an earlier
    # version has none until something is published.
    other_keys: Mapping[str, str] = field(default_factory=dict)
    positions: Mapping[str, int] = field(default_factory=dict)  # by entry key: the file order

    def text_keys(self) -> dict[str, str]:
        """Return the key of the vector of every text, by the text."""
        keys = dict(self.other_keys)
        for question in self.questions:
            keys[question.text] = self.vector_keys[question.id]
        return keys


@dataclass(frozen=True)
class Publication:
    """What one commit changes. Questions of ``entries`` are replaced where their text changed."""

    base: Snapshot  # what the change was computed from
    entries: Sequence[Entry]  # new or changed, whole
    vector_keys: Mapping[str, str]  # of every text of the resulting FAQ, by the text
    vectors: Mapping[str, np.ndarray]  # the new ones, float32 (d,), by their key
    settings: Mapping[str, Any]  # None takes a setting away
    deleted: Collection[str] = ()  # keys of entries
    positions: Mapping[str, int] = field(default_factory=dict)  # where entries come back to
    by: str = ""  # who publishes
    what: str = ""  # in a short phrase; "": worded from what changed
    regression: Mapping[str, Any] | None = None  # what a regression set said of it


@dataclass(frozen=True, slots=True)
class NewQuestion:
    """A question that has no id yet."""

    entry_key: str
    text: str
    kind: QuestionKind
    vector_key: str


@dataclass(frozen=True)
class Steps:
    """The rows to write, and what was there before."""

    entries: tuple[tuple[int, Entry], ...]  # position, entry
    deleted: tuple[str, ...]  # keys of entries
    dropped: tuple[int, ...]  # ids of questions
    added: tuple[NewQuestion, ...]  # after ``dropped`` are gone, in this order
    altered: tuple[tuple[int, QuestionKind, str], ...]  # id, its new kind, its new vector key
    other_keys: Mapping[str, str]  # texts that are no question, new or with another key
    other_dropped: tuple[str, ...]  # texts
    unused_vectors: tuple[str, ...]  # keys that no text has any more
    replaced: Mapping[str, tuple[int, Entry]]  # position and entry as they were, by key
    new: tuple[str, ...]  # keys of entries that were not there


def steps_of(change: Publication) -> Steps:
    """Compare a change with the revision that it starts from.

    A question keeps its id as long as an entry's questions, in their new order, have rising ids;
    from the first that does not fit they are made anew. Raises PublishError for an entry to delete
    that is not there, KeyError for a text without a vector key, and ValueError for an entry that is
    to be written and deleted.
    """
    base, keys = change.base, change.vector_keys
    for key in change.deleted:
        if key not in base.entries:
            raise PublishError(
                f"要删除的条目 {key} 不在第 {base.revision} 版里, 什么也没有改。怎么办: 刷新后再看"
            )
    changed = {entry.key: _as_read_back(entry) for entry in change.entries}
    if both := changed.keys() & set(change.deleted):
        raise ValueError(f"to be written and to be deleted: {sorted(both)}")
    stored: dict[str, list[Question]] = {key: [] for key in (*changed, *change.deleted)}
    altered: list[tuple[int, QuestionKind, str]] = []
    for question in base.questions:
        if question.entry_key in stored:
            stored[question.entry_key].append(question)
        elif (wanted := keys[question.text]) != base.vector_keys[question.id]:
            altered.append((question.id, question.kind, wanted))
    dropped = [question.id for key in change.deleted for question in stored[key]]
    added: list[NewQuestion] = []
    for key, entry in changed.items():
        by_text = {question.text: question for question in stored[key]}
        last, kept = 0, set()
        for text, kind in _questions(entry).items():
            known = by_text.get(text)
            if known is None or known.id < last or last < 0:
                added.append(NewQuestion(key, text, kind, keys[text]))
                last = -1  # a new id is above all there are
                continue
            last = known.id
            kept.add(known.id)
            if (known.kind, base.vector_keys[known.id]) != (kind, keys[text]):
                altered.append((known.id, kind, keys[text]))
        dropped += [question.id for question in stored[key] if question.id not in kept]

    asked = {q.text for q in base.questions if q.entry_key not in stored}
    asked |= {text for entry in changed.values() for text in _questions(entry)}
    others = {text: key for text, key in keys.items() if text not in asked}
    before = {*base.vector_keys.values(), *base.other_keys.values()}
    position = max(base.positions.values(), default=0)
    placed = []
    for key, entry in changed.items():
        place = change.positions.get(key, base.positions.get(key))
        if place is None:
            place = position = position + 1
        placed.append((place, entry))
    return Steps(
        entries=tuple(placed),
        deleted=tuple(change.deleted),
        dropped=tuple(dropped),
        added=tuple(added),
        altered=tuple(altered),
        other_keys={t: key for t, key in others.items() if base.other_keys.get(t) != key},
        other_dropped=tuple(text for text in base.other_keys if text not in others),
        unused_vectors=tuple(before.difference(keys.values())),
        replaced={
            key: (base.positions[key], base.entries[key]) for key in stored if key in base.entries
        },
        new=tuple(key for key in changed if key not in base.entries),
    )


def outcome(change: Publication, steps: Steps, first_id: int | None = None) -> Snapshot:
    """Return the revision that the steps lead to.

    New questions are numbered from ``first_id``; without one, provisionally, from what is free.
    """
    base = change.base
    gone = {*steps.deleted, *(entry.key for _, entry in steps.entries)}
    places = {key: place for key, place in base.positions.items() if key not in gone}
    places |= {entry.key: place for place, entry in steps.entries}
    entries = dict(base.entries) | {entry.key: entry for _, entry in steps.entries}
    altered = {number: (kind, key) for number, kind, key in steps.altered}
    dropped = set(steps.dropped)
    questions, vector_keys = [], {}
    for question in base.questions:
        if question.id in dropped:
            continue
        kind, key = altered.get(question.id, (question.kind, base.vector_keys[question.id]))
        questions.append(Question(question.id, question.entry_key, question.text, kind))
        vector_keys[question.id] = key
    if first_id is None:
        first_id = max((question.id for question in base.questions), default=0) + 1
    for number, new in enumerate(steps.added, first_id):
        questions.append(Question(number, new.entry_key, new.text, new.kind))
        vector_keys[number] = new.vector_key
    others = {text: key for text, key in base.other_keys.items() if text in change.vector_keys}
    for text in steps.other_dropped:
        others.pop(text, None)
    revision = base.revision + 1
    settings = {**base.settings, **change.settings, "revision": revision}
    return Snapshot(
        revision,
        {name: value for name, value in settings.items() if value is not None},
        {key: entries[key] for key in sorted(places, key=lambda key: (places[key], key))},
        tuple(questions),
        vector_keys,
        others | dict(steps.other_keys),
        dict(sorted(places.items(), key=lambda item: (item[1], item[0]))),
    )


def _questions(entry: Entry) -> dict[str, QuestionKind]:
    """Return an entry's wordings in order."""
    return {entry.question: "standard"} | dict.fromkeys(entry.variants, "similar")


def _as_read_back(entry: Entry) -> Entry:
    """Return the entry as it comes out of the database: no wording twice, lists as tuples."""
    values = {name: getattr(entry, name) for name in Entry.__dataclass_fields__}
    values |= {name: tuple(values[name]) for name in ("negatives", "tags", "related")}
    wordings = dict.fromkeys(entry.variants)
    wordings.pop(entry.question, None)
    return Entry(**values | {"variants": tuple(wordings), "extra": dict(entry.extra)})
