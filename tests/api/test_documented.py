"""Nothing in `openapi/tsvec.yaml` goes without a description, no request without an example."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.api.follow import expressions_of
from tsvec.engine.database import Database
from tsvec.model.replies import CAPABILITIES

Node = dict[str, Any]
Found = Iterator[tuple[str, Node]]

SPEC = yaml.safe_load((Path(__file__).parents[2] / "openapi" / "tsvec.yaml").read_text())
POST = ("paths", "/v1/collections", "post")
METHODS = ("get", "put", "post", "patch", "delete")
UNITS = {
    "_us": "icroseconds",
    "_seconds": "econds",
    "bytes": "ytes",
    "_bytes_max": "ytes",
}


def silent(spec: Node) -> list[str]:
    """Where a description or an example is missing."""
    bare = [where for where, node in described(spec) if not node.get("description", "").strip()]
    bare += [f"{where} (summary)" for where, node in operations(spec) if not node.get("summary")]
    return bare + [
        f"{where} (example)"
        for where, node in shown(spec)
        if "example" not in node and not node.get("examples")
    ]


def described(spec: Node) -> Found:
    """All that has to be described."""
    yield "info", spec["info"]
    yield from ((f"server {node['url']}", node) for node in spec["servers"])
    yield from ((f"tag {node['name']}", node) for node in spec["tags"])
    yield from operations(spec)
    for where, node in operations(spec):
        for parameter in [*node.get("parameters", []), *node["shared"]]:
            if "$ref" not in parameter:
                yield f"{where} {parameter['name']}", parameter
        if "requestBody" in node:
            yield f"{where} body", node["requestBody"]
            yield from bodies(f"{where} body", node["requestBody"])
        for status, reply in node["responses"].items():
            if "$ref" not in reply:
                yield f"{where} {status}", reply
                yield from bodies(f"{where} {status}", reply)
                yield from (
                    (f"{where} {status} {name}", link)
                    for name, link in reply.get("links", {}).items()
                )
    components = spec["components"]
    for kind in ("parameters", "headers", "responses"):
        for name, node in components[kind].items():
            yield name, node
            if "schema" in node:
                yield f"{name} schema", node["schema"]
    for name, schema in components["schemas"].items():
        yield name, schema
        yield from fields(name, schema)


def operations(spec: Node) -> Found:
    for item in spec["paths"].values():
        for method in METHODS:
            if method in item:
                node = item[method]
                yield node["operationId"], node | {"shared": item.get("parameters", [])}


def bodies(where: str, node: Node) -> Found:
    """Schemas of bodies that are no components."""
    for media_type, body in node.get("content", {}).items():
        if "$ref" not in body["schema"]:
            yield f"{where} {media_type}", body["schema"]


def fields(where: str, schema: Node) -> Found:
    for name, node in schema.get("properties", {}).items():
        yield f"{where}.{name}", node
        yield from fields(f"{where}.{name}", node)


def shown(spec: Node) -> Found:
    """All that has to have an example: parameters, headers, bodies asked and answered."""
    for kind in ("parameters", "headers"):
        yield from spec["components"][kind].items()
    for where, node in operations(spec):
        sides = {"body": node.get("requestBody", {})} | node["responses"]
        for side, body in sides.items():
            for media_type, content in body.get("content", {}).items():
                yield f"{where} {side} {media_type}", content
    for name, node in spec["components"]["responses"].items():
        yield from ((f"{name} {kind}", content) for kind, content in node["content"].items())


def test_nothing_goes_without_a_description_or_an_example():
    assert silent(SPEC) == []


@pytest.mark.parametrize(
    ("path", "named"),
    [
        (("paths", "/health", "get", "description"), "get_health"),
        (("paths", "/health", "get", "summary"), "get_health (summary)"),
        (("components", "parameters", "Cursor", "example"), "Cursor (example)"),
        (("components", "parameters", "Cursor", "schema", "description"), "Cursor schema"),
        (("components", "schemas", "Hit", "properties", "score", "description"), "Hit.score"),
        (("components", "schemas", "Hit", "description"), "Hit"),
        (("components", "responses", "Gone", "description"), "Gone"),
        (
            (*POST, "requestBody", "content", "application/json", "example"),
            "create_collection body application/json (example)",
        ),
        (
            (*POST, "responses", "201", "links", "ingest", "description"),
            "create_collection 201 ingest",
        ),
    ],
)
def test_what_is_left_out_is_named(path, named):
    spec = deepcopy(SPEC)
    node = spec
    for part in path[:-1]:
        node = node[part]
    del node[path[-1]]
    assert silent(spec) == [named]


def test_what_has_a_unit_says_which():
    """Of every field whose name ends in a unit, and every limit of bytes or seconds."""
    quantities = [
        (where, node["description"], unit)
        for where, node in described(SPEC)
        for ending, unit in UNITS.items()
        if where.endswith(ending) and node.get("type") in ("integer", "number")
    ]
    assert len(quantities) > 10
    assert [where for where, text, unit in quantities if unit not in text] == []


def test_capabilities_are_described_and_what_the_server_tells(tmp_path):
    rows = SPEC["components"]["x-tsvec-capabilities"]
    assert {row["name"]: row["meaning"] for row in rows} == CAPABILITIES
    with Database(tmp_path / "data") as database:
        assert database.get_info().capabilities == sorted(CAPABILITIES)


def test_every_operation_that_a_capability_names_is_there():
    known = {name for name, _ in operations(SPEC)}
    words = {word.strip(",.:") for text in CAPABILITIES.values() for word in text.split()}
    named = {word for word in words if "_" in word}
    parameters = {node["name"] for node in SPEC["components"]["parameters"].values()}
    assert named - known - parameters == set()


def test_links_lead_to_operations_and_take_what_there_is():
    known = dict(operations(SPEC))
    for name, node in known.items():
        for status, reply in node["responses"].items():
            for link in reply.get("links", {}).values():
                assert link["operationId"] in known, (name, status)
                assert all(text.startswith("$re") for text in expressions_of(link)), (name, status)
