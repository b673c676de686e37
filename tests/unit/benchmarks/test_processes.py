from __future__ import annotations

import httpx
import pytest

from benchmarks.load import write_bodies
from benchmarks.processes import serve


def test_a_load_is_answered_and_the_server_ends_with_its_block(tmp_path):
    write_bodies(tmp_path / "bodies", [b'{"number": 1}'] * 50)
    with serve(tmp_path / "data") as server:
        server.set_noop_reply(b"[]")
        assert server.post("/noop", b"{}").content == b"[]"
        load = server.load("/noop", tmp_path / "bodies", connections=4, warm_up=10)
        assert server.metric("tsvec_healthy") == 1
    assert load.requests == 40
    assert 0 < load.p50_ms <= load.p99_ms
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.1:{server.port}/health")
