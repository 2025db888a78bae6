"""How do other programs ask, encode, and operate the FAQ? JSON over HTTP, under /api/v1 and /v1.

In: an application, a service, and the operators' desk. Out: routes, and one shape for every error.
Who may do what is access.py's matter.
"""

from fastapi import FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.routing import Match

from faq_app.api import customers, embeddings, errors
from faq_app.api.limits import MAX_BODY
from faq_app.service import Service

__all__ = ["MAX_BODY", "install"]


def install(app: FastAPI, service: Service) -> None:
    """Add the routes and the error shape to an application."""
    errors.install(app)
    routers = [customers.routes(service), embeddings.routes(service)]
    for router in routers:
        app.include_router(router)

    def unknown(request: Request) -> None:
        known = [route for router in routers for route in router.routes]
        matching = [route for route in known if route.matches(request.scope)[0] is Match.PARTIAL]
        allowed = ", ".join(sorted({method for route in matching for method in route.methods}))
        asked = f"{request.method} {request.scope['path']}"
        if allowed:
            raise HTTPException(405, f"没有 {asked}；可用: {allowed}", {"allow": allowed})
        raise HTTPException(404, f"没有 {asked}；有哪些接口: GET /api/openapi.json")

    # The chat page is mounted behind these: without this, its 404 would answer.
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    for path in ("/api/{path:path}", "/v1/{path:path}"):
        app.add_api_route(path, unknown, methods=methods, include_in_schema=False)
