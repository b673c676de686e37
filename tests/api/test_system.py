"""Health, metrics, errors of routing, and request ids."""

from __future__ import annotations

import pytest

from tsvec.engine.database import Database
from tsvec.model.limits import LIMITS

SYSTEM = ["/health", "/ready", "/metrics", "/openapi.json", "/v1/info"]


def test_a_sound_database_is_healthy_and_ready(client):
    assert client.get("/health").json() == {"status": "ok", "problems": []}
    assert client.get("/ready").json() == {"ready": True}


def test_a_closed_database_is_not_ready(client, database: Database, refused):
    database.close()
    reply = client.get("/ready")
    body = refused(reply, 503, "unavailable")
    assert body["retryable"]
    assert reply.headers["retry-after"] == "1"


def test_metrics_are_text_for_prometheus(client, storms):
    reply = client.get("/metrics")
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'collection="storms"' in reply.text


def test_info_tells_the_limits_in_force(client):
    assert client.get("/v1/info").json()["limits"] == LIMITS.model_dump()


@pytest.mark.parametrize("path", SYSTEM)
def test_a_query_parameter_nobody_knows_is_refused(client, refused, path):
    body = refused(client.get(f"{path}?verbose=1"), 400, "invalid_request")
    assert body["details"][0]["field"] == "verbose"


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/collections/", "/health/", "//health", "/v2/info"]
)
def test_a_route_that_does_not_exist(client, refused, path):
    refused(client.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/health", "GET, HEAD"),
        ("PUT", "/v1/collections", "GET, HEAD, POST"),
        ("POST", "/v1/collections/storms", "DELETE, GET, HEAD, PATCH"),
        ("PUT", "/v1/collections/storms/points", "GET, HEAD, POST"),
        ("POST", "/v1/collections/storms/points/a/2020-01-01T00:00:00Z", "GET, HEAD, PATCH"),
        ("OPTIONS", "/v1/info", "GET, HEAD"),
    ],
)
def test_a_method_that_is_not_allowed(client, refused, method, path, allowed):
    reply = client.request(method, path)
    refused(reply, 405, "method_not_allowed")
    assert reply.headers["allow"] == allowed


def test_head_is_get_without_a_body(client):
    assert client.head("/health").status_code == 200


@pytest.mark.parametrize("given", ["7c0e4d1f9a2b", "a b~!", "x" * 128])
def test_a_request_id_is_echoed(client, given):
    assert client.get("/health", headers={"X-Request-Id": given}).headers["x-request-id"] == given
    assert client.get("/nope", headers={"X-Request-Id": given}).json()["request_id"] == given


@pytest.mark.parametrize("given", [b"", b"x" * 129, b"caf\xe9", b"a\tb"])
def test_a_request_id_that_is_not_sane_is_replaced(client, given):
    made = client.get("/health", headers={b"X-Request-Id": given}).headers["x-request-id"]
    assert 1 <= len(made) <= 128
    assert made.isascii()
    assert made.encode() != given


def test_request_ids_are_made_unique(client):
    made = {client.get("/health").headers["x-request-id"] for _ in range(50)}
    assert len(made) == 50


def test_a_fault_is_a_500_that_tells_nothing_of_the_inside(
    client, database, refused, monkeypatch, caplog
):
    def fail(_tenant: str) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(database, "get_health", fail)
    reply = client.get("/health", headers={"X-Request-Id": "find-me"})
    refused(reply, 500, "internal")
    assert "secret" not in reply.text
    assert "RuntimeError" not in reply.text
    assert "find-me" in caplog.text
    assert "secret detail" in caplog.text
