"""What was published, what differs between two revisions, and how does one go back?

In: numbers of revisions. Out: who published what, the differences, and a new revision that equals
an old one.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict

from faq_app.api.callers import Publisher, Reader, signature
from faq_app.api.errors import refusals
from faq_app.api.fields import LARGEST, Limit, Offset
from faq_app.api.records import EntryReply, PublishedReply, entry_reply
from faq_app.operations import past
from faq_app.operations.desk import Desk
from indexer.history import EntryChange
from indexer.revisions import Summary

Number = Annotated[int, Path(ge=1, le=LARGEST)]


class RevisionReply(BaseModel):
    """A publication: by whom, when (UTC), what, and what the regression set said of it."""

    model_config = ConfigDict(from_attributes=True)
    revision: int
    at: str
    by: str
    what: str
    summary: Summary
    regression: dict[str, Any] | None


class RevisionPage(BaseModel):
    """Some of the revisions, the newest first, and how many there are."""

    revisions: list[RevisionReply]
    total: int
    current: int


class EntryDifference(BaseModel):
    """An entry on both sides; null where it is not there."""

    kind: Literal["added", "changed", "deleted"]
    entry_id: str
    before: EntryReply | None
    after: EntryReply | None


class ValueDifference(BaseModel):
    """A word's factor, or a setting, on both sides; null where it is not there."""

    model_config = ConfigDict(from_attributes=True)
    name: str
    before: Any
    after: Any


class Differences(BaseModel):
    """What has to be done to one revision to get the other."""

    before: int
    after: int
    entries: list[EntryDifference]
    keywords: list[ValueDifference]
    settings: list[ValueDifference]


def routes(desk: Desk) -> APIRouter:
    """Return the routes over the revisions of ``desk``."""
    router = APIRouter(prefix="/api/v1", tags=["版本"], responses=refusals())

    @router.get("/revisions")
    def list_revisions(caller: Reader, offset: Offset = 0, limit: Limit = 50) -> RevisionPage:
        """谁在何时发布了什么，新的在前。"""
        shown = past.revisions(desk, limit, offset)
        return RevisionPage(
            revisions=[RevisionReply.model_validate(each) for each in shown],
            total=past.revision_count(desk),
            current=desk.searcher.revision,
        )

    @router.get("/revisions:changes", responses=refusals(409))
    def changes(
        caller: Reader,
        before: Annotated[int, Query(ge=1, le=LARGEST)],
        after: Annotated[int, Query(ge=1, le=LARGEST)],
    ) -> Differences:
        """两个版本的差别。"""
        found = past.differences(desk, before, after)
        return Differences(
            before=found.before,
            after=found.after,
            entries=[_difference(change) for change in found.entries],
            keywords=[ValueDifference.model_validate(each) for each in found.keywords],
            settings=[ValueDifference.model_validate(each) for each in found.settings],
        )

    @router.post("/revisions/{revision}:rollback", responses=refusals(409))
    def rollback(caller: Publisher, revision: Number) -> PublishedReply:
        """回到一个旧版本：条目、权重、阈值、编码器一起；这是一个新版本。"""
        done = past.go_back(desk, revision, signature(caller))
        return PublishedReply.model_validate(done)

    return router


def _difference(change: EntryChange) -> EntryDifference:
    return EntryDifference(
        kind=change.kind,
        entry_id=change.key,
        before=change.before and entry_reply(change.before),
        after=change.after and entry_reply(change.after),
    )
