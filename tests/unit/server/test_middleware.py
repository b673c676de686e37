"""What happens to every request."""

from __future__ import annotations

import asyncio
import json

import pytest
from starlette.requests import ClientDisconnect

from tsvec.server.middleware import RequestMiddleware


def call(app, path="/a", raw_path: bytes | None = b"/a", headers=(), kind="http"):
    sent = []
    scope = {"type": kind, "method": "GET", "path": path, "headers": list(headers)}
    if raw_path is not None:
        scope["raw_path"] = raw_path

    async def send(message):
        sent.append(message)

    asyncio.run(RequestMiddleware(app, "p")(scope, None, send))
    return scope, sent


async def answer(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
    await send({"type": "http.response.body", "body": b""})


def test_the_path_is_taken_as_it_was_written():
    assert call(answer, "/a/b", b"/a%2Fb")[0]["path"] == "/a%2Fb"
    assert call(answer, "/a b", None)[0]["path"] == "/a%20b"


def test_an_id_is_added_to_the_headers():
    scope, sent = call(answer, headers=[(b"x-request-id", b"mine")])
    assert scope["request_id"] == "mine"
    assert sent[0]["headers"] == [(b"a", b"b"), (b"x-request-id", b"mine")]


def test_an_id_is_made_where_there_is_none():
    assert call(answer)[0]["request_id"] == "p-1"


def test_a_fault_before_the_reply_is_a_500(caplog):
    async def fail(scope, receive, send):
        raise ZeroDivisionError("inside")

    _, sent = call(fail, headers=[(b"x-request-id", b"mine")])
    assert sent[0]["status"] == 500
    assert json.loads(sent[1]["body"])["request_id"] == "mine"
    assert "inside" in caplog.text


def test_a_fault_after_the_reply_began_goes_on(caplog):
    async def fail(scope, receive, send):
        await answer(scope, receive, send)
        raise ZeroDivisionError("inside")

    with pytest.raises(ZeroDivisionError):
        call(fail)


def test_a_client_that_went_away_gets_nothing(caplog):
    async def leave(scope, receive, send):
        raise ClientDisconnect

    assert call(leave)[1] == []
    assert caplog.text == ""


def test_other_protocols_pass():
    seen = []

    async def app(scope, receive, send):
        seen.append(scope["type"])

    call(app, kind="lifespan")
    assert seen == ["lifespan"]
