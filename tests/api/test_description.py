"""`openapi/tsvec.yaml` is valid, complete, and says what the code says."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from openapi_spec_validator import validate
from pydantic import BaseModel
from starlette.routing import Route

import tsvec.model
from sdk_gen.outputs import differing
from tsvec.engine.database import API_VERSION
from tsvec.model.errors import error_classes
from tsvec.model.limits import LIMITS
from tsvec.server.description import openapi_json

ROOT = Path(__file__).parents[2]
SPEC = yaml.safe_load((ROOT / "openapi" / "tsvec.yaml").read_text())
METHODS = ("get", "put", "post", "patch", "delete")
OPERATIONS = {
    (method.upper(), path): node
    for path, item in SPEC["paths"].items()
    for method, node in item.items()
    if method in METHODS
}
EACH_OPERATION = pytest.mark.parametrize(
    "key", sorted(OPERATIONS), ids=lambda key: OPERATIONS[key]["operationId"]
)
SCHEMAS = SPEC["components"]["schemas"]


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        found: Any = SPEC
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def walk(node: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            if key not in {"example", "examples"}:
                yield from walk(value, f"{path}/{key}")
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from walk(value, f"{path}/{index}")


def contents() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every body, by where it is."""
    for (method, path), node in OPERATIONS.items():
        sides = {"request": node.get("requestBody", {})} | node["responses"]
        for side, reply in sides.items():
            for media_type, content in resolve(reply).get("content", {}).items():
                yield f"{method} {path} {side} {media_type}", content


def models() -> dict[str, type[BaseModel]]:
    found = pkgutil.walk_packages(tsvec.model.__path__, "tsvec.model.")
    modules = [importlib.import_module(module.name) for module in found]
    return {
        name: value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, BaseModel)
    }


def test_it_is_valid_openapi():
    validate(SPEC)


def test_it_is_of_this_version():
    assert SPEC["info"]["version"] == API_VERSION


def test_the_generated_files_are_up_to_date():
    assert differing(ROOT) == []


def test_the_server_serves_it(client):
    assert client.get("/openapi.json").content == openapi_json()
    assert client.get("/openapi.json").json() == SPEC


def test_operation_ids_are_unique_verbs():
    names = [node["operationId"] for node in OPERATIONS.values()]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() and name == name.lower() for name in names)


def test_routes_are_exactly_the_operations(app):
    served = {
        (method, route.path): route.endpoint.__name__
        for route in app.routes
        if isinstance(route, Route)
        for method in route.methods - {"HEAD"}
    }
    assert served == {key: node["operationId"] for key, node in OPERATIONS.items()}


@EACH_OPERATION
def test_an_operation_is_described(key):
    node = OPERATIONS[key]
    assert node["summary"].endswith((".", "?"))
    assert node["description"]
    assert [tag for tag in node["tags"] if tag in {tag["name"] for tag in SPEC["tags"]}]
    assert len(node["tags"]) == 1


@EACH_OPERATION
def test_an_operation_documents_its_errors(key):
    node = OPERATIONS[key]
    replies = node["responses"]
    assert {"400", "default"} <= replies.keys()
    if "{" in key[1]:
        assert "404" in replies
    if "requestBody" in node:
        assert {"408", "413", "503"} <= replies.keys()
    for status, reply in replies.items():
        if status == "default" or int(status) >= 400:
            schemas = {kind: body["schema"] for kind, body in resolve(reply)["content"].items()}
            assert schemas == {
                "application/problem+json": {"$ref": "#/components/schemas/ErrorBody"}
            }


@EACH_OPERATION
def test_an_operation_carries_the_request_id(key):
    node, item = OPERATIONS[key], SPEC["paths"][key[1]]
    assert {"$ref": "#/components/parameters/RequestId"} in item["parameters"]
    for reply in node["responses"].values():
        assert "X-Request-Id" in resolve(reply)["headers"]


def test_every_json_body_has_an_example():
    bodies = [(where, body) for where, body in contents() if "json" in where.split()[-1]]
    assert len(bodies) > len(OPERATIONS)
    assert [where for where, body in bodies if "example" not in body] == []


def test_every_example_is_as_its_schema_says():
    def errors(schema: dict[str, Any], example: Any) -> list[str]:
        whole = {"components": SPEC["components"], **schema}
        validator = jsonschema.Draft202012Validator(
            whole, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
        )
        return [error.message for error in validator.iter_errors(example)]

    wrong = {
        where: found
        for where, body in contents()
        if "example" in body and (found := errors(body["schema"], body["example"]))
    }
    assert wrong == {}
    for parameter in SPEC["components"]["parameters"].values():
        if "example" in parameter:
            assert errors(parameter["schema"], parameter["example"]) == []


def test_everything_is_described():
    silent = [
        f"{name}.{field}"
        for name, schema in SCHEMAS.items()
        for field, node in schema["properties"].items()
        if not node.get("description")
    ]
    silent += [name for name, schema in SCHEMAS.items() if not schema.get("description")]
    for kind in ("parameters", "responses", "headers"):
        nodes = SPEC["components"][kind].items()
        silent += [name for name, node in nodes if not node.get("description")]
    assert silent == []


def test_nothing_is_nullable_but_by_type():
    assert [path for path, node in walk(SPEC) if "nullable" in node] == []


def test_every_union_has_a_discriminator_with_a_mapping():
    unions = [(path, node) for path, node in walk(SPEC) if "oneOf" in node or "anyOf" in node]
    assert [path for path, node in unions if not node.get("discriminator", {}).get("mapping")] == []


def test_every_component_is_used():
    used = {node["$ref"] for _, node in walk(SPEC) if isinstance(node.get("$ref"), str)}
    kinds = ("schemas", "parameters", "responses", "headers")
    defined = {f"#/components/{kind}/{name}" for kind in kinds for name in SPEC["components"][kind]}
    assert defined == used


def test_objects_are_closed():
    assert [
        name for name, schema in SCHEMAS.items() if schema.get("additionalProperties") is not False
    ] == []


def test_the_table_of_errors_is_that_of_the_code():
    def row(cls: type) -> dict[str, Any]:
        return {
            "code": cls.code,
            "status": cls.status,
            "retryable": cls.retryable,
            "meaning": " ".join((cls.__doc__ or "").split()),
        }

    assert SPEC["components"]["x-tsvec-errors"] == [row(cls) for cls in error_classes()]


def test_every_component_has_its_record():
    assert sorted(SCHEMAS.keys() - models().keys()) == []


def test_the_limits_are_those_of_the_code():
    assert {
        name: node["default"] for name, node in SCHEMAS["Limits"]["properties"].items()
    } == LIMITS.model_dump()
    parameters = SPEC["components"]["parameters"]
    assert parameters["Limit"]["schema"]["maximum"] == LIMITS.page_items_max


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_a_component_is_what_its_record_says(name):
    record = models()[name]
    said = record.model_json_schema(ref_template="#/components/schemas/{model}")
    expected = {
        "type": "object",
        "description": said["description"],
        "additionalProperties": False,
        "required": sorted(said.get("required", [])),
        "properties": {
            field: _plain(node, never_null=record.model_fields[field].exclude_if is not None)
            for field, node in said["properties"].items()
        },
    }
    if "minProperties" in said:
        expected["minProperties"] = said["minProperties"]
    schema = dict(SCHEMAS[name])
    schema["required"] = sorted(schema.get("required", []))
    schema["properties"] = {
        field: _without_width(node) for field, node in schema["properties"].items()
    }
    assert schema == expected


def _plain(node: dict[str, Any], *, never_null: bool = False) -> dict[str, Any]:
    """A schema of pydantic's in the words of the description."""
    node = {key: value for key, value in node.items() if key != "title"}
    if "anyOf" in node:
        kinds = [kind for kind in node.pop("anyOf") if kind.get("type") != "null"]
        assert len(kinds) == 1
        inner = _plain(kinds[0])
        if not never_null:
            known = inner["type"]
            inner["type"] = [*(known if isinstance(known, list) else [known]), "null"]
        node = inner | node
        if node.get("default", "") is None:
            del node["default"]
    if "items" in node:
        node["items"] = _plain(node["items"])
    return node


def _without_width(node: dict[str, Any]) -> dict[str, Any]:
    """Without what says only how wide a number is, which pydantic doesn't."""
    node = {
        key: value
        for key, value in node.items()
        if not (key == "format" and value in {"int64", "double"})
    }
    if "items" in node:
        node["items"] = _without_width(node["items"])
    return node
