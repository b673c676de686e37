"""How many points a window set shows, and which windows of event time they cover."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from tsvec.model.times import TIME_MAX_US, TIME_MIN_US, time_to_datetime
from tsvec.model.vectors import Int64Array
from tsvec.query.windows import count_dead
from tsvec.window.part import Part, count_rows
from tsvec.window.sealed import SealedPart
from tsvec.window.window_set import WindowSet


@dataclass(frozen=True, slots=True)
class Coverage:
    """The fields of `CollectionStats` that only the points can tell."""

    points: int
    hot_points: int
    sealed_points: int
    dead_points: int
    entities: int
    first_time: datetime | None
    last_time: datetime | None
    windows: int
    gaps: int
    largest_gap_seconds: float


def count_points(windows: WindowSet) -> tuple[int, int]:
    """How many points are to be seen: hot ones, and sealed ones."""
    hot = sealed = 0
    for part in windows.parts():
        count = count_rows(part.select(TIME_MIN_US, TIME_MAX_US + 1))
        hot, sealed = (hot + count, sealed) if part.is_hot else (hot, sealed + count)
    return hot, sealed


def measure_coverage(windows: WindowSet, *, is_present: bool) -> Coverage:
    """Counts and times of all that is to be seen; `is_present` says that nothing came later."""
    width = windows.config.window_us
    hot, sealed = count_points(windows)
    occupied = [_occupied(part, width) for part in windows.parts()]
    bounds = [one for part in windows.parts() if (one := _bounds(part)) is not None]
    numbers = np.unique(np.concatenate([np.empty(0, np.int64), *occupied]))
    steps = np.diff(numbers)
    return Coverage(
        points=hot + sealed,
        hot_points=hot,
        sealed_points=sealed,
        dead_points=count_dead(windows, TIME_MIN_US, TIME_MAX_US + 1),
        entities=_count_entities(windows, is_present=is_present),
        first_time=time_to_datetime(min(low for low, _ in bounds)) if bounds else None,
        last_time=time_to_datetime(max(high for _, high in bounds)) if bounds else None,
        windows=len(numbers),
        gaps=int(np.count_nonzero(steps > 1)),
        largest_gap_seconds=float((int(steps.max(initial=1)) - 1) * width) / 1e6,
    )


def _bounds(part: Part) -> tuple[int, int] | None:
    if isinstance(part, SealedPart):
        return part.time_min, part.time_max
    rows = part.select(TIME_MIN_US, TIME_MAX_US + 1)
    if not count_rows(rows):
        return None
    times = part.times(rows)
    return int(times.min()), int(times.max())


def _occupied(part: Part, width: int) -> Int64Array:
    """The numbers of the windows that hold points of a part."""
    if isinstance(part, SealedPart):
        return part.windows_of(width)
    rows = part.select(TIME_MIN_US, TIME_MAX_US + 1)
    return np.unique(part.times(rows) // width)


def _count_entities(windows: WindowSet, *, is_present: bool) -> int:
    """Entities with a point to be seen; the registry knows unless time hides some of its points."""
    if is_present and windows.cutoff == TIME_MIN_US:
        return windows.registry.count_living()
    seen = np.zeros(len(windows.registry), np.bool_)
    for part in windows.parts():
        seen[part.entities(part.select(TIME_MIN_US, TIME_MAX_US + 1))] = True
    return int(np.count_nonzero(seen))
