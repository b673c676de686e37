"""The windows of event time that hold points."""

from __future__ import annotations

import numpy as np

from tsvec.model.collections import WindowInfo, WindowList
from tsvec.model.queries import WindowsRequest
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US, time_to_datetime
from tsvec.model.validation import invalid_field
from tsvec.window.part import Part, count_rows
from tsvec.window.window_set import WindowSet


def page_windows(windows: WindowSet, request: WindowsRequest) -> WindowList:
    """One page of non-empty windows, oldest first, counting their points inside the range."""
    start, end = request.bounds
    before: int | None = None
    if request.cursor is not None:
        start, before = _decode_cursor(request.cursor, start)
    width = windows.config.window_us
    items: list[WindowInfo] = []
    begin = _next_time(windows, start, end)
    while begin is not None and len(items) < request.limit:
        low = begin // width * width
        empty = 0 if before is None else (low - before) // width - 1
        items.append(_describe(windows, low, (start, end), max(empty, 0)))
        before = low
        begin = _next_time(windows, low + width, end)
    return WindowList(
        items=items,
        next_cursor=None if begin is None else f"{begin // width * width}~{before}",
        as_of_seq=windows.seq,
    )


def _decode_cursor(text: str, start: int) -> tuple[int, int]:
    """Where the page begins, and the window before it."""
    try:
        begin, before = map(int, text.split("~"))
    except ValueError:
        raise invalid_field("cursor", "not a next_cursor of this list") from None
    return max(start, begin), before


def _next_time(windows: WindowSet, start: int, end: int) -> int | None:
    """The oldest event time in [start, end), None if there is none."""
    found = end
    for part in sorted(windows.overlapping(start, end), key=lambda part: part.time_min):
        if part.time_min >= found:
            break
        first = _first_time(part, max(start, part.time_min), found, windows.config.window_us)
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


def _describe(windows: WindowSet, low: int, span: tuple[int, int], empty: int) -> WindowInfo:
    high = low + windows.config.window_us
    start, end = max(low, span[0]), min(high, span[1])
    hot = sealed = partitions = 0
    for part in windows.overlapping(start, end):
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
