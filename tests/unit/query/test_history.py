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
from tsvec.query.history import (
    describe_attributes,
    describe_entity,
    find_latest,
    is_visible,
    page_history,
)
from tsvec.window.attributes import AttributesVersion

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


def test_an_entity_is_described_by_its_points_and_its_newest(holding):
    holding.commit([Sample("a", 8, VECTOR, entity_type="ship", metadata=b'{"n":1}')])
    info = describe_entity(holding.windows, "a")
    assert (info.entity_type, info.points, info.as_of_seq) == ("ship", 11, 21)
    assert (info.first_seen.microsecond, info.last_seen.microsecond) == (1, 12)
    assert (info.latest.seq, info.latest.metadata, info.latest.vector) == (13, {}, None)
    assert info.attributes == {}
    before = describe_entity(holding.seen(20), "a")
    assert (before.entity_type, before.points, before.as_of_seq) == ("GENERIC", 10, 20)
    assert before.latest.entity_type == "GENERIC"


def test_attributes_are_those_of_the_moment(holding):
    changes = ((21, b'{"n":1}'), (22, b'{"n":2,"s":"\xc3\xa9"}'), (23, None))
    for seq, value in changes:
        holding.registry.attributes.put(0, AttributesVersion(seq, seq, value))
    holding.seq = 23
    for seq, shown, changed in (
        (20, {}, None),
        (21, {"n": 1}, 21),
        (22, {"n": 2, "s": "é"}, 22),
        (23, {}, None),
    ):
        reply = describe_attributes(holding.seen(seq), "a")
        assert (reply.entity_id, reply.attributes) == ("a", shown)
        assert (reply.changed_seq, reply.as_of_seq) == (changed, seq)
        assert describe_entity(holding.seen(seq), "a").attributes == shown
        assert describe_attributes(holding.seen(seq), "b").attributes == {}


def test_an_entity_without_points_to_be_seen_is_not_there(holding):
    hidden = holding.seen(0), holding.seen(cutoff=500)
    for windows, name in ((holding.windows, "new"), *((one, "a") for one in hidden)):
        assert not is_visible(windows, name)
        for ask in (describe_entity, describe_attributes, ask_history):
            with pytest.raises(EntityNotFoundError, match=f"no entity '{name}'"):
                ask(windows, name)
    assert is_visible(holding.windows, "a")
    mine = [seq for seq, one in holding.given.items() if one.entity_id == "a"]
    holding.delete(holding.stored, mine)
    assert not is_visible(holding.windows, "a")
    assert is_visible(holding.windows, "b")
    assert is_visible(holding.seen(holding.seq - 1), "a")
    with pytest.raises(EntityNotFoundError):
        describe_entity(holding.windows, "a")


def ask_history(windows, name):
    return page_history(windows, HistoryRequest(entity_id=name))


def test_a_range_without_points_of_a_known_entity_is_an_empty_page(holding):
    request = HistoryRequest(entity_id="a", start_time=500, end_time=600)
    reply = page_history(holding.windows, request)
    assert (reply.items, reply.next_cursor, reply.as_of_seq) == ([], None, 20)


def random_moment(shelf, rng):
    seq = int(rng.choice([shelf.seq, rng.integers(0, shelf.seq)]))
    cutoff = int(rng.choice([TIME_MIN_US, rng.integers(-40, 40) * 1_000_000]))
    return seq, cutoff


def test_histories_are_those_of_what_is_seen(lived):
    """Pages, descriptions and newest points as of random changes, after random cutoffs."""
    shelf, rng = lived
    for _ in range(30):
        seq, cutoff = random_moment(shelf, rng)
        windows, living = shelf.seen(seq, cutoff), shelf.living(seq, cutoff)
        name = ("zeta", "é", "a", "漢", "b" * 256)[rng.integers(5)]
        mine = sorted((one.timestamp, n) for n, one in living.items() if one.entity_id == name)
        at = int(rng.integers(-40, 40)) * 1_000_000
        found = find_latest(windows, name, at)
        newest = max((place for place in mine if place[0] <= at), default=None)
        assert (found is None) == (newest is None)
        if found is not None:
            assert found[0].seqs(slice(found[1], found[1] + 1)).tolist() == [newest[1]]
        if not mine:
            assert not is_visible(windows, name)
            continue
        info = describe_entity(windows, name)
        assert (info.points, info.latest.seq) == (len(mine), mine[-1][1])
        assert info.first_seen.timestamp() * 1e6 == mine[0][0]
        assert info.last_seen.timestamp() * 1e6 == mine[-1][0]
        order, limit = ("asc", "desc")[rng.integers(2)], int(rng.integers(1, 9))
        seqs, cursor = [], None
        while not seqs or cursor is not None:
            request = HistoryRequest(entity_id=name, order=order, limit=limit, cursor=cursor)
            page = page_history(windows, request)
            seqs += [point.seq for point in page.items]
            cursor = page.next_cursor
        assert seqs == [n for _, n in (mine if order == "asc" else mine[::-1])]
