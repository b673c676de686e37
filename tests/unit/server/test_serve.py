"""The server as it is built: who may reach it, and how it shares its syncs."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from tsvec.engine.database import Database
from tsvec.model.errors import InvalidRequestError
from tsvec.server.serve import build_server

ROW = b'{"points":[{"entity_id":"e","vector":[1,2]}]}'


def test_a_connection_serves_many_requests(address, patience):
    with httpx.Client(base_url=f"http://127.0.0.1:{address[1]}", trust_env=False) as client:
        for _ in range(5):
            assert client.get("/health").status_code == 200
            time.sleep(patience / 3)


def test_writers_at_the_same_time_share_their_syncs(address):
    url = f"http://127.0.0.1:{address[1]}"

    def syncs(client: httpx.Client) -> float:
        lines = client.get("/metrics").text.splitlines()
        found = [line for line in lines if line.startswith('tsvec_log_syncs_total{collection="c"}')]
        return float(found[0].split()[-1])

    def write(_: int) -> None:
        with httpx.Client(base_url=url, trust_env=False) as client:
            for _ in range(20):
                reply = client.post(
                    "/v1/collections/c/points",
                    content=ROW,
                    headers={"content-type": "application/json"},
                )
                assert reply.status_code == 200

    with httpx.Client(base_url=url, trust_env=False) as client:
        before = syncs(client)
        with ThreadPoolExecutor(32) as threads:
            list(threads.map(write, range(32)))
        rows, used = 32 * 20, syncs(client) - before
        assert client.get("/v1/collections/c").json()["seq"] == rows
    assert 0 < used <= rows / 2


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.5", "example.org", "127.0.0.1.x"])
def test_a_host_that_others_can_reach_is_refused(tmp_path, host):
    with Database(tmp_path / "data") as database:
        with pytest.raises(InvalidRequestError, match="no access keys"):
            build_server(database, host)
        build_server(database, host, allow_open_network=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_this_machine_may_be_served(tmp_path, host):
    with Database(tmp_path / "data") as database:
        assert build_server(database, host).config.host == host
