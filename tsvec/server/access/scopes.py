"""What each operation takes, as the description of the API says, checked before its handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import wraps
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tsvec.model.access.keys import Scope
from tsvec.server.access.authentication import caller_of

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]

Needed: TypeAlias = tuple[Scope, ...] | None
"""The scopes an operation takes; none at all: any key; None: not even a key."""


def needed_scopes(description: Mapping[str, Any]) -> dict[str, Needed]:
    """By operationId, what the `security` of each operation names."""
    return {
        operation["operationId"]: _needed(operation["security"])
        for item in description["paths"].values()
        for operation in item.values()
        if isinstance(operation, dict) and "operationId" in operation
    }


def _needed(security: list[dict[str, list[Scope]]]) -> Needed:
    if not security:
        return None
    # All ways to authenticate take the same scopes.
    [scopes] = {tuple(scopes) for way in security for scopes in way.values()}
    return scopes


def protect(routes: Iterable[Route], needed: Mapping[str, Needed]) -> list[Route]:
    """The same routes, each behind a check of its caller; KeyError for one nobody described."""
    return [
        Route(
            route.path,
            _guarded(route.endpoint, needed[route.name]),
            methods=sorted(route.methods or ()),
        )
        for route in routes
    ]


def _guarded(handler: Handler, needed: Needed) -> Handler:
    if needed is None:
        return handler

    @wraps(handler)
    async def guarded(request: Request) -> Response:
        caller = caller_of(request.scope)
        for scope in needed:
            caller.check_scope(scope)
        return await handler(request)

    return guarded
