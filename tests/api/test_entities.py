"""Entities and their history."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from tsvec.model.limits import LIMITS

STRANGE = [
    "a/b",
    "x/history",
    "x/history/history",
    "/",
    "..",
    ".",
    "../../etc/passwd",
    "%2F",
    "a+b c",
    "a?b#c&d=e",
    "Ünïcödé 台風 🌀",
    "e\u0301",
    "\u202egnp.exe",
    "'; DROP TABLE points; --\"",
    "tab\tnewline\n",
    "x" * LIMITS.entity_id_bytes_max,
    "台" * (LIMITS.entity_id_bytes_max // 3),
]


@pytest.fixture
def path(client) -> str:
    client.post("/v1/collections", json={"name": "c", "dim": 2, "metric": "l2"})
    return "/v1/collections/c"


def test_describe(client, storms):
    body = client.get(f"{storms}/entities/AL122005").json()
    assert (body["points"], body["entity_type"]) == (1, "hurricane")
    assert body["latest"]["metadata"] == {"name": "KATRINA"}


@pytest.mark.parametrize("name", STRANGE)
def test_any_name_can_be_stored_and_asked_for(client, path, name):
    other = f"not {name}"[: len(name)] if len(name) > 1 else "y"
    points = [{"entity_id": each, "vector": [1, 2]} for each in (name, other)]
    assert client.post(f"{path}/points", json={"points": points}).status_code == 200
    one = f"{path}/entities/{quote(name, safe='')}"
    if name in {".", ".."}:  # a client resolves these unless they are escaped
        one = f"{path}/entities/{name.replace('.', '%2E')}"
    found = client.get(one)
    assert (found.status_code, found.json()["entity_id"]) == (200, name)
    history = client.get(f"{one}/history").json()
    assert [point["entity_id"] for point in history["items"]] == [name]
    question = {"query_vector": [1, 2], "entity_ids": [name]}
    hits = client.post(f"{path}/query/temporal-knn", json=question).json()["hits"]
    assert [hit["entity_id"] for hit in hits] == [name]


def test_an_entity_nobody_saw(client, storms, refused):
    for tail in ("", "/history"):
        reply = client.get(f"{storms}/entities/AL992005{tail}")
        assert "AL992005" in refused(reply, 404, "entity_not_found")["message"]


@pytest.mark.parametrize("name", ["x" * 257, "台" * 86, "%00", "a%00b", "%ff", "%ed%a0%80"])
def test_a_name_no_entity_can_have(client, storms, refused, name):
    for tail in ("", "/history"):
        body = refused(client.get(f"{storms}/entities/{name}{tail}"), 400, "invalid_request")
        assert body["details"][0]["field"] == "entity_id"


def test_an_empty_name_is_no_route(client, storms, refused):
    refused(client.get(f"{storms}/entities/"), 404, "not_found")
    refused(client.get(f"{storms}/entities//history"), 404, "not_found")


@pytest.fixture
def days(client, path) -> str:
    """An entity with one point a day."""
    points = [
        {"entity_id": "e", "vector": [day, 0.1], "timestamp": f"2020-01-{day:02}T00:00:00Z"}
        for day in range(1, 11)
    ]
    assert client.post(f"{path}/points", json={"points": points}).status_code == 200
    return f"{path}/entities/e/history"


def days_of(reply) -> list[int]:
    return [int(point["timestamp"][8:10]) for point in reply.json()["items"]]


def test_history_is_half_open_and_ordered(client, days):
    span = {"start_time": "2020-01-03T00:00:00Z", "end_time": "2020-01-06T00:00:00Z"}
    assert days_of(client.get(days, params=span)) == [3, 4, 5]
    assert days_of(client.get(days, params=span | {"order": "desc"})) == [5, 4, 3]
    assert days_of(client.get(days, params={"start_time": span["end_time"]})) == [6, 7, 8, 9, 10]


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_history_comes_in_pages(client, days, order):
    found, cursor = [], None
    for _ in range(4):
        query = {"limit": 3, "order": order} | ({"cursor": cursor} if cursor else {})
        reply = client.get(days, params=query)
        found += days_of(reply)
        cursor = reply.json()["next_cursor"]
    assert cursor is None
    assert found == sorted(range(1, 11), reverse=order == "desc")


@pytest.mark.parametrize(
    ("query", "carried"),
    [
        ("", {"metadata"}),
        ("?include=vector", {"vector"}),
        ("?include=vector&include=metadata", {"vector", "metadata"}),
        ("?include=", set()),
    ],
)
def test_history_carries_what_was_asked_for(client, storms, query, carried):
    point = client.get(f"{storms}/entities/AL122005/history{query}").json()["items"][0]
    assert point.keys() & {"vector", "metadata"} == carried
    if "vector" in carried:
        assert point["vector"] == [26.3, -88.6, 150, 902]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("include=everything", "include[0]"),
        ("include=vector&include=vector&include=vector", "include"),
        ("order=random", "order"),
        ("order=asc&order=desc", "order"),
        ("limit=0", "limit"),
        ("start_time=yesterday", "start_time"),
        ("entity_id=other", "entity_id"),
        ("start=2020-01-01T00:00:00Z", "start"),
    ],
)
def test_a_history_that_is_wrong(client, storms, refused, query, field):
    reply = client.get(f"{storms}/entities/AL122005/history?{query}")
    assert refused(reply, 400, "invalid_request")["details"][0]["field"] == field


@pytest.mark.parametrize("cursor", ["x", "%00", "AAAA", "9" * 300, "💥"])
def test_a_cursor_that_was_never_given_out(client, days, refused, cursor):
    refused(client.get(f"{days}?cursor={cursor}"), 400, "invalid_request")
