"""Bodies that are not what they should be, on every operation that reads one."""

from __future__ import annotations

import gzip
import itertools
import json
import zlib

import pytest

from tsvec.model.limits import LIMITS

COLLECTION = "/v1/collections/c"
ROW = {"entity_id": "e", "vector": [1, 2, 3, 4]}
QUESTION = {"query_vector": [1, 2, 3, 4]}
OPERATIONS = {
    "create_collection": ("POST", "/v1/collections", {"name": "made", "dim": 4}),
    "update_collection": ("PATCH", "/v1/collections/c", {"window_size": "1d"}),
    "ingest": ("POST", "/v1/collections/c/points", {"points": [ROW]}),
    "temporal_knn": ("POST", "/v1/collections/c/query/temporal-knn", QUESTION),
    "temporal_knn_batch": (
        "POST",
        "/v1/collections/c/query/temporal-knn/batch",
        {"queries": [QUESTION]},
    ),
    "delete_points": ("POST", "/v1/collections/c/points/delete", {"entity_ids": ["nobody"]}),
    "restore_points": ("POST", "/v1/collections/c/points/restore", {"entity_ids": ["nobody"]}),
    "set_entity_attributes": ("PUT", "/v1/collections/c/entities/known/attributes", {"a": 1}),
    "merge_entity_attributes": ("PATCH", "/v1/collections/c/entities/known/attributes", {"a": 2}),
}
EACH_OPERATION = pytest.mark.parametrize("operation", OPERATIONS)


_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def client(module_client):
    config = {"name": "c", "dim": 4, "metric": "l2"}
    assert module_client.post("/v1/collections", json=config).status_code == 201
    known = {"points": [ROW | {"entity_id": "known"}]}
    assert module_client.post(f"{COLLECTION}/points", json=known).status_code == 200
    return module_client


def send(client, operation, body: bytes, **headers: str):
    method, path, _ = OPERATIONS[operation]
    headers = {"content-type": "application/json"} | headers
    return client.request(method, path, content=body, headers=headers)


def valid(operation: str) -> bytes:
    body = OPERATIONS[operation][2]
    if operation == "create_collection":
        body = body | {"name": f"made{next(_NUMBERS)}"}
    return json.dumps(body).encode()


@EACH_OPERATION
def test_the_control_is_taken(client, operation):
    assert send(client, operation, valid(operation)).status_code in {200, 201}


@EACH_OPERATION
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"nonsense",
        b"{'a': 1}",
        b'{"a": 1}}',
        b'{"a": \xff}',
        b'{"\\ud800": 1}',
        b'{"a": "\\udc00\\ud800"}',
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": 1}'.decode().encode("utf-16"),
        b"\x00",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a":' * 150 + b"1" + b"}" * 150,
        b"9" * 5_000,
        b"null",
        b"[1, 2]",
        b'"text"',
    ],
    ids=repr,
)
def test_json_that_is_wrong(client, operation, refused, body):
    refused(send(client, operation, body), 400, "invalid_request")


@EACH_OPERATION
def test_a_byte_order_mark_is_named(client, operation, refused):
    answer = refused(
        send(client, operation, b"\xef\xbb\xbf" + valid(operation)), 400, "invalid_request"
    )
    assert "byte order mark" in answer["message"]


@EACH_OPERATION
def test_a_repeated_key_is_named(client, operation, refused):
    body = valid(operation)
    name = next(iter(json.loads(body)))
    doubled = b"{" + body[1:-1] + b", " + body[1:]
    answer = refused(send(client, operation, doubled), 400, "invalid_request")
    assert answer["details"][0]["field"] == name
    assert "more than once" in answer["message"]


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('"key": "a", "key": "a"', "points[1].key"),
        ('"key": "a", "k\\u0065y": "b"', "points[1].key"),
        ('"metadata": {"x": 1, "x": 2}', "points[1].metadata.x"),
        ('"metadata": {"x": [{"y": 1, "y" : 1}]}', "points[1].metadata.x[0].y"),
        ('"metadata": {"": 1, "": 2}', "points[1].metadata."),
    ],
)
def test_a_repeated_key_deep_in_a_batch(client, refused, points_of, text, field):
    row = json.dumps(ROW)
    body = f'{{"points": [{row}, {row[:-1]}, {text}}}]}}'.encode()
    before = points_of(client, COLLECTION)
    answer = refused(send(client, "ingest", body), 400, "invalid_request")
    assert (answer["details"][0]["field"], answer["details"][0]["row"]) == (field, 1)
    assert points_of(client, COLLECTION) == before


def test_a_repeated_key_on_a_line(client, refused):
    lines = [json.dumps(ROW), '{"entity_id": "a", "entity_id": "b", "vector": [1,2,3,4]}']
    reply = send(
        client, "ingest", "\n".join(lines).encode(), **{"content-type": "application/x-ndjson"}
    )
    answer = refused(reply, 400, "invalid_request")
    assert answer["details"][0]["field"] == "points[1].entity_id"


def test_a_colon_after_a_quote_inside_text_is_no_key(client, points_of):
    row = ROW | {"entity_id": 'a": "b', "metadata": {'"x" :': ['":', '"\t:']}}
    before = points_of(client, COLLECTION)
    assert send(client, "ingest", json.dumps({"points": [row]}).encode()).status_code == 200
    assert points_of(client, COLLECTION) == before + 1


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "chunked"])
@EACH_OPERATION
def test_an_encoding_nobody_reads(client, operation, refused, encoding):
    reply = send(client, operation, valid(operation), **{"content-encoding": encoding})
    answer = refused(reply, 400, "invalid_request")
    assert answer["details"][0]["field"] == "Content-Encoding"


@EACH_OPERATION
def test_gzip_that_is_wrong(client, operation, refused):
    packed = gzip.compress(valid(operation))
    flipped = packed[:12] + bytes([packed[12] ^ 0xFF]) + packed[13:]
    for body in (packed[:-1], packed[:-9], packed[:5], flipped, packed + b"x", valid(operation)):
        reply = send(client, operation, body, **{"content-encoding": "gzip"})
        refused(reply, 400, "invalid_request")


def test_gzip_in_several_members(client):
    body = valid("ingest")
    packed = gzip.compress(body[:20]) + gzip.compress(body[20:])
    assert send(client, "ingest", packed, **{"content-encoding": "gzip"}).status_code == 200


@EACH_OPERATION
def test_a_gzip_bomb(client, operation, refused):
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()
    assert len(bomb) < 1 << 20
    reply = send(client, operation, bomb, **{"content-encoding": "gzip"})
    refused(reply, 413, "too_large")
    assert reply.headers["connection"] == "close"


@EACH_OPERATION
def test_one_byte_more_than_the_limit(client, operation, refused):
    body = valid(operation).ljust(LIMITS.json_bytes_max)
    assert send(client, operation, body).status_code in {200, 201}
    refused(send(client, operation, body + b" "), 413, "too_large")


def test_a_length_far_too_large_is_refused_unread(client, refused):
    reply = send(client, "ingest", b"{}", **{"content-length": "999999999999"})
    refused(reply, 413, "too_large")


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-ndjson", ""])
@pytest.mark.parametrize("operation", [name for name in OPERATIONS if name != "ingest"])
def test_a_media_type_that_is_not_json(client, operation, refused, media_type):
    reply = send(client, operation, valid(operation), **{"content-type": media_type})
    answer = refused(reply, 400, "invalid_request")
    assert answer["details"][0]["field"] == "Content-Type"


@pytest.mark.parametrize("body", [b"", b"hello", b"\xff" * 8, b"ARROW1\0\0" * 50])
def test_arrow_that_is_wrong(client, refused, body):
    media_type = "application/vnd.apache.arrow.stream"
    reply = send(client, "ingest", body, **{"content-type": media_type})
    refused(reply, 400, "invalid_request")
