"""What a request passes before it is read."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tsvec.model.access.caller import Caller
from tsvec.model.errors import InvalidRequestError, UnavailableError
from tsvec.model.limits import LIMITS, WIDEST, Limits, limits
from tsvec.model.settings import Settings
from tsvec.server.load.gate import Load, LoadMiddleware


def scope_of(path: str = "/v1/info", **more: Any) -> dict[str, Any]:
    caller = Caller(tenant="acme", key_id="key_1")
    common = {"type": "http", "path": path, "headers": [], "request_id": "id", "client": ("a", 1)}
    return common | {"caller": caller} | more


def load_of(**settings: Any) -> Load:
    return Load(Settings(**settings), lambda: 5_000_000)


def serve(load: Load, scope: dict[str, Any], app: Any = None) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def answer(_scope: object, _receive: object, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(LoadMiddleware(app or answer, load)(scope, None, send))
    return sent


def test_a_request_gets_a_deadline_and_is_read_under_the_limits():
    seen = []

    async def app(scope: dict[str, Any], *_: object) -> None:
        scope["inflight"].hold(10)
        seen.append((limits(), scope["deadline"].end_us, load.inflight.held))

    load = load_of(limits=Limits(k_max=5), query_deadline_seconds=2)
    serve(load, scope_of(), app)
    assert seen == [(Limits(k_max=5), 7_000_000, 10)]
    assert (load.inflight.held, limits()) == (0, WIDEST)


def test_memory_is_given_back_by_requests_that_fail():
    async def app(scope: dict[str, Any], *_: object) -> None:
        scope["inflight"].hold(10)
        raise ZeroDivisionError

    load = load_of()
    with pytest.raises(ZeroDivisionError):
        serve(load, scope_of(), app)
    assert load.inflight.held == 0


def test_a_shorter_deadline_is_kept_a_longer_one_is_not():
    load = load_of(query_deadline_seconds=2)
    for given, end in ((b"1", 5_001_000), (b"500", 5_500_000), (b"9000", 7_000_000)):
        scope = scope_of(headers=[(b"x-deadline-ms", given)])
        load.admit(scope)
        assert scope["deadline"].end_us == end
    with pytest.raises(InvalidRequestError, match="milliseconds"):
        load.admit(scope_of(headers=[(b"x-deadline-ms", b"0")]))


def test_too_many_connections_are_told_to_go():
    load = load_of(connections_max=3)
    with pytest.raises(UnavailableError, match="3 connections"):
        load.admit(scope_of(is_overloaded=True))
    start = serve(load, scope_of(is_overloaded=True))[0]
    headers = dict(start["headers"])
    assert (start["status"], headers[b"connection"]) == (503, b"close")
    assert int(headers[b"retry-after"]) >= 1
    assert serve(load, scope_of("/health", is_overloaded=True))[0]["status"] == 200


def test_requests_are_counted_by_tenant():
    load = load_of(rate_requests_per_second=1)
    for _ in range(3):
        serve(load, scope_of())
    serve(load, scope_of(caller=None))
    assert load.counts_of("acme") == {"requests": 3, "refused": 2}
    assert load.counts_of("default") == {"requests": 0, "refused": 0}


def test_names_that_are_made_up_take_no_memory():
    load = Load(Settings(limits=Limits(tenants_max=3)), lambda: 0)
    for number in range(50):
        load.requests[load.counted_as(Caller(f"t{number}"))] += 1
    load.requests[load.counted_as(Caller("t1"))] += 1
    assert len(load.requests) <= 4
    assert load.counts_of("t1") == {"requests": 2, "refused": 0}
    assert load.requests[None] == 47


def test_other_protocols_pass():
    assert serve(load_of(), {"type": "lifespan"})[0]["status"] == 200
    assert LIMITS != WIDEST
