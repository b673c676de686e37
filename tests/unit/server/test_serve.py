"""The server as it is built: who may reach it, and how it shares its syncs."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection

import httpx
import pytest

from tests.gates import Gate
from tests.unit.engine.rig import wait_until
from tsvec.engine.database import Database
from tsvec.model.errors import InvalidRequestError
from tsvec.server.serve import build_server

ROW = '{"points":[{"entity_id":"%s","vector":[1,2]}]}'


def test_a_connection_serves_many_requests(address, patience):
    """Each request has its time; what passes between them is nobody's delay."""
    connection = HTTPConnection(*address, timeout=20)
    for _ in range(2):
        connection.request("GET", "/health")
        socket = connection.sock
        reply = connection.getresponse()
        assert (reply.status, json.loads(reply.read())["status"]) == (200, "ok")
        assert connection.sock is socket
        time.sleep(1.2 * patience)
    connection.close()


def test_writers_at_the_same_time_share_their_syncs(address, database, files):
    url = f"http://127.0.0.1:{address[1]}"
    files.failpoints = gate = Gate("log.sync")

    def syncs(client: httpx.Client) -> float:
        lines = client.get("/metrics").text.splitlines()
        found = [line for line in lines if line.startswith('tsvec_log_syncs_total{collection="c",')]
        return float(found[0].split()[-1])

    def write(number: int) -> int:
        reply = httpx.post(
            f"{url}/v1/collections/c/points",
            content=ROW % number,  # one entity again at the same time would be one point
            headers={"content-type": "application/json"},
            timeout=60,
            trust_env=False,
        )
        assert reply.status_code == 200
        return reply.json()["seq"]

    with httpx.Client(base_url=url, trust_env=False, timeout=60) as client:
        with ThreadPoolExecutor(32) as threads:
            seqs = [threads.submit(write, 0)]
            with gate:
                assert syncs(client) == 1
                seqs += [threads.submit(write, n) for n in range(1, 32)]
                wait_until(lambda: len(database._writer._queue) == 31)
        assert sorted(seq.result() for seq in seqs) == list(range(1, 33))
        assert syncs(client) <= 3, "one for the first, one for all others, one for the watermark"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.5", "example.org", "127.0.0.1.x"])
def test_a_host_that_others_can_reach_is_refused_without_a_key(tmp_path, host):
    with Database(tmp_path / "data") as database:
        with pytest.raises(InvalidRequestError, match="can be reached from other machines"):
            build_server(database, host)
        database.admin.create_key("device")
        assert build_server(database, host).config.host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_this_machine_may_be_served(tmp_path, host):
    with Database(tmp_path / "data") as database:
        assert build_server(database, host).config.host == host
