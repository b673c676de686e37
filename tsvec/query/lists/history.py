"""The points of one entity over time, a page at a time: all of them, or the newest of intervals."""

from __future__ import annotations

import numpy as np

from tsvec.model.queries import HistoryRequest
from tsvec.model.replies import HistoryReply
from tsvec.model.times import duration_to_us
from tsvec.model.vectors import Int64Array
from tsvec.query.history import entity_not_found, is_visible
from tsvec.query.hits import make_points
from tsvec.query.lists.cursors import Place, begin_page, write_cursor
from tsvec.query.lists.pages import Located
from tsvec.query.lists.sweep import Sweep
from tsvec.window.window_set import WindowSet

_SHAPE = (int, int)
"""Event time (µs) and seq."""


def page_history(windows: WindowSet, request: HistoryRequest) -> HistoryReply:
    """One page of an entity's points; EntityNotFoundError if these windows show none at all."""
    windows, place = begin_page(windows, request, _SHAPE)
    width = 1 if request.every is None else duration_to_us(request.every)
    found = _collect(_sweep(windows, request, place, width), request, place, width)
    if not len(found) and not is_visible(windows, request.entity_id):
        raise entity_not_found(request.entity_id)
    shown = found.take(np.arange(min(len(found), request.limit)))
    more = None
    if len(found) > len(shown):
        last = (int(shown.time[-1]), int(shown.seq[-1]))
        more = write_cursor(windows, request, last)
    return HistoryReply(
        items=make_points(windows, shown.places(), request.include),
        next_cursor=more,
        as_of_seq=windows.seq,
    )


def _sweep(windows: WindowSet, request: HistoryRequest, place: Place | None, width: int) -> Sweep:
    """What has to be read: from the page's place on, or from the next interval of `width` µs."""
    start, end = request.bounds
    newest_first = request.order == "desc"
    if place is not None:
        begin = place[0] // width * width
        if newest_first:
            end = min(end, begin if request.every else begin + 1)
        else:
            start = max(start, begin + width if request.every else begin)
    parts = windows.overlapping(start, end)
    return Sweep(parts, start, end, newest_first, [request.entity_id], windows.deadline)


def _collect(sweep: Sweep, request: HistoryRequest, place: Place | None, width: int) -> Located:
    """The rows of the page in order, and the one after if there is one."""
    wanted = request.limit + 1
    found = Located.none(sweep.parts)
    for chunk in sweep.chunks():
        more = Located.of(sweep.parts, chunk.source, chunk.rows)
        if place is not None and request.every is None:
            behind = more.seq < place[1] if sweep.newest_first else more.seq > place[1]
            more = more.take((more.time != place[0]) | behind)
        found = _first(sweep, found.with_(more), request, width)
        # Of an interval that has not been read to its end, a later point may be the newest.
        far = found.time // width * width + (0 if sweep.newest_first else width - 1)
        if len(found) == wanted and int(sweep.signed(far[-1:])[0]) < chunk.bound:
            break
    return found


def _first(sweep: Sweep, found: Located, request: HistoryRequest, width: int) -> Located:
    """The first rows wanted, in order; with `every`, one an interval."""
    found = found.take(np.lexsort((found.seq, found.time)))
    if request.every is not None and len(found):
        interval = found.time // width
        last: Int64Array = np.append(np.flatnonzero(interval[1:] != interval[:-1]), len(found) - 1)
        found = found.take(last)
    order = np.arange(len(found))
    return found.take((order[::-1] if sweep.newest_first else order)[: request.limit + 1])
