"""How does an entry look in JSON, and has somebody changed it since it was read?

In: entries. Out: JSON under the names of our own tables' columns, an ETag of the content, and back.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, replace
from typing import Annotated, Literal

import orjson
from fastapi import Header
from pydantic import BaseModel, ConfigDict, Field

from faq_app.access import Refused
from faq_app.api.fields import Switch, Text
from faq_app.operations import drafts, effects, entries
from faq_app.operations.desk import Desk
from indexer.errors import InputError
from indexer.records import Entry
from indexer.table_cells import clean_line, clean_text
from indexer.table_columns import HEADER, read_header

LONGEST_NAME = 200  # characters of an id, a category, a tag
MOST_EXTRA = 50

Name = Annotated[Text, Field(max_length=LONGEST_NAME)]
Lines = Annotated[list[Text], Field(max_length=entries.MOST_WORDINGS)]

_FIELDS = {
    "question": "如何申请退货？",
    "similar_questions": ["怎么退货", "不想要了怎么退"],
    "negative_questions": [],
    "answer": "在「我的订单」点「申请售后」。",
    "category": "退货",
    "tags": ["售后"],
    "enabled": True,
    "valid_from": "",
    "valid_to": "",
    "related": [],
    "extra": {},
}


class EntryFields(BaseModel):
    """An entry as it shall be, whole: what is left out is empty.

    Days are 2026-01-31, "" for no limit. ``extra``: further columns of your tables, by name.
    """

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": _FIELDS})
    question: Text
    similar_questions: Lines = []
    negative_questions: Lines = []
    answer: Text
    category: Name = ""
    tags: Annotated[list[Name], Field(max_length=entries.MOST_WORDINGS)] = []
    enabled: Switch = True
    valid_from: Name = ""
    valid_to: Name = ""
    related: Annotated[list[Name], Field(max_length=entries.MOST_WORDINGS)] = []
    extra: Annotated[dict[Name, Text], Field(max_length=MOST_EXTRA)] = {}


class NewEntry(EntryFields):
    """An entry with its id; without one it is given one."""

    model_config = ConfigDict(json_schema_extra={"example": {**_FIELDS, "entry_id": "refund"}})
    entry_id: Name = ""


class EntryReply(BaseModel):
    """An entry as published, whether it is shown today, and the ETag of its content."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                **_FIELDS,
                "entry_id": "refund",
                "status": "启用",
                "etag": '"5f2ac0de12ab34cd"',
            }
        }
    )
    entry_id: str
    question: str
    similar_questions: list[str]
    negative_questions: list[str]
    answer: str
    category: str
    tags: list[str]
    enabled: bool
    valid_from: str
    valid_to: str
    related: list[str]
    extra: dict[str, str]
    status: Literal["启用", "停用", "未生效", "已过期"]
    etag: str = Field(description="If-Match 用它：写之前没有别人改过才会写")


class PublishedReply(BaseModel):
    """The revision that is served now, and how many texts were encoded for it."""

    model_config = ConfigDict(
        from_attributes=True, json_schema_extra={"example": {"revision": 8, "encoded": 1}}
    )
    revision: int
    encoded: int


class OutcomeReply(BaseModel):
    """One query before and after, in words; ``expected`` is the right entry's question."""

    model_config = ConfigDict(from_attributes=True)
    query: str
    expected: str
    before: str
    after: str


class EffectReply(BaseModel):
    """What a change would mend and break; ``source`` says which queries were asked."""

    model_config = ConfigDict(from_attributes=True)
    fixed: list[OutcomeReply]
    broken: list[OutcomeReply]
    unchanged: int
    source: str
    broken_cases: int = Field(description="其中回归集的，关卡按它判断")


IfMatch = Annotated[
    str | None,
    Header(description="看到的条目的 etag，或 * (无论现在是什么)", examples=['"5f2ac0de12ab34cd"']),
]


def etag_of(entry: Entry) -> str:
    """Return what changes when anything of an entry does."""
    content = orjson.dumps(asdict(entry), option=orjson.OPT_SORT_KEYS)
    return f'"{hashlib.sha256(content).hexdigest()[:16]}"'


def entry_reply(entry: Entry) -> EntryReply:
    """Return an entry as JSON."""
    return EntryReply(
        entry_id=entry.key,
        question=entry.question,
        similar_questions=list(entry.variants),
        negative_questions=list(entry.negatives),
        answer=entry.answer,
        category=entry.category,
        tags=list(entry.tags),
        enabled=entry.enabled,
        valid_from=entry.valid_from,
        valid_to=entry.valid_to,
        related=list(entry.related),
        extra=dict(entry.extra),
        status=entries.status_of(entry),
        etag=etag_of(entry),
    )


def effect_reply(effect: effects.Effect) -> EffectReply:
    """Return an effect as JSON."""
    return EffectReply.model_validate(effect)


def composed(fields: EntryFields, seen: Entry | None, key: str = "") -> Entry:
    """Return the entry that fields describe. Raises InputError that names every fault."""
    entry = entries.compose(
        seen,
        key=key,
        question=fields.question,
        variants=_lines(fields.similar_questions),
        negatives=_lines(fields.negative_questions),
        answer=fields.answer,
        category=fields.category,
        tags=_lines(fields.tags),
        valid_from=fields.valid_from,
        valid_to=fields.valid_to,
        enabled=fields.enabled,
    )
    extra = {clean_line(name): clean_text(text) for name, text in fields.extra.items()}
    require_own_columns(extra)
    related = dict.fromkeys(filter(None, map(clean_line, fields.related)))
    return replace(
        entry,
        related=tuple(related),
        extra={name: text for name, text in extra.items() if text},
    )


def require_own_columns(extra: Iterable[str]) -> None:
    """Refuse a name that a table's reader would take for one of an entry's own columns."""
    names = list(extra)
    kept = set(read_header((*HEADER, *names)).extra.values())
    if foreign := [name for name in names if name not in kept]:
        raise InputError(f"extra 里的「{foreign[0][:40]}」不能用: 是条目自己的列，或是空的")


def present(desk: Desk, key: str) -> Entry:
    """Return a published entry. Raises Refused (404) if there is none."""
    entry = desk.searcher.entries.get(key)
    if entry is None:
        raise Refused(404, "not_found", f"没有编号为 {key[:LONGEST_NAME]} 的条目")
    return entry


def seen_by(desk: Desk, key: str, if_match: str | None) -> Entry:
    """Return a published entry if it is as its editor saw it.

    Raises Refused: 404 if there is none, 428 without an ETag, 412 if it is another by now.
    """
    entry = present(desk, key)
    if not matches(entry, if_match):
        raise overtaken(key)
    return entry


def require_no_draft(desk: Desk, key: str) -> None:
    """Raise Refused (409) if a change of this entry waits in the draft: it would be overtaken."""
    if drafts.of_entry(desk, key):
        message = f"条目 {key} 在草稿里有改动。怎么办: 先发布或放弃它 (/api/v1/draft)"
        raise Refused(409, "in_draft", message)


def matches(entry: Entry, if_match: str | None) -> bool:
    """Say whether an entry is as an If-Match header says. Raises Refused (428) without one."""
    if if_match is None:
        message = "缺少 If-Match。怎么办: 写上读到的 etag，这样不会盖掉别人的改动；或写 *"
        raise Refused(428, "if_match_required", message)
    wanted = [tag.strip() for tag in if_match.split(",")]
    return "*" in wanted or etag_of(entry) in wanted


def overtaken(key: str) -> Refused:
    """Return the refusal of a change to an entry that somebody else changed meanwhile."""
    message = f"条目 {key} 已被别人改过，什么也没有写。怎么办: 重新读取，看过现在的内容后再改一次"
    return Refused(412, "changed_meanwhile", message)


def _lines(items: Sequence[str]) -> str:
    return "\n".join(map(clean_line, items))
