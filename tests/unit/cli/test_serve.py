from __future__ import annotations

import socket
import subprocess
import sys
import threading

import httpx
import pytest
import uvicorn

from tsvec.cli.serve import listen, running, url_of
from tsvec.model.errors import ConflictError


def test_a_taken_port_is_told_at_once():
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(ConflictError, match=f"127.0.0.1:{port}: .*in use; --port 0"):
            listen("127.0.0.1", port)


def test_a_host_that_is_none_is_told():
    with pytest.raises(ConflictError, match=r"cannot listen on 192\.0\.2\.1:0"):
        listen("192.0.2.1", 0)


def test_the_url_names_the_port_that_was_free():
    with listen("127.0.0.1", 0) as listener:
        assert url_of(listener) == f"http://127.0.0.1:{listener.getsockname()[1]}"
    with listen("localhost", 0) as listener:
        assert url_of(listener).startswith("http://127.0.0.1:")
    with listen("0.0.0.0", 0) as listener:
        assert url_of(listener).startswith("http://0.0.0.0:")


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="this machine has no IPv6")
def test_an_ipv6_address_is_bracketed():
    with listen("::1", 0) as listener:
        assert url_of(listener).startswith("http://[::1]:")


def test_a_server_runs_as_long_as_its_block():
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="warning"))
    with running(server, listen("127.0.0.1", 0)) as url:
        assert httpx.get(url, trust_env=False, timeout=60).status_code == 204
        names = [thread.name for thread in threading.enumerate()]
        assert "tsvec-server" in names
    assert "tsvec-server" not in [thread.name for thread in threading.enumerate()]
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


def test_as_many_files_may_be_open_as_the_system_allows():
    code = (
        "import resource; from tsvec.cli.serve import allow_many_files;"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1];"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard)); allow_many_files();"
        "assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
