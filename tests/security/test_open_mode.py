"""Who is served without a key: this machine, as long as the database has none."""

from __future__ import annotations

import httpx
import pytest

from tests.api.conftest import URL, AppTransport
from tests.e2e.test_serve import url_of
from tests.unit.engine.rig import open_database
from tsvec.model.access.keys import SCOPES
from tsvec.model.errors import InvalidRequestError
from tsvec.server.app import create_app
from tsvec.server.serve import build_server

OUTSIDE = ["0.0.0.0", "::", "", "192.168.1.5", "example.org", "127.0.0.1.x"]


@pytest.fixture
def database(tmp_path):
    with open_database(tmp_path / "data") as database:
        yield database


def client_of(app) -> httpx.Client:
    return httpx.Client(transport=AppTransport(app), base_url=URL)


def test_it_ends_with_the_first_key_and_for_good(database, refused):
    with client_of(create_app(database)) as client:
        assert client.get("/v1/info").status_code == 200
        made = client.post("/v1/keys", json={"name": "first", "scopes": ["admin"]})
        assert made.status_code == 201
        assert made.headers["cache-control"] == "no-store"
        refused(client.get("/v1/info"), 401, "unauthorized")
        client.headers["x-api-key"] = made.json()["secret"]
        assert client.get("/v1/info").status_code == 200
        assert client.delete(f"/v1/keys/{made.json()['id']}").status_code == 200
        refused(client.get("/v1/info"), 401, "unauthorized")
        del client.headers["x-api-key"]
        refused(client.get("/v1/info"), 401, "unauthorized")


def test_everybody_may_do_everything_in_the_tenant_they_name(database):
    with client_of(create_app(database)) as client:
        for tenant in ({}, {"x-tenant-id": "acme"}):
            config = {"name": "c", "dim": 2}
            assert client.post("/v1/collections", json=config, headers=tenant).status_code == 201
        assert client.get("/health").json()["problems"] == []
        other = client.get("/v1/collections", headers={"x-tenant-id": "nobody"})
        assert other.json()["items"] == []
    assert [each.name for each in database.tenant("acme").list_collections().items] == ["c"]


def test_a_key_that_nobody_needs_is_ignored(database):
    """A client that always sends its key works with an open server too."""
    with client_of(create_app(database)) as client:
        assert client.get("/v1/info", headers={"x-api-key": "any"}).status_code == 200


def test_to_name_tenants_costs_nothing(database, tmp_path):
    with client_of(create_app(database)) as client:
        for number in range(20):
            tenant = {"x-tenant-id": f"t{number}"}
            assert client.get("/v1/collections", headers=tenant).status_code == 200
            assert client.post("/v1/collections", json={"dim": 0}, headers=tenant).is_error
    assert [path.name for path in (tmp_path / "data" / "tenants").iterdir()] == ["default"]


@pytest.mark.parametrize("host", OUTSIDE)
def test_no_server_for_others_without_a_usable_key(database, host):
    with pytest.raises(InvalidRequestError, match=r"tsvec keys create NAME --data DIR"):
        build_server(database, host)
    key = database.tenant("acme").admin.create_key("device", scopes=SCOPES)
    app = build_server(database, host).config.app
    with client_of(app) as client:
        assert client.get("/v1/info").status_code == 401
        assert client.get("/v1/info", headers={"x-api-key": key.secret}).status_code == 200
    database.tenant("acme").admin.revoke_key(key.id)
    with pytest.raises(InvalidRequestError, match="every key of this database was revoked"):
        build_server(database, host)


def test_the_setting_closes_this_machine_too(tmp_path):
    with open_database(tmp_path / "closed", auth="required") as database:
        with pytest.raises(InvalidRequestError, match="the setting `auth` requires keys"):
            build_server(database)
        with client_of(create_app(database)) as client:
            assert client.get("/v1/info").status_code == 401
            assert client.get("/health").status_code == 200
        database.admin.create_key("device")
        build_server(database)


def test_a_server_as_it_starts_by_default_listens_to_this_machine(started, tsvec, tmp_path):
    with started("serve", "--port", "0") as server:
        assert url_of(server).startswith("http://127.0.0.1:")
    refused = tsvec("serve", "--port", "0", "--host", "0.0.0.0")
    assert refused.returncode == 1
    assert "tsvec keys create NAME" in refused.stderr
