"""Keys are made, listed and revoked over HTTP as the description says."""

from __future__ import annotations

import pytest

from sdk_gen.spec import load
from tests.api.conftest import ROOT

API = {operation.id: operation for operation in load(ROOT / "openapi" / "tsvec.yaml").operations}
VOLATILE = {"id", "secret", "created_at", "revoked_at", "last_used_at"}


def told(record):
    return {name: value for name, value in record.items() if name not in VOLATILE}


@pytest.fixture
def admin(client, database):
    """A client with a key of all scopes."""
    key = database.admin.create_key("admin", scopes=["read", "write", "admin"])
    client.headers["authorization"] = f"Bearer {key.secret}"
    return client


def test_each_is_answered_as_documented(admin):
    create, listing, revoke = (API[name] for name in ("create_key", "list_keys", "revoke_key"))
    made = admin.post(create.path, json=create.bodies[0].example)
    expected = create.replies[0].contents[0].example
    assert made.status_code == 201
    assert told(made.json()) == told(expected)
    assert made.json().keys() == expected.keys()

    page = admin.get(listing.path).json()
    assert [key["name"] for key in page["items"]] == ["admin", "storm watch"]
    assert page["items"][0]["last_used_at"] is not None
    assert told(page["items"][1]) == told(listing.replies[0].contents[0].example["items"][0])

    revoked = admin.delete(f"{create.path}/{made.json()['id']}")
    assert revoked.status_code == int(revoke.replies[0].status)
    assert told(revoked.json()) == told(revoke.replies[0].contents[0].example)
    assert revoked.json()["revoked_at"] is not None


def test_they_are_listed_a_page_at_a_time(admin, refused):
    ids = [admin.get("/v1/keys").json()["items"][0]["id"]]
    ids += [admin.post("/v1/keys", json={"name": f"k{n}"}).json()["id"] for n in range(4)]
    first = admin.get("/v1/keys", params={"limit": 3}).json()
    rest = admin.get("/v1/keys", params={"limit": 3, "cursor": first["next_cursor"]}).json()
    assert [key["id"] for key in first["items"] + rest["items"]] == ids
    assert rest["next_cursor"] is None
    refused(admin.get("/v1/keys", params={"cursor": "key_0"}), 400, "invalid_request")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a", "scopes": ["all"]}, "scopes[0]"),
        ({"name": "a", "expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "a", "collections": []}, "collections"),
        ({"name": "a", "tenant": "rival"}, "tenant"),
    ],
)
def test_what_is_wrong_is_named(admin, refused, body, field):
    found = refused(admin.post("/v1/keys", json=body), 400, "invalid_request")
    assert [detail["field"] for detail in found["details"]] == [field]
    assert len(admin.get("/v1/keys").json()["items"]) == 1


@pytest.mark.parametrize("key_id", ["key_0000000000000000", "x", "%00", "..%2F..", "%C3%A9"])
def test_a_key_that_is_not_there(admin, refused, key_id):
    refused(admin.delete(f"/v1/keys/{key_id}"), 404, "not_found")
