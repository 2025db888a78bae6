"""How does the chat get into somebody else's page? One script, served at /widget.js.

In: an application. Out: the route. The script asks /api/v1 like any program; which pages may use it
is said by ``--cors-origin``, or by a key bound to the page's origin (``create-key --origin``).
"""

import hashlib
from pathlib import Path

from fastapi import FastAPI, Request
from starlette.responses import Response

PATH = "/widget.js"
SECONDS = 300  # for which a browser keeps the script before it asks whether it changed

_SCRIPT = Path(__file__).with_name("widget.js").read_bytes()
_HEADERS = {
    "etag": f'"{hashlib.sha256(_SCRIPT).hexdigest()[:16]}"',
    "cache-control": f"public, max-age={SECONDS}",
    # Another site's page may ask that only scripts that allow it be loaded.
    "cross-origin-resource-policy": "cross-origin",
    "access-control-allow-origin": "*",
}


def install(app: FastAPI) -> None:
    """Add the route to an application."""

    @app.api_route(PATH, methods=["GET", "HEAD"], include_in_schema=False)
    def script(request: Request) -> Response:
        if request.headers.get("if-none-match") == _HEADERS["etag"]:
            return Response(status_code=304, headers=_HEADERS)
        return Response(_SCRIPT, headers=_HEADERS, media_type="text/javascript; charset=utf-8")
