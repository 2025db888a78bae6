"""Which entries are there, and how is one changed? Looking up, checking, saving, taking back.

In: a desk, and entries as an operator wrote them. Out: entries, warnings, or a new revision. What
an operator saw when starting to edit must still be so, or nothing is written.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from distill.text import normalise, speaks
from faq_app.operations import effects
from faq_app.operations.desk import Desk
from indexer import draft
from indexer.build import Published
from indexer.errors import InputError
from indexer.records import Entry
from indexer.table_cells import CellError, clean_line, clean_text, read_date

Status = Literal["启用", "停用", "未生效", "已过期"]
STATUSES: tuple[Status, ...] = ("启用", "停用", "未生效", "已过期")

LONGEST_QUESTION, LONGEST_ANSWER = 500, 50_000  # characters
MOST_WORDINGS = 1_000
_CHECKED = 100  # new wordings that are looked up while somebody types
_NEAR = 0.5  # score from which on another entry is worth a warning
_DEEP = 20  # hits among which an entry's own place is looked for


@dataclass(frozen=True)
class Nearer:
    """A new wording that another entry is nearer to; ``same``: it has this very wording."""

    text: str
    entry: Entry
    question: str
    same: bool


def find(desk: Desk, wanted: str = "", category: str = "", status: str = "") -> list[Entry]:
    """Return the entries, in file order, that hold ``wanted`` in key, wordings, answer or tags."""
    texts = desk.once_a_revision("entry texts", lambda s: _texts(s.entries))
    words = normalise(wanted).split()
    today = date.today().isoformat()
    return [
        entry
        for key, entry in desk.searcher.entries.items()
        if (not category or entry.category == category)
        and (not status or status_of(entry, today) == status)
        and all(word in texts[key] for word in words)
    ]


def categories(desk: Desk) -> list[str]:
    """Return the categories in use, in file order."""
    entries = desk.searcher.entries.values()
    return list(dict.fromkeys(entry.category for entry in entries if entry.category))


def status_of(entry: Entry, today: str = "") -> Status:
    """Say whether an entry is shown, and if not, why."""
    today = today or date.today().isoformat()
    if not entry.enabled:
        return "停用"
    if entry.valid_from and entry.valid_from > today:
        return "未生效"
    return "已过期" if entry.valid_to and entry.valid_to < today else "启用"


def compose(
    seen: Entry | None,
    *,
    key: str,
    question: str,
    variants: str,
    negatives: str,
    answer: str,
    category: str,
    tags: str,
    valid_from: str,
    valid_to: str,
    enabled: bool,
) -> Entry:
    """Return the entry that a form describes: lists one a line, tags also with commas.

    Fields that no form shows stay as ``seen``. Raises InputError that names every fault.
    """
    faults = []
    dates = {}
    for name, text in (("生效日", valid_from), ("失效日", valid_to)):
        try:
            dates[name] = read_date(text or "")
        except CellError as error:
            faults.append(f"{name}: {error}")
    if all(days := [*dates.values()]) and len(days) == 2 and days[0] > days[1]:
        faults.append("生效日晚于失效日")
    question, answer = clean_line(question or ""), clean_text(answer or "").strip()
    wordings = [text for text in _lines(variants) if normalise(text) != normalise(question)]
    if not speaks(normalise(question)):
        faults.append("没有标准问")
    if not answer:
        faults.append("没有答案")
    if len(answer) > LONGEST_ANSWER:
        faults.append(f"答案有 {len(answer)} 个字, 最多 {LONGEST_ANSWER}")
    if long := [text for text in (question, *wordings) if len(text) > LONGEST_QUESTION]:
        faults.append(f"「{long[0][:20]}…」有 {len(long[0])} 个字, 问法最多 {LONGEST_QUESTION}")
    if silent := [text for text in wordings if not speaks(normalise(text))]:
        faults.append(f"相似问「{silent[0]}」里没有文字")
    if len(wordings) > MOST_WORDINGS:
        faults.append(f"有 {len(wordings)} 条相似问, 最多 {MOST_WORDINGS}")
    if faults:
        raise InputError(f"{'; '.join(faults)}。怎么办: 改好再保存")
    kept = seen or Entry(key=clean_line(key or ""), question=question, answer=answer)
    return replace(
        kept,
        question=question,
        variants=tuple(wordings),
        negatives=tuple(_lines(negatives)),
        answer=answer,
        category=clean_line(category or ""),
        tags=tuple(_lines((tags or "").replace("，", "\n").replace(",", "\n"))),
        valid_from=dates["生效日"],
        valid_to=dates["失效日"],
        enabled=enabled,
    )


def nearer_elsewhere(desk: Desk, entry: Entry, seen: Entry | None) -> list[Nearer]:
    """Return the wordings, not in ``seen``, that another entry is nearer to than this one."""
    searcher = desk.searcher
    known = {seen.question, *seen.variants} if seen else set()
    found = []
    for text in [t for t in (entry.question, *entry.variants) if t and t not in known][:_CHECKED]:
        hits = searcher.search(text, _DEEP).hits
        own = next((hit.score for hit in hits if hit.entry_id == entry.key), 0.0)
        best = next((hit for hit in hits if hit.entry_id != entry.key), None)
        if best and best.score > own and (best.exact or best.score >= _NEAR):
            other = searcher.entries[best.entry_id]
            found.append(Nearer(text, other, best.question, best.exact))
    return found


def save(
    desk: Desk, entry: Entry, seen: Entry | None, by: str, insist: bool = False
) -> tuple[Entry, Published]:
    """Publish a new or changed entry; ``seen`` is what its editor started from, None if new.

    Raises InputError if a wording is another entry's, or nothing changed; PublishError if somebody
    else changed the entry meanwhile.
    """
    if seen is None:
        entry = replace(entry, key=_new_key(desk, entry))
    if entry == seen:
        raise InputError("没有改动。怎么办: 改好再保存")
    _require_own_wordings(desk, entry)
    verb = "修改" if seen else "新增"
    what = f"{verb}「{entry.question[:30]}」"
    expected = {entry.key: seen}
    return entry, effects.publish(desk, by, what, [entry], expected=expected, insist=insist)


def to_draft(desk: Desk, entry: Entry, seen: Entry | None) -> Entry:
    """Return the entry as it may wait in a draft, with its key. Raises as ``save`` does."""
    drafted = {item.name for item in draft.items(desk.service.store) if item.kind == "entry"}
    if seen is None and entry.key not in drafted:
        entry = replace(entry, key=_new_key(desk, entry))
    _require_own_wordings(desk, entry)
    return entry


def switch(desk: Desk, seen: Entry, by: str, insist: bool = False) -> tuple[Entry, Published]:
    """Publish an entry switched off if it is on, else on. Raises as ``save`` does."""
    entry = replace(seen, enabled=not seen.enabled)
    if entry.enabled:
        _require_own_wordings(desk, entry)
    what = f"{'启用' if entry.enabled else '停用'}「{entry.question[:30]}」"
    expected = {entry.key: seen}
    return entry, effects.publish(desk, by, what, [entry], expected=expected, insist=insist)


def delete(desk: Desk, seen: Entry, by: str, insist: bool = False) -> Published:
    """Publish the FAQ without an entry. Raises PublishError if somebody changed it meanwhile."""
    what = f"删除「{seen.question[:30]}」"
    expected = {seen.key: seen}
    return effects.publish(desk, by, what, deleted=[seen.key], expected=expected, insist=insist)


@dataclass(frozen=True)
class Undo:
    """What takes a change of one entry back, and where a deleted one stood."""

    before: Entry | None
    after: Entry | None
    position: int | None = None


def undo_of(desk: Desk, before: Entry | None, after: Entry | None) -> Undo:
    """Return what will take a change back; ask before the change is made."""
    key = (before or after).key if before or after else ""
    return Undo(before, after, desk.snapshot.positions.get(key))


def take_back(desk: Desk, undo: Undo, by: str) -> Published:
    """Publish an entry as it was. Raises PublishError if somebody changed it since."""
    named = undo.before or undo.after
    if named is None:
        raise InputError("没有可撤销的改动")
    expected: Mapping[str, Entry | None] = {named.key: undo.after}
    what = f"撤销对「{named.question[:30]}」的改动"
    if undo.before is None:
        return desk.publish(by, what, deleted=[named.key], expected=expected)
    places = {} if undo.position is None else {named.key: undo.position}
    return desk.publish(by, what, [undo.before], expected=expected, positions=places)


def _require_own_wordings(desk: Desk, entry: Entry) -> None:
    owner = {
        normalise(text): other
        for other in desk.searcher.entries.values()
        if other.enabled and other.key != entry.key
        for text in (other.question, *other.variants)
    }
    taken = [
        f"「{text}」已是条目「{owner[normalise(text)].question}」的问法"
        for text in (entry.question, *entry.variants)
        if normalise(text) in owner
    ]
    if taken:
        raise InputError(f"{'; '.join(taken[:3])}。怎么办: 去掉它, 或先从那个条目里去掉")


def _new_key(desk: Desk, entry: Entry) -> str:
    taken = desk.searcher.entries
    if entry.key in taken:
        raise InputError(f"编号 {entry.key} 已经有了。怎么办: 换一个, 或留空自动编号")
    digest = hashlib.sha256(normalise(entry.question).encode()).hexdigest()
    return entry.key or next(k for n in range(8, 65) if (k := f"q{digest[:n]}") not in taken)


def _lines(text: str) -> list[str]:
    """Return the lines, cleaned, each once."""
    lines = {normalise(line): line for line in map(clean_line, reversed((text or "").splitlines()))}
    return [line for line in reversed(lines.values()) if line]


def _texts(entries: Mapping[str, Entry]) -> Mapping[str, str]:
    def joined(parts: Iterable[str | Sequence[str]]) -> str:
        return normalise("\n".join(p if isinstance(p, str) else "\n".join(p) for p in parts))

    return {
        key: joined((key, e.question, e.variants, e.answer, e.category, e.tags))
        for key, e in entries.items()
    }
