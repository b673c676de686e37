"""Points come in, are read, changed, deleted and brought back."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tsvec.engine.intake.points import JSON, MEDIA_TYPES, decode_points
from tsvec.model.lists.requests import PointPatch, PointRequest, PointsRequest
from tsvec.model.queries import (
    DeletedPointsRequest,
    DeletePointsRequest,
    PointRef,
    RestorePointsRequest,
)
from tsvec.model.strict_json import decode_json
from tsvec.server.body import media_type_of, read_body, read_json_body, wrong_media_type
from tsvec.server.load.rates import caller_of
from tsvec.server.parameters import IngestParameters, path_text, read_query, refuse_query
from tsvec.server.replies import JsonReply
from tsvec.server.retries.once import change, once_asked, repeated
from tsvec.server.services import collection_of, services_of

_DECODE_INLINE_BYTES_MAX = 64 << 10
"""Bodies up to this are decoded on the event loop, which takes them less than a millisecond."""


async def ingest(request: Request) -> Response:
    """Store points in one atomic commit."""
    wanted = read_query(request, IngestParameters)
    collection, services = collection_of(request), services_of(request)
    media_type = media_type_of(request)
    if media_type not in MEDIA_TYPES:
        raise wrong_media_type(request, *MEDIA_TYPES)
    body = await read_body(request, "json_bytes_max" if media_type == JSON else "body_bytes_max")
    once = once_asked(request, body)
    if (again := repeated(collection, once)) is not None:
        return again
    decode = partial(
        decode_points,
        body,
        media_type,
        wanted.on_error,
        wanted.on_conflict,
        dim=collection.dim,
        space=wanted.space,
    )
    is_small = len(body) <= _DECODE_INLINE_BYTES_MAX
    batch, on_error, on_conflict = decode() if is_small else await services.run(decode)
    services.load.rates.count_rows(caller_of(request.scope), len(batch))
    return JsonReply(await services.bridge.submit(collection, batch, on_error, on_conflict, once))


async def list_points(request: Request) -> Response:
    """One page of points."""
    wanted = read_query(request, PointsRequest)
    collection, services = collection_of(request), services_of(request)
    await services.wait_for(collection, wanted.wait_for_seq)
    return JsonReply(await services.read(request, collection.points, wanted))


async def get_point(request: Request) -> Response:
    """One point."""
    wanted = read_query(request, PointRequest, **_identity(request))
    collection, services = collection_of(request), services_of(request)
    await services.wait_for(collection, wanted.wait_for_seq)
    return JsonReply(await services.read(request, collection.point, wanted))


async def update_point(request: Request) -> Response:
    """Change a point's metadata."""
    point = read_query(request, PointRef, **_identity(request))
    collection = collection_of(request)
    body = await read_json_body(request)
    work = partial(collection.update, point, decode_json(PointPatch, body))
    return await change(request, collection, work, body=body)


def _identity(request: Request) -> dict[str, str]:
    """What the path says of a point."""
    return {name: path_text(request, name) for name in ("entity_id", "timestamp")}


async def delete_points(request: Request) -> Response:
    """Delete the points that a selector names."""
    refuse_query(request)
    collection = collection_of(request)
    body = await read_json_body(request)
    work = partial(collection.delete, decode_json(DeletePointsRequest, body))
    return await change(request, collection, work, body=body)


async def restore_points(request: Request) -> Response:
    """Bring deleted points back."""
    refuse_query(request)
    collection = collection_of(request)
    body = await read_json_body(request)
    work = partial(collection.restore, decode_json(RestorePointsRequest, body))
    return await change(request, collection, work, body=body)


async def list_deleted_points(request: Request) -> Response:
    """One page of points that can be restored."""
    wanted = read_query(request, DeletedPointsRequest)
    collection, services = collection_of(request), services_of(request)
    await services.wait_for(collection, wanted.wait_for_seq)
    return JsonReply(await services.read(request, collection.deleted, wanted))


_POINTS = "/v1/collections/{collection}/points"
_POINT = f"{_POINTS}/{{entity_id}}/{{timestamp}}"

ROUTES = [
    Route(_POINTS, ingest, methods=["POST"]),
    Route(_POINTS, list_points),
    Route(_POINT, get_point),
    Route(_POINT, update_point, methods=["PATCH"]),
    Route(f"{_POINTS}/delete", delete_points, methods=["POST"]),
    Route(f"{_POINTS}/restore", restore_points, methods=["POST"]),
    Route(f"{_POINTS}/deleted", list_deleted_points),
]
