"""How do many entries come in, or all go out, at once? A job that publishes one revision.

In: entries as JSON, or a table as console and command line read it. Out: a job: its progress, and
what was added, changed and refused, row by row.
"""

import csv
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from faq_app.access import Refused
from faq_app.api.callers import Publisher, Reader, signature
from faq_app.api.errors import in_words, refusals
from faq_app.api.fields import Insist
from faq_app.api.jobs import JobReply, job_reply
from faq_app.api.records import NewEntry, PublishedReply, require_own_columns
from faq_app.api.tables import FORMATS, Format, as_file, kind_of, sent, table_body
from faq_app.operations import imports
from faq_app.operations.desk import Desk
from faq_app.operations.jobs import Jobs, Work
from indexer.build import Mode
from indexer.errors import InputError
from indexer.progress import Progress
from indexer.records import Entry
from indexer.table_cells import clean_line, clean_text
from indexer.table_export import write_table

MOST_ENTRIES = 100_000
MOST_FAILED = 1000  # refused rows that a result names
JSON = "application/json"


class Bulk(BaseModel):
    """Entries to write: those with a known id, else with a known question, are replaced."""

    model_config = ConfigDict(extra="forbid")
    entries: Annotated[list[NewEntry], Field(min_length=1, max_length=MOST_ENTRIES)]


class RefusedRow(BaseModel):
    """A row that cannot be taken, and why.

    ``number`` counts entries from 0 where they came as JSON, else it is the line of the file.
    """

    number: int
    reason: str


class BulkResult(BaseModel):
    """What the job did; ``published`` null: nothing had to be changed, or it was only looked at."""

    published: PublishedReply | None
    added: int
    updated: int
    unchanged: int
    disabled: int
    failed: int
    failed_rows: list[RefusedRow]
    notes: list[str]


def routes(desk: Desk, jobs: Jobs) -> APIRouter:
    """Return the routes that take in and give out the whole FAQ of ``desk``."""
    router = APIRouter(prefix="/api/v1", tags=["条目"], responses=refusals())
    as_json = Bulk.model_json_schema(ref_template="#/components/schemas/{model}")
    as_json.pop("$defs")  # NewEntry is among the components: POST /entries takes one
    body = table_body(json=as_json)

    @router.post("/entries:bulk", status_code=202, openapi_extra=body, responses=refusals(415))
    async def write_many(
        caller: Publisher,
        request: Request,
        mode: Annotated[Mode, Query(description="replace: 请求里没有的条目停用")] = "append",
        dry_run: Annotated[bool, Query(description="只看会怎样，不写")] = False,
        insist: Insist = False,
    ) -> JobReply:
        """批量写入：JSON ({"entries": […]}) 或 csv、tsv、xlsx 文件；返回一个任务。"""
        data, by = await request.body(), signature(caller)
        wanted = _Import(desk, mode, by, dry_run, insist)
        if kind_of(request) == JSON:
            work = wanted.of_entries(await run_in_threadpool(_read, data))
        else:
            work = wanted.of_file(data, as_file(request))
        return job_reply(jobs.submit("import", by, work))

    @router.get("/entries:export", response_class=Response, responses=FORMATS)
    def export(caller: Reader, format: Format = "csv") -> Response:
        """全部条目，csv 或 xlsx，可无损再导入。"""
        return sent(f"问答表.{format}", lambda path: imports.export(desk, path))

    return router


class _Import:
    """A table in a temporary folder, and what shall be done with it."""

    def __init__(self, desk: Desk, mode: Mode, by: str, dry_run: bool, insist: bool) -> None:
        self._desk = desk
        self._mode = mode
        self._by = by
        self._dry_run = dry_run
        self._insist = insist

    def of_entries(self, entries: Sequence[Entry]) -> Work:
        """Return the work of writing entries."""

        def work(progress: Progress) -> BulkResult:
            with _file(".csv") as path:
                # Read like any other table: whatever is refused there is refused here.
                write_table(path, entries)
                starts = _lines(path)
                return self._run(
                    path, progress, {line: n for n, line in enumerate(starts)}.__getitem__
                )

        return work

    def of_file(self, data: bytes, ending: str) -> Work:
        """Return the work of writing what a file holds."""

        def work(progress: Progress) -> BulkResult:
            with _file(ending) as path:
                path.write_bytes(data)
                return self._run(path, progress, int)

        return work

    def _run(self, path: Path, progress: Progress, number: Callable[[int], int]) -> BulkResult:
        preview = imports.read_import(self._desk, path, self._mode)
        plan, done = preview.plan, None
        progress(0, 0)  # may stop it here
        if plan.changes and not self._dry_run:
            name = f"{len(plan.entries)} 个条目"
            done = imports.publish_import(
                self._desk, preview, name, self._by, self._insist, progress
            )
        return BulkResult(
            published=done and PublishedReply.model_validate(done),
            added=len(plan.added),
            updated=len(plan.updated),
            unchanged=len(plan.unchanged),
            disabled=len(plan.disabled),
            failed=len(preview.faulty),
            failed_rows=[
                RefusedRow(number=number(row.line), reason=row.reason)
                for row in preview.faulty[:MOST_FAILED]
            ],
            notes=[*preview.table.notes, *plan.notes][:MOST_FAILED],
        )


def _read(data: bytes) -> list[Entry]:
    """Return the entries of a JSON body. Raises Refused (400), or InputError that names a field."""
    try:
        bulk = Bulk.model_validate_json(data)
    except ValidationError as error:
        first = error.errors()[0]
        if first["type"] == "json_invalid":
            raise Refused(400, "invalid_json", "请求体不是有效的 JSON") from None
        raise InputError(in_words(first["loc"], first)) from None
    entries = [_entry(fields) for fields in bulk.entries]
    require_own_columns(dict.fromkeys(name for entry in entries for name in entry.extra))
    return entries


def _entry(fields: NewEntry) -> Entry:
    return Entry(
        key=fields.entry_id,
        question=fields.question,
        variants=tuple(map(clean_line, fields.similar_questions)),
        negatives=tuple(map(clean_line, fields.negative_questions)),
        answer=clean_text(fields.answer),
        category=fields.category,
        tags=tuple(map(clean_line, fields.tags)),
        enabled=fields.enabled,
        valid_from=fields.valid_from,
        valid_to=fields.valid_to,
        related=tuple(map(clean_line, fields.related)),
        extra={clean_line(name): clean_text(text) for name, text in fields.extra.items()},
    )


@contextmanager
def _file(ending: str) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="faq-") as folder:
        yield Path(folder) / f"问答表{ending}"


def _lines(path: Path) -> list[int]:
    """Return the line on which each row below the header begins."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.reader(stream)
        ends = [reader.line_num for _ in reader]
    return [end + 1 for end in ends[:-1]]
