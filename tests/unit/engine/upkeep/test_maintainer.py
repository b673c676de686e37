"""The thread that drops, merges and rereads: it reports, tries again, stops, and forgets."""

from __future__ import annotations

import gc
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.gates import Gate
from tests.unit.engine.rig import (
    SECOND,
    WAIT_SECONDS,
    ManualClock,
    batch_of,
    close_in_time,
    settle,
    store_of,
    wait_until,
)
from tests.unit.engine.workshop import check_counts, kept, values
from tsvec.engine.upkeep import maintainer
from tsvec.engine.upkeep.maintainer import Maintainer
from tsvec.engine.upkeep.scrub import Scrubber
from tsvec.model.errors import CollectionNotFoundError, UnavailableError


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(maintainer, "_LOOK_SECONDS", 0.01)
    monkeypatch.setattr(maintainer, "_RETRY_SECONDS", 0.01)


@pytest.fixture
def asleep(monkeypatch):
    """The maintainer looks only when it is woken."""
    monkeypatch.setattr(maintainer, "_LOOK_SECONDS", 600.0)


def make(opened, rules="", seals=3, **options):
    """A collection of so many partitions over the same times; two are never merged unasked."""
    database = opened(rules, **({"seal_rows": 16} | options))
    collection = database.create_collection("c", dim=2, metric="l2")
    for turn in range(seals):
        collection.ingest(batch_of(16, entity_id=f"p{turn}"))
        settle(database)
    return database, collection


def partitions_of(database):
    return sorted(path.name for path in store_of(database).paths.partitions.iterdir())


def test_as_many_partitions_as_the_fan_out_are_merged_unasked(opened):
    database, collection = make(opened, seals=4)
    wait_until(lambda: len(store_of(database).windows.sealed) == 1)
    wait_until(lambda: len(partitions_of(database)) == 1)
    wait_until(lambda: collection.get_compaction().state == "idle")
    status = collection.get_compaction()
    assert (status.merges, status.rows, status.partitions, status.waiting) == (1, 64, 1, 0)
    assert status.bytes == store_of(database).manifest.compacted_bytes
    assert status.started_at is not None
    assert collection.get_collection_stats().points == 64


def test_a_full_compaction_is_done_when_asked_and_told_on_the_way(opened):
    database, collection = make(opened, seals=3)
    told = []
    before = values(store_of(database).windows)
    status = collection.compact(progress=told.append)
    assert (status.state, status.partitions, status.waiting) == ("idle", 2, 0)
    assert told[-1] == status
    assert values(store_of(database).windows) == before
    again = collection.compact()
    assert (again.merges, again.partitions) == (status.merges, 2)
    assert collection.get_collection_stats().write_amplification > 1.0


def test_nobody_has_to_wait_for_it(opened):
    gate = Gate("compact.truth_written")
    database, collection = make(opened, gate, seals=3)
    assert collection.compact(wait=False).state in {"idle", "running"}
    with gate:
        status = collection.get_compaction()
        assert (status.state, status.merges, status.partitions) == ("running", 0, 3)
        assert collection.ingest(batch_of(1, first=99)).durable
        assert collection.temporal_knn([0, 0], k=100).returned == 49
    wait_until(lambda: collection.get_compaction().state == "idle")
    assert len(store_of(database).windows.sealed) == 2, "so many may cover an instant"


def test_deaths_during_a_merge_reach_the_new_partition(opened):
    gate = Gate("compact.truth_written")
    database, collection = make(opened, gate, seals=3)
    store = store_of(database)
    collection.compact(wait=False)
    with gate:
        deleted = collection.delete_points(entity_ids=["p1"])
        replaced = collection.ingest(batch_of(5, entity_id="p2", metadata=b'{"new":1}'))
    wait_until(lambda: collection.get_compaction().state == "idle")
    assert (deleted.deleted, replaced.replaced) == (16, 5)
    dead = [version for version in kept(store.windows) if version[1]]
    assert len(dead) == 21
    check_counts(store)
    database.close()
    collection = opened(seal_rows=16).collection("c")
    assert collection.get_collection_stats().points == 32
    assert collection.temporal_knn([0, 0], k=99, entity_ids=["p1"]).returned == 0
    assert collection.temporal_knn([0, 0], k=99, as_of=deleted.first_seq - 1).returned == 48


@pytest.mark.parametrize("step", ["compact.start", "compact.columns_written"])
def test_a_failed_merge_is_reported_and_tried_again(opened, step):
    gate = Gate("compact.start", hit=2, rules=f"{step}=enospc@1")
    database, collection = make(opened, gate, seals=4)
    with gate:
        health = database.get_health()
        assert health.status == "degraded"
        assert "compacting 'c' failed" in health.problems[0]
        assert collection.temporal_knn([0, 0], k=100).returned == 64
        assert collection.ingest(batch_of(1, first=99)).durable
    wait_until(lambda: len(store_of(database).windows.sealed) == 1)
    wait_until(lambda: database.get_health().status == "ok")
    assert collection.get_compaction().problem is None
    wait_until(lambda: len(partitions_of(database)) == 1)


def test_who_waits_for_a_merge_that_fails_hears_of_it(opened, monkeypatch):
    monkeypatch.setattr(maintainer, "_RETRY_SECONDS", 2.0)
    database, collection = make(opened, "compact.truth_written=eio", seals=3)
    status = collection.compact()
    assert status.state == "failed"
    assert "compacting 'c' failed" in status.problem
    assert (status.partitions, status.waiting) == (3, 2)
    assert collection.temporal_knn([0, 0], k=100).returned == 48
    assert len(partitions_of(database)) == 3


def test_a_failure_without_a_message_is_named(opened, monkeypatch):
    monkeypatch.setattr(maintainer, "merge_partitions", out_of_memory)
    _, collection = make(opened, seals=3)
    assert collection.compact().problem == "compacting 'c' failed: MemoryError"


def out_of_memory(*_):
    raise MemoryError


def test_a_failed_fsync_ends_it_and_the_writing(opened):
    database, collection = make(opened, seals=3)
    database._stores.get("c").ground.files.failpoints = Failing()
    status_or_error = outcome(collection.compact)
    assert isinstance(status_or_error, UnavailableError) or status_or_error.state == "failed"
    wait_until(lambda: database.get_health().status == "failed")
    with pytest.raises(UnavailableError, match="fsync failed while compacting"):
        collection.ingest(batch_of(1, first=99))
    with pytest.raises(UnavailableError, match="nothing is compacted any more"):
        collection.compact()
    assert collection.temporal_knn([0, 0], k=100).returned == 48
    database.close()
    assert opened().collection("c").get_collection_stats().points == 48


class Failing(Gate):
    """The directory of the next manifest cannot be synced."""

    def __init__(self):
        super().__init__("compact.start", hit=99, rules="manifest.after_rename=eio@1")


def outcome(ask):
    try:
        return ask()
    except UnavailableError as error:
        return error


def test_closing_gives_up_the_merge_at_work_and_leaves_no_files(opened, tmp_path):
    gate = Gate("compact.truth_written")
    database, collection = make(
        opened, gate, seals=3, compact_rows_max=16, compact_bytes_max=1 << 16
    )
    collection.ingest(batch_of(40, entity_id="more"))
    settle(database)
    store, waiting = store_of(database), None
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(outcome, collection.compact)
        with gate:
            before = {part.name for part in store.windows.sealed}
            closing = pool.submit(close_in_time, database)
            wait_until(lambda: database._maintainer.is_stopping)
        closing.result(WAIT_SECONDS)
        found = waiting.result(WAIT_SECONDS)
    assert isinstance(found, UnavailableError) or found.problem == "the database was closed"
    assert {path.name for path in store.paths.partitions.iterdir()} == before
    assert opened().collection("c").get_collection_stats().points == 88


def test_a_closed_database_compacts_nothing_and_says_so(opened):
    database, collection = make(opened, seals=1)
    database.close()
    with pytest.raises(UnavailableError, match="the database is closed"):
        collection.compact()


def test_who_waits_for_a_collection_that_is_deleted_is_let_go(opened):
    gate = Gate("compact.start")
    database, collection = make(opened, gate, seals=3)
    other = database.create_collection("other", dim=2, metric="l2")
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(collection.compact)
        with gate:
            second = pool.submit(outcome_of_deleted, other)
            wait_until(lambda: database._maintainer.run_of(store_of(database, "other")).is_full)
            pool.submit(database.delete_collection, "other").result(WAIT_SECONDS)
            assert isinstance(second.result(WAIT_SECONDS), CollectionNotFoundError)
        assert first.result(WAIT_SECONDS).partitions == 2


def outcome_of_deleted(collection):
    try:
        return collection.compact()
    except CollectionNotFoundError as error:
        return error


def test_a_deleted_collection_is_not_remembered(opened):
    """Whoever holds a part holds its files, which are gone but for that."""
    database, _ = make(opened, seals=2)
    [*parts] = map(weakref.ref, store_of(database).windows.sealed)
    key = store_of(database).paths.root.name
    wait_until(lambda: key in database._maintainer._planned)
    database.delete_collection("c")

    def is_forgotten():
        gc.collect()
        return not any(part() for part in parts)

    wait_until(is_forgotten)
    wait_until(lambda: key not in database._maintainer._runs)


def test_what_is_not_worth_a_merge_is_not_looked_at_again_until_something_changes(
    opened, asleep, monkeypatch
):
    looks = []
    original = maintainer.choose_next
    monkeypatch.setattr(maintainer, "choose_next", lambda *args: looks.append(1) or original(*args))
    clock = ManualClock()
    database, _ = make(opened, seals=2, clock=clock)
    keeper = database._maintainer

    def look():
        keeper.wake()
        wait_until(lambda: not keeper._wake.is_set())
        with store_of(database).compacting:
            pass

    wait_until(lambda: keeper._planned)
    for _ in range(3):
        look()
    settled = len(looks)
    for _ in range(3):
        look()
    assert len(looks) == settled
    clock.now += 61 * SECOND
    look()
    wait_until(lambda: len(looks) == settled + 1)


def test_one_that_never_started_can_be_stopped():
    idle = Maintainer(ManualClock(), list, print, print, Scrubber(60))
    idle.stop()
    assert idle.is_stopping
    with pytest.raises(UnavailableError):
        idle.check_running()


def test_stopping_wakes_one_that_sleeps(asleep):
    looked = threading.Event()

    def stores():
        looked.set()
        return []

    sleeper = Maintainer(ManualClock(), stores, print, print, Scrubber(60))
    sleeper.start()
    sleeper.wake()
    assert looked.wait(WAIT_SECONDS)
    sleeper.stop()
    assert not sleeper.thread.is_alive()


def test_expired_replies_are_freed_though_nobody_writes(opened, clock):
    database = opened(clock=clock)
    collection = database.create_collection("c", dim=2, metric="l2")
    collection.ingest(batch_of(3), idempotency_key="k")
    ledger = store_of(database).ledger
    assert len(ledger) == 1
    clock.now += 86_400 * SECOND
    collection.compact()
    assert (len(ledger), ledger.size) == (0, 0)
