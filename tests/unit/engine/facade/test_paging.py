"""The pages of a list, whatever happens between them."""

from __future__ import annotations

import pytest

from tests.unit.engine.rig import NOON, SECOND, ManualClock
from tests.unit.engine.workshop import points
from tsvec.engine.facade.paging import read_page
from tsvec.model.errors import GoneError, InvalidRequestError
from tsvec.model.lists.requests import PointsRequest
from tsvec.query.lists.points import page_points

DAY = 86_400 * SECOND


@pytest.fixture
def shop(workshop):
    made = workshop()
    made.put(*(("a", n, n) for n in range(6)))
    return made


def page(shop, **fields):
    request = PointsRequest(**fields)
    return page_points(read_page(shop.store, request), request)


def test_the_first_page_is_of_the_present_or_the_moment_asked_for(shop):
    assert read_page(shop.store, PointsRequest()).seq == 6
    assert read_page(shop.store, PointsRequest(as_of=3)).seq == 3
    with pytest.raises(InvalidRequestError) as caught:
        read_page(shop.store, PointsRequest(as_of=7))
    assert caught.value.details[0].field == "as_of"


def test_later_pages_are_of_the_moment_of_the_first(shop):
    first = page(shop, limit=2)
    shop.put(("a", 3, 9), ("b", 1, 1))
    shop.delete(points=[{"entity_id": "a", "timestamp": 4 * SECOND}])
    shop.seal()
    shop.compact()
    shop.restart()
    rest = page(shop, limit=9, cursor=first.next_cursor)
    assert [one.seq for one in (*first.items, *rest.items)] == [1, 2, 3, 4, 5, 6]
    assert rest.as_of_seq == 6
    assert len(page(shop).items) == 6


def test_a_list_whose_moment_is_gone_has_to_begin_again(shop):
    first = page(shop, limit=2)
    shop.clock.now += 10 * DAY
    still = page(shop, limit=2, cursor=first.next_cursor)
    assert [one.seq for one in still.items] == [3, 4], "nothing changed, so it is the present"
    shop.put(("b", 1, 1))
    shop.clock.now += 10 * DAY
    with pytest.raises(GoneError, match="the list was begun after change 6") as caught:
        page(shop, limit=2, cursor=first.next_cursor)
    assert "begin it again" in caught.value.message


def test_a_cursor_of_another_collection_is_refused(opened):
    database = opened(clock=ManualClock())
    cursors = []
    for name in ("c", "d"):
        made = database.create_collection(name, dim=2, metric="l2")
        made.ingest(points(("a", 1, 1), ("a", 2, 2)))
        cursors.append(made.list_points(limit=1).next_cursor)
    with pytest.raises(InvalidRequestError) as caught:
        database.collection("c").list_points(cursor=cursors[1])
    assert caught.value.details[0].field == "cursor"
    database.delete_collection("c")
    again = database.create_collection("c", dim=2, metric="l2")
    again.ingest(points(("a", 1, 1), ("a", 2, 2)))
    with pytest.raises(InvalidRequestError):
        again.list_points(cursor=cursors[0])


def test_a_cursor_from_the_future_is_refused(shop):
    request = PointsRequest(limit=2, cursor=page(shop, limit=2).next_cursor)
    shop.store._windows = shop.store.windows.at(3)
    with pytest.raises(InvalidRequestError, match="names change 6, but the last one is 3"):
        read_page(shop.store, request)


def test_what_expired_is_missing_from_later_pages(opened):
    clock = ManualClock()
    made = opened(clock=clock).create_collection("c", dim=2, metric="l2", retention="1h")
    hour = 3_600
    base = NOON // SECOND
    made.ingest(points(*(("a", base + n * hour, n) for n in range(-1, 4))))
    first = made.list_points(limit=1)
    clock.now += 3 * hour * SECOND
    rest = made.list_points(cursor=first.next_cursor)
    assert [one.seq for one in (*first.items, *rest.items)] == [1, 4, 5]
