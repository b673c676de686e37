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
    for name in ("on_error", "on_conflict"):
        reply = send(client, path, ENCODED[NDJSON], NDJSON, **{name: "forget"})
        assert refused(reply, 400, "invalid_request")["details"][0]["field"] == name


def changed(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [point | {"vector": [9.5, 9.5]} for point in points]


def encoded(points: list[dict[str, Any]], media_type: str) -> bytes:
    match media_type:
        case "application/json":
            return json.dumps({"points": points}).encode()
        case "application/x-ndjson":
            return b"\n".join(json.dumps(point).encode() for point in points)
    return as_arrow(points)


def counts(reply) -> tuple[int, ...]:
    names = ("ingested", "unchanged", "replaced", "late", "rejected")
    return tuple(reply.json()[name] for name in names)


@pytest.mark.parametrize("media_type", ENCODED)
def test_the_same_again_changes_nothing(client, path, media_type):
    first = send(client, path, ENCODED[media_type], media_type)
    assert counts(first) == (8, 0, 0, 0, 0)
    again = send(client, path, ENCODED[media_type], media_type, on_conflict="error")
    assert counts(again) == (0, 8, 0, 0, 0)
    assert (again.json()["seq"], again.json()["durable"]) == (first.json()["seq"], True)


@pytest.mark.parametrize("media_type", ENCODED)
def test_a_taken_place(client, path, refused, media_type, points_of):
    send(client, path, ENCODED[JSON])
    other = encoded(changed(POINTS[:2]) + POINTS[2:], media_type)
    assert counts(send(client, path, other, media_type, on_conflict="ignore")) == (0, 8, 0, 0, 0)
    body = refused(send(client, path, other, media_type, on_conflict="error"), 409, "conflict")
    assert [(one["row"], one["field"].startswith("points[0]")) for one in body["details"][:1]] == [
        (0, True)
    ]
    options = {"on_conflict": "error", "on_error": "skip_row"}
    skipped = send(client, path, other, media_type, **options)
    assert counts(skipped) == (0, 6, 0, 0, 2)
    assert {error["code"] for error in skipped.json()["errors"]} == {"conflict"}
    assert counts(send(client, path, other, media_type)) == (2, 6, 2, 0, 0)
    assert points_of(client, path) == len(POINTS)


def test_of_a_taken_place_the_body_decides_before_the_query_parameter(client, path):
    send(client, path, ENCODED[JSON])
    rows = {"points": changed(POINTS[:1]), "on_conflict": "ignore"}
    assert counts(send(client, path, json.dumps(rows), on_conflict="error")) == (0, 1, 0, 0, 0)


def test_of_two_rows_for_one_point_the_later_counts(client, path, points_of):
    rows = [POINTS[0], *changed(POINTS[:1]), POINTS[0] | {"vector": [3, 4]}]
    reply = send(client, path, json.dumps({"points": rows}))
    assert counts(reply) == (3, 0, 2, 0, 0)
    assert points_of(client, path) == 1
    found = client.get(f"{path}/entities/e0/history?include=vector").json()["items"]
    assert [point["vector"] for point in found] == [[3, 4]]


def test_a_point_far_behind_the_newest_is_late(client, path, points_of):
    send(client, path, ENCODED[JSON])
    late = POINTS[0] | {"timestamp": "2019-12-31T22:00:00Z"}
    in_time = POINTS[0] | {"timestamp": "2019-12-31T23:30:00Z"}
    assert counts(send(client, path, json.dumps({"points": [late, in_time]}))) == (2, 0, 0, 1, 0)
    assert points_of(client, path) == len(POINTS) + 2


def test_points_of_the_future_make_no_others_late(client, path):
    for row in ({"timestamp": "2199-01-01T00:00:00Z"}, {}, {}):
        point = {"entity_id": "n", "vector": [1, 2]} | row
        assert counts(send(client, path, json.dumps({"points": [point]})))[3] == 0


def test_points_beyond_retention_are_bad_rows(client, refused, points_of):
    config = {"name": "r", "dim": 2, "metric": "l2", "retention": "365d"}
    assert client.post("/v1/collections", json=config).status_code == 201
    path = "/v1/collections/r"
    rows = [{"entity_id": "n", "vector": [1, 2]}, POINTS[0]]
    body = refused(send(client, path, json.dumps({"points": rows})), 422, "unprocessable")
    assert (body["details"][0]["field"], body["details"][0]["row"]) == ("points[1].timestamp", 1)
    assert points_of(client, path) == 0
    reply = send(client, path, json.dumps({"points": rows, "on_error": "skip_row"}))
    assert counts(reply) == (1, 0, 0, 0, 1)
    assert [(e["index"], e["code"]) for e in reply.json()["errors"]] == [(1, "beyond_retention")]


def test_blank_lines_are_not_rows(client, path):
    body = b"\r\n" + ENCODED[NDJSON].replace(b"\n", b"\r\n\n") + b"\n\n"
    assert send(client, path, body, NDJSON).json()["ingested"] == len(POINTS)
