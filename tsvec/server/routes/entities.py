"""The things observed, and their past."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tsvec.model.queries import HistoryRequest
from tsvec.server.parameters import EntityParameters, path_text, read_query
from tsvec.server.replies import JsonReply
from tsvec.server.services import collection_of, services_of


async def get_entity(request: Request) -> Response:
    """Describe an entity."""
    wanted = read_query(request, EntityParameters, entity_id=path_text(request, "entity_id"))
    entities = collection_of(request).entities
    return JsonReply(await services_of(request).run(entities.get_entity, wanted.entity_id))


async def get_history(request: Request) -> Response:
    """One page of an entity's points."""
    question = read_query(request, HistoryRequest, entity_id=path_text(request, "entity_id"))
    entities = collection_of(request).entities
    return JsonReply(await services_of(request).run(entities.history, question))


_ONE = "/v1/collections/{collection}/entities/{entity_id}"

ROUTES = [Route(_ONE, get_entity), Route(f"{_ONE}/history", get_history)]
