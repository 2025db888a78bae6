"""Which changes wait to be published together? The one draft that console and programs share.

In: entries and factors. Out: what waits, what it would mend and break, and one new revision.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from pydantic.config import JsonDict

from faq_app.api.callers import Editor, Publisher, Reader, signature
from faq_app.api.errors import refusals, told_in_words
from faq_app.api.fields import Insist, Number, Text
from faq_app.api.records import (
    EffectReply,
    EntryReply,
    IfMatch,
    Name,
    NewEntry,
    PublishedReply,
    composed,
    effect_reply,
    entry_reply,
    matches,
    overtaken,
    present,
)
from faq_app.api.settings import SignalWeights, Thresholds, WordingFields
from faq_app.operations import drafts, entries, settings, thresholds
from faq_app.operations.desk import Desk
from indexer.draft import Item
from indexer.records import Entry


def _also(fields: type[BaseModel], kind: str) -> JsonDict:
    """Return the example of ``fields`` as one of a change to them."""
    example = fields.model_config["json_schema_extra"]["example"]
    return {"example": {"kind": kind, **example}}


class DraftItem(BaseModel):
    """A change that waits. ``stale``: it was published otherwise meanwhile.

    ``entry`` of kind entry: as it would be, null if it is to be deleted; ``value`` of the others:
    the factor or setting, null if it is taken away.
    """

    kind: Literal["entry", "keyword", "setting"]
    name: str
    what: str
    by: str
    at: str
    stale: bool
    entry: EntryReply | None
    value: Any


class DraftEntry(BaseModel):
    """An entry that shall wait, whole; with an id that is not there yet, or none: a new one."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"kind": "entry", "entry": {"question": "几点开门？", "answer": "九点。"}}
        },
    )
    kind: Literal["entry"]
    entry: NewEntry


class DraftDeletion(BaseModel):
    """The deletion of an entry that shall wait."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"kind": "deletion", "entry_id": "refund"}}
    )
    kind: Literal["deletion"]
    entry_id: Name


class DraftKeyword(BaseModel):
    """A word's factor that shall wait; 1 lets it weigh what it weighs by itself."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"kind": "keyword", "word": "花呗", "factor": 2}},
    )
    kind: Literal["keyword"]
    word: Text
    factor: Number


class DraftThresholds(Thresholds):
    """Thresholds that shall wait."""

    model_config = ConfigDict(json_schema_extra=_also(Thresholds, "thresholds"))
    kind: Literal["thresholds"]


class DraftSignals(SignalWeights):
    """Weights of the signals that shall wait."""

    model_config = ConfigDict(json_schema_extra=_also(SignalWeights, "signals"))
    kind: Literal["signals"]


class DraftWording(WordingFields):
    """The chat's words that shall wait."""

    model_config = ConfigDict(json_schema_extra=_also(WordingFields, "wording"))
    kind: Literal["wording"]


Change = Annotated[
    DraftEntry | DraftDeletion | DraftKeyword | DraftThresholds | DraftSignals | DraftWording,
    Field(discriminator="kind"),
]


def routes(desk: Desk) -> APIRouter:
    """Return the routes over the draft of ``desk``."""
    router = APIRouter(prefix="/api/v1", tags=["草稿"], responses=refusals())

    @router.get("/draft")
    def read_draft(caller: Reader) -> list[DraftItem]:
        """草稿里等待发布的改动。"""
        return _draft(desk)

    @router.post("/draft", responses=refusals(404, 409, 412, 428))
    def add_to_draft(caller: Editor, change: Change, if_match: IfMatch = None) -> list[DraftItem]:
        """放进草稿，不发布。已有的条目要带 If-Match：已发布的 etag，或草稿里那一份的。"""
        by = signature(caller)
        if isinstance(change, DraftEntry):
            _add_entry(desk, change.entry, if_match, by)
        elif isinstance(change, DraftDeletion):
            seen = _seen(desk, change.entry_id, if_match) or present(desk, change.entry_id)
            drafts.add_deletion(desk, seen, by)
        elif isinstance(change, DraftKeyword):
            with told_in_words():
                drafts.add_word(desk, change.word, change.factor, by)
        elif isinstance(change, DraftThresholds):
            thresholds.to_draft(desk, change.answer, change.clarify, by)
        elif isinstance(change, DraftSignals):
            settings.draft_signals(desk, change.model_dump(exclude={"kind"}), by)
        else:
            wanted = WordingFields(**change.model_dump(exclude={"kind"}))
            settings.draft_wording(desk, wanted.wording(), by)
        return _draft(desk)

    @router.delete("/draft")
    def discard_all(caller: Editor) -> list[DraftItem]:
        """放弃整个草稿。"""
        drafts.discard_all(desk, signature(caller))
        return _draft(desk)

    @router.delete("/draft/{kind}/{name:path}", responses=refusals(409))
    def discard(
        caller: Editor, kind: Literal["entry", "keyword", "setting"], name: str
    ) -> list[DraftItem]:
        """从草稿里放弃一处改动。"""
        with told_in_words():
            drafts.discard(desk, kind, name, signature(caller))
        return _draft(desk)

    @router.get("/draft:effect", responses=refusals(409))
    def effect(caller: Reader) -> EffectReply:
        """整个草稿会修好和弄坏什么。"""
        return effect_reply(drafts.effect(desk))

    @router.post("/draft:publish", responses=refusals(409))
    def publish(caller: Publisher, insist: Insist = False) -> PublishedReply:
        """把整个草稿发布为一个版本。"""
        return PublishedReply.model_validate(drafts.publish(desk, signature(caller), insist))

    return router


def _add_entry(desk: Desk, fields: NewEntry, if_match: str | None, by: str) -> None:
    key = fields.entry_id
    seen = _seen(desk, key, if_match)
    entry = composed(fields, seen, key)
    published = desk.searcher.entries.get(key)
    drafts.add_entry(desk, entries.to_draft(desk, entry, published), seen, by)


def _draft(desk: Desk) -> list[DraftItem]:
    late = drafts.stale(desk)
    return [_item(item, (item.kind, item.name) in late) for item in drafts.items(desk)]


def _item(item: Item, stale: bool) -> DraftItem:
    is_entry = item.kind == "entry"
    return DraftItem(
        kind=item.kind,
        name=item.name,
        what=item.in_words,
        by=item.by,
        at=item.at,
        stale=stale,
        entry=entry_reply(item.content) if is_entry and item.content else None,
        value=None if is_entry else item.content,
    )


def _seen(desk: Desk, key: str, if_match: str | None) -> Entry | None:
    """Return the entry that a change starts from: the draft's, else the published one; None: new.

    Raises Refused as ``records.seen_by`` does.
    """
    waiting = drafts.of_entry(desk, key) if key else None
    now = [waiting.content] if waiting and waiting.content else []
    now += [published] if (published := desk.searcher.entries.get(key)) else []
    if not now:
        return None
    if not any([matches(entry, if_match) for entry in now]):
        raise overtaken(key)
    return now[0]
