"""The windows of event time that hold points."""

from __future__ import annotations

import numpy as np

from tsvec.model.collections import WindowInfo, WindowList
from tsvec.model.queries import WindowsRequest
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US, time_to_datetime
from tsvec.query.lists.cursors import begin_page, write_cursor
from tsvec.window.part import Part, count_rows
from tsvec.window.window_set import WindowSet

_SHAPE = (int, int, int)
"""The next window, the width of all of them, and the window before; µs."""


def page_windows(windows: WindowSet, request: WindowsRequest) -> WindowList:
    """One page of non-empty windows, oldest first, counting their points inside the range."""
    windows, place = begin_page(windows, request, _SHAPE)
    start, end = request.bounds
    width, before = windows.config.window_us, None
    if place is not None:
        start, width, before = max(start, place[0]), max(place[1], 1), place[2]
    items: list[WindowInfo] = []
    begin = _next_time(windows, start, end, width)
    while begin is not None and len(items) < request.limit:
        low = begin // width * width
        empty = 0 if before is None else (low - before) // width - 1
        items.append(_describe(windows, (low, low + width), (start, end), max(empty, 0)))
        before = low
        begin = _next_time(windows, low + width, end, width)
    more = None
    if begin is not None:
        more = write_cursor(windows, request, (begin // width * width, width, before))
    return WindowList(items=items, next_cursor=more, as_of_seq=windows.seq)


def _next_time(windows: WindowSet, start: int, end: int, width: int) -> int | None:
    """The oldest event time in [start, end), None if there is none."""
    found = end
    oldest_first = sorted(windows.overlapping(start, end), key=lambda part: part.time_min)
    for part in windows.deadline.each(oldest_first):
        if part.time_min >= found:
            break
        first = _first_time(part, max(start, part.time_min), found, width)
        found = found if first is None else first
    return found if found < end else None


def _first_time(part: Part, start: int, end: int, width: int) -> int | None:
    """The oldest event time in [start, end) that a part shows, None if there is none.

    It looks ahead by ever more windows: where rows are hidden, selecting all of a long range
    would look at every row of it, for each window again.
    """
    end = min(end, part.time_max + 1)
    step = end - start if part.is_hot else width
    while start < end:
        rows = part.select(start, min(start + step, end))
        if count_rows(rows):
            if isinstance(rows, slice) and not part.is_hot:
                rows = slice(rows.start, rows.start + 1)  # Sealed rows are in order of time.
            return int(part.times(rows).min())
        start, step = start + step, 4 * step
    return None


def _describe(
    windows: WindowSet, window: tuple[int, int], span: tuple[int, int], empty: int
) -> WindowInfo:
    low, high = window
    start, end = max(low, span[0]), min(high, span[1])
    hot = sealed = partitions = 0
    for part in windows.deadline.each(windows.overlapping(start, end)):
        count = count_rows(part.select(start, end))
        if part.is_hot:
            hot += count
        else:
            sealed += count
            partitions += count > 0
    return WindowInfo(
        start_time=time_to_datetime(max(low, TIME_MIN_US)),
        end_time=time_to_datetime(min(high, TIME_MAX_US)),
        points=hot + sealed,
        hot_points=hot,
        dead_points=count_dead(windows, start, end),
        partitions=partitions,
        empty_before=empty,
    )


def count_dead(windows: WindowSet, start: int, end: int) -> int:
    """Versions with an event time in [start, end) that are kept, but were replaced or deleted."""
    found = 0
    start = max(start, windows.cutoff)
    for part in windows.stored():
        if part.has_deaths and part.time_min < end and part.time_max >= start:
            dead = part.dead_seqs(part.select(start, end))
            found += 0 if dead is None else int(np.count_nonzero(dead <= windows.seq))
    return found
