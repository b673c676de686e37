"""Lists of entities: which, in which order, page by page."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.contract.parts import Sample
from tsvec.model.errors import GoneError, InvalidRequestError
from tsvec.model.lists.requests import EntitiesRequest
from tsvec.model.times import TIME_MIN_US, time_to_datetime
from tsvec.query.lists.cursors import write_cursor
from tsvec.query.lists.entities import page_entities
from tsvec.window.attributes import AttributesVersion
from tsvec.window.census import order as ordering

SECOND = 1_000_000
VECTOR = (1.0, 0.0, 0.0, 0.0)
SORTS = ("entity_id", "last_seen", "first_seen", "points")


@dataclass(frozen=True)
class Known:
    """What a list should say of an entity; times in µs."""

    entity_id: str
    first_seen: int
    last_seen: int
    points: int


def known(living):
    """Every entity by brute force."""
    times = {}
    for one in living.values():
        times.setdefault(one.entity_id, []).append(one.timestamp)
    return [Known(name, min(own), max(own), len(own)) for name, own in times.items()]


def read(windows, **fields):
    items, cursor = [], None
    while True:
        page = page_entities(windows, EntitiesRequest(cursor=cursor, **fields))
        assert len(page.items) <= fields.get("limit", 100)
        items += page.items
        cursor = page.next_cursor
        if cursor is None:
            return items
        assert len(page.items) == fields.get("limit", 100)


def ids(items):
    return [item.entity_id for item in items]


@pytest.mark.parametrize("few", [0, 4_096])
def test_lists_are_those_of_what_is_seen(lived, monkeypatch, few):
    """As of random changes, after random cutoffs, in any order, of any selection."""
    monkeypatch.setattr(ordering, "_FEW", few)
    shelf, rng = lived
    for _ in range(40):
        seq = int(rng.choice([shelf.seq, rng.integers(0, shelf.seq)]))
        cutoff = int(rng.choice([TIME_MIN_US, rng.integers(-40, 40) * SECOND]))
        start, end = sorted((rng.integers(-45, 45, 2) * SECOND).tolist())
        span = {"start_time": start, "end_time": end} if rng.integers(2) else {}
        sort, order = SORTS[rng.integers(4)], ("asc", "desc")[rng.integers(2)]
        prefix = [None, "a", "b", "漢", "aaa"][rng.integers(5)]
        living = shelf.living(seq, cutoff)
        inside = {one.entity_id for one in living.values() if start <= one.timestamp < end}
        wanted = [
            one
            for one in known(living)
            if (not span or one.entity_id in inside)
            and (prefix is None or one.entity_id.startswith(prefix))
        ]
        wanted.sort(key=lambda one: (getattr(one, sort), one.entity_id), reverse=order == "desc")
        limit = int(rng.integers(1, 6))
        found = read(
            shelf.seen(seq, cutoff), sort=sort, order=order, limit=limit, prefix=prefix, **span
        )
        assert ids(found) == [one.entity_id for one in wanted]
        for item, one in zip(found, wanted, strict=True):
            assert item.points == one.points
            assert item.first_seen == time_to_datetime(one.first_seen)
            assert item.last_seen == time_to_datetime(one.last_seen)
            assert (item.entity_type, item.attributes) == ("GENERIC", {})


@pytest.fixture
def holding(shelf):
    made = shelf(metric="l2")
    made.commit([Sample(name, n, VECTOR) for n, name in enumerate(["b", "a", "aa", "é"])])
    made.commit([Sample("a", 9, VECTOR, entity_type="ship")])
    return made


def test_types_and_attributes_are_those_of_the_moment(holding):
    for number, seq, value in ((0, 6, b'{"n":1}'), (1, 7, b'{"n":2}'), (0, 8, b'{"n":3}')):
        holding.registry.attributes.put(number, AttributesVersion(seq, seq, value))
    holding.seq = 8
    asked = {"filter": {"n": {"$gte": 2}}}
    assert ids(read(holding.windows, **asked)) == ["a", "b"]
    assert [item.attributes for item in read(holding.windows, **asked)] == [{"n": 2}, {"n": 3}]
    assert ids(read(holding.seen(7), **asked)) == ["a"]
    assert ids(read(holding.seen(6), **asked)) == []
    assert ids(read(holding.windows, filter={"n": {"$exists": False}})) == ["aa", "é"]
    assert len(read(holding.windows, filter={})) == 4
    assert ids(read(holding.windows, entity_types=["ship"])) == ["a"]
    assert ids(read(holding.seen(4), entity_types=["ship"])) == []
    assert read(holding.windows, entity_types=[]) == []
    assert [item.entity_type for item in read(holding.seen(5))] == [
        "ship",
        "GENERIC",
        "GENERIC",
        "GENERIC",
    ]


def test_pages_are_those_of_the_moment_of_the_first(holding):
    for sort in SORTS:
        before = holding.seq
        wanted = ids(read(holding.windows, sort=sort))
        first = page_entities(holding.windows, EntitiesRequest(sort=sort, limit=2))
        holding.commit([Sample("0", 0, VECTOR), Sample("zz", 99, VECTOR), Sample("a", 5, VECTOR)])
        holding.delete(holding.stored, [1] if 1 in holding.living() else [holding.seq])
        holding.seal_all()
        request = EntitiesRequest(sort=sort, cursor=first.next_cursor)
        rest = page_entities(holding.windows, request)
        assert ids(first.items) + ids(rest.items) == wanted
        assert (first.as_of_seq, rest.as_of_seq) == (before, before)


def test_what_expires_between_pages_spoils_only_orders_it_changes(holding):
    for sort in SORTS:
        first = page_entities(holding.windows, EntitiesRequest(sort=sort, limit=1))
        request = EntitiesRequest(sort=sort, cursor=first.next_cursor)
        if sort in {"first_seen", "points"}:
            with pytest.raises(GoneError, match="expired"):
                page_entities(holding.seen(cutoff=2), request)
            continue
        rest = page_entities(holding.seen(cutoff=2), request)
        assert {*ids(first.items), *ids(rest.items)} >= {"a", "aa", "é"}
        assert len(rest.items) == len(set(ids(rest.items)) - set(ids(first.items)))


def test_entities_that_come_between_two_questions_of_one_moment_do_no_harm(holding):
    old, span = holding.seen(), {"start_time": 0, "end_time": 3}
    assert ids(read(old, **span)) == ["a", "aa", "b"]
    holding.registry.tallies._moments.popitem(last=False)  # the tally, not who was seen
    holding.commit([Sample("c", 1, VECTOR)])
    assert ids(read(old, **span)) == ["a", "aa", "b"]
    assert ids(read(holding.windows, **span)) == ["a", "aa", "b", "c"]


def test_attributes_are_not_asked_about_twice():
    with pytest.raises(ValueError, match=r"leave `\$attributes` out"):
        EntitiesRequest(filter={"$attributes": {"n": 1}})


def test_no_entities(shelf):
    made = shelf(metric="l2")
    page = page_entities(made.windows, EntitiesRequest())
    assert (page.items, page.next_cursor, page.as_of_seq) == ([], None, 0)
    made.commit([Sample("a", 5, VECTOR)])
    made.delete(made.stored, [1])
    assert page_entities(made.windows, EntitiesRequest()).items == []


def test_a_forged_place_is_no_fault(holding):
    for order in ("asc", "desc"):
        request = EntitiesRequest(order=order)
        for place in ((2**62, "", 0), (-(2**62), "z", 0), (0, "\0", -1), (0, "aaaa", 2**62)):
            cursor = write_cursor(holding.windows, request, place)
            page = page_entities(holding.windows, EntitiesRequest(order=order, cursor=cursor))
            assert len(page.items) <= 4
        cursor = write_cursor(holding.windows, request, ("a", "a", 1))
        with pytest.raises(InvalidRequestError, match="no place"):
            page_entities(holding.windows, EntitiesRequest(order=order, cursor=cursor))
