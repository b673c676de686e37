"""Make, list, describe, change and delete collections."""

from __future__ import annotations

import pytest

WORDS = {"name": "words", "dim": 2}


def make(client, **config) -> None:
    assert client.post("/v1/collections", json=WORDS | config).status_code == 201


def test_make_and_describe(client):
    made = client.post("/v1/collections", json=WORDS)
    assert made.status_code == 201
    body = made.json()
    assert (body["metric"], body["window_size"], body["seq"]) == ("cosine", "1h", 0)
    assert client.get("/v1/collections/words").json() == body


def test_a_name_can_be_taken_once(client, refused):
    make(client)
    refused(client.post("/v1/collections", json=WORDS | {"dim": 3}), 409, "conflict")
    assert client.get("/v1/collections/words").json()["dim"] == 2


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"dim": 0}, "dim"),
        ({"dim": 4097}, "dim"),
        ({"dim": True}, "dim"),
        ({"dim": "2"}, "dim"),
        ({"dim": 2.5}, "dim"),
        ({"dim": None}, "dim"),
        ({"metric": "manhattan"}, "metric"),
        ({"window_size": "0s"}, "window_size"),
        ({"window_size": 3600}, "window_size"),
        ({"window_size": "36526d"}, "window_size"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_config_that_is_wrong(client, refused, change, field):
    body = refused(client.post("/v1/collections", json=WORDS | change), 400, "invalid_request")
    assert [detail["field"] for detail in body["details"]] == [field]
    assert client.get("/v1/collections").json()["items"] == []


def test_lists_come_in_pages(client, refused):
    names = ["a", "b", "c"]
    for name in names:
        make(client, name=name)
    first = client.get("/v1/collections?limit=2").json()
    rest = client.get("/v1/collections", params={"limit": 2, "cursor": first["next_cursor"]}).json()
    assert [item["name"] for item in first["items"] + rest["items"]] == names
    assert rest["next_cursor"] is None


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=ten", "limit"),
        ("limit=1.0", "limit"),
        ("limit=", "limit"),
        ("limit=1&limit=2", "limit"),
        ("limit=" + "9" * 40, "limit"),
        ("offset=1", "offset"),
    ],
)
def test_a_page_that_is_wrong(client, refused, query, field):
    body = refused(client.get(f"/v1/collections?{query}"), 400, "invalid_request")
    assert body["details"][0]["field"] == field


def test_a_query_string_that_is_not_utf8(client, refused):
    refused(client.get("/v1/collections?cursor=%ff"), 400, "invalid_request")


def test_a_change(client):
    make(client)
    reply = client.patch("/v1/collections/words", json={"window_size": "7d"})
    assert (reply.status_code, reply.json()["window_size"]) == (200, "7d")
    assert client.get("/v1/collections/words").json()["window_size"] == "7d"


@pytest.mark.parametrize("patch", [{}, {"dim": 3}, {"window_size": None}, {"window_size": "1w"}])
def test_a_change_that_is_wrong(client, refused, patch):
    make(client)
    refused(client.patch("/v1/collections/words", json=patch), 400, "invalid_request")
    assert client.get("/v1/collections/words").json()["window_size"] == "1h"


def test_delete(client, refused):
    make(client)
    reply = client.delete("/v1/collections/words")
    assert (reply.status_code, reply.content) == (204, b"")
    refused(client.get("/v1/collections/words"), 404, "collection_not_found")
    refused(client.delete("/v1/collections/words"), 404, "collection_not_found")


def test_recreating_begins_a_new_history(client):
    make(client)
    before = client.get("/v1/collections/words").json()["history"]
    client.delete("/v1/collections/words")
    make(client)
    assert client.get("/v1/collections/words").json()["history"] != before


def test_stats_of_an_empty_collection_have_null_times(client):
    make(client)
    stats = client.get("/v1/collections/words/stats").json()
    assert stats["points"] == 0
    assert (stats["first_time"], stats["last_time"]) == (None, None)


def test_windows_of_a_range(client, storms):
    everything = client.get(f"{storms}/windows").json()["items"]
    assert sum(window["points"] for window in everything) == 2
    after = client.get(f"{storms}/windows", params={"start_time": "2006-01-01T00:00:00Z"})
    assert after.json()["items"] == []


def test_a_plus_in_a_time_needs_no_encoding(client, storms):
    plain = client.get(f"{storms}/windows?end_time=2006-01-01T00:00:00+00:00")
    encoded = client.get(f"{storms}/windows?end_time=2006-01-01T00:00:00%2B00:00")
    assert plain.status_code == encoded.status_code == 200
    assert plain.json() == encoded.json()


@pytest.mark.parametrize(
    "query",
    [
        "start_time=2005-01-01T00:00:00",
        "start_time=2005",
        "end_time=1136073600",
        "start_time=2006-01-01T00:00:00Z&end_time=2005-01-01T00:00:00Z",
        "cursor=nonsense",
    ],
)
def test_windows_of_a_range_that_is_wrong(client, storms, refused, query):
    refused(client.get(f"{storms}/windows?{query}"), 400, "invalid_request")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("PATCH", ""),
        ("DELETE", ""),
        ("GET", "/stats"),
        ("GET", "/windows"),
        ("POST", "/points"),
        ("GET", "/entities/a"),
        ("GET", "/entities/a/history"),
        ("POST", "/query/temporal-knn"),
        ("POST", "/query/temporal-knn/batch"),
    ],
)
def test_a_collection_that_does_not_exist(client, refused, method, path):
    question = {"query_vector": [1.0]}
    bodies = {
        "": {"window_size": "1h"},
        "/points": {"points": [{"entity_id": "a", "vector": [1.0]}]},
        "/query/temporal-knn": question,
        "/query/temporal-knn/batch": {"queries": [question]},
    }
    body = bodies[path] if method in {"POST", "PATCH"} else None
    reply = client.request(method, f"/v1/collections/nowhere{path}", json=body)
    assert "nowhere" in refused(reply, 404, "collection_not_found")["message"]
