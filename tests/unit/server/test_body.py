"""Bodies are read whole, bounded and inflated."""

from __future__ import annotations

import asyncio
import gzip
import zlib

import pytest
from starlette.requests import ClientDisconnect, Request

from tsvec.model.collections import CollectionPatch
from tsvec.model.errors import InvalidRequestError, TooLargeError
from tsvec.model.limits import Limits, in_force
from tsvec.model.strict_json import decode_object
from tsvec.server.body import (
    JSON,
    MERGE_PATCH,
    BodyBounds,
    header,
    inflate,
    media_type_of,
    read_body,
    read_json,
    read_json_body,
)

LIMIT = 1_000
BOUNDS = BodyBounds("body_bytes_max", LIMIT)


def request(*chunks: bytes | None, **headers: str) -> Request:
    """A request of these chunks; None stands for a client that goes away."""
    waiting = list(chunks)
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]

    async def receive() -> dict[str, object]:
        chunk = waiting.pop(0)
        if chunk is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": chunk, "more_body": bool(waiting)}

    return Request({"type": "http", "headers": raw}, receive)


def read(*chunks: bytes | None, **headers: str) -> bytes:
    with in_force(Limits(body_bytes_max=LIMIT)):
        return asyncio.run(read_body(request(*chunks, **headers), "body_bytes_max"))


def test_chunks_are_joined():
    assert read(b"a", b"", b"bc") == b"abc"


def test_a_body_up_to_the_limit():
    assert len(read(b"x" * LIMIT)) == LIMIT
    with pytest.raises(TooLargeError):
        read(b"x" * (LIMIT + 1))
    with pytest.raises(TooLargeError):
        read(b"x" * LIMIT, b"x")


def test_a_body_far_too_large_is_not_read_to_its_end():
    with pytest.raises(TooLargeError):
        read(*[b"x" * LIMIT] * 3, None)


def test_a_declared_length_far_too_large_is_not_read_at_all():
    with pytest.raises(TooLargeError):
        read(content_length=str(2 * LIMIT + 1))


def test_a_client_that_goes_away():
    with pytest.raises(ClientDisconnect):
        read(b"a", None)


@pytest.mark.parametrize("encoding", ["gzip", "GZIP", " x-gzip "])
def test_gzip_is_inflated(encoding):
    assert read(gzip.compress(b"hello"), content_encoding=encoding) == b"hello"


def test_members_are_joined():
    assert inflate(gzip.compress(b"a") + gzip.compress(b"b"), BOUNDS) == b"ab"


def test_inflation_is_bounded():
    assert len(inflate(gzip.compress(bytes(LIMIT)), BOUNDS)) == LIMIT
    with pytest.raises(TooLargeError):
        inflate(gzip.compress(bytes(LIMIT + 1)), BOUNDS)
    with pytest.raises(TooLargeError):
        inflate(gzip.compress(bytes(LIMIT)) + gzip.compress(b"x"), BOUNDS)


@pytest.mark.parametrize(
    "body",
    [gzip.compress(b"hello")[:-1], b"hello", zlib.compress(b"x"), gzip.compress(b"x") + b"y"],
    ids=["cut", "plain", "zlib", "trailing"],
)
def test_damaged_gzip(body):
    with pytest.raises(InvalidRequestError, match="gzip"):
        inflate(body, BOUNDS)


def test_an_unknown_encoding():
    with pytest.raises(InvalidRequestError, match="br"):
        read(b"x", content_encoding="br")


def test_headers():
    given = request(content_type="Application/JSON; charset=utf-8")
    assert header(given, b"content-type") == "Application/JSON; charset=utf-8"
    assert media_type_of(given) == "application/json"
    assert header(given, b"accept") == media_type_of(request()) == ""


def test_json_becomes_a_record():
    given = request(b'{"window_size": "1d"}', content_type="application/json")
    assert asyncio.run(read_json(given, CollectionPatch)).window_size == "1d"
    with pytest.raises(InvalidRequestError, match="application/json is expected, not none"):
        asyncio.run(read_json(request(b"{}"), CollectionPatch))


def read_any(body: bytes, media_type: str) -> dict[str, object]:
    given = request(body, content_type=media_type)
    return decode_object(asyncio.run(read_json_body(given, MERGE_PATCH, JSON)))


@pytest.mark.parametrize("media_type", [JSON, MERGE_PATCH, f"{MERGE_PATCH}; charset=utf-8"])
def test_any_object_may_be_asked_for(media_type):
    assert read_any(b'{"a": {"b": null}}', media_type) == {"a": {"b": None}}


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b"", b"{", b'{"a": 1, "a": 2}'])
def test_what_is_no_object(body):
    with pytest.raises(InvalidRequestError):
        read_any(body, JSON)


def test_the_media_types_of_an_object_are_told():
    expected = "application/merge-patch.json or application/json is expected, not text/plain"
    with pytest.raises(InvalidRequestError, match=expected):
        read_any(b"{}", "text/plain")
