"""Windows of event time: aligned, counted, page by page."""

from __future__ import annotations

import pytest

from tests.contract.parts import Sample
from tsvec.model.errors import InvalidRequestError
from tsvec.model.limits import LIMITS
from tsvec.model.queries import TimeRange
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US
from tsvec.query.windows import page_windows

HOUR = 3_600_000_000
VECTOR = (1.0, 0.0)


def commit(holding, *times):
    holding.commit([Sample("a", time, VECTOR) for time in times])


def hours(page):
    """Hour, points, hot points and partitions of each window."""
    return [
        (
            round(window.start_time.timestamp() / 3_600),
            window.points,
            window.hot_points,
            window.partitions,
        )
        for window in page.items
    ]


@pytest.fixture
def holding(shelf):
    """Two partitions and a hot part, none in order of time, around 1970."""
    made = shelf(metric="l2", dim=2)
    commit(made, 3 * HOUR, 0, HOUR - 1, -1)
    made.seal_all()
    commit(made, 3 * HOUR + 1, 9 * HOUR)
    made.seal_all()
    commit(made, 9 * HOUR + 5, 3 * HOUR + 2, -2 * HOUR, 7 * HOUR)
    return made


ALL = [(-2, 1, 1, 0), (-1, 1, 0, 1), (0, 2, 0, 1), (3, 3, 1, 2), (7, 1, 1, 0), (9, 2, 1, 1)]


@pytest.mark.parametrize("limit", [1, 2, 4, 100])
def test_windows_come_oldest_first_and_empty_ones_not_at_all(holding, limit):
    found, cursor = [], None
    while True:
        page = page_windows(holding.windows, TimeRange(), limit, cursor)
        assert page.as_of_seq == 10
        found += hours(page)
        cursor = page.next_cursor
        if cursor is None:
            break
        assert len(page.items) == limit
    assert found == ALL


def test_a_window_starts_and_ends_on_its_width(holding):
    for window in page_windows(holding.windows, TimeRange(), 100, None).items:
        assert window.start_time.timestamp() % 3_600 == 0
        assert (window.end_time - window.start_time).total_seconds() == 3_600


def test_only_points_of_the_range_are_counted(holding):
    span = TimeRange(start_time=HOUR - 1, end_time=3 * HOUR + 2)
    assert hours(page_windows(holding.windows, span, 100, None)) == [(0, 1, 0, 1), (3, 2, 0, 2)]
    nothing = TimeRange(start_time=HOUR, end_time=HOUR)
    assert page_windows(holding.windows, nothing, 100, None).items == []


def test_points_that_come_between_pages_are_counted_in_later_windows(holding):
    first = page_windows(holding.windows, TimeRange(), 3, None)
    commit(holding, 3 * HOUR, 4 * HOUR, -2 * HOUR)
    rest = page_windows(holding.windows, TimeRange(), 100, first.next_cursor)
    assert hours(rest) == [(3, 4, 2, 2), (4, 1, 1, 0), (7, 1, 1, 0), (9, 2, 1, 1)]


def test_points_in_no_order_within_one_hot_part_are_all_found(shelf):
    made = shelf(metric="l2", dim=2)
    commit(made, 18 * HOUR, 0)
    assert hours(page_windows(made.windows, TimeRange(), 100, None)) == [
        (0, 1, 1, 0),
        (18, 1, 1, 0),
    ]


def test_the_ends_of_the_calendar_have_windows_too(shelf):
    made = shelf(metric="l2", dim=2)
    commit(made, TIME_MIN_US, TIME_MAX_US)
    page = page_windows(made.windows, TimeRange(), 100, None)
    assert [window.points for window in page.items] == [1, 1]
    assert page.items[0].start_time.year == 1
    assert page.items[1].end_time.year == 9_999


def test_an_empty_collection_has_no_windows(shelf):
    page = page_windows(shelf(metric="l2", dim=2).windows, TimeRange(), 1, None)
    assert (page.items, page.next_cursor, page.as_of_seq) == ([], None, 0)


@pytest.mark.parametrize("limit", [0, -1, LIMITS.page_items_max + 1])
def test_pages_have_limits(holding, limit):
    with pytest.raises(InvalidRequestError) as caught:
        page_windows(holding.windows, TimeRange(), limit, None)
    assert caught.value.details[0].field == "limit"


@pytest.mark.parametrize("cursor", ["", "x", "1.5", "1e3", "0x10"])
def test_a_cursor_of_something_else_is_refused(holding, cursor):
    with pytest.raises(InvalidRequestError) as caught:
        page_windows(holding.windows, TimeRange(), 10, cursor)
    assert caught.value.details[0].field == "cursor"


@pytest.mark.parametrize("cursor", [str(10**30), str(-(10**30)), str(2**63)])
def test_a_forged_place_beyond_all_points_is_no_fault(holding, cursor):
    page = page_windows(holding.windows, TimeRange(), 100, cursor)
    assert hours(page) in ([], ALL)
