"""How far is a job, what came of it, and how is it stopped? /api/v1/jobs.

In: the jobs that other routes began. Out: their progress, result or error.
"""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from faq_app.access import Refused
from faq_app.api.callers import Publisher, Reader
from faq_app.api.errors import Problem, problem_of, refusals
from faq_app.operations.jobs import Job, Jobs, State


class JobReply(BaseModel):
    """A job as it stands.

    ``total`` 0: not known yet. ``result`` is there once it is done; what is in it says the route
    that began it. ``error``: why it failed. Times are UTC.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "id": "9c1f…",
                "kind": "import",
                "by": "同步程序 (API)",
                "state": "running",
                "done": 1200,
                "total": 8000,
                "created": "2026-01-31T08:00:00.000+00:00",
                "started": "2026-01-31T08:00:00.004+00:00",
                "finished": "",
            }
        }
    )
    id: str
    kind: str
    by: str
    state: State
    done: int
    total: int
    created: str
    started: str
    finished: str
    result: dict[str, Any] | None = None
    error: Problem | None = None


def routes(jobs: Jobs) -> APIRouter:
    """Return the routes over all jobs of the API."""
    router = APIRouter(prefix="/api/v1/jobs", tags=["任务"], responses=refusals())

    @router.get("")
    def list_jobs(caller: Reader) -> list[JobReply]:
        """最近的任务，新的在前。"""
        return [job_reply(job) for job in jobs.all()]

    @router.get("/{job_id}", responses=refusals(404))
    def read_job(caller: Reader, job_id: str) -> JobReply:
        """一个任务的进度和结果。"""
        try:
            return job_reply(jobs.find(job_id))
        except KeyError:
            raise _unknown() from None

    @router.delete("/{job_id}", status_code=202, responses=refusals(404, 409))
    def cancel_job(caller: Publisher, job_id: str) -> JobReply:
        """取消一个任务：提交之前停下，什么也不发布；已经结束的是 409。"""
        try:
            return job_reply(jobs.cancel(job_id))
        except KeyError:
            raise _unknown() from None

    return router


def job_reply(job: Job) -> JobReply:
    """Return a job as JSON."""
    return JobReply(
        id=job.id,
        kind=job.kind,
        by=job.by,
        state=job.state,
        done=job.done,
        total=job.total,
        created=job.created,
        started=job.started,
        finished=job.finished,
        result=None if job.result is None else job.result.model_dump(mode="json"),
        error=None if job.error is None else problem_of(job.error),
    )


def _unknown() -> Refused:
    return Refused(404, "not_found", "没有这个任务，或结束太久，已不记得。怎么办: GET /api/v1/jobs")
