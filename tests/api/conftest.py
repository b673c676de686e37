"""The application in this process, and what is asked of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from starlette.applications import Starlette

from tsvec.engine.database import Database
from tsvec.server.app import create_app

ROOT = Path(__file__).parents[2]
URL = "http://tsvec"
KATRINA = {
    "entity_id": "AL122005",
    "entity_type": "hurricane",
    "timestamp": "2005-08-28T18:00:00Z",
    "vector": [26.3, -88.6, 150, 902],
    "metadata": {"name": "KATRINA"},
}
WILMA = {
    "entity_id": "AL252005",
    "entity_type": "hurricane",
    "timestamp": "2005-10-19T12:00:00Z",
    "vector": [17.3, -82.8, 160, 882],
    "metadata": {"name": "WILMA"},
}


class AppTransport(httpx.BaseTransport):
    """Calls an ASGI application where a network would be, paths as they are written."""

    def __init__(self, app: Starlette) -> None:
        self._asgi = httpx.ASGITransport(app)
        self._runner = asyncio.Runner()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._runner.run(self._answer(request))

    def close(self) -> None:
        self._runner.close()

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        reply = await self._asgi.handle_async_request(request)
        return httpx.Response(reply.status_code, headers=reply.headers, content=await reply.aread())


Serving = Callable[[Path], AbstractContextManager[httpx.Client]]


@pytest.fixture(scope="session")
def serving() -> Serving:
    """Gives a client of the application over a database in a directory."""

    @contextmanager
    def serve(directory: Path) -> Iterator[httpx.Client]:
        with (
            Database(directory) as database,
            httpx.Client(transport=AppTransport(create_app(database)), base_url=URL) as client,
        ):
            yield client

    return serve


@pytest.fixture(scope="module")
def module_client(tmp_path_factory: pytest.TempPathFactory, serving: Serving) -> Iterator[Any]:
    """A client shared by the tests of a module, for requests that change nothing."""
    with serving(tmp_path_factory.mktemp("api") / "data") as client:
        yield client


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database(tmp_path / "data") as database:
        yield database


@pytest.fixture
def app(database: Database) -> Starlette:
    return create_app(database)


@pytest.fixture
def client(app: Starlette) -> Iterator[httpx.Client]:
    with httpx.Client(transport=AppTransport(app), base_url=URL) as client:
        yield client


@pytest.fixture
def storms(client: httpx.Client) -> str:
    """The path of a collection with two points in it."""
    config = {"name": "storms", "dim": 4, "metric": "l2", "window_size": "365d"}
    assert client.post("/v1/collections", json=config).status_code == 201
    path = "/v1/collections/storms"
    assert client.post(f"{path}/points", json={"points": [KATRINA, WILMA]}).status_code == 200
    return path


@pytest.fixture(scope="session")
def spec() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "openapi" / "tsvec.yaml").read_text())


@pytest.fixture(scope="session")
def refused() -> Callable[[httpx.Response, int, str], dict[str, Any]]:
    """Checks an error reply against what every error has, and gives its body."""

    def check(reply: httpx.Response, status: int, code: str) -> dict[str, Any]:
        assert reply.headers["content-type"] == "application/problem+json", reply.text
        body = reply.json()
        assert (reply.status_code, body["status"], body["code"]) == (status, status, code), body
        assert set(body) == {
            "type",
            "title",
            "status",
            "code",
            "message",
            "request_id",
            "retryable",
            "details",
        }
        assert body["type"] == f"urn:tsvec:error:{code}"
        assert body["request_id"] == reply.headers["x-request-id"]
        assert body["message"]
        return body

    return check


@pytest.fixture
def points_of() -> Callable[[httpx.Client, str], int]:
    """How many points a collection holds."""
    return lambda client, path: client.get(f"{path}/stats").json()["points"]
