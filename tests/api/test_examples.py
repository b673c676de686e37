"""The examples of the description work, and are answered as it says; so do its links."""

from __future__ import annotations

import json
from base64 import b64decode
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from sdk_gen.spec import Api, Content, Operation, load
from tests.api.follow import MISSING, Exchange

DESCRIPTION = Path(__file__).parents[2] / "openapi" / "tsvec.yaml"
API: Api = load(DESCRIPTION)
SPEC = yaml.safe_load(DESCRIPTION.read_text())
OPERATIONS = {operation.id: operation for operation in API.operations}
NODES = {
    node["operationId"]: node
    for item in SPEC["paths"].values()
    for method, node in item.items()
    if method != "parameters"
}
VOLATILE = {"requests", "recorded_at", "created_at", "history", "request_id", "microseconds", "log"}
VOLATILE |= {"deleted_at", "started_at", "state"}
VOLATILE |= {"planning_us", "scanning_us", "reading_us"}

FIRST = ["create_collection", "ingest"]
LAST = [
    "delete_points",
    "list_deleted_points",
    "restore_points",
    "set_entity_attributes",
    "merge_entity_attributes",
    "get_entity_attributes",
    "list_entities",
    "update_point",
    "delete_entity",
    "compact",
    "update_collection",
    "delete_collection",
]
"""These change what the others show, and show what those before them made."""

NEVER = {"key", "cursor"}
"""Parameters whose examples are of points and lists that these are not."""

LINKS = [
    pytest.param(operation.id, name, link, id=f"{operation.id}-{name}")
    for operation in API.operations
    for name, link in next(iter(NODES[operation.id]["responses"].values())).get("links", {}).items()
]
BEFORE = {
    "list_deleted_points": ["delete_points"],
    "restore_points": ["delete_points"],
    "merge_entity_attributes": ["set_entity_attributes"],
}
"""What has to come first so that an operation shows something."""


def exchange_of(operation: Operation) -> Exchange:
    """The request that the examples of an operation make."""
    path, query = {}, {}
    for field in operation.parameters:
        if field.place == "path":
            path[field.name] = operation.parameter_examples[field.name]
        elif field.name in NEVER or (field.name == "as_of" and operation.id in LAST):
            continue  # the example of a moment was before
        elif field.place == "query":
            query[field.name] = operation.parameter_examples[field.name]
    body = operation.bodies[0].example if operation.bodies else None
    return Exchange(path, query, body)


def send(client, operation: Operation, request: Exchange, media_type: str = "application/json"):
    path = operation.path
    for name, value in request.path.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    headers = {"X-Request-Id": operation.parameter_examples["X-Request-Id"]}
    content = None
    if request.body is not None:
        headers["Content-Type"] = media_type
        content = request.body if isinstance(request.body, bytes) else json.dumps(request.body)
    return client.request(
        operation.method, path, params=request.query, content=content, headers=headers
    )


def call(client, operation: Operation):
    return send(client, operation, exchange_of(operation))


def masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "…" if key in VOLATILE else masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    return pytest.approx(value, rel=1e-4) if isinstance(value, float) else value


def in_order() -> list[Operation]:
    """Make, fill, ask; change and delete last."""
    place = {name: number - len(FIRST) for number, name in enumerate(FIRST)}
    place |= {name: number for number, name in enumerate(LAST, 1)}
    operations = [each for each in API.operations if each.tag != "keys"]  # they close the door
    return sorted(operations, key=lambda operation: place.get(operation.id, 0))


def test_each_is_answered_as_documented(client):
    for operation in in_order():
        reply = call(client, operation)
        documented = operation.replies[0]
        assert reply.status_code == int(documented.status), (operation.id, reply.text)
        assert reply.headers["x-request-id"] == operation.parameter_examples["X-Request-Id"]
        if operation.id in {"get_metrics", "get_openapi"} or not documented.contents:
            continue
        found, expected = reply.json(), documented.contents[0].example
        if operation.id in {"get_collection", "update_collection", "list_collections"}:
            found, expected = ignoring_seq(found), ignoring_seq(expected)
        if operation.id == "get_info":
            found["version"] = expected["version"]
        assert masked(found) == masked(expected), operation.id


def ignoring_seq(value: Any) -> Any:
    """The example shows a collection just made; by now it has changed."""
    if isinstance(value, dict):
        return {key: ignoring_seq(item) for key, item in value.items() if key != "seq"}
    return [ignoring_seq(item) for item in value] if isinstance(value, list) else value


OTHER_BODIES = [
    pytest.param(operation, body, id=f"{operation.id}-{body.media_type}")
    for operation in API.operations
    for body in operation.bodies[1:]
]


@pytest.mark.parametrize(("operation", "body"), OTHER_BODIES)
def test_bodies_of_other_media_types_are_answered_as_documented(client, operation, body: Content):
    for name in FIRST[: 1 if operation.id == "ingest" else 2]:
        assert call(client, OPERATIONS[name]).is_success
    request = exchange_of(operation)
    example = body.example
    if example is None:  # bytes, which a description can only show as text
        content = NODES[operation.id]["requestBody"]["content"][body.media_type]
        [shown] = content["examples"].values()
        example = b64decode(shown["x-tsvec-base64"])
    elif isinstance(example, str):
        example = example.encode()
    asked = Exchange(request.path, request.query, example)
    reply = send(client, operation, asked, body.media_type)
    documented = operation.replies[0]
    assert reply.status_code == int(documented.status), reply.text
    assert reply.json().keys() == documented.contents[0].example.keys()
    if operation.id == "ingest":
        assert masked(reply.json()) == masked(documented.contents[0].example)


def test_a_point_is_told_from_others_by_the_key_of_the_example(client, storms):
    get_point = OPERATIONS["get_point"]
    request, key = exchange_of(get_point), get_point.parameter_examples["key"]
    place = {name: request.path[name] for name in ("entity_id", "timestamp")}
    point = place | {"key": key, "vector": [26.4, -88.7, 150, 901]}
    assert client.post(f"{storms}/points", json={"points": [point]}).status_code == 200
    keyed = Exchange(request.path, {"key": key}, None)
    found = send(client, get_point, keyed).json()
    assert (found["key"], found["seq"]) == (key, 3)


def test_the_example_of_a_cursor_looks_like_one_that_is_given_out(client, storms):
    """A cursor is good for one collection only, so a test cannot send that of the description."""
    shown = OPERATIONS["list_points"].parameter_examples["cursor"]
    given = client.get(f"{storms}/points?limit=1").json()["next_cursor"]
    *place, digest = json.loads(b64decode(given + "=="))
    *shown_place, shown_digest = json.loads(b64decode(shown + "=="))
    assert shown_place == place
    assert len(shown_digest) == len(digest)


@pytest.mark.parametrize(
    "name", [name for name, each in OPERATIONS.items() if "cursor" in each.parameter_examples]
)
def test_every_list_goes_on_where_its_cursor_says(client, name):
    operation = OPERATIONS[name]
    names = [*FIRST, *BEFORE.get(name, [])]
    for before in names:
        assert call(client, OPERATIONS[before]).is_success
    many = {"points": [{"entity_id": f"e{n}", "vector": [n, 0, 0, 0]} for n in range(3)]}
    path = exchange_of(operation).path
    if name == "list_collections":
        client.post("/v1/collections", json={"name": "tides", "dim": 1})
    elif name == "list_deleted_points":
        client.post("/v1/collections/storms/points", json=many)
        client.post("/v1/collections/storms/points/delete", json={"entity_ids": ["e0", "e1"]})
    elif name == "get_history":
        point = many["points"][0] | {"entity_id": path["entity_id"]}
        client.post("/v1/collections/storms/points", json={"points": [point]})
    elif name == "list_keys":
        every = {"name": "first", "scopes": ["read", "write", "admin"]}
        client.headers["x-api-key"] = client.post("/v1/keys", json=every).json()["secret"]
        client.post("/v1/keys", json={"name": "second"})
    else:
        client.post("/v1/collections/storms/points", json=many)
    first = send(client, operation, Exchange(path, {"limit": 1}, None)).json()
    cursor = first["next_cursor"]
    assert cursor
    reply = send(client, operation, Exchange(path, {"limit": 1, "cursor": cursor}, None))
    assert reply.status_code == 200, reply.text
    assert reply.json()["items"] != first["items"]
    assert len(reply.json()["items"]) == 1


@pytest.mark.parametrize(("name", "link_name", "link"), LINKS)
def test_every_link_leads_where_it_says(client, name, link_name, link):
    """Whatever a link takes from a reply is right for the request that it leads to."""
    before = FIRST[: FIRST.index(name)] if name in FIRST else [*FIRST, *BEFORE.get(name, [])]
    for each in before:
        assert call(client, OPERATIONS[each]).is_success
    operation, target = OPERATIONS[name], OPERATIONS[link["operationId"]]
    request = exchange_of(operation)
    if "order" in request.query or "limit" in request.query:
        request = Exchange(request.path, {"limit": 1}, None)
    reply = send(client, operation, request)
    assert reply.is_success, reply.text
    asked = Exchange(
        request.path, request.query, request.body, reply.json() if reply.content else None
    )
    places = {field.name: field.place for field in target.parameters}
    values = {key: asked.value(text) for key, text in link.get("parameters", {}).items()}
    given = {key: value for key, value in values.items() if value not in (MISSING, None)}
    required = {key for key, place in places.items() if place == "path"}
    assert required <= given.keys(), "a link gives all that its target cannot do without"
    examples = exchange_of(target)
    body = examples.body
    if "requestBody" in link:
        body = asked.filled(link["requestBody"])
        assert str(MISSING) not in json.dumps(body, default=str)
    path = {key: value for key, value in given.items() if places[key] == "path"}
    query = {key: value for key, value in given.items() if places[key] == "query"}
    found = send(client, target, Exchange(path, query, body))
    if "not there" in link["description"]:
        assert found.status_code == 404
    else:
        assert found.is_success, found.text
