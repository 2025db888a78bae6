"""By which queries are changes judged? The regression set, as programs keep and run it.

In: queries with their entries. Out: pages of cases, runs with what failed, and their curve.
"""

import tempfile
from pathlib import Path as FilePath
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from faq_app.access import Refused
from faq_app.api.callers import Editor, Reader, signature
from faq_app.api.errors import refusals
from faq_app.api.fields import LARGEST, Limit, Offset, Switch, Text
from faq_app.api.records import Name
from faq_app.api.tables import FORMATS, Format, as_file, sent, table_body
from faq_app.operations import cases
from faq_app.operations.desk import Desk
from indexer.decision import DecisionKind
from indexer.measures import Evaluation
from indexer.regression import LONGEST, Added, Origin

MOST_NAMED = 1000  # failures that a run names

CaseId = Annotated[int, Path(ge=1, le=LARGEST)]


class CaseReply(BaseModel):
    """A labelled query; ``entry_id`` "": it must be refused. ``added_at`` is UTC."""

    model_config = ConfigDict(from_attributes=True)
    id: int
    query: str
    entry_id: str = Field(validation_alias="entry_key")
    origin: Origin
    added_by: str
    added_at: str
    enabled: bool


class CasePageReply(BaseModel):
    """Some of the cases, the latest first, and how many there are."""

    cases: list[CaseReply]
    total: int


class NewCaseRequest(BaseModel):
    """A query, and the entry that answers it; "" if it must be refused."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"query": "东西不想要了", "entry_id": "refund"}},
    )
    query: Annotated[Text, Field(max_length=LONGEST)]
    entry_id: Name


class AddedReply(BaseModel):
    """What became of new cases; ``changed``: the text was there with another label."""

    model_config = ConfigDict(from_attributes=True)
    added: int
    changed: int
    unchanged: int


class CaseEnabled(BaseModel):
    """Whether a case takes part in runs."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"enabled": False}})
    enabled: Switch


class Removed(BaseModel):
    """The case is out of the set."""

    removed: bool = True


class Failure(BaseModel):
    """A case that did not serve the customer: what was decided, and which entry was shown."""

    query: str
    expected: str
    decision: DecisionKind
    shown: str


class RunReply(BaseModel):
    """The set as asked of the published revision. ``lost``: cases whose entry is not there."""

    revision: int
    cases: int
    measures: Evaluation
    failed: int
    failures: list[Failure]
    lost: int


class RecordedRunReply(BaseModel):
    """A point of the curve; ``at`` is UTC."""

    model_config = ConfigDict(from_attributes=True)
    id: int
    revision: int
    at: str
    by: str
    measures: Evaluation


def routes(desk: Desk) -> APIRouter:
    """Return the routes over the regression set of ``desk``."""
    router = APIRouter(prefix="/api/v1/regression", tags=["回归集"], responses=refusals())

    @router.get("/cases")
    def list_cases(
        caller: Reader,
        query: Annotated[str, Query(description="提问或编号里的文字")] = "",
        offset: Offset = 0,
        limit: Limit = 50,
    ) -> CasePageReply:
        """回归集里的提问，新的在前。"""
        found = cases.page(desk, query, offset, limit)
        shown = [CaseReply.model_validate(case) for case in found.cases]
        return CasePageReply(cases=shown, total=found.total)

    @router.post("/cases", status_code=201)
    def add_case(caller: Editor, case: NewCaseRequest) -> AddedReply:
        """加一条提问；文字相同的改成这个标注。"""
        return _added(cases.add(desk, case.query, case.entry_id, signature(caller)))

    @router.patch("/cases/{case_id}", responses=refusals(404))
    def switch_case(caller: Editor, case_id: CaseId, wanted: CaseEnabled) -> CaseEnabled:
        """让一条提问参加或不参加。"""
        if not cases.switch(desk, case_id, wanted.enabled, signature(caller)):
            raise _unknown(case_id)
        return wanted

    @router.delete("/cases/{case_id}", responses=refusals(404))
    def remove_case(caller: Editor, case_id: CaseId) -> Removed:
        """从回归集里去掉一条。"""
        if not cases.remove(desk, case_id, signature(caller)):
            raise _unknown(case_id)
        return Removed()

    @router.post("/cases:import", openapi_extra=table_body(), responses=refusals(415))
    async def import_cases(caller: Editor, request: Request) -> AddedReply:
        """加入一张表 (query,entry_id；有 split 列时只取 dev)。请求体是 csv、tsv 或 xlsx 文件。"""
        ending, data = as_file(request), await request.body()
        return await run_in_threadpool(_import, desk, data, ending, signature(caller))

    @router.get("/cases:export", response_class=Response, responses=FORMATS)
    def export_cases(caller: Reader, format: Format = "csv") -> Response:
        """整个回归集，csv 或 xlsx，可再导入。"""
        return sent(f"回归集.{format}", lambda path: cases.export(desk, path))

    @router.get("/runs")
    def list_runs(caller: Reader) -> list[RecordedRunReply]:
        """历次结果，旧的在前：一条曲线。"""
        return [RecordedRunReply.model_validate(run) for run in cases.curve(desk)]

    @router.post("/runs")
    def run(caller: Editor) -> RunReply:
        """现在问一遍，记下结果。"""
        done = cases.run(desk, signature(caller))
        failures = [
            Failure(
                query=case.query.query,
                expected=case.expected,
                decision=case.decided,
                shown=case.shown,
            )
            for case in done.failures
        ]
        return RunReply(
            revision=done.revision,
            cases=len(done.cases),
            measures=done.measures,
            failed=len(failures),
            failures=failures[:MOST_NAMED],
            lost=len(done.lost),
        )

    return router


def _import(desk: Desk, data: bytes, ending: str, by: str) -> AddedReply:
    with tempfile.TemporaryDirectory(prefix="faq-") as folder:
        path = FilePath(folder) / f"回归集{ending}"
        path.write_bytes(data)
        return _added(cases.import_file(desk, path, by))


def _added(done: Added) -> AddedReply:
    return AddedReply.model_validate(done)


def _unknown(case_id: int) -> Refused:
    return Refused(404, "not_found", f"回归集里没有第 {case_id} 条")
