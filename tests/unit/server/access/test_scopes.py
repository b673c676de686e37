"""Which scopes an operation takes, and that its handler is behind the check."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tsvec.model.access.caller import Caller
from tsvec.model.errors import ForbiddenError, UnauthorizedError
from tsvec.server.access.scopes import needed_scopes, protect


def described(security):
    return {"paths": {"/a": {"parameters": [], "get": {"operationId": "a", "security": security}}}}


@pytest.mark.parametrize(
    ("security", "needed"),
    [
        ([], None),
        ([{"bearer": []}, {"api_key": []}], ()),
        ([{"bearer": ["read"]}, {"api_key": ["read"]}], ("read",)),
    ],
)
def test_the_description_says_what_is_needed(security, needed):
    assert needed_scopes(described(security)) == {"a": needed}


def test_a_description_that_says_nothing_or_two_things_is_refused():
    with pytest.raises(KeyError):
        needed_scopes({"paths": {"/a": {"get": {"operationId": "a"}}}})
    with pytest.raises(ValueError, match="too many"):
        needed_scopes(described([{"bearer": ["read"]}, {"api_key": ["write"]}]))


async def handler(_: Request) -> Response:
    return Response("done")


def ask(needed, caller):
    [route] = protect([Route("/a", handler, methods=["GET"])], {"handler": needed})
    request = Request({"type": "http", "headers": [], "caller": caller})
    assert (route.name, route.path, route.methods) == ("handler", "/a", {"GET", "HEAD"})
    return asyncio.run(route.endpoint(request)).body


def test_a_handler_is_behind_its_check():
    reader = Caller("acme", "key_1", frozenset({"read"}))
    assert ask(("read",), reader) == b"done"
    assert ask((), reader) == b"done"
    assert ask(None, None) == b"done"
    with pytest.raises(ForbiddenError, match="the scope 'write'"):
        ask(("write",), reader)
    for needed in ((), ("read",)):
        with pytest.raises(UnauthorizedError):
            ask(needed, None)


def test_a_route_that_nobody_described_is_not_served():
    with pytest.raises(KeyError, match="handler"):
        protect([Route("/a", handler)], {})
