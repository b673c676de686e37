"""Collections of tenants: each has its own, and those out of reach are refused."""

from __future__ import annotations

import pytest

from tests.unit.engine.rig import batch_of, settle
from tsvec.model.errors import CollectionNotFoundError, ForbiddenError, InvalidRequestError


def names(tenant):
    return [info.name for info in tenant.list_collections().items]


def test_one_name_is_another_collection_for_each_tenant(opened):
    database = opened()
    acme = database.tenant("acme")
    database.create_collection("c", dim=2, metric="l2").ingest(batch_of(3))
    with pytest.raises(CollectionNotFoundError):
        acme.get_collection("c")
    acme.create_collection("c", dim=3).ingest(batch_of(5, dim=3))
    acme.update_collection("c", allowed_lateness="90d")
    assert database.get_collection("c").allowed_lateness is None
    assert database.collection("c").get_collection_stats().points == 3
    assert acme.collection("c").get_collection_stats().points == 5
    acme.delete_collection("c")
    assert (names(database), names(acme)) == (["c"], [])
    assert database.tenant("default").get_collection("c") == database.get_collection("c")


def test_the_first_ingest_makes_a_default_of_its_own(opened):
    database = opened()
    database.tenant("acme").collection().ingest(batch_of(2))
    assert (names(database), names(database.tenant("acme"))) == ([], ["default"])


def test_all_of_every_tenant_is_there_after_a_restart(opened):
    database = opened(seal_rows=16)
    for count, tenant in enumerate(("acme", "default", "rival"), 1):
        database.tenant(tenant).create_collection("c", dim=2, metric="l2").ingest(
            batch_of(20 * count)
        )
    settle(database)
    database.close()
    again = opened(seal_rows=16)
    counts = {
        tenant: again.tenant(tenant).collection("c").get_collection_stats().points
        for tenant in ("acme", "default", "rival")
    }
    assert counts == {"acme": 20, "default": 40, "rival": 60}


def test_what_is_out_of_reach_is_refused_whether_it_is_there_or_not(opened):
    database = opened()
    for name in ("a", "b"):
        database.create_collection(name, dim=2)
    confined = database.tenant("default", collections=["a", "later"])
    assert names(confined) == ["a"]
    confined.create_collection("later", dim=2)
    for name in ("b", "nothing"):
        for refused in (
            lambda name=name: confined.collection(name),
            lambda name=name: confined.create_collection(name, dim=2),
            lambda name=name: confined.get_collection(name),
            lambda name=name: confined.update_collection(name, retention="1d"),
            lambda name=name: confined.delete_collection(name),
        ):
            with pytest.raises(ForbiddenError, match=f"does not reach the collection '{name}'"):
                refused()
    assert names(database) == ["a", "b", "later"]


@pytest.mark.parametrize("name", ["", "..", "A", "a/b", "a" * 64])
def test_a_name_that_no_tenant_can_have_is_refused(opened, name):
    with pytest.raises(InvalidRequestError, match="tenant is refused: a tenant name is"):
        opened().tenant(name)


def test_metrics_and_health_are_those_of_the_tenant(opened):
    database = opened()
    database.create_collection("mine", dim=2)
    acme = database.tenant("acme")
    acme.create_collection("theirs", dim=2)
    assert 'tsvec_seq{collection="mine",tenant="default"} 0.0' in database.get_metrics()
    assert 'tsvec_seq{collection="theirs",tenant="acme"} 0.0' in database.get_metrics()
    assert "mine" not in acme.get_metrics()
    assert "theirs" in acme.get_metrics()
    assert "theirs" not in database.tenant("acme", collections=["x"]).get_metrics()
    assert acme.get_health().status == "ok"
    assert acme.get_info() == database.get_info()
