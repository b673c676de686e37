"""A server on a socket of this machine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from tsvec.engine.database import Database
from tsvec.model.limits import Limits
from tsvec.model.settings import Settings
from tsvec.server.serve import build_server
from tsvec.storage.files import Files

PATIENCE_SECONDS = 1
STOP_SECONDS_MAX = 30.0


@pytest.fixture
def patience() -> float:
    """Seconds that a client has for a request, few."""
    return PATIENCE_SECONDS


@pytest.fixture
def files() -> Files:
    """The files of the server's database, whose steps a test may hold."""
    return Files()


@pytest.fixture
def database(tmp_path, files, request) -> Iterator[Database]:
    """What the server serves: the collection `c`."""
    given = {"deadline_seconds": PATIENCE_SECONDS} if "patience" in request.fixturenames else {}
    settings = Settings(limits=Limits(**given))
    with Database(tmp_path / "data", files=files, settings=settings) as database:
        database.create_collection("c", dim=2, metric="l2")
        yield database


@pytest.fixture
def address(database) -> Iterator[tuple[str, int]]:
    """Where the server listens; it is as patient as ever, unless the test asks for `patience`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = build_server(database)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            server.should_exit = True
            thread.join(STOP_SECONDS_MAX)
            assert not thread.is_alive()
