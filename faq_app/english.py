"""How do the pages speak English? Where the browser prefers it, a script replaces their sentences.

In: an application. Out: the route of that script, and the tag that fetches it. The sentences and
their English are in english.json, by the module that says them; code is written in Chinese alone.
tests/test_english.py finds any sentence that has no English.
"""

import hashlib
import json
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.responses import Response

NAME = "english.js"

_BY_MODULE: dict[str, dict[str, str]] = json.loads(
    Path(__file__).with_name("english.json").read_text(encoding="utf-8")
)
SENTENCES = {chinese: english for said in _BY_MODULE.values() for chinese, english in said.items()}
_SCRIPT = (
    f"const SENTENCES = {json.dumps(SENTENCES, ensure_ascii=False)};\n"
    + Path(__file__).with_name("english.js").read_text(encoding="utf-8")
).encode()
_HEADERS = {
    "etag": f'"{hashlib.sha256(_SCRIPT).hexdigest()[:16]}"',
    "cache-control": "no-cache",  # asks whether it changed, and mostly it has not
}


def tag(path: str) -> str:
    """Return what the page at a path has in its head: only who reads English fetches the script.

    Chinese where the browser names neither, as on the login page.
    """
    script = "../" * len([part for part in path.split("/") if part]) + NAME
    return (
        "<script>if (navigator.languages.map((tag) => tag.slice(0, 2).toLowerCase())"
        ".find((tag) => tag === 'zh' || tag === 'en') === 'en')"
        " document.head.append("
        f"Object.assign(document.createElement('script'), {{src: '{script}'}}))</script>"
    )


def install(app: FastAPI) -> None:
    """Add the route to an application."""

    @app.api_route(f"/{NAME}", methods=["GET", "HEAD"], include_in_schema=False)
    def script(request: Request) -> Response:
        if request.headers.get("if-none-match") == _HEADERS["etag"]:
            return Response(status_code=304, headers=_HEADERS)
        return Response(_SCRIPT, headers=_HEADERS, media_type="text/javascript; charset=utf-8")
