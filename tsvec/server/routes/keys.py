"""Make, list and revoke API keys."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tsvec.engine.access.admin import Admin
from tsvec.model.access.keys import KeyRequest
from tsvec.model.strict_json import decode_json
from tsvec.server.access.authentication import caller_of
from tsvec.server.body import read_json_body
from tsvec.server.parameters import PageParameters, path_text, read_query, refuse_query
from tsvec.server.replies import JsonReply
from tsvec.server.retries.once import once_asked
from tsvec.server.services import services_of, tenant_of


async def create_key(request: Request) -> Response:
    """Make a key."""
    refuse_query(request)
    admin = _admin_of(request)
    body = await read_json_body(request)
    wanted, once = decode_json(KeyRequest, body), once_asked(request, body)
    reply = JsonReply(await services_of(request).run(admin.create, wanted, once), 201)
    # The secret in it must not stay behind in any cache.
    reply.headers["Cache-Control"] = "no-store"
    return reply


async def list_keys(request: Request) -> Response:
    """One page of keys."""
    page = read_query(request, PageParameters)
    admin = _admin_of(request)
    return JsonReply(
        await services_of(request).run(admin.list_keys, limit=page.limit, cursor=page.cursor)
    )


async def revoke_key(request: Request) -> Response:
    """Have a key refused from now on."""
    refuse_query(request)
    admin = _admin_of(request)
    return JsonReply(await services_of(request).run(admin.revoke_key, path_text(request, "key_id")))


def _admin_of(request: Request) -> Admin:
    """The keys of the caller's tenant; ForbiddenError for who is confined to some collections."""
    caller_of(request.scope).check_unconfined()
    return tenant_of(request).admin


ROUTES = [
    Route("/v1/keys", create_key, methods=["POST"]),
    Route("/v1/keys", list_keys),
    Route("/v1/keys/{key_id}", revoke_key, methods=["DELETE"]),
]
