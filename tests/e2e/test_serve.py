"""`tsvec serve` as a process: it answers, stops when told to, shares its directory with none."""

from __future__ import annotations

import signal

import httpx
import pytest

from tsvec.cli.remote.database import RemoteDatabase

SECONDS_MAX = 60


def url_of(process):
    """The URL at the end of the first line a server prints."""
    return process.stdout.readline().split()[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_answers_and_stops_when_told_to(started, tmp_path, number):
    with started("serve", "--data", tmp_path / "db", "--port", "0") as server:
        reply = httpx.get(f"{url_of(server)}/health", trust_env=False, timeout=SECONDS_MAX)
        assert reply.json()["status"] == "ok"
        server.send_signal(number)
        out, err = server.communicate(timeout=SECONDS_MAX)
        assert (server.returncode, out, err) == (0, "stopped\n", "")


def test_what_a_stopped_server_was_told_is_there_when_it_starts_again(started, tmp_path):
    for count in (1, 2):
        with started("serve", "--data", tmp_path / "db", "--port", "0") as server:
            url = url_of(server)
            points = {"points": [{"entity_id": "a", "vector": [1.0, 2.0]}]}
            posted = httpx.post(
                f"{url}/v1/collections/default/points",
                json=points,
                trust_env=False,
                timeout=SECONDS_MAX,
            )
            assert posted.status_code == 200
            with RemoteDatabase(url) as database:
                assert database.collection().get_collection_stats().points == count
            server.terminate()
            assert server.wait(timeout=SECONDS_MAX) == 0


def test_a_second_server_of_a_directory_fails_at_once(started, tsvec, tmp_path):
    with started("serve", "--data", tmp_path / "db", "--port", "0") as server:
        url_of(server)
        second = tsvec("serve", "--data", tmp_path / "db", "--port", "0")
        assert (second.returncode, second.stdout) == (1, "")
        assert second.stderr.startswith("error: ")
        assert second.stderr.count("\n") == 1


def test_a_taken_port_fails_at_once(started, tsvec, tmp_path):
    with started("serve", "--data", tmp_path / "one", "--port", "0") as server:
        port = url_of(server).rpartition(":")[2]
        second = tsvec("serve", "--data", tmp_path / "two", "--port", port)
        assert second.returncode == 1
        assert second.stderr.startswith(f"error: cannot listen on 127.0.0.1:{port}: ")
        assert second.stderr.count("\n") == 1
