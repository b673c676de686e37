"""Every read stops soon after its deadline, however slow what it reads is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from tests.api.conftest import URL, AppTransport
from tests.unit.engine.rig import SECOND, ManualClock, batch_of
from tsvec.engine.collection import Collection
from tsvec.engine.database import Database
from tsvec.model.errors import DeadlineExceededError
from tsvec.model.settings import Settings
from tsvec.server.app import create_app
from tsvec.window.hot import HotSlice

PARTS, ROWS = 60, 4
SLOW_US = SECOND // 20
"""What a look at a part costs while storage is slow."""

C = "/v1/collections/c"
NEAR = {"query_vector": [0.0, 1.0], "k": 3}
ALL = {"start_time": "1970-01-01T00:00:00Z", "end_time": "2100-01-01T00:00:00Z"}
READS: dict[str, tuple[str, str, Any]] = {
    "temporal_knn": ("POST", "/query/temporal-knn", NEAR),
    "decay": ("POST", "/query/temporal-knn", NEAR | {"time_decay": {"half_life": "9000d"}}),
    "filtered": ("POST", "/query/temporal-knn", NEAR | {"filter": {"a": {"$exists": False}}}),
    "batch": ("POST", "/query/temporal-knn/batch", {"queries": [NEAR, NEAR | {"k": 4}]}),
    "walk": ("POST", "/query/temporal-knn/walk", NEAR | {"as_of_each": [100, 200]}),
    "range": ("POST", "/query/temporal-range", {"query_vector": [0.0, 1.0], "radius": 1e6}),
    "diff": ("POST", "/query/temporal-diff", NEAR | {"before": ALL, "after": ALL}),
    "list_points": ("GET", "/points?limit=1000&include=", None),
    "filtered_points": ("GET", '/points?filter={"a":1}', None),
    "list_entities": ("GET", "/entities", None),
    "history": ("GET", "/entities/e1/history", None),
    "get_entity": ("GET", "/entities/e1", None),
    "windows": ("GET", "/windows", None),
    "stats": ("GET", "/stats", None),
}


class Slow:
    """A database of many hot parts, each look at which takes time once it is `slow`."""

    def __init__(self, database: Database, clock: ManualClock, client: httpx.Client) -> None:
        self.database, self.clock, self.client = database, clock, client
        self.is_slow = False
        self.looks = 0

    def look(self) -> None:
        self.looks += 1
        if self.is_slow:
            self.clock.now += SLOW_US

    def ask(self, name: str, **headers: str) -> httpx.Response:
        method, path, body = READS[name]
        return self.client.request(method, C + path, json=body, headers=headers)


@pytest.fixture
def slow(tmp_path, monkeypatch) -> Iterator[Slow]:
    clock = ManualClock()
    settings = Settings(seal_rows=ROWS, query_deadline_seconds=1.0)
    with Database(tmp_path, clock=clock, settings=settings) as database:
        # Nothing is sealed, so that there are many parts, and always the same.
        database._writer.on_sealing_due = lambda: None
        collection = database.create_collection("c", dim=2, metric="l2", window_size="1s")
        for number in range(PARTS):
            collection.ingest(batch_of(ROWS, first=ROWS * number))
        app = create_app(database, clock=clock)
        with httpx.Client(transport=AppTransport(app), base_url=URL) as client:
            made = Slow(database, clock, client)
            for name in ("select", "times", "scan_vectors", "vectors", "rows_of", "entities"):
                monkeypatch.setattr(HotSlice, name, _slowed(made, getattr(HotSlice, name)))
            yield made


def _slowed(slow: Slow, method: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any) -> Any:
        slow.look()
        return method(*args)

    return wrapper


@pytest.mark.parametrize("name", READS)
def test_a_read_stops_soon_after_its_deadline(slow, refused, name):
    slow.is_slow, begun = True, slow.clock.now
    body = refused(reply := slow.ask(name), 503, "deadline_exceeded")
    assert SECOND <= slow.clock.now - begun <= 2 * SECOND
    assert "within the 1 s" in body["message"]
    assert body["retryable"]
    assert int(reply.headers["retry-after"]) >= 1
    slow.is_slow = False
    assert slow.ask(name).status_code == 200


def test_a_request_may_ask_for_less_time_and_not_for_more(slow, refused):
    slow.is_slow, begun = True, slow.clock.now
    body = refused(slow.ask("stats", **{"x-deadline-ms": "200"}), 503, "deadline_exceeded")
    assert "within the 0.2 s" in body["message"]
    assert slow.clock.now - begun <= SECOND
    body = refused(slow.ask("stats", **{"x-deadline-ms": "900000"}), 503, "deadline_exceeded")
    assert "within the 1 s" in body["message"]


@pytest.mark.parametrize("text", ["0", "-1", "1.5", "", "soon", "1" * 10, "٣"])
def test_a_deadline_is_milliseconds(slow, refused, text):
    reply = slow.client.get(f"{C}/stats", headers={"x-deadline-ms": text.encode()})
    body = refused(reply, 400, "invalid_request")
    assert body["details"][0]["field"] == "X-Deadline-Ms"


def test_a_delete_that_is_given_up_deletes_nothing(slow, refused):
    slow.is_slow = True
    selector = {"filter": {"a": {"$exists": False}}, "entity_ids": ["e1", "e2"]}
    before = slow.database.get_collection("c").seq
    refused(slow.client.post(f"{C}/points/delete", json=selector), 503, "deadline_exceeded")
    assert slow.database.get_collection("c").seq == before


def test_an_embedded_caller_sets_its_own_deadline(slow):
    collection: Collection = slow.database.collection("c")
    slow.is_slow = True
    assert collection.temporal_knn([0.0, 1.0], k=3).returned == 3
    with pytest.raises(DeadlineExceededError, match="within the 2 s"):
        collection.within(2).temporal_knn([0.0, 1.0], k=3)
    with pytest.raises(DeadlineExceededError):
        collection.within(2).entities.list_entities()


def test_health_is_told_in_any_case(slow):
    slow.is_slow = True
    assert slow.client.get("/health", headers={"x-deadline-ms": "1"}).status_code == 200
