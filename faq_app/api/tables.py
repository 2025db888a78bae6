"""How does a table come in as a request's body, and leave as a response?

In: bytes with their Content-Type, or a function that writes a file. Out: a file name's ending, or a
download.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from fastapi import Request, Response

from faq_app.access import Refused

Format = Literal["csv", "xlsx"]

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
ENDINGS = {
    "text/csv": ".csv",
    "text/tab-separated-values": ".tsv",
    "text/plain": ".txt",
    XLSX: ".xlsx",
}
_TYPES = {".csv": "text/csv; charset=utf-8", ".xlsx": XLSX}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
FORMATS: dict[int | str, dict[str, Any]] = {
    200: {"description": "文件", "content": {"text/csv": _BINARY, XLSX: _BINARY}}
}


def table_body(*, json: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return what OpenAPI says of a body that is a table; ``json``: its schema if JSON may come."""
    content: dict[str, Any] = {kind: _BINARY for kind in ENDINGS}
    if json:
        content = {"application/json": {"schema": json}, **content}
    return {"requestBody": {"required": True, "content": content}}


def kind_of(request: Request) -> str:
    """Return a request's Content-Type without its parameters."""
    return request.headers.get("content-type", "").split(";")[0].strip().lower()


def as_file(request: Request) -> str:
    """Return the ending that a body's file shall have. Raises Refused (415) for another type."""
    kind = kind_of(request)
    if kind not in ENDINGS:
        known = "、".join(ENDINGS)
        message = f"Content-Type {kind[:60] or '(没有写)'} 不能用。怎么办: 写 {known} 之一"
        raise Refused(415, "unsupported_type", message)
    return ENDINGS[kind]


def sent(name: str, write: Callable[[Path], object]) -> Response:
    """Return a file that ``write`` makes, under a name, as a download."""
    with tempfile.TemporaryDirectory(prefix="faq-") as folder:
        path = Path(folder) / name
        write(path)
        data = path.read_bytes()
    headers = {"content-disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return Response(data, media_type=_TYPES[path.suffix], headers=headers)
