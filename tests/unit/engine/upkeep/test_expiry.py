"""Expiry: hidden at once, dropped whole, gone from the disk when nobody reads it any more."""

from __future__ import annotations

import gc

import pytest

from tests.unit.engine.rig import NOON, SECOND, ManualClock, store_of, wait_until
from tests.unit.engine.workshop import check_counts, everything, points, shown, values
from tsvec.engine.upkeep import maintainer
from tsvec.engine.upkeep.expiry import drop_expired, unlink_gone
from tsvec.model.errors import EntityNotFoundError, UnavailableError, UnprocessableError
from tsvec.storage.failpoints import FailPoints

NOW = NOON // SECOND
YEAR = 365 * 86_400 * SECOND
HOURLY = {"retention": "1h", "window_size": "1m"}


@pytest.fixture
def shop(workshop):
    """A partition that expires after 600 s, one that never does here, and a hot point."""
    made = workshop(config=HOURLY)
    made.put(("a", NOW - 3_000, 1), ("a", NOW - 3_001, 2), ("b", NOW - 3_002, 3))
    made.put(("b", NOW - 3_002, 4))
    made.seal()
    made.put(("b", NOW, 5))
    made.seal()
    made.put(("c", NOW - 3_000, 6), ("c", NOW, 7))
    return made


def test_points_are_hidden_by_the_first_instant_of_their_window(workshop):
    shop = workshop(config=HOURLY)
    start = NOW // 60 * 60
    shop.put(("a", start - 3_600, 1), ("a", start - 3_541, 2), ("a", start - 3_540, 3))
    assert len(values(shop.read())) == 3
    shop.clock.now = (start + 60) * SECOND - 1
    assert len(values(shop.read())) == 3
    shop.clock.now += 1
    assert values(shop.read()) == {("a", start - 3_540.0, None): 3.0}
    assert values(shop.read(seq=3)) == values(shop.read()), "in the past as well"
    assert len(values(shop.store.windows)) == 3, "they are still kept"


def test_what_has_expired_is_dropped_whole_and_the_counts_follow(shop):
    assert shop.expire() == 0
    shop.clock.now += 700 * SECOND
    before = shown(shop.read())
    assert [row[0] for row in before] == ["b", "c"]
    assert shop.expire() == 1
    assert shown(shop.read()) == before
    assert len(shop.partitions()) == len(shop.store.manifest.partitions) == 1
    check_counts(shop.store)
    registry = shop.store.registry.to_tables()["entities"].to_pylist()
    assert [row["points"] for row in registry] == [0, 1, 2]
    assert shop.expire() == 0
    state = everything(shop.store)
    assert everything(shop.restart()) == state


def test_the_log_says_it_first_then_the_manifest(shop):
    shop.clock.now += 700 * SECOND
    shop.ground.files.failpoints = FailPoints("drop.logged=eio@1")
    with pytest.raises(OSError, match=r"drop\.logged"):
        drop_expired(shop.store, shop.group)
    assert len(shop.store.windows.sealed) == 1
    assert len(shop.store.manifest.partitions) == len(shop.partitions()) == 2
    check_counts(shop.store)
    unlink_gone(shop.store)
    assert len(shop.partitions()) == 2, "the manifest still names it"
    assert shop.expire() == 1
    check_counts(shop.store)


def test_files_go_when_the_last_reader_lets_go(shop):
    shop.clock.now += 500 * SECOND
    reader = shop.read()
    before = shown(reader)
    shop.clock.now += 200 * SECOND
    assert shop.expire() == 1
    unlink_gone(shop.store)
    assert len(shop.partitions()) == 2
    assert shown(reader) == before, "a reader in flight goes on"
    del reader
    gc.collect()
    assert len(shop.partitions()) == 2, "nothing is unlinked by a reader"
    unlink_gone(shop.store)
    assert len(shop.partitions()) == 1


def test_what_a_crash_left_is_removed_at_the_next_open(shop):
    shop.clock.now += 500 * SECOND
    reader = shop.read()
    shop.clock.now += 200 * SECOND
    shop.expire()
    shop.restart()
    assert len(shop.partitions()) == 1
    assert reader.sealed


def test_a_drop_whose_manifest_failed_is_done_by_the_next(shop):
    shop.clock.now += 700 * SECOND
    shop.ground.files.failpoints = FailPoints("manifest.before_rename=enospc@1")
    with pytest.raises(OSError, match="No space"):
        drop_expired(shop.store, shop.group)
    assert len(shop.store.manifest.partitions) == 2
    assert shop.expire() == 1
    assert len(shop.partitions()) == 1
    check_counts(shop.store)


def test_hot_points_expire_as_well(shop):
    shop.clock.now += 700 * SECOND
    shop.seal()
    assert {row[:2] for row in shown(shop.read())} == {("b", NOW), ("c", NOW)}
    shop.clock.now += 3_600 * SECOND
    assert shown(shop.read()) == []
    shop.seal()
    assert shop.expire() == 3
    assert shop.partitions() == []
    check_counts(shop.store)
    assert shop.store.registry.count_living() == 0


# With all the threads.


@pytest.fixture
def expiring(opened, monkeypatch):
    """A database whose maintainer looks all the time, its clock, and a collection that expires."""
    monkeypatch.setattr(maintainer, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(maintainer, "_RETRY_SECONDS", 0.01)
    clock = ManualClock()
    database = opened(clock=clock, seal_age_rows_min=1, seal_age_seconds=1.0)
    collection = database.create_collection("c", dim=2, metric="l2", **HOURLY)
    collection.ingest(points(("a", NOW - 3_000, 1)))
    clock.now += 2 * SECOND
    wait_until(lambda: len(store_of(database).windows.sealed) == 1)
    collection.ingest(points(("b", NOW, 2)))
    return database, clock, collection


def test_the_maintainer_drops_what_expires(expiring):
    database, clock, collection = expiring
    clock.now += 700 * SECOND
    stats = collection.get_collection_stats()
    assert (stats.points, stats.entities, stats.sealed_points) == (1, 1, 0)
    with pytest.raises(EntityNotFoundError):
        collection.entities.get_entity("a")
    with pytest.raises(UnprocessableError):
        collection.ingest(points(("a", NOW - 3_000, 1)))
    # The hot point is sealed by its age meanwhile; the partition of the other goes.
    store = store_of(database)
    wait_until(lambda: len(list(store.paths.partitions.iterdir())) == 1)
    assert database.get_health().status == "ok"


def test_a_wall_clock_that_leaps_expires_nothing(expiring):
    database, clock, collection = expiring
    clock.leap(10 * YEAR)
    wait_until(lambda: database.get_health().status == "degraded")
    assert "the wall clock leapt far ahead" in database.get_health().problems[0]
    stats = collection.get_collection_stats()
    assert (stats.points, stats.entities) == (2, 2)
    assert collection.ingest(points(("b", NOW, 3))).durable
    clock.now += 700 * SECOND
    wait_until(lambda: collection.get_collection_stats().points == 1)
    clock.leap(-10 * YEAR)
    wait_until(lambda: database.get_health().status == "ok")
    assert collection.get_collection_stats().points == 1


def test_what_the_disk_refuses_is_reported_and_done_later(opened, monkeypatch):
    monkeypatch.setattr(maintainer, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(maintainer, "_RETRY_SECONDS", 0.01)
    clock = ManualClock()
    database = opened("drop.start=enospc@1", clock=clock, seal_age_rows_min=1, seal_age_seconds=1.0)
    collection = database.create_collection("c", dim=2, metric="l2", **HOURLY)
    collection.ingest(points(("a", NOW - 3_000, 1)))
    clock.now += 2 * SECOND
    store = store_of(database)
    wait_until(lambda: len(store.windows.sealed) == 1)
    clock.now += 700 * SECOND
    wait_until(lambda: not list(store.paths.partitions.iterdir()))
    wait_until(lambda: database.get_health().status == "ok")


def test_a_writer_that_failed_lets_nothing_expire(expiring):
    database, clock, _ = expiring
    database._writer.fail("the disk is gone")
    clock.now += 700 * SECOND
    store = store_of(database)
    wait_until(lambda: any("compacting 'c' failed" in p for p in database.get_health().problems))
    assert store.windows.sealed
    with pytest.raises(UnavailableError):
        database.collection("c").delete_points(entity_ids=["b"])
