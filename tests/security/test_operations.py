"""Every operation of the description, asked by everyone who might ask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from starlette.routing import Route

from tests.api.conftest import ROOT
from tests.security.world import API, EXAMPLES, OTHER, OWNER, RIVAL, STORMS, World, call_of
from tsvec.model.access.keys import SCOPES
from tsvec.server.access.scopes import needed_scopes

NEEDED = needed_scopes(yaml.safe_load((ROOT / "openapi" / "tsvec.yaml").read_text()))
OPEN = sorted(name for name, needed in NEEDED.items() if needed is None)
EACH = pytest.mark.parametrize("name", sorted(EXAMPLES))
EACH_CLOSED = pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - set(OPEN)))
VOLATILE = {"created_at", "history", "id", "secret", "recorded_at", "last_used_at", "created"}
READS = {name for name, needed in NEEDED.items() if needed in {None, (), ("read",)}}
READS |= {each.id for each in API.operations if each.method == "GET"}
PUBLIC = {"get_health", "get_ready", "get_openapi"}
TENANT_WIDE = {"create_key", "list_keys", "revoke_key"}
"""Refused to a key that is confined to some collections."""


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Iterator[World]:
    """Asked only what it refuses, so that it stays as it is."""
    with World(tmp_path_factory.mktemp("world") / "data") as world:
        before = state_of(world)
        yield world
        assert state_of(world) == before, "what was refused left a trace"


@pytest.fixture(scope="module")
def without_owner(tmp_path_factory) -> Iterator[World]:
    with World(tmp_path_factory.mktemp("empty") / "data", has_owner=False) as world:
        yield world


def state_of(world: World) -> Any:
    owner = world.database.tenant(OWNER)
    keys = [key.model_copy(update={"last_used_at": None}) for key in owner.admin.list_keys().items]
    return owner.list_collections(), keys


def outcome(reply) -> tuple[int, Any, dict[str, str]]:
    """Status, body and headers, less what differs from request to request."""
    headers = {
        name: value
        for name, value in reply.headers.items()
        if name not in {"x-request-id", "content-length"}
    }
    is_json = "json" in headers.get("content-type", "")
    return reply.status_code, masked(reply.json()) if is_json else reply.text, headers


def masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: "…" if name in VOLATILE | {"request_id"} else masked(item)
            for name, item in value.items()
        }
    return [masked(item) for item in value] if isinstance(value, list) else value


def call(name: str, world: World | None = None):
    key_id = (
        EXAMPLES["revoke_key"].parameter_examples["key_id"] if world is None else world.owner.id
    )
    return call_of(EXAMPLES[name], key_id=key_id)


def test_the_routes_are_those_described_each_behind_its_check(world):
    routes = [route for route in world.app.routes if isinstance(route, Route)]
    served = sorted((m, r.path, r.name) for r in routes for m in r.methods - {"HEAD"})
    assert served == sorted((each.method, each.path, each.id) for each in API.operations)
    assert sorted(r.name for r in routes if not hasattr(r.endpoint, "__wrapped__")) == OPEN


def test_what_is_open_to_all_is_what_was_meant_to_be():
    assert set(OPEN) == PUBLIC
    assert {name for name, needed in NEEDED.items() if needed == ()} == {"get_info"}
    assert all(
        NEEDED[each.id] != ("read",)
        for each in API.operations
        if each.method != "GET" and "/query/" not in each.path
    )


@EACH
def test_its_owner_may(world, name, tmp_path):
    """With the one scope that is needed, and of course with all of them."""
    documented = int(EXAMPLES[name].replies[0].status)
    needed = NEEDED[name] or ("read",)
    if name in READS:
        for key in (world.owner, world.of_scope[needed[0]]):
            assert world.send(call(name, world), key).status_code == documented
        return
    with World(tmp_path / "data") as fresh:
        if name == "create_collection":
            fresh.database.tenant(OWNER).delete_collection(STORMS)
        reply = fresh.send(call(name, fresh), fresh.of_scope[needed[0]])
        assert reply.status_code == documented, reply.text


@EACH_CLOSED
def test_nobody_may_without_a_key(world, name, refused):
    reply = world.send(call(name, world))
    refused(reply, 401, "unauthorized")
    assert reply.headers["www-authenticate"] == "Bearer"


@EACH
def test_a_key_that_is_not_good_is_refused_everywhere(world, name, refused):
    """Also where none is needed: a client is to hear of it."""
    world.clock.now += 60_000_000  # so that none of them is throttled
    for key in (world.revoked, world.expired, "tsk_" + "A" * 43, "x"):
        reply = world.send(call(name, world), key)
        refused(reply, 401, "unauthorized")
        assert reply.headers["www-authenticate"] == "Bearer"


@EACH_CLOSED
def test_nobody_may_without_the_scope(world, name, refused):
    for scope in NEEDED[name]:
        body = refused(world.send(call(name, world), world.lacking[scope]), 403, "forbidden")
        assert repr(scope) in body["message"]


@EACH
def test_nobody_may_in_a_collection_out_of_reach(world, without_owner, name, refused):
    """Whether there is such a collection or not."""
    operation = EXAMPLES[name]
    if "{collection}" not in operation.path and name not in TENANT_WIDE | {"create_collection"}:
        return
    body = refused(world.send(call(name, world), world.confined), 403, "forbidden")
    stranger = without_owner.database.tenant(OWNER).admin.create_key(
        "confined", scopes=SCOPES, collections=[OTHER]
    )
    missing = without_owner.send(call(name, world), stranger)
    assert outcome(missing)[:2] == (403, masked(body))


def test_a_confined_key_sees_what_it_reaches_and_no_more(world):
    listed = world.send(call("list_collections"), world.confined).json()
    assert [each["name"] for each in listed["items"]] == [OTHER]
    metrics = world.send(call("get_metrics"), world.confined).text
    assert f'collection="{OTHER}"' in metrics
    assert STORMS not in metrics
    reached = call_of(EXAMPLES["list_points"], collection=OTHER)
    assert world.send(reached, world.confined).json()["items"]


@EACH
def test_what_is_of_another_tenant_is_as_if_it_were_not_there(world, without_owner, name):
    """Answers to the rival are the same, byte by byte, in a world without the owner."""
    asked = call(name, world)
    there, nowhere = world.send(asked, world.rival), without_owner.send(asked, without_owner.rival)
    assert outcome(there) == outcome(nowhere)
    if "{" in EXAMPLES[name].path:
        assert there.status_code == 404
    if name == "create_collection":
        for each in (world, without_owner):
            each.database.tenant(RIVAL).delete_collection(STORMS)


@EACH
def test_both_headers_may_say_the_same_but_not_differ(world, name, refused):
    asked = call("get_info")
    assert world.send(asked, world.owner, [("x-api-key", world.owner.secret)]).status_code == 200
    assert world.send(asked, headers=[("x-api-key", world.owner.secret)]).status_code == 200
    for other in (world.rival, world.revoked, world.confined):
        reply = world.send(call(name, world), world.owner, [("x-api-key", other.secret)])
        refused(reply, 400, "invalid_request")


@EACH
def test_a_tenant_is_named_rightly_or_not_at_all(world, name, refused):
    asked = call(name, world)
    wrong = world.send(asked, world.owner, [("x-tenant-id", RIVAL)])
    refused(wrong, 403, "forbidden")
    for bad in ("", "Owner", "../x", "a" * 64, "é"):
        reply = world.send(asked, world.owner, [("x-tenant-id", bad.encode())])
        refused(reply, 400, "invalid_request")
    right = world.send(call("get_info"), world.owner, [("x-tenant-id", OWNER)])
    assert right.status_code == 200


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/nothing", "/v1/collections/storms/nothing", "//"]
)
def test_who_has_no_key_does_not_learn_which_routes_there_are(world, refused, path):
    refused(world.client.get(path), 401, "unauthorized")
    refused(world.client.get(path, headers={"x-api-key": world.owner.secret}), 404, "not_found")


@EACH
def test_nor_which_methods_they_take(world, refused, name):
    path = call(name, world).path
    refused(world.client.request("TRACE", path), 401, "unauthorized")
    reply = world.client.request("TRACE", path, headers={"x-api-key": world.owner.secret})
    refused(reply, 405, "method_not_allowed")


def test_a_stranger_hears_that_something_is_wrong_but_not_what(tmp_path, damaged):
    with damaged(tmp_path) as world:
        healths = {
            name: world.send(call("get_health"), key).json()
            for name, key in [
                ("nobody", None),
                ("rival", world.rival),
                ("confined", world.confined),
                ("owner", world.owner),
            ]
        }
    assert healths["nobody"] == {"status": "degraded", "problems": []}
    assert healths["confined"] == {"status": "degraded", "problems": []}
    assert healths["rival"] == {"status": "ok", "problems": []}
    assert healths["owner"]["status"] == "degraded"
    assert repr(STORMS) in healths["owner"]["problems"][0]
