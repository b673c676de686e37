"""One point, by what identifies it."""

from __future__ import annotations

import numpy as np

from tsvec.model.errors import NotFoundError
from tsvec.model.lists.requests import PointRequest
from tsvec.model.queries import PointRef
from tsvec.model.replies import Point
from tsvec.model.times import time_to_datetime
from tsvec.query.hits import make_points
from tsvec.window.identity import find_living
from tsvec.window.part import StoredPart
from tsvec.window.window_set import WindowSet


def find_point(windows: WindowSet, ref: PointRef) -> tuple[StoredPart, int]:
    """The part and row of a point; NotFoundError unless a window set shows it."""
    number = windows.registry.number_of(ref.entity_id)
    if number is not None and ref.timestamp >= windows.cutoff:
        numbers, times = np.array([number], np.uint32), np.array([ref.timestamp], np.int64)
        for found in find_living(windows, numbers, times, [ref.key]):
            return found.part, int(found.rows[0])
    which = "" if ref.key is None else f" of key {ref.key!r}"
    when = time_to_datetime(ref.timestamp).isoformat()
    raise NotFoundError(f"entity {ref.entity_id!r} has no point{which} at {when}")


def describe_point(windows: WindowSet, request: PointRequest) -> Point:
    """The point that a request names; NotFoundError unless a window set shows it."""
    return make_points(windows, [find_point(windows, request)], request.include)[0]
