"""What does /api/openapi.json say besides what FastAPI finds out? Keys, and nothing that is not so.

In: an application with its routes. Out: its OpenAPI document.
"""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

VERSION = "1"
_DESCRIPTION = """\
提问、检索、向量、运营。密钥: `Authorization: Bearer faq_…` (`python -m faq_app create-key 名称`)。
错误都是 `{"error": {"code", "message"}}`；`/v1` 下是 OpenAI 的格式。说明: docs/api.md
"""
_BEARER = {"type": "http", "scheme": "bearer", "description": "python -m faq_app create-key"}


def install(app: FastAPI) -> None:
    """Let an application describe itself so."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _described(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _described(app: FastAPI) -> dict[str, Any]:
    found = get_openapi(
        title=app.title, version=VERSION, description=_DESCRIPTION, routes=app.routes
    )
    components = found.setdefault("components", {})
    components["securitySchemes"] = {"key": _BEARER}
    # {} : some routes are open without a key, unless the server wants one.
    found["security"] = [{"key": []}, {}]
    # FastAPI's own shape of a 422, which no route here has.
    for name in ("HTTPValidationError", "ValidationError"):
        components.get("schemas", {}).pop(name, None)
    return found
