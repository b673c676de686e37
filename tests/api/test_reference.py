"""The reference pages are written from the description, and complete."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from sdk_gen.outputs import DESCRIPTION, differing, outputs, write
from sdk_gen.reference import api_page
from sdk_gen.spec import load, parse, type_of

ROOT = Path(__file__).parents[2]
API = load(ROOT / DESCRIPTION)


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"$ref": "#/components/schemas/Point"}, "Point"),
        ({"type": "array", "items": {"type": "number"}}, "list of number"),
        ({"type": ["array", "null"], "items": {"$ref": "#/x/Hit"}}, "list of Hit or null"),
        ({"type": ["string", "null"], "format": "date-time"}, "string (date-time) or null"),
        ({"type": "string", "enum": ["a", "b"]}, "one of `a`, `b`"),
        ({"type": ["integer", "string"], "format": "date-time"}, "integer or string (date-time)"),
        ({}, "any"),
    ],
)
def test_types_in_words(schema, words):
    assert type_of(schema) == words


def test_the_page_tells_of_everything():
    page = api_page(API)
    for operation in API.operations:
        assert f"### {operation.id}\n\n`{operation.method} {operation.path}`" in page
        assert operation.description in page
        for field in operation.parameters:
            assert field.name == "X-Request-Id" or f"| `{field.name}` | {field.place} |" in page
    for record in API.records:
        assert f"### {record.name}\n\n{record.description}" in page
    for name, meaning in API.capabilities:
        assert f"| `{name}` | {meaning} |" in page


def test_commands_can_be_pasted():
    commands = re.findall(r"```sh\n(.*?)\n```", api_page(API), re.DOTALL)
    assert len(commands) == len(API.operations)
    for command in commands:
        assert "{" not in command.split("--json")[0]
        body = re.search(r"--json '(.*)'$", command, re.DOTALL)
        if body:
            assert json.loads(body[1])


def test_commands_use_the_method_of_the_operation():
    page = api_page(API)
    assert "curl -X POST http://127.0.0.1:8710/v1/collections/storms/compact\n" in page
    assert "curl http://127.0.0.1:8710/v1/collections/storms/compact\n" in page
    assert "curl http://127.0.0.1:8710/v1/collections/storms/points --json" in page


def test_a_reference_to_nowhere_is_an_error():
    document = {
        "info": {"title": "t", "version": "1", "description": "d"},
        "servers": [{"url": "u"}],
    }
    operation = {
        "operationId": "a",
        "tags": ["t"],
        "summary": "s",
        "description": "d",
        "parameters": [{"$ref": "#/components/parameters/Nowhere"}],
        "responses": {},
    }
    document |= {
        "tags": [],
        "paths": {"/a": {"get": operation}},
        "components": {
            "schemas": {},
            "parameters": {},
            "x-tsvec-errors": [],
            "x-tsvec-capabilities": [],
        },
    }
    with pytest.raises(KeyError, match="Nowhere"):
        parse(document)


def test_what_differs_is_named_and_written(tmp_path):
    (tmp_path / DESCRIPTION).parent.mkdir()
    shutil.copy(ROOT / DESCRIPTION, tmp_path / DESCRIPTION)
    assert sorted(differing(tmp_path)) == sorted(outputs(tmp_path))
    assert sorted(write(tmp_path)) == sorted(outputs(tmp_path))
    assert differing(tmp_path) == []
    page = tmp_path / "docs" / "errors.md"
    page.write_text(page.read_text() + "by hand")
    assert differing(tmp_path) == [Path("docs/errors.md")]
