"""Histories over a window set: order, pages, the newest of intervals."""

from __future__ import annotations

from itertools import count

import pytest

from tests.contract.parts import Sample
from tsvec.model.errors import EntityNotFoundError, InvalidRequestError
from tsvec.model.queries import HistoryRequest
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US
from tsvec.query.lists.cursors import write_cursor
from tsvec.query.lists.history import page_history

VECTOR = (1.0, 0.0)
SECOND = 1_000_000
TIMES = [5, 3, 9, 5, 1, 5, 12, 9, 2, 5]
"""Event times of entity `a` in order of its commits, which are seqs 1, 3, 5 and so on."""


@pytest.fixture(params=["hot", "sealed", "mixed"])
def holding(request, shelf):
    made = shelf(metric="l2", dim=2, block_rows=7)
    for turn, time in enumerate(TIMES):
        made.commit([Sample("a", time, VECTOR), Sample("b", 100 + time, VECTOR)])
        if request.param == "mixed" and turn in (2, 6):
            made.seal_all()
    if request.param == "sealed":
        made.seal_all()
    return made


def expected(start=TIME_MIN_US, end=TIME_MAX_US):
    places = [(time, 2 * turn + 1) for turn, time in enumerate(TIMES)]
    return sorted(place for place in places if start <= place[0] < end)


def pages(windows, **fields):
    cursor = None
    for _ in count():
        page = page_history(windows, HistoryRequest(entity_id="a", cursor=cursor, **fields))
        yield [(point.timestamp.microsecond, point.seq) for point in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_hold_each_point_once_in_both_orders(holding, order):
    for span in ({}, {"start_time": 3, "end_time": 9}, {"start_time": 5}):
        wanted = expected(span.get("start_time", 0), span.get("end_time", TIME_MAX_US))
        places = wanted if order == "asc" else wanted[::-1]
        for limit in range(1, 12):
            found = list(pages(holding.windows, order=order, limit=limit, **span))
            assert [place for page in found for place in page] == places
            assert all(len(page) == limit for page in found[:-1])


def test_the_last_page_that_is_full_says_it_is_the_last(holding):
    page = page_history(holding.windows, HistoryRequest(entity_id="a", limit=len(TIMES)))
    assert (len(page.items), page.next_cursor, page.as_of_seq) == (10, None, 20)


def test_a_cursor_outlives_sealing_and_what_is_written(holding):
    first = page_history(holding.windows, HistoryRequest(entity_id="a", limit=4))
    if holding.hot.rows:
        holding.seal_all()
    holding.commit([Sample("a", 5, VECTOR), Sample("a", 0, VECTOR)])
    holding.delete(holding.stored, [11])
    request = HistoryRequest(entity_id="a", limit=100, cursor=first.next_cursor)
    rest = page_history(holding.windows, request)
    assert [point.seq for point in rest.items] == [7, 11, 19, 5, 15, 13]
    assert rest.as_of_seq == first.as_of_seq == 20


def test_a_cursor_of_something_else_is_refused(holding):
    def cursor_of(entity_id="a", order="asc", **fields):
        request = HistoryRequest(entity_id=entity_id, order=order, limit=1, **fields)
        return page_history(holding.windows, request).next_cursor

    others = ["", "?", "AAAA", cursor_of("b"), cursor_of(order="desc"), cursor_of(end_time=9)]
    every = HistoryRequest(entity_id="a", every="1s")
    for cursor in [*others, write_cursor(holding.windows, every, (5, 1))]:
        with pytest.raises(InvalidRequestError) as caught:
            page_history(holding.windows, HistoryRequest(entity_id="a", cursor=cursor))
        assert caught.value.details[0].field == "cursor"


def test_a_forged_place_beyond_all_points_is_no_fault(holding):
    for time in (-(2**62), 2**62):
        for seq in (-1, 0, 2**62):
            for fields in ({"order": "asc"}, {"order": "desc"}, {"every": "7d"}):
                request = HistoryRequest(entity_id="a", **fields)
                cursor = write_cursor(holding.windows, request, (time, seq))
                reply = page_history(holding.windows, request.model_copy(update={"cursor": cursor}))
                assert len(reply.items) in {0, 1, 10}


def test_an_entity_without_points_to_be_seen_is_not_there(holding):
    hidden = holding.seen(0), holding.seen(cutoff=500)
    for windows, name in ((holding.windows, "new"), *((one, "a") for one in hidden)):
        with pytest.raises(EntityNotFoundError, match=f"no entity '{name}'"):
            page_history(windows, HistoryRequest(entity_id=name))


def test_a_range_without_points_of_a_known_entity_is_an_empty_page(holding):
    request = HistoryRequest(entity_id="a", start_time=500, end_time=600)
    reply = page_history(holding.windows, request)
    assert (reply.items, reply.next_cursor, reply.as_of_seq) == ([], None, 20)


def test_every_takes_the_newest_of_each_interval(shelf):
    made = shelf(metric="l2", dim=2)
    made.commit([Sample("a", time * SECOND, VECTOR) for time in (-11, -10, -1, 0, 9, 10, 35)])
    made.seal_all()
    made.commit([Sample("a", 9 * SECOND, VECTOR, key="k"), Sample("a", 2 * SECOND, VECTOR)])
    for order in ("asc", "desc"):
        for limit in (1, 2, 100):
            found, cursor = [], None
            while cursor is not None or not found:
                request = HistoryRequest(
                    entity_id="a", every="10s", order=order, limit=limit, cursor=cursor
                )
                page = page_history(made.windows, request)
                found += [point.seq for point in page.items]
                cursor = page.next_cursor
            wanted = [1, 3, 8, 6, 7]
            assert found == (wanted if order == "asc" else wanted[::-1])
    inside = HistoryRequest(entity_id="a", every="10s", start_time=-SECOND, end_time=9 * SECOND)
    assert [point.seq for point in page_history(made.windows, inside).items] == [3, 9]


def test_histories_are_those_of_what_is_seen(lived):
    """Pages as of random changes, after random cutoffs, all points or the newest of intervals."""
    shelf, rng = lived
    for _ in range(60):
        seq = int(rng.choice([shelf.seq, rng.integers(0, shelf.seq)]))
        cutoff = int(rng.choice([TIME_MIN_US, rng.integers(-40, 40) * SECOND]))
        windows, living = shelf.seen(seq, cutoff), shelf.living(seq, cutoff)
        name = ("zeta", "é", "a", "漢", "b" * 256)[rng.integers(5)]
        mine = sorted((one.timestamp, n) for n, one in living.items() if one.entity_id == name)
        if not mine:
            continue
        every = int(rng.choice([0, 0, 1, 7, 1_000]))
        if every:
            mine = list({time // (every * SECOND): (time, n) for time, n in mine}.values())
        order, limit = ("asc", "desc")[rng.integers(2)], int(rng.integers(1, 9))
        seqs, cursor = [], None
        while not seqs or cursor is not None:
            request = HistoryRequest(
                entity_id=name,
                order=order,
                limit=limit,
                cursor=cursor,
                every=f"{every}s" if every else None,
            )
            page = page_history(windows, request)
            seqs += [point.seq for point in page.items]
            cursor = page.next_cursor
        assert seqs == [n for _, n in (mine if order == "asc" else mine[::-1])]
