"""Every read can be asked as of a moment, and after one."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta

import httpx
import pytest

from tsvec.engine.clock import SystemClock
from tsvec.engine.database import Database
from tsvec.model.times import SEQ_MAX
from tsvec.server.app import create_app

KATRINA = [26.3, -88.6, 150, 902]
READS = {
    "temporal_knn": ("POST", "/query/temporal-knn"),
    "temporal_knn_batch": ("POST", "/query/temporal-knn/batch"),
    "get_entity": ("GET", "/entities/AL122005"),
    "get_history": ("GET", "/entities/AL122005/history"),
    "get_entity_attributes": ("GET", "/entities/AL122005/attributes"),
    "list_windows": ("GET", "/windows"),
    "get_collection_stats": ("GET", "/stats"),
    "list_deleted_points": ("GET", "/points/deleted"),
}
EACH_READ = pytest.mark.parametrize("read", READS)


def ask(client, path, read, **when) -> httpx.Response:
    method, tail = READS[read]
    if method == "GET":
        return client.get(path + tail, params=when)
    question = {"query_vector": KATRINA, **when}
    body = {"queries": [question]} if read == "temporal_knn_batch" else question
    return client.post(path + tail, json=body)


def field_of(read: str, name: str) -> str:
    return f"queries[0].{name}" if read == "temporal_knn_batch" else name


def content(reply: httpx.Response) -> dict:
    """What may not change: all but the figures of this moment."""
    assert reply.status_code == 200, reply.text
    body = reply.json()
    now = {"bytes", "compaction", "oldest_as_of", "write_amplification", "partitions"}
    now |= {"hot_points", "sealed_points", "dead_points"}
    for item in [body, *body.get("items", [])]:
        for name in now & item.keys():
            del item[name]
    return body


def change_everything(client, path) -> None:
    """Replace, delete, add, and describe."""
    point = {"entity_id": "AL122005", "timestamp": "2005-08-28T18:00:00Z", "vector": [1, 2, 3, 4]}
    late = point | {"entity_id": "late", "timestamp": "2001-01-01T00:00:00Z"}
    assert client.post(f"{path}/points", json={"points": [point, late]}).status_code == 200
    assert client.put(f"{path}/entities/AL122005/attributes", json={"a": 1}).status_code == 200
    reply = client.post(f"{path}/points/delete", json={"entity_ids": ["AL122005", "AL252005"]})
    assert reply.json()["deleted"] == 2


@EACH_READ
def test_the_past_stays_as_it_was(client, storms, read):
    before = content(ask(client, storms, read))
    change_everything(client, storms)
    recorded = client.get(f"{storms}/entities/AL122005?as_of=2").json()["latest"]["recorded_at"]
    for moment in (2, recorded):
        found = content(ask(client, storms, read, as_of=moment))
        if read == "temporal_knn_batch":  # whose own seq is that of questions without a moment
            found["as_of_seq"] = 2
        assert found == before
    assert ask(client, storms, read).json() != before


@EACH_READ
def test_the_present_can_be_named(client, storms, read):
    assert content(ask(client, storms, read, as_of=2)) == content(ask(client, storms, read))


def test_before_the_first_change_there_was_nothing(client, storms, refused):
    for read in ("temporal_knn", "list_windows", "get_collection_stats", "list_deleted_points"):
        body = ask(client, storms, read, as_of=0).json()
        assert body["as_of_seq"] == 0
        assert [body[name] for name in ("hits", "items", "points") if body.get(name)] == []
    for read in ("get_entity", "get_history", "get_entity_attributes"):
        refused(ask(client, storms, read, as_of=0), 404, "entity_not_found")


def test_a_batch_may_ask_of_several_moments(client, storms):
    questions = [{"query_vector": KATRINA, "as_of": seq} for seq in (0, 1, 2)]
    questions.append({"query_vector": KATRINA})
    body = client.post(f"{storms}/query/temporal-knn/batch", json={"queries": questions}).json()
    assert [result["returned"] for result in body["results"]] == [0, 1, 2, 2]
    assert [result["as_of_seq"] for result in body["results"]] == [0, 1, 2, 2]


@pytest.mark.parametrize(
    "moment",
    [-1, 1.5, True, "2", "now", "", "2020-01-01", "2020-01-01T00:00:00", [], {}, SEQ_MAX + 1],
)
@pytest.mark.parametrize("read", ["temporal_knn", "temporal_knn_batch"])
def test_what_is_no_moment(client, storms, refused, read, moment):
    body = refused(ask(client, storms, read, as_of=moment), 400, "invalid_request")
    assert body["details"][0]["field"] == field_of(read, "as_of")


@pytest.mark.parametrize("moment", ["-1", "1.5", "now", "", "2020-01-01", f"{SEQ_MAX + 1}"])
@pytest.mark.parametrize("read", [name for name, (method, _) in READS.items() if method == "GET"])
def test_what_is_no_moment_in_a_query_string(client, storms, refused, read, moment):
    body = refused(ask(client, storms, read, as_of=moment), 400, "invalid_request")
    assert body["details"][0]["field"] == "as_of"


@EACH_READ
def test_a_moment_still_to_come(client, storms, refused, read):
    for moment in (3, SEQ_MAX, "2199-01-01T00:00:00Z"):
        body = refused(ask(client, storms, read, as_of=moment), 400, "invalid_request")
        assert body["details"][0]["field"] == field_of(read, "as_of")


@EACH_READ
def test_a_change_that_is_there_is_not_waited_for(client, storms, read):
    assert content(ask(client, storms, read, wait_for_seq=2)) == content(ask(client, storms, read))


@EACH_READ
def test_a_change_that_does_not_come(client, app, storms, refused, read):
    app.state.services.wait_seconds_max = 0.02
    reply = ask(client, storms, read, wait_for_seq=3)
    body = refused(reply, 503, "unavailable")
    assert body["retryable"] is True
    assert reply.headers["retry-after"]
    assert "change 3" in body["message"]


@EACH_READ
def test_a_change_that_comes_meanwhile(client, app, database, storms, read):
    app.state.services.wait_seconds_max = 20
    point = {"entity_id": "new", "timestamp": "2005-09-01T00:00:00Z", "vector": [0, 0, 0, 0]}
    collection = database.collection("storms")
    timer = threading.Timer(0.05, collection.ingest, [[point]])
    timer.start()
    reply = ask(client, storms, read, wait_for_seq=3)
    timer.join()
    assert reply.status_code == 200
    assert reply.json()["as_of_seq"] == 3


@pytest.mark.parametrize("seq", [-1, 1.5, True, "2", [], SEQ_MAX + 1])
def test_what_is_no_seq_to_wait_for(client, storms, refused, seq):
    body = refused(ask(client, storms, "temporal_knn", wait_for_seq=seq), 400, "invalid_request")
    assert body["details"][0]["field"] == "wait_for_seq"


class LateClock(SystemClock):
    """The system's clock, ahead by as much as a test says, in elapsed time too."""

    def __init__(self) -> None:
        self.ahead_us = 0

    def now_us(self) -> int:
        return super().now_us() + self.ahead_us

    def elapsed_us(self) -> int:
        return super().elapsed_us() + self.ahead_us

    def go_on(self, **by: float) -> None:
        self.ahead_us += int(timedelta(**by) / timedelta(microseconds=1))


@pytest.fixture
def clock() -> LateClock:
    return LateClock()


@pytest.fixture
def database(tmp_path, clock):
    with Database(tmp_path / "data", clock=clock) as database:
        yield database


@pytest.fixture
def app(database):
    return create_app(database)


@EACH_READ
def test_beyond_the_horizon_the_past_is_gone(client, clock, storms, refused, read):
    assert client.patch(storms, json={"history_horizon": "1h"}).status_code == 200
    recorded = client.get(f"{storms}/entities/AL122005").json()["latest"]["recorded_at"]
    clock.go_on(hours=2)
    change_everything(client, storms)
    clock.go_on(hours=2)
    for moment in (2, recorded):
        refused(ask(client, storms, read, as_of=moment), 410, "gone")
    oldest = client.get(f"{storms}/stats").json()["oldest_as_of"]
    assert oldest == client.get(storms).json()["seq"]
    assert ask(client, storms, read, as_of=oldest).status_code in {200, 404}


def test_what_was_deleted_before_the_horizon_cannot_be_restored(client, clock, storms):
    assert client.patch(storms, json={"history_horizon": "1h"}).status_code == 200
    client.post(f"{storms}/points/delete", json={"entity_ids": ["AL122005"]})
    clock.go_on(minutes=59)
    assert len(client.get(f"{storms}/points/deleted").json()["items"]) == 1
    clock.go_on(minutes=2)
    assert client.get(f"{storms}/points/deleted").json()["items"] == []
    reply = client.post(f"{storms}/points/restore", json={"entity_ids": ["AL122005"]})
    assert reply.json()["restored"] == 0


def test_what_has_expired_is_hidden_from_the_past_too(client, clock):
    config = {"name": "r", "dim": 2, "metric": "l2", "retention": "1d", "window_size": "1h"}
    path = "/v1/collections/r"
    assert client.post("/v1/collections", json=config).status_code == 201
    point = {"entity_id": "a", "vector": [1, 2]}
    assert client.post(f"{path}/points", json={"points": [point]}).status_code == 200
    clock.go_on(hours=23)
    client.post(f"{path}/points", json={"points": [point]})
    assert client.get(f"{path}/stats").json()["points"] == 2
    clock.go_on(hours=3)
    for when in ({}, {"as_of": 1}, {"as_of": 2}):
        shown = client.get(f"{path}/stats", params=when).json()["points"]
        assert shown == (0 if when == {"as_of": 1} else 1)
        question = {"query_vector": [1, 2], **when}
        hits = client.post(f"{path}/query/temporal-knn", json=question).json()["hits"]
        assert len(hits) == shown


def test_a_recorded_time_falls_between_changes(client, storms):
    first = client.get(storms).json()["seq"]
    recorded = client.get(f"{storms}/entities/AL122005").json()["latest"]["recorded_at"]
    time.sleep(0.002)
    change_everything(client, storms)
    just_after = datetime.fromisoformat(recorded) + timedelta(milliseconds=1)
    just_before = datetime.fromisoformat(recorded) - timedelta(milliseconds=1)
    for moment, seq in ((recorded, first), (just_after.isoformat(), first)):
        stats = client.get(f"{storms}/stats", params={"as_of": moment}).json()
        assert stats["as_of_seq"] == seq
    stats = client.get(f"{storms}/stats", params={"as_of": just_before.isoformat()}).json()
    assert (stats["as_of_seq"], stats["points"]) == (0, 0)
