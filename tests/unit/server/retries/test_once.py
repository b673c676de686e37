"""What of a request makes it the same request as another."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from tsvec.model.errors import InvalidRequestError
from tsvec.model.retries.once import Once, once_of
from tsvec.server.retries.once import once_asked, repeated


def request(method="POST", path="/v1/x", query=b"", **headers: str) -> Request:
    named = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request(
        {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query,
            "headers": named,
        }
    )


def asked(*arguments, body=b"", **options) -> Once:
    once = once_asked(request(*arguments, idempotency_key="k", **options), body)
    assert once is not None
    return once


def test_without_the_header_nothing_is_once():
    assert once_asked(request(), b"body") is None
    assert once_asked(request(x_request_id="k"), b"body") is None


def test_all_that_a_request_says_tells_it_from_others():
    others = [
        asked(body=b"x"),
        asked("PUT"),
        asked("POST", "/v1/y"),
        asked("POST", "/v1/x", b"a=1"),
        asked(content_type="application/json"),
    ]
    assert len({one.fingerprint for one in [asked(), *others]}) == 6
    assert {one.key for one in [asked(), *others]} == {once_of("k", []).key}


def test_what_is_said_of_the_transport_does_not():
    assert asked(x_request_id="1", accept="*/*", content_encoding="gzip", host="a") == asked()


def test_both_headers_must_agree():
    assert once_asked(request(idempotency_key="k", x_idempotency_key="k")) == asked()
    assert once_asked(request(x_idempotency_key="k")) == asked()
    with pytest.raises(InvalidRequestError, match="given twice"):
        once_asked(request(idempotency_key="k", x_idempotency_key="K"))


class Keeper:
    def kept_reply(self, once: Once) -> bytes | None:
        return b'{"a":1}' if once == asked() else None


def test_a_request_that_comes_again_is_answered_as_before():
    reply = repeated(Keeper(), asked(), 202)
    assert reply is not None
    assert (reply.status_code, reply.body) == (202, b'{"a":1}')
    assert reply.headers["idempotent-replayed"] == "true"
    gone = repeated(Keeper(), asked(), 204)
    assert gone is not None
    assert (gone.status_code, gone.body) == (204, b"")
    assert repeated(Keeper(), asked(body=b"x")) is None
    assert repeated(Keeper(), None) is None
