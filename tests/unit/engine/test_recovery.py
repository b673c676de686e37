"""What was acknowledged is there after a restart, from the log, the partitions and the state."""

from __future__ import annotations

import shutil
from datetime import timedelta

import pytest

from tests.unit.engine.rig import SECOND, ManualClock, batch_of, settle, store_of
from tsvec.engine.upkeep import checkpoint
from tsvec.model.errors import CorruptError


@pytest.fixture
def made(opened):
    def make(**options):
        database = opened(**({"seal_rows": 16} | options))
        return database, database.create_collection("c", dim=2, metric="l2")

    return make


def everything(collection):
    found = collection.temporal_knn([3.0, 1.0], k=1_000, include=["metadata", "vector"])
    windows = [(window.start_time, window.points) for window in collection.list_windows().items]
    entities = [collection.entities.get_entity(f"e{n}").model_dump_json() for n in range(5)]
    return found.model_dump_json(), windows, entities


@pytest.mark.parametrize("rows", [15, 16, 40])
def test_a_restart_shows_the_same(made, opened, rows):
    database, collection = made()
    metadata = b'{"a":[1,{"b":"\xc3\xa9"}]}'
    collection.ingest(batch_of(rows, metadata=metadata, entity_type="ship"))
    settle(database)
    before = everything(collection)
    for _ in range(3):
        database.close()
        database = opened(seal_rows=16)
        collection = database.collection("c")
        assert everything(collection) == before
    assert collection.ingest(batch_of(1)).seq == rows + 1


def test_the_log_alone_is_enough(made, opened, tmp_path):
    """A copy of the directory while it is open is what a crash would leave."""
    database, collection = made(seal_rows=1_000)
    for turn in range(5):
        collection.ingest(batch_of(7, first=7 * turn))
        shutil.copytree(tmp_path / "db", tmp_path / f"copy-{turn}")
    before = everything(collection)
    database.close()
    for turn in range(5):
        shutil.rmtree(tmp_path / "db")
        shutil.move(tmp_path / f"copy-{turn}", tmp_path / "db")
        with opened() as again:
            assert again.collection("c").get_collection_stats().points == 7 * (turn + 1)
            assert turn < 4 or everything(again.collection("c")) == before


def test_types_given_late_survive(made, opened):
    database, collection = made()
    collection.ingest(batch_of(20))
    settle(database)
    collection.ingest(batch_of(3, first=1, entity_type="ship"))
    database.close()
    entities = opened().collection("c").entities
    types = [entities.get_entity(f"e{n}").entity_type for n in range(5)]
    assert types == ["GENERIC", "ship", "ship", "ship", "GENERIC"]


def test_a_state_older_than_the_partitions_is_completed_from_the_log(made, opened, monkeypatch):
    """With many entities the state is not written at every seal."""
    monkeypatch.setattr(checkpoint, "_CHANGES_MIN", 0)
    database, collection = made(seal_rows=4)
    for turn in range(10):
        collection.ingest(batch_of(4, first=4 * turn, entity_type="ship"))
        settle(database)
    manifest = store_of(database).manifest
    assert manifest.state_seq < manifest.sealed_seq
    before = everything(collection)
    database.close()
    assert everything(opened(seal_rows=4).collection("c")) == before


def test_recorded_time_never_runs_backwards_even_if_the_clock_does(made, opened):
    clock = ManualClock()
    database, collection = made(clock=clock)
    recorded = [collection.ingest(batch_of(1)).recorded_at]
    clock.leap(-3_600 * SECOND)
    recorded.append(collection.ingest(batch_of(1, first=1)).recorded_at)
    database.close()
    collection = opened(clock=clock).collection("c")
    recorded.append(collection.ingest(batch_of(1, first=2)).recorded_at)
    clock.leap(2 * 3_600 * SECOND)
    recorded.append(collection.ingest(batch_of(1, first=3)).recorded_at)
    assert recorded == sorted(set(recorded))
    assert recorded[2] - recorded[0] == timedelta(microseconds=2)
    assert recorded[3].timestamp() * SECOND == clock.now


def test_what_a_manifest_does_not_name_is_removed(made, opened):
    database, collection = made()
    collection.ingest(batch_of(20))
    settle(database)
    collection.delete_points(entity_ids=["e1"])
    store = store_of(database)
    with store.arranging:
        checkpoint.commit_manifest(store, checkpoint.Arrangement())
    paths = store.paths
    database.close()
    live = {path for path in paths.root.rglob("*") if path.is_file()}
    for stray in (paths.partitions / "p-1.tmp", paths.partitions / "p-00000099"):
        stray.mkdir()
        (stray / "points.duckdb").write_bytes(b"half")
    (paths.state / "state-7.duckdb").write_bytes(b"old")
    (paths.overlays / "p-00000002-00000001.bin").write_bytes(b"old")
    paths.manifest.with_suffix(".tmp").write_bytes(b"{")
    opened().close()
    assert {path for path in paths.root.rglob("*") if path.is_file()} == live
    assert len(list(paths.overlays.iterdir())) == 1


def test_damaged_columns_are_rebuilt_from_the_truth(made, opened):
    database, collection = made()
    collection.ingest(batch_of(20, metadata=b'{"a":1}'))
    settle(database)
    before, [part] = everything(collection), store_of(database).windows.sealed
    path = store_of(database).paths.root / part.entry.columns.path
    content = path.read_bytes()
    database.close()
    for damaged in (b"", content[:-1], b"\0" * len(content)):
        path.write_bytes(damaged)
        with opened() as again:
            assert everything(again.collection("c")) == before
        assert path.read_bytes() == content
    path.unlink()
    assert everything(opened().collection("c")) == before


@pytest.mark.parametrize(
    "what",
    ["points.duckdb", "state-*.duckdb", "overlays/*.bin", "0000000001.log"],
    ids=["truth", "state", "overlay", "log"],
)
@pytest.mark.parametrize("how", ["missing", "cut"])
def test_damage_that_cannot_be_undone_is_named(made, opened, what, how):
    database, collection = made()
    collection.ingest(batch_of(20))
    settle(database)
    collection.delete_points(entity_ids=["e1"])
    store = store_of(database)
    with store.arranging:
        checkpoint.commit_manifest(store, checkpoint.Arrangement())
    [path] = store.paths.root.rglob(what)
    database.close()
    content = path.read_bytes()
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(content[: min(5_000, len(content) - 1)])
    again = opened()
    with pytest.raises(CorruptError) as caught:
        again.collection("c").temporal_knn([0.0, 0.0])
    named = path.parent.name if what.endswith(".log") and how == "missing" else path.name
    assert named in caught.value.message
    assert again.get_health().status == "degraded"
    again.close()
    path.write_bytes(content)
    assert opened().collection("c").get_collection_stats().points == 16


def test_fail_points_of_recovery_are_passed(made, opened):
    database, collection = made()
    collection.ingest(batch_of(3))
    database.close()
    again = opened("recovery.replayed=eio@1")
    assert again.get_health().status == "degraded"
    again.close()
    assert opened().collection("c").get_collection_stats().points == 3


def test_a_replayed_delete_finds_its_point_beside_entities_that_come_later_in_the_log(
    made, opened, monkeypatch
):
    monkeypatch.setattr(checkpoint, "_CHANGES_MIN", 0)
    database, collection = made(seal_rows=8)

    def ingest(first, count):
        numbers = range(first, first + count)
        collection.ingest([{"entity_id": f"n{n}", "vector": [n, 1]} for n in numbers])

    ingest(0, 40)
    settle(database)
    ingest(40, 1)
    collection.delete_points(entity_ids=["n40"])
    ingest(41, 10)
    settle(database)
    manifest = store_of(database).manifest
    assert manifest.state_seq < manifest.sealed_seq
    database.close()
    assert opened(seal_rows=8).collection("c").get_collection_stats().points == 50
