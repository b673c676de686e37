"""A request that is sent again, whole and with its idempotency key, has no second effect."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import httpx
import orjson
import pytest

from sdk_gen.spec import load
from tests.api.conftest import KATRINA, ROOT, URL

API = load(ROOT / "openapi" / "tsvec.yaml")
KEYED = {
    operation.id
    for operation in API.operations
    if any(field.name == "Idempotency-Key" for field in operation.parameters)
}
READS = {
    "temporal_knn",
    "temporal_knn_batch",
    "temporal_knn_walk",
    "temporal_range",
    "temporal_diff",
}
NEED_NO_KEY = {"revoke_key": "a key that is revoked stays so"}

C = "/v1/collections/storms"
POINT = f"{C}/points/AL122005/2005-08-28T18:00:00Z"
RITA = KATRINA | {"entity_id": "AL182005", "metadata": {"name": "RITA", "big": 1e300, "é": -0.0}}
REQUESTS: dict[str, tuple[str, str, Any]] = {
    "create_collection": ("POST", "/v1/collections", {"name": "other", "dim": 3}),
    "update_collection": ("PATCH", C, {"window_size": "30d"}),
    "delete_collection": ("DELETE", C, None),
    "compact": ("POST", f"{C}/compact", None),
    "ingest": ("POST", f"{C}/points", {"points": [RITA, KATRINA]}),
    "update_point": ("PATCH", POINT, {"metadata": {"name": None, "wind": 1.5, "é": 2**53 + 1}}),
    "delete_points": ("POST", f"{C}/points/delete", {"entity_ids": ["AL122005"]}),
    "restore_points": ("POST", f"{C}/points/restore", {"entity_ids": ["AL122005"]}),
    "delete_entity": ("DELETE", f"{C}/entities/AL122005", None),
    "set_entity_attributes": ("PUT", f"{C}/entities/AL122005/attributes", {"a": [1, 1e-7]}),
    "merge_entity_attributes": ("PATCH", f"{C}/entities/AL122005/attributes", {"b": "ü"}),
    "create_key": ("POST", "/v1/keys", {"name": "ours", "scopes": ["admin", "read", "write"]}),
}
COUNT = 100
EACH = pytest.mark.parametrize("operation", sorted(REQUESTS.keys() - {"create_key"}))


def ask(client: httpx.Client, operation: str, key: str | None = "k", **change: Any):
    method, path, body = REQUESTS[operation]
    headers = {} if key is None else {"Idempotency-Key": key}
    options = {"headers": headers, "json": body} | change
    if options["json"] is None:
        del options["json"]
    return client.request(method, path, **options)


def state(client: httpx.Client) -> list[tuple[str, int]]:
    items = client.get("/v1/collections").json()["items"]
    return [(info["name"], info["seq"]) for info in items]


def test_every_change_takes_a_key():
    changes = {each.id for each in API.operations if each.method.upper() != "GET"} - READS
    assert changes - KEYED == NEED_NO_KEY.keys()
    assert changes >= KEYED
    assert REQUESTS.keys() == KEYED


def test_what_is_kept_is_told_in_the_description(spec):
    for item in spec["paths"].values():
        for node in item.values():
            if isinstance(node, dict) and node["operationId"] in KEYED - {"create_key"}:
                (reply,) = (one for code, one in node["responses"].items() if code[0] == "2")
                assert "Idempotent-Replayed" in reply["headers"]
                assert "422" in node["responses"]


@EACH
def test_it_is_answered_as_the_first_time(client, storms, operation):
    first = ask(client, operation)
    assert first.is_success, first.text
    assert "idempotent-replayed" not in first.headers
    after = state(client)
    for _ in range(2):
        again = ask(client, operation)
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again.headers.get("content-type") == first.headers.get("content-type")
        assert again.headers["idempotent-replayed"] == "true"
    assert state(client) == after


@EACH
def test_it_is_answered_so_after_a_restart(tmp_path, serving, operation):
    with serving(tmp_path / "db") as client:
        client.post("/v1/collections", json={"name": "storms", "dim": 4, "metric": "l2"})
        client.post(f"{C}/points", json={"points": [KATRINA]})
        first = ask(client, operation)
        after = state(client)
    with serving(tmp_path / "db") as client:
        again = ask(client, operation)
        assert (again.status_code, again.content) == (first.status_code, first.content)
        assert again.headers["idempotent-replayed"] == "true"
        assert state(client) == after


@EACH
def test_another_request_with_its_key_is_refused(client, storms, refused, operation):
    assert ask(client, operation).is_success
    after = state(client)
    if operation in ("create_collection", "delete_collection"):
        other = "delete_collection" if operation == "create_collection" else "create_collection"
    else:
        other = "compact" if operation != "compact" else "delete_entity"
    refused(ask(client, other), 422, "idempotency_mismatch")
    if REQUESTS[operation][2] is not None:
        changed = REQUESTS[operation][2] | {OTHER[operation][0]: OTHER[operation][1]}
        body = refused(ask(client, operation, json=changed), 422, "idempotency_mismatch")
        assert not body["retryable"]
    assert state(client) == after


OTHER: dict[str, tuple[str, Any]] = {
    "create_collection": ("dim", 4),
    "update_collection": ("window_size", "31d"),
    "ingest": ("on_error", "skip_row"),
    "update_point": ("metadata", {}),
    "delete_points": ("entity_ids", ["other"]),
    "restore_points": ("entity_ids", ["other"]),
    "set_entity_attributes": ("a", 2),
    "merge_entity_attributes": ("b", 2),
}


@EACH
@pytest.mark.parametrize("key", ["", "k" * 256, "a b", "ä".encode(), "\x7f"])
def test_what_is_no_key_is_refused_and_does_nothing(client, storms, refused, operation, key):
    before = state(client)
    body = refused(ask(client, operation, key=key), 400, "invalid_request")
    assert body["details"][0]["field"] == "Idempotency-Key"
    assert state(client) == before


def test_both_headers_mean_the_same_and_must_agree(client, storms, refused):
    first = ask(client, "ingest", None, headers={"x-idempotency-key": "k"})
    assert first.content == ask(client, "ingest").content
    both = {"Idempotency-Key": "k", "X-Idempotency-Key": "k"}
    assert ask(client, "ingest", None, headers=both).content == first.content
    both["X-Idempotency-Key"] = "other"
    body = refused(ask(client, "ingest", None, headers=both), 400, "invalid_request")
    assert "twice" in body["message"]


def test_reads_ignore_it(client, storms):
    question = {"query_vector": [0, 0, 0, 0], "k": 1}
    for key in ("k", "k" * 256):
        reply = client.post(
            f"{C}/query/temporal-knn", json=question, headers={"Idempotency-Key": key}
        )
        assert reply.status_code == 200
        assert client.get(C, headers={"Idempotency-Key": key}).status_code == 200


@pytest.mark.parametrize(
    ("operation", "body", "status"),
    [
        ("ingest", {"points": [KATRINA | {"vector": [1]}]}, 400),
        ("ingest", {"points": [KATRINA], "on_conflict": "error"}, 200),
        ("ingest", {"points": [KATRINA | {"vector": [1, 2, 3, 4]}], "on_conflict": "error"}, 409),
        ("create_collection", {"name": "storms", "dim": 3}, 409),
        ("update_collection", {"space": 3}, 400),
    ],
)
def test_errors_leave_no_trace_and_their_key_can_be_used_again(
    client, storms, operation, body, status
):
    before = state(client)
    assert ask(client, operation, json=body).status_code == status
    assert state(client) == before
    if status != 200:
        reply = ask(client, operation)
        assert reply.is_success
        assert "idempotent-replayed" not in reply.headers


def test_a_dry_run_is_no_change(client, storms):
    for _ in range(2):
        reply = ask(client, "delete_points", json={"entity_ids": ["AL122005"], "dry_run": True})
        assert reply.json()["deleted"] == 1
        assert "idempotent-replayed" not in reply.headers
    assert ask(client, "delete_points").json() == ask(client, "delete_points").json()


def test_keys_of_different_collections_are_different(client, storms):
    assert client.post("/v1/collections", json={"name": "other", "dim": 4}).status_code == 201
    path = "/v1/collections/other/points"
    headers = {"Idempotency-Key": "k"}
    assert ask(client, "ingest").json()["ingested"] == 1
    reply = client.post(path, json={"points": [RITA, KATRINA]}, headers=headers)
    assert reply.json()["ingested"] == 2


def test_a_compressed_body_says_the_same_as_a_plain_one(client, storms):
    body = orjson.dumps(REQUESTS["ingest"][2])
    headers = {"Idempotency-Key": "k", "content-type": "application/json"}
    first = client.post(f"{C}/points", content=body, headers=headers)
    headers["content-encoding"] = "gzip"
    again = client.post(f"{C}/points", content=gzip.compress(body), headers=headers)
    assert again.content == first.content
    assert again.headers["idempotent-replayed"] == "true"


@pytest.mark.parametrize(
    "operation", ["ingest", "delete_points", "compact", "create_collection", "delete_collection"]
)
def test_many_at_once_have_one_effect(app, client, storms, operation):
    before = dict(state(client))
    method, path, body = REQUESTS[operation]

    async def storm() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url=URL) as many:
            options: dict[str, Any] = {} if body is None else {"json": body}
            asked = (
                many.request(method, path, headers={"Idempotency-Key": "k"}, **options)
                for _ in range(COUNT)
            )
            return await asyncio.gather(*asked)

    replies = asyncio.run(storm())
    done = [reply for reply in replies if reply.is_success]
    assert done
    assert len({(reply.status_code, reply.content) for reply in done}) == 1
    assert {reply.status_code for reply in replies if reply not in done} <= {409, 503}
    assert ask(client, operation).content == done[0].content
    if operation == "ingest":
        assert dict(state(client))["storms"] == before["storms"] + 1


def test_a_secret_is_shown_once(client, refused):
    made = ask(client, "create_key")
    assert made.status_code == 201
    client.headers["authorization"] = f"Bearer {made.json()['secret']}"
    body = refused(ask(client, "create_key"), 409, "conflict")
    assert made.json()["id"] in body["message"]
    changed = REQUESTS["create_key"][2] | {"name": "theirs"}
    refused(ask(client, "create_key", json=changed), 422, "idempotency_mismatch")
    assert len(client.get("/v1/keys").json()["items"]) == 1
