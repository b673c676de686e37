"""All points of a range in order, a block at a time, in memory that does not grow with them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tsvec.model.lists.requests import ReadPointsRequest
from tsvec.query.lists.pages import Located
from tsvec.query.lists.selection import Selection
from tsvec.window.window_set import WindowSet


def run_of_points(windows: WindowSet, request: ReadPointsRequest, rows: int) -> Iterator[Located]:
    """The selected rows by (event time, seq), in blocks of `rows`, the last of which may be less.

    That order does not depend on where a point is kept, and sealed points lie in it. Held are the
    places of a chunk of each part that overlaps the present time, and of all that share an instant.
    """
    selection = Selection(windows, request, *request.bounds)
    held = Located.none(selection.sweep.parts)
    for chunk in selection.sweep.chunks():
        held = held.with_(selection.chosen(chunk))
        complete = int(np.count_nonzero(held.time < chunk.bound))
        if complete >= rows:
            held = _in_order(held)
            whole = complete - complete % rows
            yield from _blocks(held, whole, rows)
            held = held.take(np.arange(whole, len(held)))
    yield from _blocks(_in_order(held), len(held), rows)


def _in_order(found: Located) -> Located:
    return found.take(np.lexsort((found.seq, found.time)))


def _blocks(found: Located, end: int, rows: int) -> Iterator[Located]:
    for begin in range(0, end, rows):
        yield found.take(np.arange(begin, min(begin + rows, end)))
