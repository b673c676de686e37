"""Lists of points and entities, and single points, over HTTP."""

from __future__ import annotations

import json
import time
from urllib.parse import quote

import pytest

from tests.api.conftest import KATRINA, WILMA

MATTHEW = {
    "entity_id": "a/b c+d",
    "entity_type": "storm",
    "timestamp": "2005-08-28T18:00:00Z",
    "vector": [1, 2, 3, 4],
    "metadata": {"name": "MATTHEW", "wind": {"kt": 145}},
    "key": "advisory 1",
}
NOBODY = "AL992005"
TIME = "2005-08-28T18:00:00Z"


@pytest.fixture
def fleet(client, storms) -> str:
    """Three points: Katrina, Matthew at the same instant and with a key, then Wilma."""
    assert client.post(f"{storms}/points", json={"points": [MATTHEW]}).status_code == 200
    return storms


def one(path, point, **query):
    return f"{path}/points/{quote(point['entity_id'], safe='')}/{quote(point['timestamp'])}", query


def names(reply):
    return [item["entity_id"] for item in reply.json()["items"]]


def gone_by(client, path, horizon="1s"):
    """Let a second pass, so that what was before lies beyond the horizon."""
    assert client.patch(path, json={"history_horizon": horizon}).status_code == 200
    time.sleep(1.1)


def test_points_are_listed_in_order(client, fleet):
    body = client.get(f"{fleet}/points").json()
    assert [item["entity_id"] for item in body["items"]] == ["AL122005", "a/b c+d", "AL252005"]
    assert (body["next_cursor"], body["as_of_seq"]) == (None, 3)
    assert body["items"][0]["metadata"] == KATRINA["metadata"]
    assert body["items"][1]["key"] == "advisory 1"
    assert names(client.get(f"{fleet}/points?order=desc")) == ["AL252005", "a/b c+d", "AL122005"]
    bare = client.get(f"{fleet}/points?include=").json()["items"][0]
    assert bare.keys() & {"vector", "metadata"} == set()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"entity_ids": ["a/b c+d"]}, ["a/b c+d"]),
        ({"entity_ids": ["AL122005", NOBODY]}, ["AL122005"]),
        ({"entity_ids": ""}, []),
        ({"entity_types": ["storm"]}, ["a/b c+d"]),
        ({"start_time": "2005-08-28T20:00:00+02:00"}, ["AL122005", "a/b c+d", "AL252005"]),
        ({"start_time": "2005-08-28T18:00:00.000001Z"}, ["AL252005"]),
        ({"end_time": TIME}, []),
        ({"filter": '{"name": {"$in": ["WILMA", "KATRINA"]}}'}, ["AL122005", "AL252005"]),
        ({"filter": '{"wind.kt": {"$gt": 1e+2}}'}, ["a/b c+d"]),
        ({"filter": "{}"}, ["AL122005", "a/b c+d", "AL252005"]),
        ({"as_of": 2}, ["AL122005", "AL252005"]),
    ],
)
def test_points_are_selected(client, fleet, query, found):
    assert names(client.get(f"{fleet}/points", params=query)) == found


def test_a_space_is_a_plus_or_twenty_and_a_plus_two_b(client, fleet):
    for written in ("a/b+c%2Bd", "a%2Fb%20c%2Bd"):
        assert names(client.get(f"{fleet}/points?entity_ids={written}")) == ["a/b c+d"]
    assert names(client.get(f"{fleet}/points?entity_ids=a/b%20c+d")) == []
    time = "2005-08-28T20:00:00+02:00"
    assert len(names(client.get(f"{fleet}/points?start_time={time}"))) == 3


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=one", "limit"),
        ("order=up", "order"),
        ("order=asc&order=asc", "order"),
        ("include=name", "include[0]"),
        ("start_time=2005", "start_time"),
        ("start_time=2006-01-01T00:00:00Z&end_time=2005-01-01T00:00:00Z", "body"),
        ("filter=", "filter"),
        ("filter=x", "filter"),
        ("filter=[]", "filter"),
        ('filter={"a":1}&filter={"a":1}', "filter"),
        ('filter={"a":1,"a":2}', "filter.a"),
        ('filter={"a":{"$gt":null}}', "filter.a.$gt"),
        ('filter={"a":{"$regex":"x"}}', "filter.a.$regex"),
        ('filter={"a":NaN}', "filter.a"),
        ("filter=%ff", None),
        ("as_of=99", "as_of"),
        ("as_of=now", "as_of"),
        ("cursor=", "cursor"),
        ("cursor=AAAA", "cursor"),
        ("entity_types=", None),
        ("sort=points", "sort"),
    ],
)
def test_a_list_of_points_that_is_wrong(client, fleet, refused, query, field):
    reply = client.get(f"{fleet}/points?{query}")
    if query == "entity_types=":
        assert names(reply) == []
        return
    details = refused(reply, 400, "invalid_request")["details"]
    assert field is None or details[0]["field"] == field


def test_a_point_is_read_by_what_identifies_it(client, fleet, refused):
    path, _ = one(fleet, KATRINA)
    assert client.get(path).json()["metadata"] == {"name": "KATRINA"}
    assert client.get(path.replace("Z", "%2B00:00")).json()["seq"] == 1
    whole = client.get(path, params={"include": ["vector", "metadata"], "as_of": 2}).json()
    assert (whole["vector"], whole["seq"]) == (KATRINA["vector"], 1)
    path, _ = one(fleet, MATTHEW)
    refused(client.get(path), 404, "not_found")
    found = client.get(path, params={"key": MATTHEW["key"]})
    assert found.json()["entity_id"] == MATTHEW["entity_id"]
    refused(client.get(path, params={"key": MATTHEW["key"], "as_of": 2}), 404, "not_found")


@pytest.mark.parametrize(
    ("tail", "status", "code", "field"),
    [
        (f"{NOBODY}/{TIME}", 404, "not_found", None),
        ("AL122005/2005-08-28T18:00:01Z", 404, "not_found", None),
        ("AL122005/2005-08-28", 400, "invalid_request", "timestamp"),
        ("AL122005/2005-08-28T18:00:00", 400, "invalid_request", "timestamp"),
        ("AL122005/1", 400, "invalid_request", "timestamp"),
        (f"AL122005/{TIME}?timestamp={TIME}", 400, "invalid_request", "timestamp"),
        (f"AL122005/{TIME}?key=", 400, "invalid_request", "key"),
        (f"AL122005/{TIME}?as_of=9", 400, "invalid_request", "as_of"),
        (f"%00/{TIME}", 400, "invalid_request", "entity_id"),
        (f"%ff/{TIME}", 400, "invalid_request", "entity_id"),
        ("AL122005/", 404, "not_found", None),
        (f"AL122005/{TIME}/x", 404, "not_found", None),
    ],
)
def test_a_point_that_is_not_there_or_wrongly_asked_for(
    client, fleet, refused, tail, status, code, field
):
    body = refused(client.get(f"{fleet}/points/{tail}"), status, code)
    assert field is None or body["details"][0]["field"] == field


def test_metadata_is_changed_without_the_vector(client, fleet, points_of):
    path, _ = one(fleet, MATTHEW)
    query = {"key": MATTHEW["key"]}
    reply = client.patch(
        path, params=query, json={"metadata": {"name": None, "wind": {"mph": 167}}}
    )
    body = reply.json()
    assert (reply.status_code, body["changed"], body["seq"], body["durable"]) == (
        200,
        True,
        4,
        True,
    )
    assert body["point"]["metadata"] == {"wind": {"kt": 145, "mph": 167}}
    now = client.get(path, params=query | {"include": ["vector", "metadata"]}).json()
    assert (now["vector"], now["seq"]) == (MATTHEW["vector"], 4)
    assert now["metadata"] == body["point"]["metadata"]
    before = client.get(path, params=query | {"as_of": 3}).json()
    assert before["metadata"] == MATTHEW["metadata"]
    again = client.patch(path, params=query, json={"metadata": {"wind": {"mph": 167}}}).json()
    assert (again["changed"], again["seq"], again["point"]) == (False, 4, body["point"])
    assert points_of(client, fleet) == 3


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "metadata"),
        ({"metadata": None}, "metadata"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {}, "vector": [1]}, "vector"),
        ({"metadata": {"a": "x" * 70_000}}, "metadata"),
        ({"metadata": {"a": 2**70}}, "metadata"),
        ([], "body"),
    ],
)
def test_a_change_that_is_wrong(client, fleet, refused, body, field):
    path, _ = one(fleet, KATRINA)
    details = refused(client.patch(path, json=body), 400, "invalid_request")["details"]
    assert details[0]["field"] == field
    assert client.get(path).json()["seq"] == 1


def test_a_change_of_nothing_that_is_there(client, fleet, refused):
    patch = {"metadata": {"a": 1}}
    for point in (KATRINA | {"entity_id": NOBODY}, MATTHEW):
        refused(client.patch(one(fleet, point)[0], json=patch), 404, "not_found")
    path, _ = one(fleet, KATRINA)
    refused(client.patch(f"{path}?as_of=2", json=patch), 400, "invalid_request")
    refused(
        client.patch(path, content=b"x", headers={"content-type": "text/plain"}),
        400,
        "invalid_request",
    )
    refused(client.put(path, json=patch), 405, "method_not_allowed")
    elsewhere = path.replace("/storms/", "/calms/")
    for reply in (client.get(elsewhere), client.patch(elsewhere, json=patch)):
        refused(reply, 404, "collection_not_found")


@pytest.fixture
def many(client) -> str:
    """Ten entities, entity n with n + 1 points."""
    path = "/v1/collections/many"
    client.post("/v1/collections", json={"name": "many", "dim": 1, "metric": "l2"})
    points = [
        {
            "entity_id": f"e{n}",
            "entity_type": "even" if n % 2 == 0 else "odd",
            "timestamp": f"2020-01-{10 + (n * 7 + m) % 11:02}T00:{m:02}:00Z",
            "vector": [n],
            "metadata": {"m": m},
        }
        for n in range(10)
        for m in range(n + 1)
    ]
    assert client.post(f"{path}/points", json={"points": points}).status_code == 200
    for n in range(5):
        reply = client.put(f"{path}/entities/e{n}/attributes", json={"rank": n})
        assert reply.status_code == 200
    return path


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, "0123456789"),
        ({"order": "desc", "limit": 3}, "987"),
        ({"sort": "points", "order": "desc"}, "9876543210"),
        ({"prefix": "e3"}, "3"),
        ({"prefix": "E"}, ""),
        ({"entity_types": ["even"]}, "02468"),
        ({"entity_types": ""}, ""),
        ({"filter": '{"rank": {"$gte": 3}}'}, "34"),
        ({"filter": '{"rank": {"$exists": false}}', "entity_types": ["odd"]}, "579"),
        ({"start_time": "2020-01-10T00:00:00Z", "end_time": "2020-01-10T00:01:00Z"}, "0"),
        ({"as_of": 1}, "0"),
    ],
)
def test_entities_are_selected_and_sorted(client, many, query, found):
    reply = client.get(f"{many}/entities", params=query)
    assert "".join(name[1:] for name in names(reply)) == found


def test_entities_are_summed_up(client, many):
    [item] = client.get(f"{many}/entities?prefix=e2").json()["items"]
    history = client.get(f"{many}/entities/e2/history").json()["items"]
    assert item == {
        "entity_id": "e2",
        "entity_type": "even",
        "first_seen": history[0]["timestamp"],
        "last_seen": history[-1]["timestamp"],
        "points": 3,
        "attributes": {"rank": 2},
    }


@pytest.mark.parametrize("sort", ["last_seen", "first_seen"])
def test_entities_are_sorted_by_when_they_were_seen(client, many, sort):
    items = client.get(f"{many}/entities", params={"sort": sort}).json()["items"]
    assert items == sorted(items, key=lambda item: (item[sort], item["entity_id"]))


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("sort=size", "sort"),
        ("order=down", "order"),
        ("limit=-1", "limit"),
        ("prefix=", "prefix"),
        ("prefix=%00", "prefix"),
        ("filter=1", "filter"),
        ('filter={"$attributes":{"rank":1}}', "filter"),
        ('filter={"rank":{"$gt":[]}}', "filter.rank.$gt"),
        ("entity_ids=e1", "entity_ids"),
        ("cursor=nonsense", "cursor"),
        ("as_of=100", "as_of"),
    ],
)
def test_a_list_of_entities_that_is_wrong(client, many, refused, query, field):
    body = refused(client.get(f"{many}/entities?{query}"), 400, "invalid_request")
    assert body["details"][0]["field"] == field


def test_a_history_is_thinned_out(client, many):
    history = f"{many}/entities/e9/history"
    days = [item["timestamp"][:10] for item in client.get(history).json()["items"]]
    thin = client.get(history, params={"every": "1d"}).json()["items"]
    assert [item["timestamp"][:10] for item in thin] == sorted(set(days))
    assert len(client.get(history, params={"every": "30d", "order": "desc"}).json()["items"]) <= 2


@pytest.mark.parametrize("every", ["0s", "1", "1w", "h", "99999d", ""])
def test_an_interval_that_is_wrong(client, many, refused, every):
    body = refused(client.get(f"{many}/entities/e9/history?every={every}"), 400, "invalid_request")
    assert body["details"][0]["field"] == "every"


LISTS = [
    ("points", {"order": "desc"}),
    ("points", {"filter": '{"m": {"$lt": 5}}'}),
    ("entities", {"sort": "points"}),
    ("entities/e9/history", {"every": "1h"}),
    ("entities/e9/history", {}),
    ("windows", {"start_time": "2020-01-01T00:00:00Z"}),
    ("points/deleted", {}),
]


def disturb(client, path):
    """Change what every list shows."""
    new = {"entity_id": "e9", "timestamp": "2020-01-10T00:00:30Z", "vector": [5]}
    first = {"entity_id": "a", "timestamp": "2019-12-31T00:00:00Z", "vector": [5]}
    last = {"entity_id": "z", "timestamp": "2020-02-10T00:00:00Z", "vector": [5]}
    assert client.post(f"{path}/points", json={"points": [new, first, last]}).is_success
    assert client.post(f"{path}/points/delete", json={"entity_ids": ["e8"]}).is_success
    assert client.post(f"{path}/compact").is_success


@pytest.mark.parametrize(("tail", "query"), LISTS)
def test_pages_hold_each_item_of_the_moment_once(client, many, tail, query):
    assert client.post(f"{many}/points/delete", json={"entity_ids": ["e7"]}).is_success
    whole = client.get(f"{many}/{tail}", params=query).json()
    found, cursor = [], None
    for turn in range(100):
        page = client.get(
            f"{many}/{tail}", params=query | {"limit": 3} | ({"cursor": cursor} if cursor else {})
        ).json()
        assert page["as_of_seq"] == whole["as_of_seq"]
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        if turn == 0:
            disturb(client, many)

    def bare(items):  # where points are kept changes
        volatile = {"hot_points", "partitions", "dead_points"}
        return [{k: v for k, v in item.items() if k not in volatile} for item in items]

    assert bare(found) == bare(whole["items"])
    assert found


@pytest.mark.parametrize(("tail", "query"), LISTS)
def test_a_cursor_is_good_for_its_own_question_only(client, many, refused, tail, query):
    client.post(f"{many}/points/delete", json={"entity_ids": ["e7"]})
    cursor = client.get(f"{many}/{tail}", params=query | {"limit": 1}).json()["next_cursor"]
    for other, others in LISTS:
        reply = client.get(f"{many}/{other}", params=others | {"cursor": cursor})
        if (other, others) == (tail, query):
            assert reply.status_code == 200
            continue
        body = refused(reply, 400, "invalid_request")
        assert body["details"][0]["field"] == "cursor"
        assert ("another question" in body["message"]) == (other == tail)
    for changed in (cursor[:-1], cursor[1:], cursor + "A", cursor.swapcase()):
        reply = client.get(f"{many}/{tail}", params=query | {"cursor": changed})
        assert refused(reply, 400, "invalid_request")["details"][0]["field"] == "cursor"


@pytest.mark.parametrize(("tail", "query"), LISTS)
def test_a_list_whose_moment_is_gone(client, many, refused, tail, query):
    client.post(f"{many}/points/delete", json={"entity_ids": ["e7"]})
    cursor = client.get(f"{many}/{tail}", params=query | {"limit": 1}).json()["next_cursor"]
    gone_by(client, many)
    body = refused(client.get(f"{many}/{tail}", params=query | {"cursor": cursor}), 410, "gone")
    assert body["message"].startswith("cursor: the list was begun after change ")


def test_every_page_may_wait_for_a_change(client, fleet):
    page = client.get(f"{fleet}/points?limit=1&wait_for_seq=3").json()
    query = {"cursor": page["next_cursor"], "wait_for_seq": 3, "limit": 9}
    assert len(names(client.get(f"{fleet}/points", params=query))) == 2


def test_a_list_as_of_a_time_goes_on_as_of_it(client, fleet, refused):
    at = client.get(one(fleet, WILMA)[0]).json()["recorded_at"]
    page = client.get(f"{fleet}/points", params={"limit": 1, "as_of": at}).json()
    assert page["as_of_seq"] == 2
    for as_of in ({}, {"as_of": at}, {"as_of": 2}):
        query = {"cursor": page["next_cursor"]} | as_of
        assert names(client.get(f"{fleet}/points", params=query)) == ["AL252005"]
    reply = client.get(f"{fleet}/points", params={"cursor": page["next_cursor"], "as_of": 3})
    assert refused(reply, 400, "invalid_request")["details"][0]["field"] == "cursor"


def test_filters_are_json_text(client, fleet):
    query = {"filter": json.dumps({"$attributes": {"x": None}, "name": {"$ne": "WILMA"}})}
    assert names(client.get(f"{fleet}/points", params=query)) == ["AL122005", "a/b c+d"]
