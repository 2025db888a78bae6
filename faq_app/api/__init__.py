"""How do other programs ask, encode, and operate the FAQ? JSON over HTTP, under /api/v1 and /v1.

In: an application, a service, and the operators' desk. Out: routes, and one shape for every error.
Who may do what is access.py's matter; how much and how often, front.py's.
"""

from fastapi import APIRouter, FastAPI, Request
from starlette.exceptions import HTTPException
from starlette.routing import Match

from faq_app.api import (
    bulk,
    customers,
    drafts,
    embeddings,
    entries,
    errors,
    jobs,
    keywords,
    regression,
    revisions,
    schema,
    settings,
    statistics,
    unanswered,
)
from faq_app.operations.desk import Desk
from faq_app.operations.jobs import Jobs
from faq_app.service import Service


def install(app: FastAPI, service: Service, desk: Desk | None = None) -> None:
    """Add the routes and the error shape to an application.

    Without a desk there is nothing for operators: a process that only answers customers.
    """
    errors.install(app)
    routers = [customers.routes(service), embeddings.routes(service)]
    if desk:
        routers += _operators(desk, Jobs())
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
    schema.install(app)


def _operators(desk: Desk, all_jobs: Jobs) -> list[APIRouter]:
    return [
        entries.routes(desk),
        bulk.routes(desk, all_jobs),
        jobs.routes(all_jobs),
        keywords.routes(desk, all_jobs),
        drafts.routes(desk),
        revisions.routes(desk),
        regression.routes(desk),
        unanswered.routes(desk),
        statistics.routes(desk),
        settings.routes(desk, all_jobs),
    ]
