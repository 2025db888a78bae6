"""How does another program ask? POST /api/ask and /api/feedback, JSON in and out.

Every error has the one shape ``{"error": {"code", "message"}}``. Endpoints are plain ``def``: they
run in the thread pool, so that encoding a question never stops the event loop.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from faq_app.service import Service

MAX_BODY = 64 * 1024

_log = logging.getLogger(__name__)
_CODES = {400: "invalid_json", 404: "not_found", 413: "too_large", 422: "invalid_request"}


class Question(BaseModel):
    """A customer's words."""

    model_config = ConfigDict(json_schema_extra={"example": {"query": "怎么申请退货"}})
    # Strict: 123 or true is a mistake of the caller, not a question.
    query: Annotated[str, Field(strict=True)]


class Option(BaseModel):
    """One of the entries to offer; ask its question to get its answer."""

    model_config = ConfigDict(from_attributes=True)
    entry_id: str
    question: str


class Signals(BaseModel):
    """The cosines (−1 … 1) that the score is the weighted mean of."""

    model_config = ConfigDict(from_attributes=True)
    wording: float
    whole: float
    characters: float
    coverage: float
    sound: float
    answer: float


class Hit(BaseModel):
    """An entry found, with its nearest question.

    ``score`` ranks, higher is nearer; ``confidence`` is the calibrated probability that it is the
    answer; ``exact``: the question was asked word for word; ``objection``: a 反例 that speaks
    against it.
    """

    model_config = ConfigDict(from_attributes=True)
    entry_id: str
    question_id: int
    question: str
    score: float
    confidence: float
    exact: bool
    objection: str
    signals: Signals


_ANSWER = {
    "decision": "answer",
    "answer": "在「我的订单」点「申请售后」。",
    "question": "如何申请退货？",
    "category": "退货",
    "entry_id": "refund",
    "options": [],
    "hits": [
        {
            "entry_id": "refund",
            "question_id": 1,
            "question": "如何申请退货？",
            "score": 0.93,
            "confidence": 0.97,
            "exact": False,
            "objection": "",
            "signals": {
                "wording": 0.95,
                "whole": 0.94,
                "characters": 0.91,
                "coverage": 1.0,
                "sound": 0.9,
                "answer": 0.55,
            },
        }
    ],
    "confidence": 0.97,
    "band": "高",
    "in_scope": 0.99,
    "revision": 1,
    "trace_id": "3f0c2a…",
    "reason": "score",
}


class Answer(BaseModel):
    """What was decided; ``answer`` is the entry's text, verbatim, and not sanitised HTML."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"example": _ANSWER})
    decision: Literal["answer", "clarify", "reject"]
    answer: str
    question: str
    category: str
    entry_id: str
    options: list[Option]
    hits: list[Hit]
    confidence: float = Field(description="of the first hit: the probability that it is right")
    band: Literal["高", "中", "低"] = Field(description="confidence in words: ≥ 0.9, ≥ 0.6, below")
    in_scope: float = Field(description="the probability that the FAQ answers this at all")
    revision: int
    trace_id: str
    reason: str


class Feedback(BaseModel):
    """What the customer said of the reply that has this trace_id."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"trace_id": "3f0c2a…", "verdict": "useful"}}
    )
    trace_id: Annotated[str, Field(strict=True)]
    verdict: Literal["useful", "useless", "none_of_these"]


class Stored(BaseModel):
    """The feedback is in the log."""

    stored: Literal[True] = True


class Health(BaseModel):
    """What is being served; ``calibrated``: thresholds were chosen on the user's own queries."""

    model_config = ConfigDict(from_attributes=True)
    status: Literal["ok"] = "ok"
    revision: int
    entry_count: int
    encoder_fingerprint: str
    calibrated: bool


def install(app: FastAPI, service: Service) -> None:
    """Add the routes and the error shape to an application."""
    app.include_router(_routes(service))
    app.add_exception_handler(RequestValidationError, _explain_invalid)
    app.add_exception_handler(HTTPException, _explain_status)
    app.add_exception_handler(Exception, _explain_failure)


def _routes(service: Service) -> APIRouter:
    router = APIRouter(route_class=_LimitedRoute)

    @router.post("/api/ask", response_model=Answer)
    def ask(question: Question) -> object:
        return service.ask(question.query)

    @router.post("/api/feedback")
    def feedback(said: Feedback) -> Stored:
        try:
            service.feedback(said.trace_id, said.verdict)
        except KeyError:
            raise HTTPException(404, "没有这个 trace_id；请用 /api/ask 返回的 trace_id") from None
        return Stored()

    @router.get("/healthz", response_model=Health)
    def healthz() -> object:
        return service

    # The chat page is mounted behind these: without this, its 404 would answer.
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]

    @router.api_route("/api/{path:path}", methods=methods, include_in_schema=False)
    def unknown(path: str, request: Request) -> None:
        raise HTTPException(
            404, f"没有 {request.method} /api/{path}；可用: POST /api/ask, POST /api/feedback"
        )

    return router


class _LimitedRoute(APIRoute):
    """Stops reading a body at MAX_BODY, whatever its headers claim."""

    def get_route_handler(self) -> Callable[[Request], Awaitable[Response]]:
        handle = super().get_route_handler()

        async def limited(request: Request) -> Response:
            return await handle(Request(request.scope, _limit(request.receive)))

        return limited


def _limit(receive: Callable[[], Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
    read = 0

    async def counted() -> Any:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > MAX_BODY:
            raise HTTPException(413, f"请求体超过 {MAX_BODY // 1024} KB")
        return message

    return counted


def _error(status: int, code: str, message: str) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": message}}, status)


def _explain_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        return _error(400, "invalid_json", "请求体不是有效的 JSON")
    if first["loc"] == ("body",):
        message = '请求体应是一个 JSON 对象 (Content-Type: application/json)，例如 {"query": "…"}'
        return _error(422, "invalid_request", message)
    # The value is not repeated: it may be long, or no valid text at all.
    field = ".".join(str(part) for part in first["loc"][1:])
    return _error(422, "invalid_request", f"字段 {field}: {first['msg']}")


def _explain_status(request: Request, error: HTTPException) -> JSONResponse:
    code = _CODES.get(error.status_code, f"http_{error.status_code}")
    # FastAPI's own 400 (bytes that are no UTF-8, nesting too deep) comes in English.
    message = "请求体不是有效的 JSON" if error.status_code == 400 else error.detail
    return _error(error.status_code, code, message)


def _explain_failure(request: Request, error: Exception) -> JSONResponse:
    _log.error("%s failed", request.url.path, exc_info=error)
    return _error(500, "internal", "服务器出错，请稍后再试；详情见服务器日志")
