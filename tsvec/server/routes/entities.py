"""The things observed, and their past."""

from __future__ import annotations

from functools import partial

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tsvec.model.lists.requests import EntitiesRequest
from tsvec.model.queries import HistoryRequest
from tsvec.model.strict_json import decode_object
from tsvec.server.body import JSON, MERGE_PATCH, read_json_body
from tsvec.server.parameters import EntityAtParameters, EntityParameters, path_text, read_query
from tsvec.server.replies import JsonReply
from tsvec.server.retries.once import change
from tsvec.server.services import collection_of, services_of


async def list_entities(request: Request) -> Response:
    """One page of entities."""
    wanted = read_query(request, EntitiesRequest)
    collection, services = collection_of(request), services_of(request)
    await services.wait_for(collection, wanted.wait_for_seq)
    return JsonReply(await services.read(request, collection.entities.summaries, wanted))


async def get_entity(request: Request) -> Response:
    """Describe an entity."""
    wanted = read_query(request, EntityAtParameters, entity_id=path_text(request, "entity_id"))
    collection, services = collection_of(request), services_of(request)
    await services.wait_for(collection, wanted.wait_for_seq)
    return JsonReply(await services.read(request, collection.entities.get_entity, **dict(wanted)))


async def delete_entity(request: Request) -> Response:
    """Delete an entity, its points and its attributes."""
    entity_id = _entity_id(request)
    entities = collection_of(request).entities
    return await change(request, entities, partial(entities.delete_entity, entity_id))


async def get_history(request: Request) -> Response:
    """One page of an entity's points."""
    question = read_query(request, HistoryRequest, entity_id=path_text(request, "entity_id"))
    collection, services = collection_of(request), services_of(request)
    await services.wait_for(collection, question.wait_for_seq)
    return JsonReply(await services.read(request, collection.entities.history, question))


async def get_entity_attributes(request: Request) -> Response:
    """What is known of an entity itself."""
    wanted = read_query(request, EntityAtParameters, entity_id=path_text(request, "entity_id"))
    collection, services = collection_of(request), services_of(request)
    await services.wait_for(collection, wanted.wait_for_seq)
    return JsonReply(
        await services.read(request, collection.entities.get_entity_attributes, **dict(wanted))
    )


async def set_entity_attributes(request: Request) -> Response:
    """Replace what is known of an entity itself."""
    entity_id = _entity_id(request)
    entities = collection_of(request).entities
    body = await read_json_body(request)
    work = partial(entities.set_entity_attributes, entity_id, decode_object(body))
    return await change(request, entities, work, body=body)


async def merge_entity_attributes(request: Request) -> Response:
    """Change some of what is known of an entity itself."""
    entity_id = _entity_id(request)
    entities = collection_of(request).entities
    body = await read_json_body(request, MERGE_PATCH, JSON)
    work = partial(entities.merge_entity_attributes, entity_id, decode_object(body))
    return await change(request, entities, work, body=body)


def _entity_id(request: Request) -> str:
    name = path_text(request, "entity_id")
    return read_query(request, EntityParameters, entity_id=name).entity_id


_ALL = "/v1/collections/{collection}/entities"
_ONE = f"{_ALL}/{{entity_id}}"
_ATTRIBUTES = f"{_ONE}/attributes"

ROUTES = [
    Route(_ALL, list_entities),
    Route(_ONE, get_entity),
    Route(_ONE, delete_entity, methods=["DELETE"]),
    Route(f"{_ONE}/history", get_history),
    Route(_ATTRIBUTES, get_entity_attributes),
    Route(_ATTRIBUTES, set_entity_attributes, methods=["PUT"]),
    Route(_ATTRIBUTES, merge_entity_attributes, methods=["PATCH"]),
]
