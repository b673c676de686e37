"""Health, metrics, and what the server is."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tsvec.model.errors import UnavailableError
from tsvec.server.description import openapi_json
from tsvec.server.parameters import refuse_query
from tsvec.server.replies import JsonReply
from tsvec.server.services import services_of

_PROMETHEUS = "text/plain; version=0.0.4"


async def get_health(request: Request) -> Response:
    """Answer as long as the process lives."""
    refuse_query(request)
    return JsonReply(services_of(request).database.get_health())


async def get_ready(request: Request) -> Response:
    """200 if requests can be served, else 503."""
    refuse_query(request)
    readiness = services_of(request).database.get_ready()
    if not readiness.ready:
        raise UnavailableError("the database is not ready; ask again in a moment")
    return JsonReply(readiness)


async def get_metrics(request: Request) -> Response:
    """Figures for Prometheus."""
    refuse_query(request)
    services = services_of(request)
    return Response(await services.run(services.database.get_metrics), media_type=_PROMETHEUS)


async def get_openapi(request: Request) -> Response:
    """The description of this API."""
    refuse_query(request)
    return Response(openapi_json(), media_type="application/json")


async def get_info(request: Request) -> Response:
    """Version, limits and capabilities."""
    refuse_query(request)
    return JsonReply(services_of(request).database.get_info())


ROUTES = [
    Route("/health", get_health),
    Route("/ready", get_ready),
    Route("/metrics", get_metrics),
    Route("/openapi.json", get_openapi),
    Route("/v1/info", get_info),
]
