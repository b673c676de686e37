"""Collections of a tenant: made whole, deleted whole, damaged ones kept apart."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.unit.engine.rig import batch_of, open_database, settle, store_of
from tsvec.model.errors import (
    CollectionNotFoundError,
    ConflictError,
    CorruptError,
    DiskFullError,
    TooLargeError,
    UnavailableError,
)
from tsvec.model.limits import Limits


def directories(tmp_path):
    return sorted(path.name for path in (tmp_path / "db" / "tenants" / "default").iterdir())


def test_a_name_is_taken_once(database):
    with pytest.raises(ConflictError, match="'c' already exists"):
        database.create_collection("c", dim=9)
    assert database.collection("c").dim == 2


def test_an_unknown_name_is_said_to_be_unknown(database):
    with pytest.raises(CollectionNotFoundError, match="no collection 'nope'; create it first"):
        database.get_collection("nope")
    with pytest.raises(CollectionNotFoundError):
        database.delete_collection("nope")
    database.create_collection("ships", dim=2)
    with pytest.raises(
        CollectionNotFoundError, match=r"no collection 'shipps'; did you mean 'ships'"
    ):
        database.get_collection("shipps")
    with pytest.raises(CollectionNotFoundError):
        database.collection("nope").ingest(batch_of(1))


def test_there_are_so_many_collections_and_no_more(opened):
    database = opened(limits=Limits(collections_max=2))
    database.create_collection("c", dim=2)
    database.create_collection("d", dim=2)
    with pytest.raises(TooLargeError, match="2 collections exist"):
        database.create_collection("e", dim=2)
    database.delete_collection("d")
    database.create_collection("e", dim=2)


def test_deleted_and_made_again_it_is_another(database, tmp_path):
    collection = database.collection("c")
    collection.ingest(batch_of(5))
    before = database.get_collection("c")
    database.delete_collection("c")
    assert directories(tmp_path) == []
    with pytest.raises(CollectionNotFoundError):
        collection.get_collection_stats()
    database.create_collection("c", dim=3)
    after = database.get_collection("c")
    assert after.history != before.history
    assert (after.dim, after.seq) == (3, 0)
    assert collection.dim == 3
    assert collection.ingest(entity_id="a", vector=[1, 2, 3]).seq == 1


def test_what_a_deleted_collection_held_open_is_let_go(database, open_files):
    before = open_files()
    for _ in range(5):
        database.create_collection("d", dim=2, metric="l2")
        database.collection("d").ingest(batch_of(3))
        database.delete_collection("d")
    assert open_files() <= before


@pytest.fixture
def open_files():
    """Counts the files this process has open."""
    return lambda: len(list(Path("/proc/self/fd").iterdir()))


def test_leftovers_of_a_crash_are_removed_at_open(database, tmp_path):
    database.collection("c").ingest(batch_of(3))
    database.close()
    [name] = directories(tmp_path)
    tenant = tmp_path / "db" / "tenants" / "default"
    shutil.copytree(tenant / name, tenant / "half.tmp")
    shutil.copytree(tenant / name, tenant / "gone.deleted")
    with open_database(tmp_path / "db") as again:
        assert directories(tmp_path) == [name]
        assert [info.name for info in again.list_collections().items] == ["c"]


def test_two_directories_of_one_collection_are_refused(database, tmp_path):
    database.close()
    [name] = directories(tmp_path)
    tenant = tmp_path / "db" / "tenants" / "default"
    shutil.copytree(tenant / name, tenant / "copy")
    with pytest.raises(CorruptError, match="second collection 'c'"):
        open_database(tmp_path / "db")
    shutil.rmtree(tenant / "copy")
    open_database(tmp_path / "db").close()


def test_a_damaged_collection_is_refused_by_name_and_the_others_serve(opened, tmp_path):
    database = opened(seal_rows=16)
    for name in ("bad", "good"):
        database.create_collection(name, dim=2, metric="l2").ingest(batch_of(20))
        settle(database, name)
    truth = next(store_of(database, "bad").paths.partitions.rglob("points.duckdb"))
    database.close()
    truth.unlink()
    again = opened()
    assert again.collection("good").get_collection_stats().points == 20
    for refused in (
        lambda: again.get_collection("bad"),
        lambda: again.collection("bad").ingest(batch_of(1)),
        lambda: again.collection("bad").temporal_knn([0, 0]),
    ):
        with pytest.raises(CorruptError, match=r"points\.duckdb is missing"):
            refused()
    with pytest.raises(ConflictError):
        again.create_collection("bad", dim=2)
    health = again.get_health()
    assert health.status == "degraded"
    assert "'bad'" in health.problems[0]


def test_an_unreadable_manifest_is_named(database, tmp_path):
    manifest = store_of(database).paths.manifest
    database.close()
    text = bytearray(manifest.read_bytes())
    text[len(text) // 2] ^= 1
    manifest.write_bytes(text)
    with pytest.raises(CorruptError, match=r"manifest\.json"):
        open_database(tmp_path / "db")


@pytest.mark.parametrize("step", ["collection.directory_made", "collection.manifest_written"])
def test_a_full_disk_leaves_no_half_collection(opened, tmp_path, step):
    database = opened(f"{step}=enospc@1")
    with pytest.raises(DiskFullError):
        database.create_collection("c", dim=2)
    assert directories(tmp_path) == []
    database.create_collection("c", dim=2)
    assert len(directories(tmp_path)) == 1


def test_nothing_is_made_or_removed_after_the_end(database, tmp_path):
    before = directories(tmp_path)
    database.close()
    with pytest.raises(UnavailableError, match="closed"):
        database.create_collection("late", dim=2)
    with pytest.raises(UnavailableError, match="closed"):
        database.collection().ingest(entity_id="a", vector=[1.0])
    with pytest.raises(UnavailableError, match="closed"):
        database.delete_collection("c")
    assert directories(tmp_path) == before
