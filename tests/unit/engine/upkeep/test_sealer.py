"""Background sealing: done when due, tried again after a failure, given up after a failed fsync."""

from __future__ import annotations

import threading

import pytest

from tests.gates import Gate
from tests.unit.engine.rig import NOON, SECOND, ManualClock, batch_of, store_of, wait_until
from tsvec.engine.upkeep import maintainer, sealer
from tsvec.engine.upkeep.sealer import Sealer
from tsvec.model.errors import UnavailableError

FIRST_SEAL = {"manifest.before_rename": 2, "manifest.after_rename": 2}
"""The first manifest is written when the collection is made."""


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(sealer, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(sealer, "_RETRY_SECONDS", 0.01)
    monkeypatch.setattr(maintainer, "_LOOK_SECONDS", 60.0)


def make(opened, rules="", rows=40, **options):
    database = opened(rules, **({"seal_rows": 16} | options))
    collection = database.create_collection("c", dim=2, metric="l2")
    collection.ingest(batch_of(rows))
    return database, collection


def sealed_of(collection):
    stats = collection.get_collection_stats()
    return stats.sealed_points, stats.partitions


def test_full_blocks_go_into_one_partition(opened):
    database, collection = make(opened)
    wait_until(lambda: sealed_of(collection) == (32, 1))
    assert collection.get_collection_stats().hot_points == 8
    wait_until(lambda: "tsvec_seals_total 1.0" in database.get_metrics())


def test_few_rows_are_sealed_once_they_are_old(opened):
    clock = ManualClock()
    ages = {"seal_rows": 1_000, "seal_age_seconds": 60.0, "seal_age_rows_min": 10}
    _, collection = make(opened, clock=clock, rows=9, **ages)
    clock.now += 61 * SECOND
    collection.ingest(batch_of(1, first=9))
    wait_until(lambda: sealed_of(collection) == (10, 1))
    collection.ingest(batch_of(20, first=10))
    clock.now += 59 * SECOND
    sealer_looks(4)
    assert sealed_of(collection) == (10, 1)
    clock.now += 2 * SECOND
    wait_until(lambda: sealed_of(collection) == (30, 2))


def sealer_looks(times):
    """Wait until a sealer would have looked this often."""
    threading.Event().wait(0.02 * times)


@pytest.mark.parametrize(
    "step", ["seal.start", "seal.truth_written", "seal.columns_written", "manifest.before_rename"]
)
@pytest.mark.parametrize("error", ["eio", "enospc"])
def test_a_failed_seal_is_reported_and_tried_again(opened, step, error):
    again = Gate("seal.start", hit=2, rules=f"{step}={error}@{FIRST_SEAL.get(step, 1)}")
    database, collection = make(opened, again)
    with again:
        assert database.get_health().status == "degraded"
        assert "sealing 'c' failed" in database.get_health().problems[0]
        assert collection.get_collection_stats().points == 40
        assert collection.ingest(batch_of(1, first=40)).seq == 41
    wait_until(lambda: sealed_of(collection)[0] == 32)
    wait_until(lambda: database.get_health().status == "ok")
    partitions = [p.name for p in store_of(database).paths.partitions.iterdir()]
    assert len(partitions) == 1


def test_one_collection_that_cannot_be_sealed_holds_up_no_other(opened, monkeypatch):
    """The sealer looks only when it is woken, so the first seal it tries is that of `c`."""
    monkeypatch.setattr(sealer, "_LOOK_SECONDS", 60.0)
    monkeypatch.setattr(sealer, "_RETRY_SECONDS", 60.0)
    database, collection = make(opened, "seal.start=eio@1", rows=10)
    other = database.create_collection("other", dim=2, metric="l2")
    with store_of(database).sealing:
        collection.ingest(batch_of(20, first=10))
        other.ingest(batch_of(20))
    wait_until(lambda: sealed_of(other) == (16, 1))
    wait_until(lambda: database.get_health().status == "degraded")
    database.delete_collection("c")


def test_a_failure_without_a_message_is_named(opened, monkeypatch):
    monkeypatch.setattr(sealer, "seal", out_of_memory)
    database, _ = make(opened)
    wait_until(lambda: database.get_health().status == "degraded")
    assert database.get_health().problems == ["sealing 'c' failed: MemoryError"]


def out_of_memory(*_):
    raise MemoryError


@pytest.mark.parametrize("step", ["seal.partition_renamed", "manifest.after_rename"])
def test_a_seal_that_fails_at_a_directory_leaves_nothing_twice(opened, tmp_path, step):
    """Whether a rename is durable nobody knows; what follows must be right either way."""
    database, collection = make(opened, f"{step}=eio@{FIRST_SEAL.get(step, 1)}")
    wait_until(lambda: sealed_of(collection)[0] == 32 or database.get_health().status != "ok")
    before = [hit.seq for hit in collection.temporal_knn([0, 0], k=100).hits]
    assert before == list(range(1, 41))
    database.close()
    again = opened(seal_rows=16).collection("c")
    assert [hit.seq for hit in again.temporal_knn([0, 0], k=100).hits] == before
    wait_until(lambda: again.get_collection_stats().sealed_points == 32)
    assert again.get_collection_stats().points == 40


def test_a_failed_fsync_of_the_manifest_stops_the_writing(opened):
    database, collection = make(opened, "manifest.after_rename=eio@2")
    wait_until(lambda: database.get_health().status == "failed")
    with pytest.raises(UnavailableError, match="fsync failed while sealing"):
        collection.ingest(batch_of(1, first=40))
    assert collection.temporal_knn([0, 0], k=100).returned == 40


def test_a_sealer_that_never_started_can_be_stopped():
    Sealer(ManualClock(NOON), list, lambda _: None).stop()


def test_stopping_wakes_a_sealer_that_sleeps(monkeypatch):
    monkeypatch.setattr(sealer, "_LOOK_SECONDS", 60.0)
    looked = threading.Event()

    def stores():
        looked.set()
        return []

    sleeper = Sealer(ManualClock(), stores, lambda _: None)
    sleeper.start()
    sleeper.wake()
    assert looked.wait(20)
    sleeper.stop()
    assert not sleeper.thread.is_alive()
