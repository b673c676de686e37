"""What is too much is refused at once, and the engine never hears of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from functools import partialmethod
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from tests.api.conftest import URL, AppTransport
from tests.unit.engine.rig import SECOND, ManualClock
from tsvec.engine.collection import Collection
from tsvec.engine.database import Database
from tsvec.model.limits import Limits
from tsvec.model.settings import Settings
from tsvec.server.app import create_app

WAIT_SECONDS = 20
C = "/v1/collections/c"
RANGE = {"query_vector": [0.0, 0.0], "radius": 1.0}
POINT = {"entity_id": "e", "vector": [0.0, 1.0]}
SETTINGS = Settings(
    query_threads=1,
    queries_waiting_max=1,
    inflight_bytes_max=1 << 20,
    limits=Limits(body_bytes_max=1 << 19, json_bytes_max=1 << 19),
)
Make = Callable[..., Starlette]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def serve(tmp_path, clock) -> Iterator[Make]:
    """Makes the application over a database with settings; both end with the test."""
    opened = []

    def make(settings: Settings = SETTINGS) -> Starlette:
        database = Database(tmp_path / "data", clock=clock, settings=settings)
        opened.append(database)
        database.create_collection("c", dim=2, metric="l2")
        return create_app(database, clock=clock)

    yield make
    for database in opened:
        database.close()


@asynccontextmanager
async def asking(app: Starlette) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL) as client:
        yield client


class Door:
    """A method of the engine that is slow: what it was asked, until it is opened."""

    def __init__(self, method: Callable[..., Any]) -> None:
        self.method, self.calls, self.opened = method, 0, threading.Event()

    def __call__(self, *args: Any) -> Any:
        self.calls += 1
        assert self.opened.wait(WAIT_SECONDS)
        return self.method(*args)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not holds():
            await asyncio.sleep(0.001)


def test_queries_behind_a_full_queue_are_shed_without_touching_the_engine(
    serve, monkeypatch, refused
):
    app = serve()
    door = Door(Collection.answer_range)
    monkeypatch.setattr(Collection, "answer_range", partialmethod(door))

    async def run() -> None:
        async with asking(app) as client:
            ask = f"{C}/query/temporal-range"
            held = [asyncio.create_task(client.post(ask, json=RANGE)) for _ in range(2)]
            await until(lambda: app.state.services._reads.taken == 2)
            for _ in range(5):
                reply = await client.post(ask, json=RANGE)
                body = refused(reply, 503, "unavailable")
                assert "queries_waiting_max" in body["message"]
                assert body["retryable"]
                assert int(reply.headers["retry-after"]) >= 1
            assert door.calls == 1
            # Others are not held up: who looks after the server, cheap questions, and writes.
            for path in ("/health", "/ready", C):
                assert (await client.get(path)).status_code == 200
            cheap = await client.post(f"{C}/query/temporal-knn", json={"query_vector": [0, 0]})
            assert cheap.status_code == 200
            assert (await client.post(f"{C}/points", json={"points": [POINT]})).status_code == 200
            deletion = await client.post(f"{C}/points/delete", json={"entity_ids": ["e"]})
            assert deletion.json()["deleted"] == 1
            door.opened.set()
            assert [(await each).status_code for each in held] == [200, 200]
            assert (await client.post(ask, json=RANGE)).status_code == 200

    asyncio.run(run())


class Sender:
    """One request as ASGI has it, whose body comes when the test says so."""

    def __init__(self, app: Starlette, size: int | None, path: str = f"{C}/points") -> None:
        headers = [(b"content-type", b"application/x-ndjson")]
        if size is not None:
            headers.append((b"content-length", str(size).encode()))
        self.scope = {
            "type": "http",
            "method": "POST",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": ("tsvec", 80),
            "scheme": "http",
            "root_path": "",
        }
        self.app, self.asked = app, 0
        self.body: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: list[dict[str, Any]] = []

    async def _receive(self) -> dict[str, Any]:
        self.asked += 1
        return await self.body.get()

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)

    def run(self) -> Awaitable[None]:
        return asyncio.create_task(self.app(self.scope, self._receive, self._send))

    def give(self, body: bytes, *, more: bool = False) -> None:
        self.body.put_nowait({"type": "http.request", "body": body, "more_body": more})

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None


def test_bodies_that_do_not_fit_are_shed_before_they_are_read(serve):
    app = serve()
    held = app.state.services.load.inflight

    async def run() -> None:
        line = b'{"entity_id":"e","vector":[0,1]}\n'
        first, second = Sender(app, 1 << 19), Sender(app, 1 << 19)
        running = [first.run(), second.run()]
        await until(lambda: held.held == 1 << 20)
        third = Sender(app, 100)
        await third.run()
        assert (third.status, third.asked) == (503, 0)
        headers = dict(third.sent[0]["headers"])
        assert int(headers[b"retry-after"]) >= 1
        assert b"inflight_bytes_max" in third.sent[1]["body"]
        first.give(line.ljust(1 << 19, b"\n"))
        await running[0]
        assert (first.status, held.held) == (200, 1 << 19)
        again = Sender(app, len(line))
        again.give(line)
        await again.run()
        assert again.status == 200
        second.body.put_nowait({"type": "http.disconnect"})
        await running[1]
        assert held.held == 0

    asyncio.run(run())


def test_a_body_of_no_stated_length_counts_as_it_comes(serve):
    app = serve()
    held = app.state.services.load.inflight

    async def run() -> None:
        first, second = Sender(app, 1 << 19), Sender(app, None)
        running = [first.run(), second.run()]
        second.give(b" " * 1_000, more=True)
        await until(lambda: held.held == (1 << 19) + 1_000)
        third = Sender(app, (1 << 19) - 1_000)
        waiting = third.run()
        await until(lambda: held.held == 1 << 20)
        second.give(b" ", more=True)
        await running[1]
        assert second.status == 503
        for sender in (first, third):
            sender.body.put_nowait({"type": "http.disconnect"})
        await asyncio.gather(running[0], waiting)
        assert held.held == 0

    asyncio.run(run())


@pytest.fixture
def ask(serve) -> Iterator[Callable[[Settings], httpx.Client]]:
    clients = []

    def make(settings: Settings) -> httpx.Client:
        clients.append(httpx.Client(transport=AppTransport(serve(settings)), base_url=URL))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def test_who_asks_too_often_is_told_when_to_come_again(ask, clock, refused):
    client = ask(Settings(rate_requests_per_second=0.5, rate_requests_burst=3))
    assert [client.get(C).status_code for _ in range(3)] == [200] * 3
    reply = client.get(C)
    assert "rate_requests_per_second" in refused(reply, 429, "rate_limited")["message"]
    seconds = int(reply.headers["retry-after"])
    assert seconds == 2
    clock.now += seconds * SECOND
    assert client.get(C).status_code == 200
    assert client.get(C).status_code == 429
    assert [client.get(path).status_code for path in ("/health", "/ready")] == [200, 200]


def test_who_sends_too_many_points_waits_and_stores_nothing(ask, clock, refused, points_of):
    client = ask(Settings(rate_rows_per_second=10))
    assert client.post(f"{C}/points", json={"points": [POINT] * 30}).status_code == 200
    reply = client.post(f"{C}/points", json={"points": [POINT | {"entity_id": "late"}]})
    assert "rate_rows_per_second" in refused(reply, 429, "rate_limited")["message"]
    assert points_of(client, C) == 1
    clock.now += int(reply.headers["retry-after"]) * SECOND
    assert client.post(f"{C}/points", json={"points": [POINT]}).status_code == 200


def test_each_key_has_its_own_rate(ask, clock):
    client = ask(Settings(rate_requests_per_second=1, rate_requests_burst=2))
    made = client.post("/v1/keys", json={"name": "a", "scopes": ["read", "admin"]})
    one = {"x-api-key": made.json()["secret"]}
    clock.now += SECOND
    made = client.post("/v1/keys", json={"name": "b", "scopes": ["read"]}, headers=one)
    other = {"x-api-key": made.json()["secret"]}
    assert [client.get(C, headers=one).status_code for _ in range(3)] == [200, 429, 429]
    assert [client.get(C, headers=other).status_code for _ in range(3)] == [200, 200, 429]


def test_what_was_asked_and_refused_is_counted(ask):
    client = ask(Settings(rate_requests_per_second=1, rate_requests_burst=3))
    statuses = [client.get(C).status_code for _ in range(2)]
    usage = client.get("/v1/usage").json()
    assert (usage["requests"], usage["refused"], statuses) == (3, 0, [200, 200])


def test_what_was_refused_is_counted(ask, clock):
    client = ask(Settings(rate_requests_per_second=1, rate_requests_burst=2))
    assert [client.get(C).status_code for _ in range(4)] == [200, 200, 429, 429]
    clock.now += SECOND
    usage = client.get("/v1/usage").json()
    assert (usage["requests"], usage["refused"]) == (5, 2)
