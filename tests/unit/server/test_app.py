"""The application as it is put together."""

from __future__ import annotations

import asyncio

from tsvec.engine.database import Database
from tsvec.server.app import create_app


def test_it_starts_and_stops_and_leaves_the_database_open(tmp_path):
    with Database(tmp_path / "data") as database:
        app = create_app(database)

        async def live() -> int:
            async with app.router.lifespan_context(app):
                return await app.state.services.run(sum, [1, 2])

        assert asyncio.run(live()) == 3
        assert database.get_ready().ready


class Clock:
    def now_us(self) -> int:
        return 255

    def elapsed_us(self) -> int:
        return 0

    def new_history(self) -> int:
        return 1

    def new_directory(self) -> str:
        return "directory"


def test_ids_of_requests_begin_with_the_time(tmp_path):
    sent = []

    async def send(message) -> None:
        sent.append(message)

    with Database(tmp_path / "data") as database:
        scope = {"type": "http", "method": "GET", "path": "/ready", "query_string": b""}
        app = create_app(database, clock=Clock())
        asyncio.run(app(scope | {"headers": []}, None, send))
    assert (b"x-request-id", b"ff-1") in sent[0]["headers"]
