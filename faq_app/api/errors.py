"""How does a refusal look? One shape for every error, another for OpenAI's clients under /v1.

In: whatever a route raises. Out: ``{"error": {"code", "message"}}`` with the status that fits; what
happened inside stays in the server's log.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from distill.errors import DistillError
from faq_app.access import Refused
from faq_app.operations.effects import TooMuchBroken
from faq_app.operations.jobs import Busy, Finished
from indexer.errors import InputError, PublishError, StoreError, TableError

# Status and code of what operations raise on purpose; the first that fits, so children first.
STATUS: Mapping[type[Exception], tuple[int, str]] = {
    TooMuchBroken: (409, "would_break"),
    PublishError: (409, "conflict"),
    TableError: (422, "invalid_table"),
    InputError: (422, "invalid_request"),
    StoreError: (503, "unavailable"),
    Busy: (429, "too_many_jobs"),
    Finished: (409, "finished"),
    DistillError: (422, "invalid_encoder"),
}
_CODES = {
    400: "invalid_json",
    401: "key_required",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    412: "changed_meanwhile",
    413: "too_large",
    415: "unsupported_type",
    422: "invalid_request",
    428: "if_match_required",
    429: "too_many",
    503: "unavailable",
}
_OPENAI = "/v1/"
_OPENAI_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_DATABASE = re.compile(r"^\S+\.db: | --db \S+")
_NAMED = 20  # broken queries that a refusal tells
_SORRY = {
    500: "服务器出错，请稍后再试；详情见服务器日志",
    503: "数据库暂时不可用，请稍后再试",
}
_log = logging.getLogger(__name__)


class BrokenQuery(BaseModel):
    """A regression query that a change would break."""

    query: str
    expected: str
    before: str
    after: str


class Problem(BaseModel):
    """What went wrong: ``code`` for programs, ``message`` for people.

    ``broken``: with code would_break, the regression queries that would come out wrong.
    """

    code: str = Field(examples=["invalid_request"])
    message: str = Field(examples=["字段 query: 缺少这个字段"])
    broken: list[BrokenQuery] | None = None


class ErrorReply(BaseModel):
    """The shape of every error."""

    error: Problem


_MEANINGS = {
    400: "请求体不是有效的 JSON",
    401: "需要密钥，或密钥不对",
    403: "密钥没有这个用途",
    404: "没有这个东西",
    409: "与现状冲突：别人刚发布过，或会弄坏太多回归提问 (would_break)",
    412: "看过以后已被别人改过",
    413: "请求体太大",
    415: "不支持的 Content-Type",
    422: "字段不对",
    428: "缺少 If-Match",
    429: "请求太多，稍后再试",
    503: "数据库暂时不可用",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return what a route's OpenAPI says of its errors; those that any route has are added."""
    every = sorted({400, 401, 403, 413, 422, 429, 503, *statuses})
    return {code: {"model": ErrorReply, "description": _MEANINGS[code]} for code in every}


def reply(
    path: str,
    status: int,
    code: str,
    message: str,
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> JSONResponse:
    """Return an error in the shape that the clients of ``path`` read."""
    content: dict[str, Any] = {"code": code, "message": message, **more}
    if path.startswith(_OPENAI):
        # OpenAI has no 422: its clients know 400 as the caller's mistake.
        status = 400 if status == 422 else status
        kind = "server_error" if status >= 500 else "invalid_request_error"
        kind = _OPENAI_TYPES.get(status, kind)
        content = {"message": message, "type": kind, "param": None, "code": code}
    # ASCII: half a character (a lone surrogate) in a message must not keep it from being sent.
    return JSONResponse({"error": content}, status, dict(headers or {}))


def install(app: FastAPI) -> None:
    """Give an application's errors their shape."""
    app.add_exception_handler(RequestValidationError, _explain_invalid)
    app.add_exception_handler(HTTPException, _explain_status)
    for kind in STATUS:
        app.add_exception_handler(kind, _explain_operation)
    app.add_exception_handler(Exception, _explain_failure)


@contextmanager
def told_in_words() -> Iterator[None]:
    """Tell what an operation refuses by ValueError, in words, as the caller's mistake."""
    try:
        yield
    except ValueError as error:
        raise InputError(str(error)) from error


def _explain_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
    path, first = request.url.path, error.errors()[0]
    if first["type"] == "json_invalid":
        return reply(path, 400, "invalid_json", "请求体不是有效的 JSON")
    if first["loc"] == ("body",):
        message = '请求体应是一个 JSON 对象 (Content-Type: application/json)，例如 {"query": "…"}'
        return reply(path, 422, "invalid_request", message)
    return reply(path, 422, "invalid_request", in_words(first["loc"][1:], first))


def in_words(place: Sequence[Any], error: Mapping[str, Any]) -> str:
    """Return what is wrong with a field, where pydantic found it."""
    # The value is not repeated: it may be long, or no valid text at all.
    field = ".".join(str(part)[:60] for part in place)
    return f"字段 {field}: {_in_chinese(error)}".encode("utf-8", "replace").decode()


_WORDS = {
    "missing": "缺少这个字段",
    "string_type": "应是文字",
    "string_unicode": "不是有效的文字",
    "int_type": "应是整数",
    "int_parsing": "应是整数",
    "int_from_float": "应是整数",
    "int_parsing_size": "数太大了",
    "float_type": "应是数字",
    "float_parsing": "应是数字",
    "finite_number": "应是有限的数字",
    "bool_type": "应是 true 或 false",
    "bool_parsing": "应是 true 或 false",
    "list_type": "应是一个列表",
    "dict_type": "应是一个 JSON 对象",
    "model_type": "应是一个 JSON 对象",
    "model_attributes_type": "应是一个 JSON 对象",
    "extra_forbidden": "没有这个字段",
    "date_from_datetime_parsing": "日期要写成 2026-01-31",
    "date_parsing": "日期要写成 2026-01-31",
}
_LIMITS = {
    "greater_than_equal": ("ge", "不能小于 {}"),
    "greater_than": ("gt", "要大于 {}"),
    "less_than_equal": ("le", "不能大于 {}"),
    "string_too_long": ("max_length", "最多 {} 个字"),
    "string_too_short": ("min_length", "至少 {} 个字"),
    "too_long": ("max_length", "最多 {} 项"),
    "too_short": ("min_length", "至少 {} 项"),
    "literal_error": ("expected", "只能是 {}"),
    "union_tag_invalid": ("expected_tags", "只能是 {}"),
    "union_tag_not_found": ("discriminator", "缺少 {}"),
}


def _in_chinese(error: Mapping[str, Any]) -> str:
    if error["type"] == "value_error":  # of a validator of ours
        return str(error["ctx"]["error"])
    if error["type"] in _WORDS:
        return _WORDS[error["type"]]
    if error["type"] in _LIMITS:
        name, sentence = _LIMITS[error["type"]]
        return sentence.format(error.get("ctx", {}).get(name, "?"))
    return error["msg"]


def _explain_status(request: Request, error: HTTPException) -> JSONResponse:
    code = error.code if isinstance(error, Refused) else ""
    code = code or _CODES.get(error.status_code, f"http_{error.status_code}")
    # FastAPI's own 400 (bytes that are no UTF-8, nesting too deep) comes in English.
    message = "请求体不是有效的 JSON" if code == "invalid_json" else str(error.detail)
    return reply(request.url.path, error.status_code, code, message, error.headers)


def problem_of(error: Exception) -> Problem:
    """Return what people and programs are told of an error that an operation raised."""
    status, code = next(
        (found for kind, found in STATUS.items() if isinstance(error, kind)), (500, "internal")
    )
    if status >= 500:
        return Problem(code=code, message=_SORRY[status])
    broken = None
    if isinstance(error, TooMuchBroken):
        outcomes = error.effect.broken[:_NAMED]
        broken = [BrokenQuery.model_validate(each, from_attributes=True) for each in outcomes]
    # Which file the database is in is no matter of other programs.
    return Problem(code=code, message=_DATABASE.sub("", str(error)), broken=broken)


def _explain_operation(request: Request, error: Exception) -> JSONResponse:
    status, _ = next(found for kind, found in STATUS.items() if isinstance(error, kind))
    headers = {}
    if status >= 500:
        _log.error("%s: %s", request.url.path, error)
        headers["retry-after"] = "1"
    told = problem_of(error).model_dump(exclude_none=True)
    return reply(request.url.path, status, headers=headers, **told)


def _explain_failure(request: Request, error: Exception) -> JSONResponse:
    _log.error("%s failed", request.url.path, exc_info=error)
    return reply(request.url.path, 500, "internal", _SORRY[500])
