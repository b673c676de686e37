"""Quotas are exact: whoever writes at the same time, and after a restart."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.engine.rig import batch_of, close_in_time, open_database, settle
from tsvec.model.errors import QuotaExceededError

WRITERS = 4


def point(number: int, **fields: object) -> dict[str, object]:
    return {"entity_id": "e", "vector": [0, 1], "timestamp": number * 1_000_000} | fields


def used(database) -> int:
    return database.get_usage().points


def test_up_to_the_quota_and_not_one_more(opened):
    database = opened(quota_points=10)
    collection = database.create_collection("c", dim=2)
    collection.ingest(batch_of(9))
    with pytest.raises(QuotaExceededError, match=r"9 and 2 more .* 10 \(quota_points\)"):
        collection.ingest(batch_of(2, first=9))
    assert collection.get_collection_stats().points == used(database) == 9
    collection.ingest(batch_of(1, first=9))
    with pytest.raises(QuotaExceededError):
        collection.ingest(batch_of(1, first=10))


def test_what_makes_nothing_more_is_always_taken(opened):
    database = opened(quota_points=5)
    collection = database.create_collection("c", dim=2)
    collection.ingest([point(number) for number in range(5)])
    assert collection.ingest([point(1)]).unchanged == 1
    assert collection.ingest([point(1, metadata={"a": 1}), point(2, vector=[1, 1])]).replaced == 2
    collection.update_point("e", 3_000_000, {"b": 1})
    collection.entities.set_entity_attributes("e", {"a": 1})
    with pytest.raises(QuotaExceededError):
        collection.ingest([point(1, metadata={"a": 2}), point(9)])
    assert collection.get_point("e", 1_000_000).metadata == {"a": 1}
    collection.delete_points(entity_ids=["e"], end_time=2_000_000)
    assert used(database) == 3
    collection.ingest([point(9), point(10)])
    with pytest.raises(QuotaExceededError):
        collection.restore_points(entity_ids=["e"])
    assert used(database) == 5


def test_all_collections_of_a_tenant_count_and_no_others(opened):
    database = opened(quota_points=6)
    one, two = (database.create_collection(name, dim=2) for name in ("one", "two"))
    one.ingest(batch_of(4))
    with pytest.raises(QuotaExceededError):
        two.ingest(batch_of(3))
    two.ingest(batch_of(2))
    database.tenant("acme").create_collection("c", dim=2).ingest(batch_of(6))
    assert (used(database), used(database.tenant("acme"))) == (6, 6)
    database.delete_collection("one")
    two.ingest(batch_of(4, first=2))
    assert used(database) == 6


@pytest.mark.parametrize("size", [1, 3, 40])
def test_they_are_exact_whoever_writes(opened, size):
    """Single points, which are taken in bursts, as well as batches."""
    database = opened(quota_points=101)
    names = ["one", "two"]
    for name in names:
        database.create_collection(name, dim=2)

    def write(writer: int) -> int:
        collection, stored = database.collection(names[writer % 2]), 0
        futures = []
        for number in range(120 // size):
            first = (writer * 1_000 + number) * size
            futures.append(collection.submit(batch_of(size, first=first)))
        for future in futures:
            error = future.exception()
            assert error is None or isinstance(error, QuotaExceededError)
            stored += future.result().ingested if error is None else 0
        return stored

    with ThreadPoolExecutor(WRITERS) as pool:
        stored = sum(pool.map(write, range(WRITERS)))
    assert stored == used(database) == 101 // size * size
    assert sum(database.collection(name).get_collection_stats().points for name in names) == stored


def test_they_hold_after_a_restart(tmp_path):
    for seals in (False, True):
        path = tmp_path / str(seals)
        given = {"quota_points": 50, "seal_rows": 8 if seals else 1_000}
        database = open_database(path, **given)
        collection = database.create_collection("c", dim=2)
        collection.ingest(batch_of(40))
        collection.delete_points(entity_ids=["e1"])
        collection.ingest(batch_of(5, first=100))
        if seals:
            settle(database)
        before = used(database)
        close_in_time(database)
        database = open_database(path, **given)
        assert used(database) == before == 37
        collection = database.collection("c")
        with pytest.raises(QuotaExceededError):
            collection.ingest(batch_of(14, first=200))
        collection.ingest(batch_of(13, first=200))
        assert used(database) == 50
        close_in_time(database)


def test_collections_have_a_quota(opened):
    database = opened(quota_collections=2)
    for name in ("one", "two"):
        database.create_collection(name, dim=2)
    with pytest.raises(QuotaExceededError, match="quota_collections"):
        database.create_collection("three", dim=2)
    with pytest.raises(QuotaExceededError):
        database.collection().ingest([point(1)])
    database.delete_collection("one")
    database.create_collection("three", dim=2)
    database.tenant("acme").create_collection("one", dim=2)


def test_bytes_have_a_quota(opened):
    database = opened(quota_bytes=1)
    collection = database.create_collection("c", dim=2)
    with pytest.raises(QuotaExceededError, match="quota_bytes"):
        collection.ingest([point(1)])
    assert sum(value for _, value in database.get_usage().bytes) > 1


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from("iudr"), st.integers(0, 12)), max_size=25))
def test_what_is_counted_is_what_is_there(tmp_path_factory, steps):
    database = open_database(tmp_path_factory.mktemp("q") / "db")
    try:
        collection = database.create_collection("c", dim=2)
        collection.ingest([point(0)])
        for kind, number in steps:
            match kind:
                case "i":
                    collection.ingest([point(number), point(number + 1)])
                case "u":
                    collection.ingest([point(number, metadata={"a": number})])
                case "d":
                    collection.delete_points(start_time=number * 1_000_000)
                case "r":
                    collection.restore_points(start_time=number * 1_000_000)
        assert used(database) == collection.get_collection_stats().points
    finally:
        close_in_time(database)
