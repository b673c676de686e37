"""The examples of the description work, and are answered as it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sdk_gen.spec import Api, Operation, load

API: Api = load(Path(__file__).parents[2] / "openapi" / "tsvec.yaml")
VOLATILE = {"recorded_at", "created_at", "history", "request_id", "microseconds", "log"}
VOLATILE |= {"deleted_at", "started_at", "state"}
VOLATILE |= {"planning_us", "scanning_us", "reading_us"}


def call(client, operation: Operation):
    path = operation.path
    query = {}
    for field in operation.parameters:
        if field.place == "path":
            path = path.replace(f"{{{field.name}}}", operation.parameter_examples[field.name])
        elif field.name in NEVER or (field.name == "as_of" and operation.id in LAST):
            continue  # the example of a moment was before
        elif field.place == "query" and field.name in operation.parameter_examples:
            query[field.name] = operation.parameter_examples[field.name]
    body = operation.bodies[0].example if operation.bodies else None
    headers = {"X-Request-Id": operation.parameter_examples["X-Request-Id"]}
    return client.request(operation.method, path, params=query, json=body, headers=headers)


def masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: "…" if key in VOLATILE else masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item) for item in value]
    return pytest.approx(value, rel=1e-4) if isinstance(value, float) else value


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


def in_order() -> list[Operation]:
    """Make, fill, ask; change and delete last."""
    place = {name: number - len(FIRST) for number, name in enumerate(FIRST)}
    place |= {name: number for number, name in enumerate(LAST, 1)}
    return sorted(API.operations, key=lambda operation: place.get(operation.id, 0))


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


def test_ndjson_is_taken_as_documented(client, storms):
    ingest = next(operation for operation in API.operations if operation.id == "ingest")
    body = next(body for body in ingest.bodies if body.media_type == "application/x-ndjson")
    reply = client.post(
        f"{storms}/points", content=body.example, headers={"content-type": body.media_type}
    )
    assert (reply.status_code, reply.json()["ingested"]) == (200, 2)
