"""Histories and entities over a window set: order, pages, cursors."""

from __future__ import annotations

import base64
from itertools import count

import orjson
import pytest

from tests.contract.parts import Sample
from tsvec.model.errors import EntityNotFoundError, InvalidRequestError
from tsvec.model.queries import HistoryRequest
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US
from tsvec.query.history import describe_entity, find_latest, page_history
from tsvec.window.entities import EntityFacts

VECTOR = (1.0, 0.0)
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


def test_a_cursor_outlives_sealing(holding):
    first = page_history(holding.windows, HistoryRequest(entity_id="a", limit=4))
    if holding.hot.rows:
        holding.seal_all()
    holding.commit([Sample("a", 5, VECTOR), Sample("a", 0, VECTOR)])
    request = HistoryRequest(entity_id="a", limit=100, cursor=first.next_cursor)
    rest = page_history(holding.windows, request)
    assert [point.seq for point in rest.items] == [7, 11, 19, 21, 5, 15, 13]


def coded(text):
    return base64.urlsafe_b64encode(text).decode()


def forged(*parts):
    return coded(orjson.dumps(parts))


def test_a_cursor_of_something_else_is_refused(holding):
    cursors = ["", "?", "é", "AAAA", forged(), forged("a"), forged("a", "asc", 1)]
    cursors += [forged("b", "asc", 5, 1), forged("a", "desc", 5, 1), forged("a", "asc", "x", 1)]
    cursors += [forged("a", "asc", None, 1), coded(b'["a","asc",1e400,1]'), coded(b'{"a":1}')]
    for cursor in cursors:
        with pytest.raises(InvalidRequestError, match="not a next_cursor") as caught:
            page_history(holding.windows, HistoryRequest(entity_id="a", cursor=cursor))
        assert caught.value.details[0].field == "cursor"


def test_a_forged_place_beyond_all_points_is_no_fault(holding):
    for time in (-(2**63), 2**62, -(2**62)):
        for seq in (-1, 0, 2**63, 2**64 - 1):
            for order in ("asc", "desc"):
                cursor = forged("a", order, time, seq)
                request = HistoryRequest(entity_id="a", order=order, cursor=cursor)
                assert len(page_history(holding.windows, request).items) in {0, 10}


def test_the_newest_is_by_event_time_then_by_commit(holding):
    def latest(at):
        found = find_latest(holding.windows, "a", at)
        return None if found is None else int(found[0].seqs(slice(found[1], found[1] + 1))[0])

    assert [latest(at) for at in (0, 1, 2, 4, 5, 8, 9, 12, TIME_MAX_US)] == [
        None,
        9,
        17,
        3,
        19,
        19,
        15,
        13,
        13,
    ]
    assert find_latest(holding.windows, "nobody", TIME_MAX_US) is None


def test_of_two_points_at_the_newest_time_of_two_parts_the_later_commit_is_newest(shelf):
    made = shelf(metric="l2", dim=2)
    for _ in range(3):
        made.commit([Sample("a", 7, VECTOR)])
        made.seal_all()
    part, row = find_latest(made.windows, "a", TIME_MAX_US)
    assert part.seqs(slice(row, row + 1)).tolist() == [3]


def test_an_entity_is_described_by_its_facts_and_its_newest_point(holding):
    facts = EntityFacts("ship", 1, 12, 10)
    info = describe_entity(holding.windows, "a", facts)
    assert (info.entity_type, info.points, info.as_of_seq) == ("ship", 10, 20)
    assert (info.first_seen.microsecond, info.last_seen.microsecond) == (1, 12)
    assert (info.latest.seq, info.latest.metadata, info.latest.vector) == (13, {}, None)


def test_an_entity_without_facts_or_points_is_not_there(holding):
    with pytest.raises(EntityNotFoundError, match="no entity 'a'"):
        describe_entity(holding.windows, "a", None)
    with pytest.raises(EntityNotFoundError, match="no entity 'new'"):
        describe_entity(holding.windows, "new", EntityFacts("x", 0, 0, 1))
    with pytest.raises(EntityNotFoundError, match="no entity 'new'"):
        page_history(holding.windows, HistoryRequest(entity_id="new"))
