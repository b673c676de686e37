from __future__ import annotations

import numpy as np
import pytest

import tsvec
from benchmarks.upkeep import (
    SetClock,
    check_points,
    depth_of,
    rewrite,
    store_of,
    wait_until_sealed,
    wait_until_settled,
)

SETTINGS = tsvec.Settings(seal_rows=64)


@pytest.fixture
def collection(tmp_path):
    with tsvec.connect(tmp_path / "data", settings=SETTINGS) as database:
        yield database.create_collection("c", dim=2)


def ingest(collection, first, rows):
    numbers = np.arange(first, first + rows)
    vector = np.ones((rows, 2))
    collection.ingest(entity_id=["e"] * rows, vector=vector, timestamp=numbers * 1_000_000)


def test_a_settled_collection_has_nothing_left_to_seal_or_merge(collection):
    for first in range(0, 640, 64):
        ingest(collection, first, 64)
        wait_until_sealed(collection, hot_rows_max=0)
    wait_until_settled(collection)
    stats = collection.get_collection_stats()
    assert stats.hot_points == 0
    assert 0 < stats.partitions < 10
    assert depth_of(collection) == 1
    check_points(collection, 640)
    with pytest.raises(ValueError, match="640 points are stored, but 641"):
        check_points(collection, 641)


def test_partitions_are_rewritten_into_as_many_as_asked_for(collection):
    ingest(collection, 0, 64)
    wait_until_sealed(collection, hot_rows_max=0)
    store = store_of(collection)
    with store.compacting:
        rewrite(store, [entry.name for entry in store.manifest.partitions], rows_max=16)
        assert [entry.rows for entry in store.manifest.partitions] == [16] * 4
    check_points(collection, 64)


def test_a_set_clock_stands_still_until_time_goes_by():
    clock = SetClock(5)
    assert (clock.now_us(), clock.elapsed_us()) == (5, 5)
    clock.advance(3)
    assert (clock.now_us(), clock.elapsed_us()) == (8, 8)
