"""Health, metrics, and what the server is."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tsvec.model.access.caller import Caller
from tsvec.model.errors import UnavailableError
from tsvec.model.replies import Health
from tsvec.server.description import openapi_json
from tsvec.server.parameters import refuse_query
from tsvec.server.replies import JsonReply
from tsvec.server.services import services_of, tenant_of

_PROMETHEUS = "text/plain; version=0.0.4"


async def get_health(request: Request) -> Response:
    """Answer as long as the process lives."""
    refuse_query(request)
    caller: Caller | None = request.scope["caller"]
    if caller is not None and caller.collections is None:
        return JsonReply(tenant_of(request).get_health())
    # What is wrong names collections, so others learn only that something is.
    status = services_of(request).database.get_health().status
    return JsonReply(Health(status=status, problems=[]))


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
    services, tenant = services_of(request), tenant_of(request)
    return Response(await services.read(request, tenant.get_metrics), media_type=_PROMETHEUS)


async def get_openapi(request: Request) -> Response:
    """The description of this API."""
    refuse_query(request)
    return Response(openapi_json(), media_type="application/json")


async def get_info(request: Request) -> Response:
    """Version, limits and capabilities."""
    refuse_query(request)
    return JsonReply(tenant_of(request).get_info())


async def get_usage(request: Request) -> Response:
    """What the caller's tenant holds, and its quotas."""
    refuse_query(request)
    request.scope["caller"].check_unconfined()
    services, tenant = services_of(request), tenant_of(request)
    usage = await services.read(request, tenant.get_usage)
    counted = services.load.counts_of(usage.tenant)
    return JsonReply(usage.model_copy(update=counted))


ROUTES = [
    Route("/health", get_health),
    Route("/ready", get_ready),
    Route("/metrics", get_metrics),
    Route("/openapi.json", get_openapi),
    Route("/v1/info", get_info),
    Route("/v1/usage", get_usage),
]
