"""Is the server alive, can it serve, how is it doing? /healthz, /readyz and /metrics.

In: a service. Out: what a supervisor, a load balancer and Prometheus ask for. Metrics are for this
machine, or a key of that scope: they tell how much is asked.
"""

import tempfile
from pathlib import Path
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response

from faq_app.access import access_of
from faq_app.front import Load, is_local
from faq_app.metrics import CONTENT_TYPE, Metrics
from faq_app.service import Service
from indexer.errors import StoreError

_PROBE = b"\0" * 4096  # a page: less would not show that the disk is full


class Alive(BaseModel):
    """The process answers; whether it can serve is what /readyz says."""

    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    """What is being served; ``calibrated``: thresholds were chosen on the user's own queries."""

    status: Literal["ready"] = "ready"
    revision: int
    entry_count: int
    encoder_fingerprint: str
    calibrated: bool


class NotReady(BaseModel):
    """Why no questions should be sent here now."""

    status: Literal["not_ready"] = "not_ready"
    reasons: list[str]


def routes(service: Service, metrics: Metrics, load: Load) -> APIRouter:
    """Return the routes over what ``service`` serves."""
    router = APIRouter(tags=["运行"])

    @router.get("/healthz")
    async def healthz() -> Alive:
        """进程活着；不碰数据库。"""
        return Alive()

    @router.get("/readyz", response_model=Ready, responses={503: {"model": NotReady}})
    def readyz() -> Response:
        """能不能接客：库可读、盘可写、没有在停止；不能时 503 并说明原因。"""
        found = _ready(service, load)
        status = 200 if isinstance(found, Ready) else 503
        return JSONResponse(found.model_dump(), status, {"cache-control": "no-store"})

    @router.get("/metrics", responses={200: {"content": {"text/plain": {}}}})
    async def show(request: Request) -> Response:
        """Prometheus 指标：本机直接读，别处要有 metrics 用途的密钥。"""
        if not is_local(request.scope):
            await access_of(request.app).caller(request.scope, "metrics")
        text = await run_in_threadpool(metrics.text, service, load.running)
        return Response(text, headers={"content-type": CONTENT_TYPE, "cache-control": "no-store"})

    return router


def _ready(service: Service, load: Load) -> Ready | NotReady:
    if load.stopping:
        return NotReady(reasons=["正在停止"])
    reasons = []
    try:
        service.store.revision()
    except StoreError:
        reasons.append("数据库读不了。怎么办: python -m indexer check")
    if not _writable(service.store.path.parent):
        reasons.append("数据库所在的盘写不了。怎么办: 检查是否已满、是否只读")
    if reasons:
        return NotReady(reasons=reasons)
    searcher = service.searcher
    return Ready(
        revision=searcher.revision,
        entry_count=len(searcher.live_entries()),
        encoder_fingerprint=service.encoder_fingerprint,
        calibrated=service.calibrated,
    )


def _writable(folder: Path) -> bool:
    """Say whether a page can be written here; the file has no name, so nothing stays of it."""
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            return file.write(_PROBE) == len(_PROBE)
    except OSError:
        return False
