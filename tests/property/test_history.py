"""Pages of a history: each point exactly once, also while points arrive."""

from __future__ import annotations

from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tsvec
from tests.property.oracle import Oracle
from tests.property.pair import Pair, sealing, stored
from tests.property.scenes import ENTITIES, batches, vector_pools

SEAL_ROWS = 32
STEADY = settings(settings.get_profile("property"), max_examples=30)
names = (f"c{number}" for number in count())


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    directory = tmp_path_factory.mktemp("history")
    with tsvec.connect(directory, settings=sealing(SEAL_ROWS)) as opened:
        yield opened


@STEADY
@given(
    data=st.data(),
    order=st.sampled_from(("asc", "desc")),
    limit=st.sampled_from((1, 3, 10)),
    settle=st.booleans(),
)
def test_points_arriving_between_pages_repeat_and_hide_nothing(
    database, data, order, limit, settle
):
    """The pages hold what was there when the first was read, whatever became of it since."""
    entity_id = ENTITIES[0]
    pool = data.draw(vector_pools(2))
    pair = Pair(database.create_collection(next(names), dim=2, metric="l2"), Oracle("l2"))
    pair.ingest([*data.draw(batches(pool)), _point(entity_id, 0)])
    there = pair.oracle.history(entity_id)
    found = []
    cursor = None
    for page_number in count():
        page = pair.collection.entities.get_history(
            entity_id, order=order, limit=limit, cursor=cursor, include=["vector", "metadata"]
        )
        found += [stored(point) for point in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
        if page_number < 4:
            pair.ingest(data.draw(batches(pool, rows_max=20)))
            if settle:
                pair.settle()
    assert found == (there if order == "asc" else there[::-1])


def _point(entity_id, timestamp, key=None):
    return {"entity_id": entity_id, "timestamp": timestamp, "key": key, "vector": [1.0, 2.0]}


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_as_of_one_change_are_what_was_there_then(database, order):
    pair = Pair(database.create_collection(next(names), dim=2, metric="l2"), Oracle("l2"))
    pair.ingest([_point("e00", time) for time in range(20)])
    expected = pair.oracle.history("e00")
    found, cursor = [], None
    while cursor is not None or not found:
        page = pair.collection.entities.get_history(
            "e00", order=order, limit=3, cursor=cursor, as_of=20, include=["vector", "metadata"]
        )
        found += [stored(point) for point in page.items]
        cursor = page.next_cursor
        pair.ingest([{**_point("e00", time), "vector": [len(found), 1]} for time in range(-9, 30)])
        pair.settle()
    assert found == (expected if order == "asc" else expected[::-1])


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_page_that_ends_among_points_of_one_instant(database, order):
    pair = Pair(database.create_collection(next(names), dim=2, metric="l2"), Oracle("l2"))
    keys = (f"k{number:03d}" for number in count())
    for _ in range(3):
        pair.ingest([_point("e00", time, next(keys)) for time in (5, 5, 5, 7, 3)])
        pair.ingest([_point("e01", 5, next(keys)) for _ in range(SEAL_ROWS)])
        pair.settle()
    for limit in range(1, 17):
        pair.read_history("e00", None, None, order, limit)
        pair.read_history("e00", 5, 7, order, limit)
        pair.read_history("e00", 5, 5, order, limit)


def test_windows_do_not_count_what_arrives_between_pages(database):
    collection = database.create_collection(next(names), dim=2, metric="l2", window_size="1h")
    hour = 3_600_000_000
    collection.ingest([_point("a", 0), _point("a", hour + 1_000_000)])
    first = collection.list_windows(limit=1)
    collection.ingest([_point("a", hour)])
    second = collection.list_windows(limit=1, cursor=first.next_cursor)
    assert [window.points for window in second.items] == [1]
