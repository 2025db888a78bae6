"""Which entries are there, and how is one changed? Listing, reading, writing, one at a time.

In: an entry as JSON, and the ETag of what its editor saw. Out: the entry and a new revision; 412 if
somebody changed it meanwhile, 409 with the queries that a change would break.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict

from faq_app.api.callers import Publisher, Reader, signature
from faq_app.api.errors import refusals
from faq_app.api.fields import Insist, Limit, Offset, Switch
from faq_app.api.records import (
    EffectReply,
    EntryFields,
    EntryReply,
    IfMatch,
    NewEntry,
    PublishedReply,
    composed,
    effect_reply,
    entry_reply,
    overtaken,
    present,
    require_no_draft,
    seen_by,
)
from faq_app.operations import entries
from faq_app.operations.desk import Desk
from faq_app.operations.effects import TooMuchBroken, effect_of
from indexer.errors import PublishError
from indexer.records import Entry


class EntryPage(BaseModel):
    """Some of the entries that were looked for, in file order, and how many there are."""

    entries: list[EntryReply]
    total: int
    revision: int


class SavedEntry(BaseModel):
    """The entry as it is now, and the revision that serves it."""

    entry: EntryReply
    published: PublishedReply


class NearerElsewhere(BaseModel):
    """A wording that another entry is nearer to; ``same``: it has this very wording."""

    text: str
    entry_id: str
    question: str
    same: bool


class Checked(BaseModel):
    """What to know before an entry is written: nothing was."""

    warnings: list[NearerElsewhere]
    effect: EffectReply


class Enabled(BaseModel):
    """Whether an entry is shown."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"enabled": False}})
    enabled: Switch


def routes(desk: Desk) -> APIRouter:
    """Return the routes over the entries of ``desk``."""
    router = APIRouter(prefix="/api/v1", tags=["条目"], responses=refusals())

    @router.get("/entries")
    def list_entries(
        caller: Reader,
        query: Annotated[str, Query(description="编号、问法、答案、标签里的文字")] = "",
        category: str = "",
        status: Annotated[entries.Status | None, Query()] = None,
        offset: Offset = 0,
        limit: Limit = 50,
    ) -> EntryPage:
        """列出、查找、筛选条目。"""
        found = entries.find(desk, query, category, status or "")
        shown = [entry_reply(entry) for entry in found[offset : offset + limit]]
        return EntryPage(entries=shown, total=len(found), revision=desk.searcher.revision)

    @router.get("/categories")
    def categories(caller: Reader) -> list[str]:
        """用到的分类。"""
        return entries.categories(desk)

    @router.get("/entries/{entry_id:path}", responses=refusals(404))
    def read_entry(caller: Reader, entry_id: str, response: Response) -> EntryReply:
        """一个条目，带 ETag。"""
        return _tagged(response, present(desk, entry_id))

    @router.post("/entries", status_code=201, responses=refusals(409))
    def create_entry(
        caller: Publisher, fields: NewEntry, response: Response, insist: Insist = False
    ) -> SavedEntry:
        """新建条目并发布；entry_id 留空就自动编号。"""
        entry = composed(fields, None, fields.entry_id)
        entry, done = entries.save(desk, entry, None, signature(caller), insist)
        return _saved(response, entry, PublishedReply.model_validate(done))

    @router.post("/entries:check", responses=refusals(404))
    def check_entry(caller: Reader, fields: NewEntry) -> Checked:
        """保存前先看：哪些问法离别的条目更近，回归集会修好和弄坏哪些。什么也不写。"""
        seen = desk.searcher.entries.get(fields.entry_id)
        entry = composed(fields, seen, fields.entry_id)
        warnings = [
            NearerElsewhere(text=w.text, entry_id=w.entry.key, question=w.question, same=w.same)
            for w in entries.nearer_elsewhere(desk, entry, seen)
        ]
        effect = effect_of(desk, desk.rehearse([entry]))
        return Checked(warnings=warnings, effect=effect_reply(effect))

    @router.put("/entries/{entry_id:path}", responses=refusals(404, 409, 412, 428))
    def replace_entry(
        caller: Publisher,
        entry_id: str,
        fields: EntryFields,
        response: Response,
        if_match: IfMatch = None,
        insist: Insist = False,
    ) -> SavedEntry:
        """整个替换一个条目并发布；没有改动就不发布。"""
        seen = seen_by(desk, entry_id, if_match)
        require_no_draft(desk, entry_id)
        entry = composed(fields, seen)
        if entry == seen:
            return _saved(response, entry, _nothing_done(desk))
        with _not_overtaken(desk, seen):
            entry, done = entries.save(desk, entry, seen, signature(caller), insist)
        return _saved(response, entry, PublishedReply.model_validate(done))

    @router.patch("/entries/{entry_id:path}", responses=refusals(404, 409, 412, 428))
    def switch_entry(
        caller: Publisher,
        entry_id: str,
        wanted: Enabled,
        response: Response,
        if_match: IfMatch = None,
        insist: Insist = False,
    ) -> SavedEntry:
        """启用或停用一个条目并发布。"""
        seen = seen_by(desk, entry_id, if_match)
        require_no_draft(desk, entry_id)
        if seen.enabled == wanted.enabled:
            return _saved(response, seen, _nothing_done(desk))
        with _not_overtaken(desk, seen):
            entry, done = entries.switch(desk, seen, signature(caller), insist)
        return _saved(response, entry, PublishedReply.model_validate(done))

    @router.delete("/entries/{entry_id:path}", responses=refusals(404, 409, 412, 428))
    def delete_entry(
        caller: Publisher, entry_id: str, if_match: IfMatch = None, insist: Insist = False
    ) -> PublishedReply:
        """删除一个条目并发布；可以回退。"""
        seen = seen_by(desk, entry_id, if_match)
        require_no_draft(desk, entry_id)
        with _not_overtaken(desk, seen):
            done = entries.delete(desk, seen, signature(caller), insist)
        return PublishedReply.model_validate(done)

    return router


@contextmanager
def _not_overtaken(desk: Desk, seen: Entry) -> Iterator[None]:
    """Tell a change that came between reading and writing apart from other conflicts."""
    try:
        yield
    except TooMuchBroken:
        raise
    except PublishError as error:
        now = desk.searcher.entries.get(seen.key)
        if now != seen:
            raise overtaken(seen.key) from error
        raise


def _nothing_done(desk: Desk) -> PublishedReply:
    return PublishedReply(revision=desk.searcher.revision, encoded=0)


def _saved(response: Response, entry: Entry, published: PublishedReply) -> SavedEntry:
    return SavedEntry(entry=_tagged(response, entry), published=published)


def _tagged(response: Response, entry: Entry) -> EntryReply:
    reply = entry_reply(entry)
    response.headers["etag"] = reply.etag
    return reply
