"""Points are deleted, brought back, and listed meanwhile."""

from __future__ import annotations

import pytest

from tsvec.model.limits import LIMITS

DAYS = [f"2020-01-{day:02}T00:00:00Z" for day in range(1, 11)]


@pytest.fixture
def path(client) -> str:
    """A collection of three entities with a point a day for ten days: seqs 1 to 30."""
    config = {"name": "c", "dim": 2, "metric": "l2", "window_size": "1d"}
    assert client.post("/v1/collections", json=config).status_code == 201
    points = [
        {"entity_id": name, "vector": [day, place], "timestamp": time, "metadata": {"day": day}}
        for day, time in enumerate(DAYS)
        for place, name in enumerate("abc")
    ]
    assert client.post("/v1/collections/c/points", json={"points": points}).status_code == 200
    return "/v1/collections/c"


def delete(client, path, **selector):
    return client.post(f"{path}/points/delete", json=selector)


def restore(client, path, **selector):
    return client.post(f"{path}/points/restore", json=selector)


def deleted(client, path, **query):
    return client.get(f"{path}/points/deleted", params=query).json()


def everything(client, path, **query) -> list[dict]:
    """What every read shows of the points, as far as it can be compared."""
    stats = client.get(f"{path}/stats", params=query).json()
    stats = {name: stats[name] for name in ("points", "windows", "gaps", "first_time")}
    question = {"query_vector": [0, 0], "k": 100, **query}
    hits = client.post(f"{path}/query/temporal-knn", json=question).json()["hits"]
    windows = client.get(f"{path}/windows", params=query).json()["items"]
    windows = [{k: w[k] for k in ("start_time", "points", "empty_before")} for w in windows]
    histories = [
        client.get(f"{path}/entities/{name}/history", params=query | {"include": "vector"}).json()
        for name in "abc"
    ]
    return [stats, hits, windows, *(history.get("items") for history in histories)]


def named(name: str, day: int, **more) -> dict:
    return {"entity_id": name, "timestamp": DAYS[day], **more}


SELECTORS = [
    ({"points": [named("a", 0), named("b", 9)]}, 2),
    ({"entity_ids": ["a"]}, 10),
    ({"entity_ids": ["a", "c", "nobody"]}, 20),
    ({"start_time": DAYS[8]}, 6),
    ({"end_time": DAYS[1]}, 3),
    ({"entity_ids": ["b"], "start_time": DAYS[2], "end_time": DAYS[5]}, 3),
    ({"start_time": DAYS[3], "end_time": DAYS[3]}, 0),
]


@pytest.mark.parametrize(("selector", "count"), SELECTORS)
def test_delete_and_undo(client, path, points_of, selector, count):
    before = everything(client, path)
    reply = delete(client, path, **selector)
    assert reply.status_code == 200
    body = reply.json()
    assert (body["deleted"], body["missing"], body["dry_run"]) == (count, 0, False)
    assert (body["first_seq"], body["seq"]) == (31, 30 + count)
    assert body["durable"] is True
    assert points_of(client, path) == 30 - count
    assert everything(client, path, as_of=30) == before
    listed = deleted(client, path)["items"]
    assert sorted(point["deleted_seq"] for point in listed) == list(range(31, 31 + count))
    if not count:
        return
    back = restore(client, path, first_seq=body["first_seq"], last_seq=body["seq"]).json()
    assert (back["restored"], back["missing"], back["occupied"]) == (count, 0, 0)
    assert (back["first_seq"], back["seq"]) == (31 + count, 30 + 2 * count)
    assert points_of(client, path) == 30
    assert deleted(client, path)["items"] == []
    assert everything(client, path, as_of=30) == before
    assert without_seqs(everything(client, path)) == without_seqs(before)


def without_seqs(value):
    if isinstance(value, dict):
        return {k: without_seqs(v) for k, v in value.items() if k not in {"seq", "recorded_at"}}
    return list(map(without_seqs, value)) if isinstance(value, list) else value


@pytest.mark.parametrize(("selector", "count"), SELECTORS)
def test_a_dry_run_leaves_everything_as_it_was(client, path, selector, count):
    before = everything(client, path)
    body = delete(client, path, **selector, dry_run=True).json()
    assert (body["deleted"], body["dry_run"], body["seq"], body["first_seq"]) == (
        count,
        True,
        30,
        31,
    )
    assert everything(client, path) == before
    assert deleted(client, path)["items"] == []
    delete(client, path, **selector)
    gone = everything(client, path)
    body = restore(client, path, **selector, dry_run=True).json()
    assert (body["restored"], body["dry_run"], body["seq"]) == (count, True, 30 + count)
    assert everything(client, path) == gone
    assert client.get(path).json()["seq"] == 30 + count


def test_named_points_that_are_not_there_are_missing(client, path):
    points = [named("a", 0), named("a", 0, key="k"), named("z", 0), named("a", 0)]
    points.append({"entity_id": "a", "timestamp": "2021-01-01T00:00:00Z"})
    body = delete(client, path, points=points).json()
    assert (body["deleted"], body["missing"]) == (1, 3)
    again = delete(client, path, points=points[:1]).json()
    assert (again["deleted"], again["missing"], again["seq"]) == (0, 1, body["seq"])
    back = restore(client, path, points=points).json()
    assert (back["restored"], back["missing"]) == (1, 3)


def test_a_point_is_told_from_another_by_its_key(client, path):
    point = named("k", 0, vector=[1, 2])
    keyed = [point | {"key": "x"}, point | {"key": "y"}, point]
    client.post(f"{path}/points", json={"points": keyed})
    body = delete(client, path, points=[named("k", 0, key="x")]).json()
    assert body["deleted"] == 1
    left = client.get(f"{path}/entities/k/history").json()["items"]
    assert sorted(point.get("key", "") for point in left) == ["", "y"]
    assert [point["key"] for point in deleted(client, path)["items"]] == ["x"]


def test_a_place_taken_meanwhile_stays_taken(client, path):
    gone = delete(client, path, points=[named("a", 0), named("a", 1)]).json()
    newer = named("a", 0, vector=[5, 5])
    client.post(f"{path}/points", json={"points": [newer]})
    assert [point["timestamp"] for point in deleted(client, path)["items"]] == [DAYS[1]]
    body = restore(client, path, first_seq=gone["first_seq"]).json()
    assert (body["restored"], body["occupied"]) == (1, 1)
    found = client.get(f"{path}/entities/a/history?include=vector").json()["items"]
    assert [point["vector"] for point in found[:2]] == [[5, 5], [1, 0]]


def test_an_entity_is_deleted_whole(client, path, refused, points_of):
    assert client.put(f"{path}/entities/a/attributes", json={"x": 1}).status_code == 200
    body = client.delete(f"{path}/entities/a").json()
    assert body["deleted"] == 10
    assert points_of(client, path) == 20
    refused(client.get(f"{path}/entities/a"), 404, "entity_not_found")
    refused(client.get(f"{path}/entities/a/history"), 404, "entity_not_found")
    refused(client.delete(f"{path}/entities/a"), 404, "entity_not_found")
    refused(client.delete(f"{path}/entities/nobody"), 404, "entity_not_found")
    then = client.get(f"{path}/entities/a?as_of={body['first_seq'] - 1}").json()
    assert (then["points"], then["attributes"]) == (10, {"x": 1})
    assert restore(client, path, entity_ids=["a"]).json()["restored"] == 10
    back = client.get(f"{path}/entities/a").json()
    assert (back["points"], back["attributes"]) == (10, {"x": 1})


def test_deleted_points_come_in_pages_and_ranges(client, path):
    delete(client, path, entity_ids=["a", "b"])
    found, cursor = [], None
    for _ in range(3):
        query = {"limit": 7} | ({"cursor": cursor} if cursor else {})
        page = deleted(client, path, **query)
        found += page["items"]
        cursor = page["next_cursor"]
    assert cursor is None
    seqs = [point["deleted_seq"] for point in found]
    assert seqs == sorted(seqs, reverse=True) == list(range(50, 30, -1))
    assert all(point["metadata"].keys() == {"day"} for point in found)
    some = deleted(client, path, entity_ids="b", start_time=DAYS[2], end_time=DAYS[4])["items"]
    assert [(point["entity_id"], point["timestamp"]) for point in some] in (
        [("b", DAYS[3]), ("b", DAYS[2])],
        [("b", DAYS[2]), ("b", DAYS[3])],
    )
    assert deleted(client, path, entity_ids="")["items"] == []
    assert len(deleted(client, path, entity_ids=["a", "b"], limit=1000)["items"]) == 20
    assert len(deleted(client, path, as_of=40)["items"]) == 10


WRONG = [
    ({}, "body"),
    ({"dry_run": True}, "body"),
    ({"points": []}, "points"),
    ({"entity_ids": []}, "entity_ids"),
    ({"points": [named("a", 0)], "entity_ids": ["a"]}, "body"),
    ({"points": [named("a", 0)], "start_time": DAYS[0]}, "body"),
    ({"start_time": DAYS[1], "end_time": DAYS[0]}, "body"),
    ({"entity_ids": "a"}, "entity_ids"),
    ({"entity_ids": [1]}, "entity_ids[0]"),
    ({"entity_ids": ["a", ""]}, "entity_ids[1]"),
    ({"entity_ids": ["a"], "dry_run": "yes"}, "dry_run"),
    ({"entity_ids": ["a"], "dry_run": 1}, "dry_run"),
    ({"entity_ids": ["a"], "filtre": {}}, "filtre"),
    ({"entity_ids": ["a"], "start_time": 5}, "start_time"),
    ({"entity_ids": ["a"], "end_time": "2020-01-01T00:00:00"}, "end_time"),
    ({"points": {"entity_id": "a"}}, "points"),
    ({"points": [named("a", 0), {"entity_id": "a"}]}, "points[1].timestamp"),
    ({"points": [named("a", 0), {"entity_id": "a", "timestamp": 5}]}, "points[1].timestamp"),
    ({"points": [named("a", 0), {"timestamp": DAYS[0]}]}, "points[1].entity_id"),
    ({"points": [named("a", 0, key="")]}, "points[0].key"),
    ({"points": [named("a", 0, vector=[1, 2])]}, "points[0].vector"),
    ({"points": [named("a", 0)] * (LIMITS.selector_points_max + 1)}, "points"),
    ({"entity_ids": ["a"] * (LIMITS.selector_items_max + 1)}, "entity_ids"),
]


@pytest.mark.parametrize(("selector", "field"), WRONG)
@pytest.mark.parametrize("verb", [delete, restore])
def test_a_selector_that_is_wrong(client, path, refused, points_of, verb, selector, field):
    body = refused(verb(client, path, **selector), 400, "invalid_request")
    assert [detail["field"] for detail in body["details"]] == [field]
    row = 1 if field.startswith("points[1]") else 0 if field.startswith("points[0]") else None
    assert body["details"][0].get("row") == row
    assert points_of(client, path) == 30


@pytest.mark.parametrize(
    ("selector", "field"),
    [
        ({"first_seq": -1}, "first_seq"),
        ({"last_seq": "5"}, "last_seq"),
        ({"first_seq": 5.0}, "first_seq"),
        ({"first_seq": 2**63}, "first_seq"),
        ({"first_seq": 6, "last_seq": 5}, "body"),
    ],
)
def test_seqs_that_are_wrong(client, path, refused, selector, field):
    body = refused(restore(client, path, **selector), 400, "invalid_request")
    assert [detail["field"] for detail in body["details"]] == [field]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("cursor=nonsense", "cursor"),
        ("start_time=yesterday", "start_time"),
        ("entity_ids=%00", "entity_ids[0]"),
        ("entity_id=a", "entity_id"),
        ("as_of=now", "as_of"),
        ("wait_for_seq=-1", "wait_for_seq"),
    ],
)
def test_a_list_that_is_wrong(client, path, refused, query, field):
    reply = client.get(f"{path}/points/deleted?{query}")
    assert refused(reply, 400, "invalid_request")["details"][0]["field"] == field


def test_the_most_points_that_can_be_named(client, path):
    points = [named("a", 0)] * LIMITS.selector_points_max
    assert delete(client, path, points=points).json()["deleted"] == 1


def test_more_points_than_one_request_may_touch(client, path, refused, points_of, monkeypatch):
    few = LIMITS.model_copy(update={"delete_rows_max": 5})
    monkeypatch.setattr("tsvec.engine.writing.removal.limits", lambda: few)
    for dry_run in (True, False):
        reply = delete(client, path, entity_ids=["a"], dry_run=dry_run)
        assert "delete_rows_max" in refused(reply, 413, "too_large")["message"]
    assert points_of(client, path) == 30
    assert delete(client, path, entity_ids=["a"], end_time=DAYS[5]).json()["deleted"] == 5
    assert delete(client, path, entity_ids=["a"]).json()["deleted"] == 5
    refused(restore(client, path, entity_ids=["a"]), 413, "too_large")
    assert points_of(client, path) == 20


def test_operations_without_parameters(client, path, refused):
    for reply in (
        client.post(f"{path}/points/delete?dry_run=true", json={"entity_ids": ["a"]}),
        client.post(f"{path}/points/restore?as_of=1", json={"entity_ids": ["a"]}),
        client.delete(f"{path}/entities/a?dry_run=true"),
        client.post(f"{path}/compact?wait=true"),
        client.get(f"{path}/compact?as_of=1"),
    ):
        refused(reply, 400, "invalid_request")
