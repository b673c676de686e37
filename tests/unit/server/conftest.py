"""A server on a socket of this machine."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from tsvec.engine.database import Database
from tsvec.server.protocol import PatientProtocol
from tsvec.server.serve import build_server

PATIENCE_SECONDS = 0.4
STOP_SECONDS_MAX = 10.0


@pytest.fixture
def patience(monkeypatch) -> float:
    """Seconds that a client has for a request."""
    monkeypatch.setattr(PatientProtocol, "deadline_seconds", PATIENCE_SECONDS)
    return PATIENCE_SECONDS


@pytest.fixture
def address(tmp_path, patience) -> Iterator[tuple[str, int]]:
    """Where a server with the collection `c` listens."""
    with (
        Database(tmp_path / "data") as database,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        database.create_collection("c", dim=2, metric="l2")
        server = build_server(database)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            server.should_exit = True
            thread.join(STOP_SECONDS_MAX)
            assert not thread.is_alive()
