"""The API description, parsed: what an emitter needs to know, with references resolved."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Node = dict[str, Any]

_METHODS = ("get", "put", "post", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Field:
    """A property of a record or a parameter of an operation."""

    name: str
    type: str
    description: str
    required: bool
    default: Any = None
    place: str = "body"


@dataclass(frozen=True, slots=True)
class Record:
    """A named object of the API."""

    name: str
    description: str
    fields: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Content:
    """A body in one media type; `type` is in the words of `type_of`."""

    media_type: str
    type: str
    example: Any


@dataclass(frozen=True, slots=True)
class Reply:
    """What an operation may answer; the status `default` stands for every other one."""

    status: str
    description: str
    contents: tuple[Content, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One verb of the API."""

    id: str
    method: str
    path: str
    tag: str
    summary: str
    description: str
    parameters: tuple[Field, ...]
    parameter_examples: dict[str, Any]
    bodies: tuple[Content, ...]
    replies: tuple[Reply, ...]


@dataclass(frozen=True, slots=True)
class ErrorCode:
    """A code of the error table."""

    code: str
    status: int
    retryable: bool
    meaning: str


@dataclass(frozen=True, slots=True)
class Api:
    """The whole description."""

    title: str
    version: str
    description: str
    server: str
    tags: tuple[tuple[str, str], ...]
    operations: tuple[Operation, ...]
    records: tuple[Record, ...]
    errors: tuple[ErrorCode, ...]
    capabilities: tuple[tuple[str, str], ...]
    """Names, as `get_info` gives them, and what they mean."""


def load(path: Path) -> Api:
    """The description in a YAML file."""
    return parse(yaml.safe_load(path.read_text(encoding="utf-8")))


def parse(document: Node) -> Api:
    """The description in a decoded OpenAPI document."""
    reader = _Reader(document)
    info = document["info"]
    components = document["components"]
    return Api(
        title=info["title"],
        version=info["version"],
        description=info["description"].strip(),
        server=document["servers"][0]["url"],
        tags=tuple((tag["name"], tag["description"]) for tag in document["tags"]),
        operations=tuple(reader.operations()),
        records=tuple(reader.record(*named) for named in components["schemas"].items()),
        errors=tuple(ErrorCode(**row) for row in components["x-tsvec-errors"]),
        capabilities=tuple(
            (row["name"], row["meaning"]) for row in components["x-tsvec-capabilities"]
        ),
    )


def type_of(schema: Node) -> str:
    """A schema in words: `Point`, `list of number`, `string (date-time)`, `one of a, b`, `any`."""
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[1])
    if "enum" in schema:
        return "one of " + ", ".join(f"`{value}`" for value in schema["enum"])
    kinds = schema.get("type", "any")
    names = [kinds] if isinstance(kinds, str) else list(kinds)
    words = [_type_word(name, schema) for name in names if name != "null"]
    return " or ".join([*words, "null"] if "null" in names else words)


def _type_word(name: str, schema: Node) -> str:
    if name == "array":
        return f"list of {type_of(schema['items'])}"
    if name == "string" and schema.get("format") == "date-time":
        return "string (date-time)"
    return name


class _Reader:
    def __init__(self, document: Node) -> None:
        self._document = document

    def operations(self) -> Iterator[Operation]:
        for path, item in self._document["paths"].items():
            for method, node in item.items():
                if method in _METHODS:
                    yield self._operation(path, method, node, item.get("parameters", []))

    def record(self, name: str, schema: Node) -> Record:
        required = schema.get("required", [])
        fields = tuple(
            Field(
                name=field,
                type=type_of(node),
                description=node["description"].strip(),
                required=field in required,
                default=node.get("default"),
            )
            for field, node in schema["properties"].items()
        )
        return Record(name, schema["description"].strip(), fields)

    def _operation(self, path: str, method: str, node: Node, shared: list[Node]) -> Operation:
        parameters = [self._resolve(each) for each in [*shared, *node.get("parameters", [])]]
        body = node.get("requestBody", {})
        return Operation(
            id=node["operationId"],
            method=method.upper(),
            path=path,
            tag=node["tags"][0],
            summary=node["summary"],
            description=node["description"].strip(),
            parameters=tuple(map(_parameter, parameters)),
            parameter_examples={
                each["name"]: each["example"] for each in parameters if "example" in each
            },
            bodies=_contents(body),
            replies=tuple(
                self._reply(status, reply) for status, reply in node["responses"].items()
            ),
        )

    def _reply(self, status: str, node: Node) -> Reply:
        reply = self._resolve(node)
        return Reply(status, reply["description"].strip(), _contents(reply))

    def _resolve(self, node: Node) -> Node:
        while "$ref" in node:
            found: Node = self._document
            for part in node["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            node = found
        return node


def _parameter(node: Node) -> Field:
    schema = node["schema"]
    return Field(
        name=node["name"],
        type=type_of(schema),
        description=node["description"].strip(),
        required=node.get("required", False),
        default=schema.get("default"),
        place=node["in"],
    )


def _contents(node: Node) -> tuple[Content, ...]:
    return tuple(
        Content(media_type, type_of(content.get("schema", {})), content.get("example"))
        for media_type, content in node.get("content", {}).items()
    )
