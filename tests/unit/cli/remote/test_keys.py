"""The keys of a server: what is asked of it."""

from __future__ import annotations

import json

import httpx

from tsvec.cli.remote.database import RemoteDatabase
from tsvec.model.access.keys import KeyRequest

KEY = {
    "id": "key_1",
    "name": "device",
    "tenant": "acme",
    "scopes": ["read"],
    "collections": None,
    "created_at": "2026-01-31T12:00:00Z",
    "expires_at": None,
    "revoked_at": None,
    "last_used_at": None,
}


def test_requests_say_who_asks_and_for_what():
    asked = []
    replies = [KEY | {"secret": "tsk_1"}, {"items": [KEY], "next_cursor": None}, KEY]

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(200, json=replies[len(asked) - 1])

    transport = httpx.MockTransport(answer)
    with RemoteDatabase(
        "http://127.0.0.1:8710", token="tsk_0", tenant="acme", transport=transport
    ) as database:
        assert database.admin.create(KeyRequest(name="device", scopes=["read"])).secret == "tsk_1"
        assert [key.id for key in database.admin.list_keys(limit=7, cursor="key_0").items] == [
            "key_1"
        ]
        assert database.admin.revoke_key("a/b").id == "key_1"
    sent = [(each.method, each.url.raw_path.decode()) for each in asked]
    assert sent == [
        ("POST", "/v1/keys"),
        ("GET", "/v1/keys?limit=7&cursor=key_0"),
        ("DELETE", "/v1/keys/a%2Fb"),
    ]
    assert json.loads(asked[0].content) == {"name": "device", "scopes": ["read"]}
    for request in asked:
        assert request.headers["authorization"] == "Bearer tsk_0"
        assert request.headers["x-tenant-id"] == "acme"
