"""A small application behind the front that the real one has, and how to ask it."""

import logging
import threading
from typing import Annotated

from fastapi import Depends, FastAPI, Request
from fastapi.testclient import TestClient
from starlette.responses import HTMLResponse, StreamingResponse

from faq_app.access import Access, Caller, needs
from faq_app.api import errors
from faq_app.front import Front, Load
from faq_app.keys import SCOPES
from faq_app.metrics import Metrics
from faq_app.options import Options

ELSEWHERE = "192.0.2.1"


class Fronted:
    """An application with a route for each scope, and its front."""

    def __init__(self, keys, **options):
        self.keys, self.metrics, self.load = keys, Metrics(), Load()
        choices = Options(**options)
        access = Access(keys, choices.require_key)
        app = FastAPI()
        app.state.access = access
        errors.install(app)
        for scope in SCOPES:
            app.add_api_route(f"/api/v1/{scope}", _said(scope), methods=["POST"])
        app.add_api_route("/v1/embeddings", _said("embed"), methods=["POST"])
        app.add_api_route("/", lambda: HTMLResponse("<p>"), methods=["GET"])
        app.add_api_route("/api/v1/entries/{key}", lambda key: key, methods=["GET"])
        self.go_on = threading.Event()
        app.add_api_route("/api/v1/wait", lambda: self.go_on.wait(20), methods=["POST"])
        app.add_api_route("/api/v1/tell", _tell, methods=["POST"])
        app.add_api_route("/api/v1/raise", _raise, methods=["POST"])
        app.add_api_route("/api/v1/broken_off", _break_off, methods=["GET"])
        app.add_api_route("/admin/upload", _length, methods=["POST"])
        self.app = Front(app, access, self.metrics, self.load, choices)

    def client(self, address=ELSEWHERE, **more):
        return TestClient(self.app, client=(address, 50000), **more)

    def ask(self, secret="", address=ELSEWHERE, scope="ask", **headers):
        if secret:
            headers["authorization"] = f"Bearer {secret}"
        return self.client(address).post(f"/api/v1/{scope}", json={}, headers=headers)


def _said(scope):
    async def said(request: Request, caller: Annotated[Caller, Depends(needs(scope))]):
        body = await request.body()
        return {"name": caller.name, "address": caller.address, "bytes": len(body)}

    return said


async def _length(request: Request):
    return {"bytes": len(await request.body())}


def _tell():
    logging.getLogger("faq_app.told").info("told")


def _raise():
    raise RuntimeError("怎么退货 13812345678")


def _break_off():
    def parts():
        yield b"half"
        raise RuntimeError("no more")

    return StreamingResponse(parts())
