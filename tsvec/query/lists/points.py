"""The points of a collection in order, a page at a time.

The order is event time, entity id, key, seq: it does not depend on where a point is kept. A page
costs the rows it has to look at: those on it, those that a filter leaves out before them, and all
that share the event time of its first or last point.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from tsvec.model.lists.replies import PointList
from tsvec.model.lists.requests import PointsRequest
from tsvec.model.vectors import Int64Array
from tsvec.query.hits import make_points
from tsvec.query.lists.cursors import begin_page, write_cursor
from tsvec.query.lists.pages import Located, first_places
from tsvec.query.lists.selection import Selection
from tsvec.query.lists.sweep import Chunk
from tsvec.window.window_set import WindowSet

_SHAPE = (int, str, str, int)
Place: TypeAlias = tuple[int, str, str, int]
"""Event time (µs), entity id, key, seq."""


def page_points(windows: WindowSet, request: PointsRequest) -> PointList:
    """One page of the points that a request selects."""
    windows, place = begin_page(windows, request, _SHAPE)
    page = _Page(windows, request, place)
    found = page.collect()
    order = _in_order(windows, found, request.order == "desc")[: request.limit + 1]
    shown = found.take(np.array(order[: request.limit], np.int64))
    return PointList(
        items=make_points(windows, shown.places(), request.include),
        next_cursor=None
        if len(order) <= request.limit
        else write_cursor(windows, request, _place_of(windows, shown)),
        as_of_seq=windows.seq,
    )


class _Page:
    """Collects the rows that a page is chosen from."""

    def __init__(self, windows: WindowSet, request: PointsRequest, place: Place | None) -> None:
        start, end = request.bounds
        newest_first = request.order == "desc"
        if place is not None and newest_first:
            end = min(end, place[0] + 1)
        elif place is not None:
            start = max(start, place[0])
        self._windows = windows
        self._place = place
        self._wanted = request.limit + 1
        self._selection = Selection(windows, request, start, end, newest_first=newest_first)
        self._sweep = self._selection.sweep

    def collect(self) -> Located:
        """The first rows of the page and the one after, and perhaps more that share its place."""
        sweep, wanted = self._sweep, self._wanted
        found = Located.none(sweep.parts)
        for chunk in sweep.chunks():
            more = self._chosen(chunk)
            if len(more):
                found = found.with_(more)
            if len(found) > 2 * wanted:
                found = self._first(found)
            if len(found) >= wanted:
                before = np.count_nonzero(sweep.signed(found.time) < chunk.bound)
                if before >= wanted:
                    break
        return self._first(found)

    def _chosen(self, chunk: Chunk) -> Located:
        """The rows of a chunk that may be on the page."""
        found = self._selection.chosen(chunk)
        return found if self._place is None else self._behind(found, self._place)

    def _behind(self, found: Located, place: Place) -> Located:
        """The rows that come after the last one of the page before."""
        time, entity_id, *rest = place
        ties = np.flatnonzero(found.time == time)
        if not len(ties):
            return found
        keep = np.ones(len(found), np.bool_)
        tied = found.take(ties)
        ranking = self._windows.registry.order.rank(tied.number)
        low, high = ranking.first_from(entity_id), ranking.first_after(entity_id)
        if self._sweep.newest_first:
            keep[ties] = ranking.places < low
        else:
            keep[ties] = ranking.places >= high
        same = np.flatnonzero((ranking.places >= low) & (ranking.places < high))
        own = tied.take(same)
        for at, *mine in zip(same.tolist(), own.keys(), own.seq.tolist(), strict=True):
            keep[ties[at]] = mine < rest if self._sweep.newest_first else mine > rest
        return found.take(keep)

    def _first(self, found: Located) -> Located:
        """The first rows wanted, and those of the last one's entity and instant."""

        def rank(places: NDArray[np.int64]) -> Int64Array:
            ranks = self._windows.registry.order.rank(found.number[places]).places
            return -ranks if self._sweep.newest_first else ranks

        return found.take(first_places(self._sweep.signed(found.time), rank, self._wanted))


def _in_order(windows: WindowSet, found: Located, newest_first: bool) -> Sequence[int]:
    """The places of rows in the order of the list."""
    ids = [windows.registry.id_of(number) for number in found.number.tolist()]
    by = list(zip(found.time.tolist(), ids, found.keys(), found.seq.tolist(), strict=True))
    return sorted(range(len(by)), key=by.__getitem__, reverse=newest_first)


def _place_of(windows: WindowSet, shown: Located) -> Place:
    """The place of the last row."""
    last = shown.take(np.array([len(shown) - 1], np.int64))
    entity_id = windows.registry.id_of(int(last.number[0]))
    return int(last.time[0]), entity_id, last.keys()[0], int(last.seq[0])
