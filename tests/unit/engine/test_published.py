"""What readers are promised: a past that stays as it is, and news as soon as there are any."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.gates import Gate
from tests.unit.engine.rig import (
    NOON,
    SECOND,
    WAIT_SECONDS,
    ManualClock,
    batch_of,
    store_of,
    wait_until,
)
from tests.unit.engine.workshop import values
from tsvec.model.errors import CollectionNotFoundError, UnavailableError
from tsvec.model.times import AsOf


@pytest.fixture
def gated(opened):
    """A collection whose commits stand still before they are synced, from the first on."""

    def make(**options):
        gate = Gate("log.sync", **options)
        clock = ManualClock()
        database = opened(gate, clock=clock)
        return gate, clock, database.create_collection("c", dim=2, metric="l2"), database

    return make


def waiting(store):
    return store._waiters


def test_a_commit_in_flight_at_the_time_asked_for_is_waited_for(gated):
    gate, clock, collection, database = gated()
    store = store_of(database)
    with ThreadPoolExecutor(1) as pool:
        future = collection.submit(batch_of(1))
        with gate:
            clock.now += SECOND
            before = store.read(AsOf(time=NOON))
            assert before.seq == 0, "the commit in flight is recorded a microsecond later"
            asked = pool.submit(store.read, AsOf(time=NOON + 1))
            wait_until(lambda: waiting(store) == 1)
            assert not asked.done()
        assert future.result().seq == 1
        assert asked.result(WAIT_SECONDS).seq == 1
        assert store.read(AsOf(time=NOON + 1)).seq == 1


def test_a_commit_in_flight_that_fails_lets_the_reader_go(opened):
    gate = Gate("log.before_write", rules="log.before_write=eio@1")
    clock = ManualClock()
    database = opened(gate, clock=clock)
    collection = database.create_collection("c", dim=2, metric="l2")
    store = store_of(database)
    with ThreadPoolExecutor(1) as pool:
        future = collection.submit(batch_of(1))
        with gate:
            clock.now += SECOND
            asked = pool.submit(store.read, AsOf(time=clock.now))
            wait_until(lambda: waiting(store) == 1)
        assert isinstance(future.exception(WAIT_SECONDS), UnavailableError)
        assert asked.result(WAIT_SECONDS).seq == 0


def test_a_commit_in_flight_that_takes_too_long_is_not_waited_for(gated, monkeypatch):
    gate, clock, collection, database = gated()
    monkeypatch.setattr(store_of(database), "wait_seconds_max", 0)
    collection.submit(batch_of(1))
    with gate:
        clock.now += SECOND
        with pytest.raises(UnavailableError, match="of that time is still being written") as e:
            store_of(database).read(AsOf(time=clock.now))
        assert e.value.retryable


def test_what_was_asked_for_stays_so_though_the_clock_is_set_back(workshop):
    shop = workshop()
    shop.put(("a", 1, 1))
    shop.clock.now += 100 * SECOND
    asked = shop.clock.now
    assert shop.read(time=asked).seq == 1
    shop.clock.leap(-90 * SECOND)
    shop.put(("a", 1, 2))
    shop.put(("a", 1, 3))
    assert shop.read(time=asked).seq == 1
    assert values(shop.read(time=asked)) == {("a", 1.0, None): 1.0}
    assert shop.store.windows.recorded_at == asked + 2
    assert shop.read(time=asked + 1).seq == 2
    assert shop.read(time=asked + 2).seq == 3


def test_nothing_is_promised_of_a_time_that_is_refused(workshop):
    shop = workshop()
    for wrong in (AsOf(time=NOON + 3_600 * SECOND), AsOf(seq=7)):
        with pytest.raises(Exception, match="as_of"):
            shop.store.read(wrong)
    shop.put(("a", 1, 1))
    assert shop.store.windows.recorded_at == NOON + 1


def test_recorded_times_grow_though_the_clock_stands_still_or_runs_back(workshop):
    shop = workshop()
    recorded = []
    for turn in range(12):
        if turn == 4:
            shop.clock.leap(-3_600 * SECOND)
        if turn == 8:
            shop.restart()
        shop.put(("a", turn, 1))
        recorded.append(shop.store.windows.recorded_at)
    assert recorded == [NOON + 1 + turn for turn in range(12)]
    shop.clock.leap(7_200 * SECOND)
    shop.put(("b", 1, 1))
    assert shop.store.windows.recorded_at == shop.clock.now


def test_a_reader_waits_until_its_change_is_there(gated):
    gate, _, collection, database = gated(hit=3)
    store = store_of(database)
    collection.ingest(batch_of(1))
    wait_until(lambda: store.log.is_marked)
    assert store.read(wait_for_seq=1).seq == 1
    with ThreadPoolExecutor(2) as pool:
        collection.submit(batch_of(2, first=1))
        with gate:
            asked = pool.submit(collection.temporal_knn, [0.0, 0.0], wait_for_seq=3)
            wait_until(lambda: waiting(store) == 1)
            assert collection.temporal_knn([0.0, 0.0]).as_of_seq == 1
        assert asked.result(WAIT_SECONDS).returned == 3
        further = pool.submit(collection.get_collection_stats, wait_for_seq=4)
        wait_until(lambda: waiting(store) == 1)
        collection.ingest(batch_of(1, first=3))
        assert further.result(WAIT_SECONDS).points == 4


def test_a_change_that_does_not_come_is_not_waited_for_for_ever(workshop, monkeypatch):
    shop = workshop()
    monkeypatch.setattr(shop.store, "wait_seconds_max", 0)
    shop.put(("a", 1, 1))
    with pytest.raises(UnavailableError, match=r"change 2 did not come.*last change is 1") as e:
        shop.store.read(wait_for_seq=2)
    assert e.value.retryable
    assert waiting(shop.store) == 0


@pytest.mark.parametrize("end", ["delete", "close"])
def test_who_waits_hears_of_the_end(database, end):
    store = store_of(database)
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(database.collection("c").temporal_knn, [0.0, 0.0], wait_for_seq=1)
        wait_until(lambda: waiting(store) == 1)
        if end == "delete":
            database.delete_collection("c")
        else:
            database.close()
        expected = CollectionNotFoundError if end == "delete" else UnavailableError
        assert isinstance(asked.exception(WAIT_SECONDS), expected)


def test_both_a_change_and_a_past_may_be_asked_for(workshop):
    shop = workshop()
    shop.put(("a", 1, 1))
    shop.put(("a", 1, 2))
    assert shop.store.read(AsOf(seq=1), wait_for_seq=2).seq == 1


def test_many_readers_of_one_past_see_one_thing(database):
    """Whatever is written meanwhile, each moment that was asked for keeps its answer."""
    collection, store, done = database.collection("c"), store_of(database), threading.Event()
    collection.ingest(batch_of(1, entity_id="a"))
    asked: dict[int, set[int]] = {}

    def read():
        found = []
        while not done.wait(0.001):
            moment = store.windows.recorded_at
            found.append((moment, store.read(AsOf(time=moment)).seq))
        return found

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        for turn in range(150):
            collection.ingest(batch_of(1, first=turn, entity_id="a"))
        done.set()
        for reader in readers:
            for moment, seq in reader.result():
                asked.setdefault(moment, set()).add(seq)
    for moment, seqs in asked.items():
        assert seqs == {store.read(AsOf(time=moment)).seq}
