"""Make, list, describe, change and delete collections."""

from __future__ import annotations

import time

import pytest

WAIT_SECONDS = 20.0
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
        ({"allowed_lateness": "0s"}, "allowed_lateness"),
        ({"allowed_lateness": 0}, "allowed_lateness"),
        ({"retention": "forever"}, "retention"),
        ({"retention": "36526d"}, "retention"),
        ({"history_horizon": "1w"}, "history_horizon"),
        ({"history_horizon": None}, "history_horizon"),
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


def test_durations_are_set_changed_and_taken_away(client):
    durations = {"allowed_lateness": "5m", "retention": "365d", "history_horizon": "1d"}
    make(client, **durations)
    assert client.get("/v1/collections/words").json().items() >= durations.items()
    changes = {"allowed_lateness": None, "retention": "30d", "history_horizon": "2h"}
    reply = client.patch("/v1/collections/words", json=changes)
    assert (reply.status_code, reply.json() | changes) == (200, reply.json())
    reply = client.patch("/v1/collections/words", json={"retention": None})
    assert (reply.json()["retention"], reply.json()["history_horizon"]) == (None, "2h")
    assert client.get("/v1/collections/words").json() == reply.json()


@pytest.mark.parametrize(
    "patch",
    [
        {},
        {"dim": 3},
        {"window_size": None},
        {"window_size": "1w"},
        {"retention": "0d"},
        {"history_horizon": None},
        {"window_size": "7d", "metric": "l2"},
    ],
)
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
        ("POST", "/points/delete"),
        ("POST", "/points/restore"),
        ("GET", "/points/deleted"),
        ("POST", "/compact"),
        ("GET", "/compact"),
        ("DELETE", "/entities/a"),
        ("GET", "/entities/a/attributes"),
        ("PUT", "/entities/a/attributes"),
        ("PATCH", "/entities/a/attributes"),
        ("GET", "/stats?wait_for_seq=1"),
        ("GET", "/windows?as_of=1"),
    ],
)
def test_a_collection_that_does_not_exist(client, refused, method, path):
    question = {"query_vector": [1.0]}
    bodies = {
        "": {"window_size": "1h"},
        "/points": {"points": [{"entity_id": "a", "vector": [1.0]}]},
        "/query/temporal-knn": question,
        "/query/temporal-knn/batch": {"queries": [question]},
        "/points/delete": {"entity_ids": ["a"]},
        "/points/restore": {"entity_ids": ["a"]},
        "/entities/a/attributes": {},
    }
    body = bodies.get(path) if method in {"POST", "PATCH", "PUT"} else None
    reply = client.request(method, f"/v1/collections/nowhere{path}", json=body)
    assert "nowhere" in refused(reply, 404, "collection_not_found")["message"]


def test_compaction_goes_on_in_the_background(client, storms):
    begun = client.post(f"{storms}/compact")
    assert begun.status_code == 202
    assert begun.json().keys() == client.get(f"{storms}/compact").json().keys()
    end = time.monotonic() + WAIT_SECONDS
    while (status := client.get(f"{storms}/compact").json())["state"] == "running":
        assert time.monotonic() < end
        time.sleep(0.01)
    assert (status["state"], status["waiting"], status["problem"]) == ("idle", 0, None)
    assert client.get(f"{storms}/stats").json()["compaction"] == status


def test_stats_count_windows_and_gaps(client, storms):
    assert client.patch(storms, json={"window_size": "1d"}).status_code == 200
    stats = client.get(f"{storms}/stats").json()
    assert (stats["windows"], stats["gaps"]) == (2, 1)
    assert stats["largest_gap_seconds"] == 51 * 86_400.0  # of 29 August up to 19 October
    windows = client.get(f"{storms}/windows").json()["items"]
    assert [window["empty_before"] for window in windows] == [0, 51]
    assert stats["write_amplification"] >= 1.0
