"""Make, describe, change and delete collections."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tsvec.engine.database import Tenant
from tsvec.model.collections import CollectionConfig, CollectionInfo, CollectionPatch
from tsvec.model.queries import ReadAt, WindowsRequest
from tsvec.model.retries.once import Once
from tsvec.model.strict_json import decode_json
from tsvec.server.body import read_json_body
from tsvec.server.parameters import PageParameters, collection_name, read_query, refuse_query
from tsvec.server.replies import JsonReply
from tsvec.server.retries.once import change
from tsvec.server.services import collection_of, services_of, tenant_of


async def create_collection(request: Request) -> Response:
    """Make a collection."""
    refuse_query(request)
    tenant, body = tenant_of(request), await read_json_body(request)
    config = decode_json(CollectionConfig, body)
    tenant.collection(config.name)  # Out of reach it is forbidden, also when it comes again.
    work = partial(_create, tenant, config)
    return await change(request, tenant, work, body=body, status=201)


def _create(
    tenant: Tenant, config: CollectionConfig, *, idempotency_key: Once | None = None
) -> CollectionInfo:
    tenant.create_collection(**dict(config), idempotency_key=idempotency_key)
    return tenant.get_collection(config.name)


async def list_collections(request: Request) -> Response:
    """One page of collections."""
    page = read_query(request, PageParameters)
    services, tenant = services_of(request), tenant_of(request)
    return JsonReply(
        await services.read(request, tenant.list_collections, limit=page.limit, cursor=page.cursor)
    )


async def get_collection(request: Request) -> Response:
    """Describe a collection."""
    refuse_query(request)
    return JsonReply(tenant_of(request).get_collection(collection_name(request)))


async def update_collection(request: Request) -> Response:
    """Change a collection."""
    refuse_query(request)
    collection, tenant = collection_of(request), tenant_of(request)
    body = await read_json_body(request)
    changes = decode_json(CollectionPatch, body).changes
    work = partial(tenant.update_collection, collection.name, **changes)
    return await change(request, collection, work, body=body)


async def delete_collection(request: Request) -> Response:
    """Delete a collection and all its points."""
    refuse_query(request)
    tenant, collection = tenant_of(request), collection_of(request)
    work = partial(tenant.delete_collection, collection.name)
    return await change(request, tenant, work, status=204)


async def get_collection_stats(request: Request) -> Response:
    """Counts and sizes."""
    when = read_query(request, ReadAt)
    collection, services = collection_of(request), services_of(request)
    await services.wait_for(collection, when.wait_for_seq)
    return JsonReply(await services.read(request, collection.get_collection_stats, **dict(when)))


async def list_windows(request: Request) -> Response:
    """One page of windows that hold points."""
    wanted = read_query(request, WindowsRequest)
    collection, services = collection_of(request), services_of(request)
    await services.wait_for(collection, wanted.wait_for_seq)
    return JsonReply(await services.read(request, collection.windows, wanted))


async def compact(request: Request) -> Response:
    """Begin a compaction, which goes on in the background."""
    refuse_query(request)
    collection = collection_of(request)
    return await change(request, collection, partial(collection.compact, wait=False), status=202)


async def get_compaction(request: Request) -> Response:
    """How far compaction is."""
    refuse_query(request)
    collection = collection_of(request)
    return JsonReply(await services_of(request).read(request, collection.get_compaction))


_ONE = "/v1/collections/{collection}"

ROUTES = [
    Route("/v1/collections", create_collection, methods=["POST"]),
    Route("/v1/collections", list_collections),
    Route(_ONE, get_collection),
    Route(_ONE, update_collection, methods=["PATCH"]),
    Route(_ONE, delete_collection, methods=["DELETE"]),
    Route(f"{_ONE}/stats", get_collection_stats),
    Route(f"{_ONE}/windows", list_windows),
    Route(f"{_ONE}/compact", compact, methods=["POST"]),
    Route(f"{_ONE}/compact", get_compaction),
]
