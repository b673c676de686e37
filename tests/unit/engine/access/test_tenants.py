"""How many tenants there may be."""

from __future__ import annotations

import pytest

from tests.unit.engine.rig import open_database
from tsvec.engine.access.tenants import Tenants
from tsvec.model.errors import CorruptError, TooLargeError


def test_there_are_so_many_tenants_and_no_more():
    tenants = Tenants(tenants_max=3)
    tenants.sources += [lambda: {"a", "b"}, lambda: {"b", "c"}]
    assert tenants.names() == {"a", "b", "c"}
    tenants.check_room("b")
    with pytest.raises(TooLargeError, match="3 tenants have collections or keys"):
        tenants.check_room("d")


def test_collections_and_keys_both_make_a_tenant(opened):
    database = opened(limits={"tenants_max": 2})
    database.tenant("one").create_collection("c", dim=2)
    key = database.tenant("two").admin.create_key("device")
    for make in (
        lambda: database.tenant("three").create_collection("c", dim=2),
        lambda: database.tenant("three").admin.create_key("device"),
    ):
        with pytest.raises(TooLargeError, match="tenants_max"):
            make()
    database.tenant("two").create_collection("c", dim=2)
    database.tenant("two").admin.revoke_key(key.id)
    database.tenant("one").delete_collection("c")
    database.tenant("three").create_collection("c", dim=2)


def test_a_tenant_without_anything_leaves_nothing_behind(opened, tmp_path):
    database = opened()
    database.tenant("acme").create_collection("c", dim=2)
    assert (tmp_path / "db" / "tenants" / "acme").is_dir()
    database.tenant("acme").delete_collection("c")
    assert not (tmp_path / "db" / "tenants" / "acme").exists()


def test_a_directory_that_no_tenant_can_have_is_named(opened, tmp_path):
    opened().close()
    (tmp_path / "db" / "tenants" / "Not A Tenant").mkdir()
    with pytest.raises(CorruptError, match=r"Not A Tenant is no tenant's directory"):
        open_database(tmp_path / "db")
