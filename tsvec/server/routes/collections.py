"""Make, describe, change and delete collections."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tsvec.model.collections import CollectionConfig, CollectionInfo, CollectionPatch
from tsvec.model.queries import ReadAt, WindowsRequest
from tsvec.server.body import read_json
from tsvec.server.parameters import PageParameters, collection_name, read_query, refuse_query
from tsvec.server.replies import JsonReply
from tsvec.server.services import Services, collection_of, services_of


async def create_collection(request: Request) -> Response:
    """Make a collection."""
    refuse_query(request)
    config = await read_json(request, CollectionConfig)
    services = services_of(request)
    return JsonReply(await services.run(_create, services, config), 201)


def _create(services: Services, config: CollectionConfig) -> CollectionInfo:
    database = services.database
    database.create_collection(**dict(config))
    return database.get_collection(config.name)


async def list_collections(request: Request) -> Response:
    """One page of collections."""
    page = read_query(request, PageParameters)
    services = services_of(request)
    return JsonReply(
        await services.run(services.database.list_collections, limit=page.limit, cursor=page.cursor)
    )


async def get_collection(request: Request) -> Response:
    """Describe a collection."""
    refuse_query(request)
    return JsonReply(services_of(request).database.get_collection(collection_name(request)))


async def update_collection(request: Request) -> Response:
    """Change a collection."""
    refuse_query(request)
    name = collection_name(request)
    patch = await read_json(request, CollectionPatch)
    services = services_of(request)
    return JsonReply(await services.run(services.database.update_collection, name, **patch.changes))


async def delete_collection(request: Request) -> Response:
    """Delete a collection and all its points."""
    refuse_query(request)
    services = services_of(request)
    await services.run(services.database.delete_collection, collection_name(request))
    return Response(status_code=204)


async def get_collection_stats(request: Request) -> Response:
    """Counts and sizes."""
    when = read_query(request, ReadAt)
    collection, services = collection_of(request), services_of(request)
    await services.wait_for(collection.name, when.wait_for_seq)
    return JsonReply(await services.run(collection.get_collection_stats, **dict(when)))


async def list_windows(request: Request) -> Response:
    """One page of windows that hold points."""
    wanted = read_query(request, WindowsRequest)
    collection, services = collection_of(request), services_of(request)
    await services.wait_for(collection.name, wanted.wait_for_seq)
    return JsonReply(await services.run(collection.windows, wanted))


async def compact(request: Request) -> Response:
    """Begin a compaction, which goes on in the background."""
    refuse_query(request)
    collection = collection_of(request)
    return JsonReply(await services_of(request).run(collection.compact, wait=False), 202)


async def get_compaction(request: Request) -> Response:
    """How far compaction is."""
    refuse_query(request)
    collection = collection_of(request)
    return JsonReply(await services_of(request).run(collection.get_compaction))


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
