"""What is known of entities themselves."""

from __future__ import annotations

import json

import pytest

from tsvec.model.limits import LIMITS

MERGE_PATCH = "application/merge-patch+json"


@pytest.fixture
def path(storms) -> str:
    return f"{storms}/entities/AL122005/attributes"


def merge(client, path, patch, media_type=MERGE_PATCH):
    return client.patch(path, content=json.dumps(patch), headers={"content-type": media_type})


def test_there_are_none_at_first(client, path, storms):
    assert client.get(path).json() == {
        "entity_id": "AL122005",
        "attributes": {},
        "as_of_seq": 2,
        "changed_seq": None,
    }
    assert client.get(f"{storms}/entities/AL122005").json()["attributes"] == {}


def test_set_replaces_and_each_change_has_its_seq(client, path, storms):
    first = client.put(path, json={"a": [1, None, {"b": "ü"}], "c": None})
    assert first.json() == {
        "entity_id": "AL122005",
        "attributes": {"a": [1, None, {"b": "ü"}], "c": None},
        "as_of_seq": 3,
        "changed_seq": 3,
    }
    second = client.put(path, json={"d": 1})
    assert (second.json()["attributes"], second.json()["changed_seq"]) == ({"d": 1}, 4)
    assert client.get(path).json() == second.json()
    assert client.get(f"{storms}/entities/AL122005").json()["attributes"] == {"d": 1}
    assert client.get(f"{path}?as_of=3").json()["attributes"] == first.json()["attributes"]
    assert client.get(f"{path}?as_of=2").json()["attributes"] == {}
    entity = client.get(f"{storms}/entities/AL122005?as_of=3").json()
    assert entity["attributes"] == first.json()["attributes"]


@pytest.mark.parametrize("media_type", [MERGE_PATCH, "application/json"])
@pytest.mark.parametrize(
    ("target", "patch", "merged"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_the_examples_of_rfc_7396(client, path, target, patch, merged, media_type):
    client.put(path, json=target)
    reply = merge(client, path, patch, media_type)
    assert (reply.status_code, reply.json()["attributes"]) == (200, merged)
    assert client.get(path).json()["attributes"] == merged


@pytest.mark.parametrize("patch", [["c"], "bar", None, 1, [1, 2]])
def test_a_patch_that_would_leave_no_object(client, path, refused, patch):
    client.put(path, json={"a": "foo"})
    refused(merge(client, path, patch), 400, "invalid_request")
    refused(client.put(path, content=json.dumps(patch), headers={"content-type": MERGE_PATCH}),
            400, "invalid_request")  # fmt: skip
    assert client.get(path).json()["attributes"] == {"a": "foo"}


def nested(depth: int) -> dict:
    value: dict = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    "body",
    [
        json.dumps({"a": "x" * LIMITS.attributes_bytes_max}),
        json.dumps(nested(LIMITS.metadata_depth_max)),
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": 18446744073709551616}',
        '{"a": 1, "a": 2}',
        '{"a": {"b": 1, "b": 2}}',
    ],
    ids=lambda body: body[:30],
)
@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_attributes_that_cannot_be_stored(client, path, refused, method, body):
    client.put(path, json={"kept": True})
    headers = {"content-type": "application/json"}
    refused(client.request(method, path, content=body, headers=headers), 400, "invalid_request")
    assert client.get(path).json()["attributes"] == {"kept": True}


def test_a_patch_that_makes_them_too_large(client, path, refused):
    half = "x" * (LIMITS.attributes_bytes_max // 2)
    assert client.put(path, json={"a": half}).status_code == 200
    body = refused(merge(client, path, {"b": half}), 400, "invalid_request")
    assert "attributes_bytes_max" in body["message"]
    assert client.get(path).json()["attributes"] == {"a": half}


@pytest.mark.parametrize("media_type", ["", "text/plain", "application/json-patch+json"])
def test_a_media_type_nobody_reads(client, path, refused, media_type):
    body = refused(merge(client, path, {}, media_type), 400, "invalid_request")
    assert body["details"][0]["field"] == "Content-Type"
    assert MERGE_PATCH in body["message"]


def test_an_entity_nobody_saw(client, storms, refused):
    path = f"{storms}/entities/AL992005/attributes"
    refused(client.get(path), 404, "entity_not_found")
    refused(client.put(path, json={}), 404, "entity_not_found")
    refused(client.patch(path, json={}), 404, "entity_not_found")


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_parameter_that_is_wrong(client, path, refused, method):
    reply = client.request(method, f"{path}?as_of=1", json={})
    assert refused(reply, 400, "invalid_request")["details"][0]["field"] == "as_of"
