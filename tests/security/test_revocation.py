"""A key that was revoked is refused by the next request, and after every kind of crash."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.client import HTTPConnection

import pytest

from tests.unit.engine.rig import open_database
from tsvec.engine.database import Database
from tsvec.server.serve import build_server

STOP_SECONDS_MAX = 30.0
KILLED = 137


@pytest.fixture
def database(tmp_path) -> Iterator[Database]:
    with Database(tmp_path / "data") as database:
        yield database


@pytest.fixture
def connection(database) -> Iterator[HTTPConnection]:
    """A connection to a server that takes no request without a key."""
    database.admin.create_key("another")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = build_server(database)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        connection = HTTPConnection(*listener.getsockname(), timeout=STOP_SECONDS_MAX)
        try:
            yield connection
        finally:
            connection.close()
            server.should_exit = True
            thread.join(STOP_SECONDS_MAX)


def status(connection: HTTPConnection, secret: str, method: str = "GET", path: str = "/v1/info"):
    connection.request(method, path, headers={"authorization": f"Bearer {secret}"})
    reply = connection.getresponse()
    reply.read()
    return reply.status


def test_it_is_refused_by_the_next_request_of_an_open_connection(database, connection):
    key = database.admin.create_key("device")
    assert status(connection, key.secret) == 200
    before = connection.sock
    database.admin.revoke_key(key.id)
    assert status(connection, key.secret) == 401
    assert connection.sock is before, "the same connection, kept alive"


def test_a_key_may_end_itself(database, connection):
    key = database.admin.create_key("leaver", scopes=["admin"])
    assert status(connection, key.secret, "DELETE", f"/v1/keys/{key.id}") == 200
    assert status(connection, key.secret) == 401


@pytest.mark.crash
@pytest.mark.parametrize("step", ["before", "after"])
def test_a_crash_leaves_the_keys_whole(tsvec, environment, tmp_path, step):
    made = json.loads(tsvec("keys", "create", "first", "--json").stdout)
    file = tmp_path / "tsvec-data" / "keys.json"
    environment["TSVEC_FAILPOINTS"] = f"keys.{step}_rename=exit"
    before = file.read_bytes()
    is_done = step == "after"

    assert tsvec("keys", "create", "second").returncode == KILLED
    assert (file.read_bytes() != before) == is_done
    with open_database(tmp_path / "tsvec-data") as database:
        names = [key.name for key in database.admin.list_keys().items]
        assert names == ["first", "second"][: 1 + is_done]
        assert database.keys.authenticate(made["secret"]).key_id == made["id"]
        assert not file.with_suffix(".tmp").exists()

    assert tsvec("keys", "revoke", made["id"]).returncode == KILLED
    with open_database(tmp_path / "tsvec-data") as database:
        [first, *_] = database.admin.list_keys().items
        assert (first.revoked_at is not None) == is_done
        assert file.stat().st_mode & 0o777 == 0o600
