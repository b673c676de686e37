"""Points come in: as JSON, NDJSON and Arrow, all or nothing or row by row."""

from __future__ import annotations

import gzip
import json
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

JSON = "application/json"
NDJSON = "application/x-ndjson"
ARROW = "application/vnd.apache.arrow.stream"

POINTS = [
    {
        "entity_id": f"e{row % 3}",
        "entity_type": "kind",
        "timestamp": f"2020-01-01T00:00:{row:02}.5Z",
        "vector": [row + 0.25, -1.5],
        "metadata": {"row": row, "tags": ["a", "b"]} if row % 2 else {},
        "key": "k" if row == 4 else None,
    }
    for row in range(8)
]


def as_arrow(points: list[dict[str, Any]], vector_type: pa.DataType | None = None) -> bytes:
    size = len(points[0]["vector"])
    micros = [np.datetime64(point["timestamp"].rstrip("Z"), "us") for point in points]
    table = pa.table(
        {
            "entity_id": [point["entity_id"] for point in points],
            "entity_type": [point["entity_type"] for point in points],
            "timestamp": pa.array(np.array(micros)).cast(pa.timestamp("us", "UTC")),
            "vector": pa.array(
                [point["vector"] for point in points],
                vector_type or pa.list_(pa.float32(), size),
            ),
            "metadata": [json.dumps(point["metadata"]) for point in points],
            "key": pa.array([point["key"] for point in points], pa.string()),
        }
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


ENCODED = {
    JSON: json.dumps({"points": POINTS}).encode(),
    NDJSON: b"\n".join(json.dumps(point).encode() for point in POINTS),
    ARROW: as_arrow(POINTS),
}


@pytest.fixture
def path(client) -> str:
    client.post("/v1/collections", json={"name": "c", "dim": 2, "metric": "l2"})
    return "/v1/collections/c"


def send(client, path, body, media_type=JSON, **options):
    headers = {"content-type": media_type} | options.pop("headers", {})
    return client.post(f"{path}/points", content=body, headers=headers, params=options)


def contents(client, path) -> list[dict[str, Any]]:
    found = []
    for entity in ("e0", "e1", "e2"):
        reply = client.get(f"{path}/entities/{entity}/history?include=vector&include=metadata")
        found += reply.json()["items"]
    for point in found:
        del point["recorded_at"]
    return found


def test_every_format_stores_the_same(client):
    stored = {}
    for number, (media_type, body) in enumerate(ENCODED.items()):
        name = f"c{number}"
        client.post("/v1/collections", json={"name": name, "dim": 2, "metric": "l2"})
        reply = send(client, f"/v1/collections/{name}", body, media_type)
        assert (reply.status_code, reply.json()["ingested"]) == (200, len(POINTS)), reply.text
        stored[media_type] = contents(client, f"/v1/collections/{name}")
    assert len(stored[JSON]) == len(POINTS)
    assert stored[JSON] == stored[NDJSON] == stored[ARROW]
    as_sent = {point["timestamp"]: point for point in POINTS}
    for point in stored[JSON]:
        sent = as_sent[point["timestamp"].replace(".500000Z", ".5Z")]
        assert (point["vector"], point["metadata"]) == (sent["vector"], sent["metadata"])
        assert point.get("key") == sent["key"]


@pytest.mark.parametrize("media_type", ENCODED)
def test_a_gzip_body_is_inflated(client, path, media_type, points_of):
    body = gzip.compress(ENCODED[media_type])
    reply = send(client, path, body, media_type, headers={"content-encoding": "gzip"})
    assert reply.status_code == 200, reply.text
    assert points_of(client, path) == len(POINTS)


def test_the_reply_tells_of_the_commit(client, path):
    reply = send(client, path, ENCODED[JSON]).json()
    assert (reply["seq"], reply["durable"], reply["rejected"]) == (8, True, 0)
    again = send(client, path, json.dumps({"points": [{"entity_id": "n", "vector": [1, 2]}]}))
    assert again.json()["seq"] == 9
    assert again.json()["recorded_at"] >= reply["recorded_at"]


def test_a_time_left_out_is_that_of_the_commit(client, path):
    reply = send(client, path, json.dumps({"points": [{"entity_id": "n", "vector": [1, 2]}]}))
    point = client.get(f"{path}/entities/n").json()["latest"]
    assert point["timestamp"] == point["recorded_at"] == reply.json()["recorded_at"]


def test_the_default_collection_is_made_by_its_first_points(client):
    points = {"points": [{"entity_id": "n", "vector": [1, 2, 3]}]}
    assert client.post("/v1/collections/default/points", json=points).status_code == 200
    made = client.get("/v1/collections/default").json()
    assert (made["dim"], made["metric"]) == (3, "cosine")


BAD_ROW = {"entity_id": "bad", "vector": [1, 2, 3]}


@pytest.mark.parametrize("media_type", [JSON, NDJSON])
def test_skip_row_stores_the_good_ones(client, path, media_type, points_of):
    rows = [*POINTS[:3], BAD_ROW, *POINTS[3:], {"entity_id": "", "vector": [1, 2]}]
    if media_type == JSON:
        reply = send(client, path, json.dumps({"points": rows, "on_error": "skip_row"}))
    else:
        body = "\n".join(map(json.dumps, rows))
        reply = send(client, path, body, media_type, on_error="skip_row")
    body = reply.json()
    assert (body["ingested"], body["rejected"]) == (8, 2)
    assert [(error["index"], error["code"]) for error in body["errors"]] == [
        (3, "invalid_request"),
        (9, "invalid_request"),
    ]
    assert points_of(client, path) == 8


def test_skip_row_of_arrow(client, path, points_of):
    rows = [*POINTS[:3], POINTS[0] | {"vector": [1.0, float("nan")]}, *POINTS[3:]]
    reply = send(client, path, as_arrow(rows), ARROW, on_error="skip_row")
    assert [error["index"] for error in reply.json()["errors"]] == [3]
    assert points_of(client, path) == 8


@pytest.mark.parametrize("media_type", [JSON, NDJSON])
def test_skip_row_with_no_good_row_stores_nothing(client, path, media_type, points_of):
    body = json.dumps({"points": [BAD_ROW]} if media_type == JSON else BAD_ROW)
    reply = send(client, path, body, media_type, on_error="skip_row")
    assert (reply.status_code, reply.json()["ingested"]) == (200, 0)
    assert points_of(client, path) == 0


def test_a_body_goes_before_the_query_parameter(client, path, points_of):
    rows = {"points": [POINTS[0], BAD_ROW]}
    strict = send(client, path, json.dumps(rows | {"on_error": "reject_all"}), on_error="skip_row")
    assert (strict.status_code, points_of(client, path)) == (400, 0)
    assert send(client, path, json.dumps(rows), on_error="skip_row").json()["ingested"] == 1


def test_another_type_of_an_entity_is_a_conflict(client, path, refused, points_of):
    send(client, path, ENCODED[JSON])
    rows = {"points": [{"entity_id": "e0", "entity_type": "other", "vector": [1, 2]}]}
    refused(send(client, path, json.dumps(rows)), 409, "conflict")
    skipped = send(client, path, json.dumps(rows | {"on_error": "skip_row"})).json()
    assert [error["code"] for error in skipped["errors"]] == ["conflict"]
    assert points_of(client, path) == len(POINTS)


@pytest.mark.parametrize(
    "media_type", ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"]
)
def test_a_media_type_nobody_reads(client, path, refused, media_type):
    reply = send(client, path, ENCODED[JSON], media_type)
    body = refused(reply, 400, "invalid_request")
    assert body["details"][0]["field"] == "Content-Type"
    assert JSON in body["message"]


def test_a_media_type_may_have_parameters(client, path):
    assert send(client, path, ENCODED[JSON], "Application/JSON; charset=utf-8").status_code == 200


def test_a_parameter_that_is_wrong(client, path, refused):
    reply = send(client, path, ENCODED[NDJSON], NDJSON, on_error="ignore")
    assert refused(reply, 400, "invalid_request")["details"][0]["field"] == "on_error"


def test_blank_lines_are_not_rows(client, path):
    body = b"\r\n" + ENCODED[NDJSON].replace(b"\n", b"\r\n\n") + b"\n\n"
    assert send(client, path, body, NDJSON).json()["ingested"] == len(POINTS)
