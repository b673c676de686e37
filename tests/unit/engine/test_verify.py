"""Verification rereads everything, names what is damaged and repairs what can be."""

from __future__ import annotations

import pytest

from tests.unit.engine.rig import batch_of, open_database, settle, store_of
from tsvec.engine.upkeep.checkpoint import Arrangement, commit_manifest
from tsvec.engine.verify import verify_directory
from tsvec.model.errors import ConflictError, CorruptError, NotFoundError


@pytest.fixture
def closed(opened, tmp_path):
    """A directory with two collections, in each sealed, hot and dead points; and their files."""
    database = opened(seal_rows=16)
    roots = []
    for name in ("one", "two"):
        database.create_collection(name, dim=2, metric="cosine").ingest(
            batch_of(40, first=1, metadata=b'{"a":1}')
        )
        settle(database, name)
        store = store_of(database, name)
        database.collection(name).delete_points(entity_ids=["e1"])
        with store.arranging:
            commit_manifest(store, Arrangement())
        roots.append(store.paths.root)
    database.close()
    return tmp_path / "db", roots


def test_a_sound_directory_passes(closed):
    directory, _ = closed
    told = []
    report = verify_directory(directory, progress=told.append)
    assert report.ok
    assert (report.problems, report.repaired) == ([], [])
    assert report.files == 2 * (1 + 3 + 1 + 1)
    assert sorted(line.split("/")[0] for line in told) == ["one", "two"]
    assert report.bytes > 1 << 20


@pytest.mark.parametrize(
    "pattern",
    ["manifest.json", "points.duckdb", "columns.bin", "state-*.duckdb", "overlays/*.bin", "*.log"],
)
def test_a_flipped_bit_in_any_file_is_found(closed, pattern):
    directory, (root, _) = closed
    [path] = root.rglob(pattern)
    content = path.read_bytes()
    # The first frame of a log begins behind its header page; the rest of it may be empty space.
    places = [4_096 + 9, 4_096 + 200] if pattern == "*.log" else [0, len(content) // 2, -1]
    for place in places:
        damaged = bytearray(content)
        damaged[place] ^= 0x10
        path.write_bytes(damaged)
        report = verify_directory(directory)
        assert not report.ok, place
        assert any(path.name in problem for problem in report.problems)
    path.write_bytes(content)
    assert verify_directory(directory).ok


@pytest.mark.parametrize(
    "pattern", ["points.duckdb", "columns.bin", "state-*.duckdb", "overlays/*.bin"]
)
def test_a_missing_file_is_found(closed, pattern):
    directory, (root, _) = closed
    [path] = root.rglob(pattern)
    path.unlink()
    report = verify_directory(directory)
    assert any(path.name in problem and "missing" in problem for problem in report.problems)


def test_a_log_without_its_first_segment_is_found(opened, tmp_path):
    database = opened(segment_bytes_min=1 << 16, segment_bytes_max=1 << 16)
    collection = database.create_collection("c", dim=2, metric="l2")
    for turn in range(4):
        collection.ingest(batch_of(1_000, first=1_000 * turn))
    first, *others = sorted(store_of(database).paths.log.iterdir())
    assert others
    database.close()
    assert verify_directory(tmp_path / "db").ok
    first.unlink()
    report = verify_directory(tmp_path / "db")
    assert [first.name in problem for problem in report.problems] == [True]


def test_damaged_columns_are_repaired_on_request(closed):
    directory, (root, _) = closed
    [path] = root.rglob("columns.bin")
    content = path.read_bytes()
    damaged = bytearray(content)
    damaged[5_000] ^= 1
    path.write_bytes(damaged)
    assert not verify_directory(directory).ok
    report = verify_directory(directory, repair=True)
    assert report.ok
    assert report.repaired == [str(path)]
    assert path.read_bytes() == content
    assert verify_directory(directory).ok


def test_columns_are_not_repaired_from_a_damaged_truth(closed):
    directory, (root, _) = closed
    for name in ("columns.bin", "points.duckdb"):
        [path] = root.rglob(name)
        damaged = bytearray(path.read_bytes())
        damaged[5_000] ^= 1
        path.write_bytes(damaged)
    report = verify_directory(directory, repair=True)
    assert report.repaired == []
    assert len(report.problems) == 2


def test_damage_is_met_by_a_query_too(closed):
    directory, (root, _) = closed
    [path] = root.rglob("columns.bin")
    damaged = bytearray(path.read_bytes())
    damaged[4_096 + 8] ^= 1
    path.write_bytes(damaged)
    with open_database(directory) as database:
        with pytest.raises(CorruptError, match=r"columns\.bin is damaged.*tsvec verify --repair"):
            database.collection("one").temporal_knn([1.0, 1.0])
        assert database.collection("two").temporal_knn([1.0, 1.0]).returned == 10


def test_only_a_database_that_nobody_uses_is_verified(closed, tmp_path):
    directory, _ = closed
    with open_database(directory), pytest.raises(ConflictError, match="in use"):
        verify_directory(directory)
    with pytest.raises(NotFoundError, match="no tsvec directory"):
        verify_directory(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    (directory / "FORMAT").write_text("something else")
    with pytest.raises(CorruptError, match="FORMAT"):
        verify_directory(directory)


def test_the_requests_of_a_tenant_are_checked_too(tmp_path):
    with open_database(tmp_path) as database:
        database.create_collection("c", dim=2, idempotency_key="k")
    path = tmp_path / "tenants" / "default" / "requests.json"
    assert verify_directory(tmp_path).ok
    path.write_bytes(path.read_bytes().replace(b'"made"', b'"done"'))
    (problem,) = verify_directory(tmp_path).problems
    assert "requests.json is damaged" in problem


def test_every_tenant_and_the_keys_are_checked(opened, tmp_path):
    database = opened()
    for tenant in ("acme", "rival"):
        database.tenant(tenant).create_collection("c", dim=2).ingest(batch_of(3))
    database.admin.create_key("device")
    database.close()
    seen = verify_directory(tmp_path / "db")
    assert (seen.ok, seen.files) == (True, 5)  # the keys; a manifest and a log each
    [manifest] = (tmp_path / "db" / "tenants" / "rival").glob("*/manifest.json")
    for path in (manifest, tmp_path / "db" / "keys.json"):
        whole = path.read_bytes()
        path.write_bytes(whole[:-2])
        [problem] = verify_directory(tmp_path / "db").problems
        assert str(path) in problem
        path.write_bytes(whole)
