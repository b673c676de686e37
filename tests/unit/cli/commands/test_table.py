"""Every operation of the API is a command, and every field of its requests an option."""

from __future__ import annotations

from inspect import unwrap
from pathlib import Path

import pytest
import typer
import yaml

from tsvec.cli.app import app
from tsvec.cli.commands.table import GROUPS, OPERATIONS, SHORTCUTS

DESCRIPTION = yaml.safe_load(
    (Path(__file__).parents[4] / "openapi" / "tsvec.yaml").read_text(encoding="utf-8")
)
ROOT = typer.main.get_command(app)

SPELLED = {
    "entity_id": {"entity"},
    "timestamp": {"time"},
    "query_vector": {"vector"},
    "entity_ids": {"ids"},
    "entity_types": {"types"},
    "start_time": {"start"},
    "end_time": {"end"},
    "filter": {"filter_"},
    "include": {"vectors", "no_metadata"},
    "time_decay": {"half_life", "decay_at"},
    "before": {"before_start", "before_end"},
    "after": {"after_start", "after_end"},
    "queries": {"file"},
    "X-Tenant-Id": {"tenant"},
    "Idempotency-Key": {"idempotency_key"},
    "scopes": {"scopes"},
    "expires_at": {"expires"},
}
"""Fields whose options have other names."""

SPELLED_HERE = {
    ("create_collection", "name"): {"name"},
    ("get_collection", "collection"): {"name"},
    ("update_collection", "collection"): {"name"},
    ("delete_collection", "collection"): {"name"},
    ("ingest", "points"): {"file"},
    ("delete_points", "points"): {"point", "points"},
    ("restore_points", "points"): {"point", "points"},
}

NOT_OPTIONS_HERE = {
    ("compact", "Idempotency-Key"): "asked for twice, it does no more than asked for once",
    ("get_openapi", "X-Tenant-Id"): "it is the same for all, and read from no server",
}

NOT_OPTIONS = {
    "X-Request-Id": "the command is the only one who would look for it",
    "X-Deadline-Ms": "whoever waits for a command ends it with Ctrl-C",
}


def resolved(node):
    while "$ref" in node:
        found = DESCRIPTION
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def operations():
    for item in DESCRIPTION["paths"].values():
        for method, operation in item.items():
            if method in {"get", "put", "post", "patch", "delete"}:
                yield operation, [*item.get("parameters", ()), *operation.get("parameters", ())]


def fields_of(operation, parameters):
    names = {resolved(parameter)["name"] for parameter in parameters}
    content = resolved(operation.get("requestBody", {})).get("content", {})
    for body in content.values():
        names |= resolved(body["schema"]).get("properties", {}).keys()
    return names


def command_of(operation_id):
    found = ROOT
    for part in OPERATIONS[operation_id].split():
        found = found.commands[part]
    return found


def test_every_operation_is_a_command_of_the_group_of_its_tag():
    tags = {operation["operationId"]: operation["tags"] for operation, _ in operations()}
    assert sorted(OPERATIONS) == sorted(tags)
    for operation_id, path in OPERATIONS.items():
        assert [path.split()[0]] == tags[operation_id]
        assert command_of(operation_id).help


def test_every_command_of_a_group_is_an_operation():
    commands = {f"{group} {name}" for group in GROUPS for name in ROOT.commands[group].commands}
    assert commands == set(OPERATIONS.values())


@pytest.mark.parametrize("operation_id", sorted(OPERATIONS))
def test_every_field_of_a_request_is_an_option(operation_id):
    [(operation, parameters)] = [
        found for found in operations() if found[0]["operationId"] == operation_id
    ]
    options = {parameter.name for parameter in command_of(operation_id).params}
    missing = {}
    for field in fields_of(operation, parameters) - NOT_OPTIONS.keys():
        if (operation_id, field) in NOT_OPTIONS_HERE:
            continue
        expected = SPELLED_HERE.get((operation_id, field)) or SPELLED.get(field, {field})
        if not expected <= options:
            missing[field] = expected - options
    assert missing == {}


def test_a_shortcut_is_the_command_of_a_group():
    shared = {
        unwrap(command.callback)
        for group in GROUPS
        for command in ROOT.commands[group].commands.values()
    }
    assert set(SHORTCUTS.values()) <= shared
    for name in SHORTCUTS:
        assert ROOT.commands[name].params


def test_every_option_says_what_it_does():
    for path in sorted(set(OPERATIONS.values())):
        group, name = path.split()
        for parameter in ROOT.commands[group].commands[name].params:
            assert parameter.help, (path, parameter.name)
