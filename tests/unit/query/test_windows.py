"""Windows of event time: aligned, counted, page by page."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from tests.contract.parts import Sample
from tsvec.model.errors import InvalidRequestError
from tsvec.model.queries import WindowsRequest
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US
from tsvec.query.lists.cursors import write_cursor
from tsvec.query.windows import count_dead, page_windows

HOUR = 3_600_000_000
VECTOR = (1.0, 0.0)


def commit(holding, *times):
    holding.commit([Sample("a", time, VECTOR) for time in times])


def ask(windows, limit=100, cursor=None, **span):
    return page_windows(windows, WindowsRequest(limit=limit, cursor=cursor, **span))


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
        page = ask(holding.windows, limit, cursor)
        assert page.as_of_seq == 10
        found += hours(page)
        cursor = page.next_cursor
        if cursor is None:
            break
        assert len(page.items) == limit
    assert found == ALL


def test_a_window_starts_and_ends_on_its_width(holding):
    for window in ask(holding.windows).items:
        assert window.start_time.timestamp() % 3_600 == 0
        assert (window.end_time - window.start_time).total_seconds() == 3_600


def test_only_points_of_the_range_are_counted(holding):
    found = ask(holding.windows, start_time=HOUR - 1, end_time=3 * HOUR + 2)
    assert hours(found) == [(0, 1, 0, 1), (3, 2, 0, 2)]
    assert ask(holding.windows, start_time=HOUR, end_time=HOUR).items == []


def test_pages_are_those_of_the_moment_of_the_first(holding):
    first = ask(holding.windows, 3)
    commit(holding, 3 * HOUR, 4 * HOUR, -2 * HOUR)
    holding.seal_all()
    rest = ask(holding.windows, 100, first.next_cursor)
    assert [one[:2] for one in hours(first) + hours(rest)] == [one[:2] for one in ALL]
    assert (first.as_of_seq, rest.as_of_seq) == (10, 10)


def test_pages_keep_the_width_of_the_first(holding):
    first = ask(holding.windows, 3)
    holding.config = holding.config.model_copy(update={"window_size": "1d"})
    assert hours(ask(holding.windows, 100, first.next_cursor)) == ALL[3:]
    assert len(ask(holding.windows).items) == 2


def test_points_in_no_order_within_one_hot_part_are_all_found(shelf):
    made = shelf(metric="l2", dim=2)
    commit(made, 18 * HOUR, 0)
    assert hours(ask(made.windows)) == [
        (0, 1, 1, 0),
        (18, 1, 1, 0),
    ]


def test_the_ends_of_the_calendar_have_windows_too(shelf):
    made = shelf(metric="l2", dim=2)
    commit(made, TIME_MIN_US, TIME_MAX_US)
    page = ask(made.windows)
    assert [window.points for window in page.items] == [1, 1]
    assert page.items[0].start_time.year == 1
    assert page.items[1].end_time.year == 9_999


def test_an_empty_collection_has_no_windows(shelf):
    page = ask(shelf(metric="l2", dim=2).windows, 1)
    assert (page.items, page.next_cursor, page.as_of_seq) == ([], None, 0)


def test_a_cursor_of_something_else_is_refused(holding):
    other = ask(holding.windows, 1, start_time=0).next_cursor
    for cursor in ("", "x", other):
        with pytest.raises(InvalidRequestError) as caught:
            ask(holding.windows, 10, cursor)
        assert caught.value.details[0].field == "cursor"


@pytest.mark.parametrize("begin", [2**62, -(2**62), 2**62 + 1, 2**70])
@pytest.mark.parametrize("width", [HOUR, 0, -1, 2**62])
@pytest.mark.parametrize("before", [2**62, -(2**62), 0])
def test_a_forged_place_beyond_all_points_is_no_fault(holding, begin, width, before):
    try:
        cursor = write_cursor(holding.windows, WindowsRequest(), (begin, width, before))
        page = ask(holding.windows, 100, cursor)
    except (InvalidRequestError, TypeError):
        return
    assert sum(window.points for window in page.items) in {0, 10}
    again = type(page).model_validate_json(page.model_dump_json())
    assert again == page


def test_empty_windows_before_one_are_counted_on_every_page(holding):
    for limit in (1, 2, 100):
        found, cursor = [], None
        while cursor is not None or not found:
            page = ask(holding.windows, limit, cursor)
            found += [window.empty_before for window in page.items]
            cursor = page.next_cursor
        assert found == [0, 0, 0, 2, 3, 1]
    inside = ask(holding.windows, start_time=HOUR, end_time=8 * HOUR)
    assert [window.empty_before for window in inside.items] == [0, 3]


def expected(living, deaths, width, start, end):
    """(number, points, dead, empty windows before) of each window of a range."""
    counts = Counter(one.timestamp // width for one in living if start <= one.timestamp < end)
    dead = Counter(one.timestamp // width for one in deaths if start <= one.timestamp < end)
    numbers = sorted(counts)
    gaps = [0, *(later - sooner - 1 for sooner, later in pairwise(numbers))]
    return [(n, counts[n], dead[n], gap) for n, gap in zip(numbers, gaps, strict=False)]


def test_windows_are_those_of_what_is_seen(lived):
    """As of random changes, after random cutoffs, in random ranges, page by page."""
    shelf, rng = lived
    for _ in range(25):
        shelf.config = shelf.config.model_copy(
            update={"window_size": f"{rng.integers(1, 9)}s"}  # cutoffs lie where windows begin
        )
        width = shelf.config.window_us
        seq = int(rng.choice([shelf.seq, rng.integers(0, shelf.seq)]))
        cutoff = int(rng.choice([TIME_MIN_US, rng.integers(-9, 9) * width]))
        start, end = sorted((rng.integers(-45, 45, 2) * 1_000_000).tolist())
        windows = shelf.seen(seq, cutoff)
        dead = [
            shelf.given[one]
            for one, death in shelf.deaths.items()
            if death.seq <= seq and shelf.given[one].timestamp >= cutoff
        ]
        living = shelf.living(seq, cutoff).values()
        found, cursor, limit = [], None, int(rng.integers(1, 6))
        while True:
            page = ask(windows, limit, cursor, start_time=start, end_time=end)
            found += page.items
            cursor = page.next_cursor
            if cursor is None:
                break
        assert [
            (
                round(one.start_time.timestamp() * 1e6) // width,
                one.points,
                one.dead_points,
                one.empty_before,
            )
            for one in found
        ] == expected(living, dead, width, start, end)
        inside = [one for one in dead if start <= one.timestamp < end]
        assert count_dead(windows, start, end) == len(inside)


def test_rows_are_not_looked_at_for_each_window_again(shelf, monkeypatch):
    """Which rows are hidden is found out as far as a page needs it."""
    made = shelf(metric="l2", dim=2)
    commit(made, *(hour * HOUR for hour in range(600)))
    made.seal_all()
    made.delete(made.stored, [9, 10, 400])
    [part] = made.sealed
    looked, dead_seqs = [], part.dead_seqs

    def counted(rows):
        looked.append(rows.stop - rows.start)
        return dead_seqs(rows)

    monkeypatch.setattr(part, "dead_seqs", counted)
    assert len(ask(made.windows, 500).items) == 500
    assert sum(looked) < 10 * 600
    looked.clear()
    assert len(ask(made.windows, 2).items) == 2
    assert sum(looked) < 30
