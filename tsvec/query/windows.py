"""The windows of event time that hold points."""

from __future__ import annotations

from tsvec.model.collections import WindowInfo, WindowList
from tsvec.model.queries import TimeRange
from tsvec.model.times import TIME_MAX_US, TIME_MIN_US, time_to_datetime
from tsvec.model.validation import check_page_limit, invalid_field
from tsvec.window.part import count_rows
from tsvec.window.window_set import WindowSet


def page_windows(windows: WindowSet, span: TimeRange, limit: int, cursor: str | None) -> WindowList:
    """One page of non-empty windows, oldest first, counting their points inside `span`."""
    check_page_limit(limit)
    start, end = span.bounds
    if cursor is not None:
        try:
            start = max(start, int(cursor))
        except ValueError:
            raise invalid_field("cursor", "not a next_cursor of this list") from None
    width = windows.config.window_us
    items: list[WindowInfo] = []
    begin = _next_time(windows, start, end)
    while begin is not None and len(items) < limit:
        low = begin // width * width
        items.append(_describe(windows, low, low + width, start, end))
        begin = _next_time(windows, low + width, end)
    return WindowList(
        items=items,
        next_cursor=None if begin is None else str(begin // width * width),
        as_of_seq=windows.seq,
    )


def _next_time(windows: WindowSet, start: int, end: int) -> int | None:
    """The oldest event time in [start, end), None if there is none."""
    found: list[int] = []
    for part in windows.overlapping(start, end):
        rows = part.select(start, end)
        if count_rows(rows):
            if isinstance(rows, slice) and not part.is_hot:
                rows = slice(rows.start, rows.start + 1)  # Sealed rows are in order of time.
            found.append(int(part.times(rows).min()))
    return min(found, default=None)


def _describe(windows: WindowSet, low: int, high: int, start: int, end: int) -> WindowInfo:
    hot = sealed = partitions = 0
    for part in windows.overlapping(low, high):
        count = count_rows(part.select(max(low, start), min(high, end)))
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
        partitions=partitions,
    )
